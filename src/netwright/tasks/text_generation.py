"""Text generation: the next symbol of a text, after those before it.

The loss is the cross-entropy in nats, summed over the places of a window. Windows are drawn anew in
every epoch, or lie one behind the other in parallel streams through which a net carries its state
(truncated back-propagation: Williams & Peng 1990; Mikolov et al. 2010, section 2).
Dimensions: b batch, t places of a window, m symbols of a part, n of them predicted.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from netwright.errors import InputError, shown
from netwright.metrics.base import Figure
from netwright.specs import Batch, Frozen, Part, Schema, Scorer, Signature, Text
from netwright.tasks._asking import TextRequest, made_texts
from netwright.tasks._labelled import column_of, device_of
from netwright.tasks._mixture import Beside, crossed, fitted, mixed
from netwright.tasks._streams import (
    Carrying,
    Stepping,
    Stream,
    Surprised,
    nats_of,
    reading,
    streams,
    surprise,
    windows,
    windows_in,
)
from netwright.tasks._text_exhibits import shown_of
from netwright.tasks._text_figures import MEANS, figures, main_figure
from netwright.tasks.base import (
    Answer,
    DataLike,
    Draw,
    Exhibit,
    Loss,
    Nets,
    Role,
    Task,
    Turn,
    Variant,
)

UNIT = "document"
"""The column that says which unit a symbol belongs to."""


class Options(Frozen):
    """How a text is cut for training, and what is reported."""

    order: Literal["auto", "windows", "streams"] = "auto"
    """`windows` are drawn from all over the text; `streams` follow it, which lets a net that
    carries a state learn beyond a window. `auto`: windows, which suit every net."""
    length_warmup: float = Field(0.0, ge=0.0, le=1.0)
    """Share of the first epoch in which windows are cut into quarters, then into halves: as many
    symbols a step, but short contexts first (Li et al. 2022). For windows."""
    forget: float = Field(0.05, ge=0.0, le=1.0)
    """Share of streams whose carried state is set to its start at each step: else all states are of
    one age, which grows with the training, and a net does not know them at any other. An LSTM
    of 200 on Penn Treebank, 250 steps, one seed: validation perplexity 881 at 0, 569 at 0.05."""
    packed: bool = False
    """Nets that can keep the documents of a window apart. For windows, and data whose units are
    documents rather than blocks of one text."""
    mixture: bool = False
    """Adds the figure of the net mixed with an n-gram of the training text."""


class TextGeneration(Task):
    """A text in, logits of each next symbol out."""

    Config = Options
    Request = TextRequest
    figure = "nats_per_character"
    means = MEANS
    data = "python-library"
    asked = '--prompt "..."'

    def __init__(self, schema: Schema, config: Frozen) -> None:
        super().__init__(schema, config)
        assert isinstance(config, Options)
        self.options = config
        self.name, self.text = column_of(schema, Text, "text-generation reads a text")
        self.figure = main_figure(self.text.codec)
        self._by_stream = config.order == "streams"
        for name in ("packed", "length_warmup"):
            if self._by_stream and getattr(config, name):
                raise InputError(
                    f"{name} does not go with order: streams",
                    why="what a stream carries knows neither documents nor other windows",
                    do="order: windows",
                )
        self._beside: Beside | None = None

    def roles(self) -> Mapping[str, Role]:
        """One player, `net`."""
        return {"net": Role(Signature(self.text.form, self.text.form, positions="causal"))}

    def order(self, part: Part, size: int, generator: Generator) -> Sequence[Tensor]:
        """Starts of windows: `size` anywhere, or `size` streams, each batch behind the last."""
        cut = streams if self._by_stream else windows
        return cut(len(part), self.text.length, size, generator)

    def batch(self, part: Part, draw: Draw, generator: Generator, *, train: bool) -> Batch:
        """`x` and `y` (b, t), the symbols of windows and those one place on.

        Beside them `fresh` (b,), 1 where a carried state is forgotten, of streams;
        `documents` (b, t), of packed windows.
        """
        pieces = self._pieces(part, draw) if train else 1
        t = self.text.length // pieces
        starts = draw.index[:, None] + torch.arange(pieces, device=draw.index.device) * t
        at = starts.view(-1, 1) + torch.arange(t + 1, device=starts.device)
        stored = part.gather(at.flatten())
        text = stored[self.name].view(at.shape).long()
        made = {"x": text[:, :-1], "y": text[:, 1:]}
        if self._by_stream:
            chance = torch.rand(len(draw.index), generator=generator)
            lost = chance < (self.options.forget if draw.position else 2.0)
            made["fresh"] = lost.to(text.device, torch.float32)
        if self.options.packed:
            made["documents"] = stored[UNIT].view(at.shape)[:, :-1]
        return made

    def _pieces(self, part: Part, draw: Draw) -> int:
        """Into how many windows each is cut while the length warms up."""
        epoch = windows_in(len(part), self.text.length) // len(draw.index)
        warmup = self.options.length_warmup * epoch
        if draw.epoch or draw.position >= warmup or self.text.length < 8:
            return 1
        return 4 if draw.position < warmup / 2 else 2

    def prepare(self, nets: Mapping[str, Any], part: Part, generator: Generator) -> None:
        """Nothing: no net that reads symbols must see data first."""

    def carry(self, nets: Nets, size: int) -> dict[str, Tensor]:
        """The state of a net that carries one from window to window of its streams."""
        net = nets["net"]
        carries = self._by_stream and isinstance(net, Carrying) and net.carries
        return net.state(size) if carries and isinstance(net, Carrying) else {}

    def objective(
        self,
        turn: Turn,  # noqa: ARG002
        nets: Nets,
        batch: Batch,
        carry: Mapping[str, Tensor],
        generator: Generator,  # noqa: ARG002
    ) -> Loss:
        """Sum of the cross-entropies in nats, over the number of places."""
        net, new = nets["net"], {}
        if carry and isinstance(net, Carrying):
            lost, start = batch["fresh"] > 0, net.state(len(batch["fresh"]))
            old = {
                k: torch.where(lost.view(-1, *[1] * (v.dim() - 1)), start[k], v.detach())
                for k, v in carry.items()
            }
            logits, state = net.step(batch["x"], old)
            new = {k: state[k].detach() for k in old}
        else:
            logits = reading(net, batch["x"], batch.get("documents"))
        nats = nats_of(logits, batch["y"])
        return Loss(nats.sum(), nats.new_full((), float(nats.numel())), new)

    def evaluate(self, nets: Nets, data: DataLike, part: str) -> Mapping[str, Figure]:
        """By character, byte, symbol and word over the whole part, a row a unit of the data.

        Context: a net that carries a state has read at least `length` symbols, any other at least
        half of that, before each symbol but the first ones of the part; a floor all of them. The
        first symbol is predicted from the text's `start`, and is not judged where there is none.
        """
        net = nets["net"]
        stream = self._whole(data.parts[part], device_of(net))
        if not len(stream.y):
            raise InputError("there is no text to judge by", why=f"the {part} part is empty")
        nats = self._nats(net, stream)
        found = self._figures(nats, stream)
        if self.options.mixture and not isinstance(net, Surprised):
            both = self._figures(self._mixed(net, data, part, nats), stream)
            found[f"{self.figure}_mixture"] = both[self.figure]
        return found

    def variants(self) -> Sequence[Variant]:
        """The net mixed with an n-gram, where that is asked for."""
        name = f"{self.figure}_mixture"
        return (Variant("mixture with the n-gram", name),) if self.options.mixture else ()

    def floors(self) -> Sequence[str]:
        """Counted n-grams."""
        return ("kneser-ney",)

    def sample(self, part: Part, limit: int, generator: Generator) -> tuple[Batch, str]:  # noqa: ARG002
        """The stream as a whole, `x` (m,) and `document` (m,), or its first `limit` symbols."""
        count = min(len(part), limit)
        stored = part.gather(torch.arange(count))
        cut = f"fitted on the first {count:,} of {len(part):,} training symbols"
        made = {"x": stored[self.name], "document": stored[UNIT]}
        return made, cut if count < len(part) else ""

    def apply(
        self,
        nets: Nets,
        inputs: Iterator[tuple[str, Batch]],
        generator: Generator,  # noqa: ARG002
    ) -> Iterator[Answer]:
        """How surprising each text is: the figures of `evaluate`, and how many `symbols` it has."""
        device = device_of(nets["net"])
        for name, batch in inputs:
            symbols = batch[self.name].flatten().to(device)
            symbols = symbols[: int(batch["lengths"][0])] if "lengths" in batch else symbols
            stream = Stream(symbols, torch.zeros_like(symbols), self.text.start)
            if not len(stream.y):
                raise InputError("there is no text to judge", why="it is empty", file=shown(name))
            made = self._figures(self._nats(nets["net"], stream), stream)
            found = {key: figure.value for key, figure in made.items()}
            words = f"{self.figure.replace('_', ' ')} {found[self.figure]:.4g}"
            if self.figure != "word_perplexity":
                words += f", perplexity {found['perplexity']:.4g}"
            yield Answer(name, {**found, "symbols": len(symbols)}, words=words)

    def generate(self, nets: Nets, request: Frozen, generator: Generator) -> Iterator[Answer]:
        """Texts that go on from what they are given; see `TextRequest`."""
        assert isinstance(request, TextRequest)
        net = nets["net"]
        assert isinstance(net, Stepping), "a causal network"
        yield from made_texts(net, self.text, request, generator)

    def exhibits(
        self, nets: Nets, data: DataLike, part: str, generator: Generator
    ) -> Sequence[Exhibit]:
        """A text that the net makes, its loss by place in a window, and where it looks."""
        net = nets["net"]
        return shown_of(net, self.text, self._whole(data.parts[part], device_of(net)), generator)

    def _whole(self, part: Part, device: torch.device) -> Stream:
        stored = part.gather(torch.arange(len(part), device=device))
        return Stream(stored[self.name], stored[UNIT], self.text.start)

    def _nats(self, net: Scorer, stream: Stream) -> Tensor:
        """(n,) of each symbol that is predicted, on the CPU."""
        form = self.text.form
        packed = self.options.packed
        nats = surprise(net, stream, length=form.length, vocabulary=form.vocabulary, packed=packed)
        return nats.double().cpu()

    def _figures(self, nats: Tensor, stream: Stream) -> dict[str, Figure]:
        lengths = torch.from_numpy(self.text.codec.lengths(stream.symbols.tolist()))
        return figures(nats, stream.units.cpu(), lengths[stream.skipped :])

    def _mixed(self, net: Scorer, data: DataLike, part: str, nats: Tensor) -> Tensor:
        """(n,) nats of the mixture with the n-gram of the training part, which is counted once.

        Weights are fitted on the validation part; to judge that part, on its other half.
        """
        train, held = data.parts["train"], data.parts["validation"]
        if self._beside is None or self._beside.train is not train:
            self._beside = Beside(self.text, train, self._whole)
        beside = self._beside
        if part == "validation":
            return crossed(nats, beside.judge(held), beside.buckets)
        known = self._nats(net, self._whole(held, device_of(net)))
        weights = fitted(known, beside.judge(held), beside.buckets)
        return mixed(nats, beside.judge(data.parts[part]), weights)


task = TextGeneration
"""What the registry finds here."""
