"""Decoding: symbols one after another out of a causal network, by its cached steps.

What follows a prompt is drawn from softmax(logits / temperature), cut by rank (top-k: Fan et al.
2018), by mass (top-p: Holtzman et al. 2020) or by a share of the best (min-p: Nguyen et al. 2024),
after a penalty on what was said (Keskar et al. 2019, section 4.1); temperature 0 takes the best.
Dimensions: b rows, v symbols.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Protocol

import torch
from pydantic import AfterValidator, Field
from torch import Generator, Tensor

from netwright.errors import InputError
from netwright.specs import Frozen


class Steps(Protocol):
    """A causal network."""

    @property
    def capacity(self) -> int | None:
        """Places that its state can hold; None: any number."""
        ...

    def state(self, batch: int) -> dict[str, Tensor]: ...
    def step(
        self, x: Tensor, state: Mapping[str, Tensor], lengths: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]: ...


def _none_or_some(value: float) -> float:
    if 0 < value < 1e-3:
        raise ValueError("it is 0 or at least 0.001")
    return value


Temperature = Annotated[float, Field(ge=0.0, le=100.0), AfterValidator(_none_or_some)]
"""0: always the likeliest; below 0.001 logits would overflow."""


class Decoding(Frozen):
    """How the next symbol is chosen."""

    length: int = Field(200, ge=1)
    """Symbols that are made at most, for each prompt."""
    temperature: Temperature = 1.0
    top_k: int | None = Field(None, ge=1)
    """Only the k likeliest symbols."""
    top_p: float | None = Field(None, gt=0.0, le=1.0)
    """Only the likeliest symbols that together have this probability."""
    min_p: float | None = Field(None, gt=0.0, le=1.0)
    """Only symbols with at least this share of the likeliest one's probability."""
    repetition_penalty: float = Field(1.0, ge=0.01, le=100.0)
    """Above 1: symbols that the text holds already become less likely."""
    beams: int = Field(1, ge=1, le=64)
    """Above 1: the text of the highest score is searched, nothing is drawn."""
    length_penalty: float = Field(0.0, ge=0.0, le=10.0)
    """a of a beam's score log p / ((5 + length) / 6)^a (Wu et al. 2016, equation 14)."""


Stop = Callable[[int, Sequence[int]], bool]
"""Whether row i is done, told what it has made so far."""


def never(row: int, made: Sequence[int]) -> bool:  # noqa: ARG001
    """No row is done before its length."""
    return False


@torch.inference_mode()
def decode(
    net: Steps,
    prompts: Sequence[Sequence[int]],
    how: Decoding,
    generator: Generator,
    stop: Stop = never,
) -> Iterator[tuple[int, int]]:
    """(row, symbol) as they are made, row by row in each step; beams come when they are whole.

    Args:
        net: on its device, in evaluation mode.
        prompts: symbols of each row, of any length above 0.
        how: the rule.
        generator: on the CPU; what is drawn is a function of it alone.
        stop: asked after each symbol.

    A text that outgrows the network's capacity goes on from its last half of it.
    Raises: InputError for an empty prompt.
    """
    if not all(prompts):
        raise InputError("there is nothing to start from", why="the prompt is empty")
    if how.beams > 1:
        for row, prompt in enumerate(prompts):
            yield from ((row, s) for s in _search(net, row, prompt, how, stop))
        return
    texts = [list(p) for p in prompts]
    rows = list(range(len(texts)))
    ahead = _Ahead(net, texts)
    for number in range(how.length):
        chosen = choose(ahead.logits, [texts[r] for r in rows], how, generator)
        going = []
        for at, (row, symbol) in enumerate(zip(rows, chosen, strict=True)):
            yield row, symbol
            texts[row].append(symbol)
            if not stop(row, texts[row][len(prompts[row]) :]):
                going.append(at)
        rows = [rows[at] for at in going]
        if not rows or number == how.length - 1:
            return
        ahead.advance([chosen[at] for at in going], going, [texts[r] for r in rows])


class _Ahead:
    """The logits behind each row, and the state that they came from."""

    def __init__(self, net: Steps, texts: Sequence[Sequence[int]]) -> None:
        self.net = net
        self.fill(texts)

    def fill(self, texts: Sequence[Sequence[int]]) -> None:
        """Read whole texts, the last half of the capacity of those that are longer."""
        capacity = self.net.capacity
        if capacity is not None:
            kept = max(1, capacity // 2)
            texts = [t if len(t) < capacity else t[-kept:] for t in texts]
        self.longest = max(map(len, texts))
        lengths = torch.tensor([len(t) for t in texts])
        x = torch.zeros(len(texts), self.longest, dtype=torch.long)
        for row, text in enumerate(texts):
            x[row, : len(text)] = torch.tensor(text)
        state = self.net.state(len(texts))
        self.device = next(iter(state.values())).device
        ragged = None if bool((lengths == self.longest).all()) else lengths.to(self.device)
        y, self.state = self.net.step(x.to(self.device), state, ragged)
        at = (lengths - 1).to(self.device).view(-1, 1, 1).expand(-1, 1, y.shape[2])
        self.logits = y.gather(1, at)[:, 0].float()

    def advance(
        self, symbols: Sequence[int], rows: Sequence[int], texts: Sequence[Sequence[int]]
    ) -> None:
        """One more symbol for each of these rows; `texts` are they as a whole."""
        capacity = self.net.capacity
        if capacity is not None and self.longest + 1 > capacity:
            self.fill(texts)
            return
        self.longest += 1
        if len(rows) != len(self.logits) or list(rows) != list(range(len(rows))):
            index = torch.tensor(rows, device=self.device)
            self.state = {k: v.index_select(0, index) for k, v in self.state.items()}
        x = torch.tensor(symbols, device=self.device).view(-1, 1)
        y, self.state = self.net.step(x, self.state)
        self.logits = y[:, -1].float()


def choose(
    logits: Tensor, texts: Sequence[Sequence[int]], how: Decoding, generator: Generator
) -> list[int]:
    """The next symbol of each row: (b, v) logits and what each row holds so far."""
    logits = penalised(logits, texts, how.repetition_penalty)
    if how.temperature == 0:
        return [int(i) for i in logits.argmax(1).tolist()]
    # on the CPU, where the sum of the likeliest repeats, and the symbol is drawn anyway
    shares = kept(logits.cpu() / how.temperature, how).softmax(1)
    return [int(i) for i in torch.multinomial(shares, 1, generator=generator)[:, 0].tolist()]


def penalised(logits: Tensor, texts: Sequence[Sequence[int]], penalty: float) -> Tensor:
    """Logits of what each row holds divided by the penalty, or times it where they are negative."""
    if penalty == 1.0:
        return logits
    logits = logits.clone()
    for row, text in enumerate(texts):
        said = torch.tensor(sorted(set(text)), device=logits.device)
        mine = logits[row, said]
        logits[row, said] = torch.where(mine > 0, mine / penalty, mine * penalty)
    return logits


def kept(logits: Tensor, how: Decoding) -> Tensor:
    """(b, v) logits with -inf where a symbol is left out; the likeliest one always stays."""
    if how.top_k is not None and how.top_k < logits.shape[1]:
        least = logits.topk(how.top_k, 1).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    if how.min_p is not None:
        shares = logits.softmax(1)
        low = shares < how.min_p * shares.amax(1, keepdim=True)
        logits = logits.masked_fill(low, float("-inf"))
    if how.top_p is not None and how.top_p < 1:
        ordered, index = logits.sort(stable=True, dim=1, descending=True)
        before = ordered.softmax(1).cumsum(1) - ordered.softmax(1)
        out = torch.zeros_like(before, dtype=torch.bool).scatter(1, index, before >= how.top_p)
        logits = logits.masked_fill(out, float("-inf"))
    return logits


def _search(net: Steps, row: int, prompt: Sequence[int], how: Decoding, stop: Stop) -> list[int]:
    """Beam search: the text with the highest score; what is done keeps its place among the rest."""
    ahead = _Ahead(net, [prompt])
    made: list[list[int]] = [[]]
    scores = torch.zeros(1)
    done: list[tuple[float, list[int]]] = []
    for length in range(1, how.length + 1):
        texts = [[*prompt, *m] for m in made]
        nats = penalised(ahead.logits, texts, how.repetition_penalty).log_softmax(1).cpu()
        totals = (scores[:, None] + nats).flatten()
        best = totals.topk(min(2 * how.beams, len(totals)))
        origins: list[int] = []
        symbols: list[int] = []
        sums: list[float] = []
        for total, flat in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            origin, symbol = divmod(flat, nats.shape[1])
            text = [*made[origin], symbol]
            if stop(row, text) or length == how.length:
                done.append((total / ((5 + length) / 6) ** how.length_penalty, text))
            elif len(origins) < how.beams:
                origins.append(origin)
                symbols.append(symbol)
                sums.append(total)
        bound = ((5 + how.length) / 6) ** how.length_penalty
        if not origins or (len(done) >= how.beams and max(done)[0] >= max(sums) / bound):
            break
        made = [[*made[o], s] for o, s in zip(origins, symbols, strict=True)]
        scores = torch.tensor(sums)
        ahead.state = {
            k: v.index_select(0, torch.tensor(origins, device=v.device))
            for k, v in ahead.state.items()
        }
        ahead.logits = ahead.logits[torch.tensor(origins, device=ahead.logits.device)]
        ahead.advance(symbols, range(len(symbols)), [[*prompt, *m] for m in made])
    return max(done)[1]
