"""A stream of symbols: cut into windows or parallel streams, and judged symbol by symbol.

Dimensions: b rows, t places, n symbols that are predicted, V symbols of the vocabulary.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from netwright.errors import InputError
from netwright.nn.decoding import Steps
from netwright.specs import Scorer

JUDGED_TOKENS, JUDGED_LOGITS = 4096, 2**23
"""Symbols, and numbers of their logits, that are judged at once at most; on one thread four times
as many are no faster and fall out of the cache."""
ROWS = 64
"""Segments that a net with a carried state runs through side by side, at most."""


@runtime_checkable
class Stepping(Steps, Protocol):
    """A net that makes a text symbol by symbol."""


@runtime_checkable
class Carrying(Protocol):
    """A net that may have a state of constant size, which can be carried for ever."""

    @property
    def carries(self) -> bool: ...
    def state(self, batch: int) -> dict[str, Tensor]: ...
    def step(self, x: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]: ...


@runtime_checkable
class Packing(Protocol):
    """A net that may keep several documents in one window apart."""

    @property
    def packs(self) -> bool: ...
    def __call__(self, x: Tensor, *, documents: Tensor) -> Tensor: ...


@runtime_checkable
class Surprised(Protocol):
    """What says of a whole stream how surprising each symbol is, faster than by its logits."""

    def nats(self, symbols: Tensor, start: int | None = None) -> Tensor:
        """(n,): -log p of each symbol, the first of which follows `start`."""
        ...


def windows_in(count: int, length: int) -> int:
    """How many windows of `length` an epoch draws from `count` symbols, each with a next one."""
    return (count - length) // length if count >= 2 * length else int(count > length)


def windows(count: int, length: int, size: int, generator: Generator) -> Sequence[Tensor]:
    """Batches of the starts of windows that do not overlap, in random order.

    Where the first begins differs from epoch to epoch, so that no symbol is always at an edge.
    Raises: InputError where there are fewer windows than `size`.
    """
    number = windows_in(count, length)
    _need(number // size, number, f"{size} windows of {length:,} symbols", count)
    room = min(length, count - number * length)
    offset = torch.randint(room, (), generator=generator)
    starts = torch.randperm(number, generator=generator) * length + offset
    batches: Sequence[Tensor] = starts.split(size)
    return batches[: number // size]


def streams(count: int, length: int, size: int, generator: Generator) -> Sequence[Tensor]:
    """Batches of the starts of windows, row by row one behind the other; the epoch begins anew.

    Raises: InputError where a stream is shorter than a window.
    """
    stride = (count - 1) // size
    many = stride // length
    best = (count - 1) // length
    _need(many, best, f"{size} streams of {length:,} symbols or more", count)
    offset = torch.randint(stride - many * length + 1, (), generator=generator)
    starts = torch.arange(size) * stride + offset
    return [starts + k * length for k in range(many)]


def _need(batches: int, most: int, batch: str, count: int) -> None:
    if batches:
        return
    do = f"batch: {max(1, most // 4)} in a recipe" if most else "a smaller `length`, or more text"
    raise InputError(f"a batch of {batch} does not fit in {count:,} symbols of training", do=do)


def nats_of(logits: Tensor, y: Tensor) -> Tensor:
    """(b, t, V) logits and (b, t) symbols to (b, t) of -log p."""
    flat = F.cross_entropy(logits.float().flatten(0, 1), y.flatten(), reduction="none")
    return flat.view(y.shape)


@dataclass(frozen=True)
class Stream:
    """A whole text, to be judged symbol by symbol."""

    symbols: Tensor
    """(m,) integers."""
    documents: Tensor
    """(m,) the unit that each belongs to."""
    start: int | None
    """What stands before the first symbol; None: that is not predicted, and n = m - 1."""

    @property
    def x(self) -> Tensor:
        """(n,): the symbol before each that is predicted."""
        first = self.symbols[:0] if self.start is None else self.symbols.new_tensor([self.start])
        return torch.cat([first, self.symbols[:-1]])

    @property
    def y(self) -> Tensor:
        """(n,): the symbols that are predicted."""
        return self.symbols[self.skipped :]

    @property
    def units(self) -> Tensor:
        """(n,): the unit of each."""
        return self.documents[self.skipped :]

    @property
    def skipped(self) -> int:
        """How many symbols at the beginning are not predicted."""
        return int(self.start is None)

    @property
    def read_units(self) -> Tensor:
        """(n,): the unit of each of `x`; the start is of the first one's."""
        first = self.documents[:0] if self.start is None else self.documents[:1]
        return torch.cat([first, self.documents[:-1]])


@torch.inference_mode()
def surprise(
    net: Scorer, stream: Stream, *, length: int, vocabulary: int, packed: bool = False
) -> Tensor:
    """(n,): -log p of each symbol that is predicted, on the stream's device.

    A net that carries a state reads contiguous segments side by side, each behind the `length`
    symbols before it. Any other reads windows of `length` that overlap by half, and each symbol is
    predicted from at least half a window, but for those at the beginning of the stream; where
    `packed`, a net that packs keeps documents apart.
    """
    if isinstance(net, Surprised):
        return net.nats(stream.symbols, stream.start)[stream.skipped :]
    x, y = stream.x, stream.y
    if not len(y):
        return torch.zeros(0, device=y.device)
    at_once = max(1, min(JUDGED_TOKENS, JUDGED_LOGITS // vocabulary))
    if isinstance(net, Carrying) and net.carries:
        return _by_steps(net, x, y, length, at_once)
    documents = stream.read_units if packed else None
    return _by_windows(net, x, y, min(length, len(x)), at_once, documents)


def _by_windows(
    net: Scorer, x: Tensor, y: Tensor, length: int, at_once: int, documents: Tensor | None
) -> Tensor:
    stride = max(1, length // 2)
    first = length - stride  # places of the first window that no later one judges
    number = -(-(len(x) - first) // stride)
    starts = torch.arange(number, device=x.device) * stride
    places = torch.arange(length, device=x.device)
    found: list[Tensor] = []
    for some in starts.split(max(1, at_once // length)):
        at = (some[:, None] + places).clamp(max=len(x) - 1)
        logits = reading(net, x[at].long(), None if documents is None else documents[at])
        truth = y[at].long()
        if not found:
            found.append(nats_of(logits[:1, :first], truth[:1, :first]).flatten())
        found.append(nats_of(logits[:, first:], truth[:, first:]).flatten())
    return torch.cat(found)[: len(x)]


def reading(net: Scorer, x: Tensor, documents: Tensor | None) -> Tensor:
    """(b, t) symbols to (b, t, V) logits, documents kept apart where they are given."""
    if documents is not None and isinstance(net, Packing) and net.packs:
        return net(x, documents=documents)
    return net(x)


def _by_steps(net: Carrying, x: Tensor, y: Tensor, length: int, at_once: int) -> Tensor:
    rows = max(1, min(ROWS, len(x) // (4 * length)))
    each = -(-len(x) // rows)
    begins = torch.arange(rows, device=x.device)[:, None] * each

    def through(start: int, end: int) -> Iterator[Tensor]:
        for some in torch.arange(start, end, device=x.device).split(max(1, at_once // rows)):
            yield (begins + some).clamp(0, len(x) - 1)

    fresh = state = net.state(rows)
    if rows > 1:
        for at in through(-length, 0):
            _, state = net.step(x[at].long(), state)
        state = {k: torch.cat([fresh[k][:1], v[1:]]) for k, v in state.items()}
    found = []
    for at in through(0, each):
        logits, state = net.step(x[at].long(), state)
        found.append(nats_of(logits, y[at].long()))
    return torch.cat(found, 1).flatten()[: len(x)]
