"""Stems: an input form becomes what a trunk reads. Chosen by form and layout.

Dimensions: b batch, c channels, h height, w width, t places, d features.
"""

import itertools
import math
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from netwright.nn.dropout import WeightDropout
from netwright.nn.masks import valid, zero_padding
from netwright.specs import (
    Classes,
    Form,
    Frames,
    Frozen,
    Image,
    Layout,
    Refusal,
    Tokens,
    Vector,
)


class StemConfig(Frozen):
    """How a form is read; fields that the form does not need are ignored."""

    width: PositiveInt = 64
    """Features of each place after the stem; a grid of pixels and a flat vector keep their own."""
    read: Literal["rows", "columns", "patches", "convolution"] = "rows"
    """A picture as a sequence: row by row, column by column, by patches, or by a convolutional
    tokeniser (Hassani et al. 2021, section 3.2)."""
    patch: PositiveInt = 4
    """Side of a patch, in pixels."""
    convolutions: PositiveInt = 1
    """Stages of the tokeniser: 3 x 3 convolution, ReLU, 3 x 3 max-pool of stride 2."""
    stride: PositiveInt = 1
    """Frames read together as one place."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of symbols whose embedding is zero for a whole sequence (Gal & Ghahramani 2016,
    section 4.2)."""


class Stem(nn.Module):
    """What all stems have."""

    width: int
    size: tuple[int, ...]
    """Places of what it gives."""

    def lengths(self, lengths: Tensor | None) -> Tensor | None:
        """Lengths after the stem."""
        return lengths

    def clean(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """`x` without its padding, before anything mixes places; symbols cannot be zeroed."""
        return x if lengths is None or not x.is_floating_point() else zero_padding(x, lengths)


class Pixels(Stem):
    """(b, c, h, w) as a grid: passed on."""

    def __init__(self, form: Image) -> None:
        super().__init__()
        self.width, self.size = form.channels, (form.height, form.width)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to the same."""
        return x


class Lines(Stem):
    """(b, c, h, w) to (b, h, d) row by row, or (b, w, d) column by column."""

    def __init__(self, form: Image, width: int, *, columns: bool) -> None:
        super().__init__()
        across, along = (form.height, form.width) if columns else (form.width, form.height)
        self.columns, self.width, self.size = columns, width, (along,)
        self.project = nn.Linear(form.channels * across, width)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to (b, t, d)."""
        lines = x.permute(0, 3, 1, 2) if self.columns else x.permute(0, 2, 1, 3)
        projected: Tensor = self.project(lines.flatten(2))
        return projected


class Patches(Stem):
    """(b, c, h, w) to (b, h w / p^2, d): non-overlapping patches (Dosovitskiy et al. 2021)."""

    def __init__(self, form: Image, width: int, patch: int) -> None:
        super().__init__()
        self.width, self.size = width, (form.height // patch * (form.width // patch),)
        self.project = nn.Conv2d(form.channels, width, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to (b, t, d)."""
        projected: Tensor = self.project(x)
        return projected.flatten(2).transpose(1, 2)


class Tokeniser(Stem):
    """(b, c, h, w) to (b, t, d): convolution, ReLU, max-pool, n times (Hassani et al. 2021)."""

    def __init__(self, form: Image, width: int, stages: int) -> None:
        super().__init__()
        widths = [form.channels, *(width >> (stages - 1 - i) for i in range(stages))]
        self.stages = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in itertools.pairwise(widths)
        )
        side = [form.height, form.width]
        for _ in range(stages):
            side = [(s + 1) // 2 for s in side]
        self.width, self.size = width, (math.prod(side),)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to (b, t, d); pooling before ReLU is the same function for less work."""
        for stage in self.stages:
            x = F.relu(F.max_pool2d(stage(x), 3, stride=2, padding=1))
        return x.flatten(2).transpose(1, 2)


class Flat(Stem):
    """Pictures, frames or numbers as one vector: (b, ...) to (b, d); no weights."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.width, self.size = numbers, ()

    def forward(self, x: Tensor) -> Tensor:
        """(b, ...) to (b, d)."""
        return x.flatten(1)


class Symbols(Stem):
    """Tokens by an embedding: (b, t) to (b, t, d)."""

    def __init__(self, form: Tokens, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.width, self.size = width, (form.length,)
        self.drop = WeightDropout(dropout)
        self.embed = nn.Embedding(form.vocabulary, width)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t) of integers to (b, t, d)."""
        if self.training and self.drop.p > 0:
            rows = self.drop(self.embed.weight.new_ones(self.embed.num_embeddings, 1))
            return F.embedding(x, self.embed.weight * rows)
        h: Tensor = self.embed(x)
        return h


class FlatSymbols(Stem):
    """Tokens as one vector: (b, t) to (b, t d). Padding is a symbol of its own, which is zero."""

    def __init__(self, form: Tokens, width: int) -> None:
        super().__init__()
        self.width, self.size, self.padding = width * form.length, (), form.vocabulary
        self.embed = nn.Embedding(form.vocabulary + 1, width, padding_idx=form.vocabulary)

    def clean(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Symbols beyond a row's length become the padding symbol."""
        mask = valid(lengths, x.shape[1])
        return x if mask is None else x.masked_fill(~mask, self.padding)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t) of integers to (b, t d)."""
        h: Tensor = self.embed(x)
        return h.flatten(1)


class Series(Stem):
    """Frames: (b, t, f) to (b, ceil(t / stride), d)."""

    def __init__(self, form: Frames, width: int, stride: int) -> None:
        super().__init__()
        self.stride, self.width = stride, width
        self.size = (-(-form.length // stride),)
        self.project = nn.Linear(form.features * stride, width)

    def lengths(self, lengths: Tensor | None) -> Tensor | None:
        """Lengths after the stride, rounded up."""
        if lengths is None:
            return None
        return torch.div(lengths + self.stride - 1, self.stride, rounding_mode="floor")

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, f) to (b, t', d)."""
        if self.stride > 1:
            x = F.pad(x, (0, 0, 0, -x.shape[1] % self.stride))
            x = x.reshape(x.shape[0], -1, self.stride * x.shape[2])
        projected: Tensor = self.project(x)
        return projected


class Seed(Stem):
    """Numbers to the first places of a generator: (b, f) to (b, d, h, w) or (b, t, d)."""

    def __init__(self, form: Vector, width: int, size: tuple[int, ...]) -> None:
        super().__init__()
        self.width, self.size = width, size
        self.project = nn.Linear(form.features, width * math.prod(size), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, f) to a small grid or a sequence."""
        h: Tensor = self.project(x)
        return (
            h.view(-1, self.width, *self.size)
            if len(self.size) == 2
            else h.view(-1, *self.size, self.width)
        )


class Prefixed(Stem):
    """A stem with one learned place before the others, which a class token is read from."""

    def __init__(self, stem: Stem) -> None:
        super().__init__()
        self.stem, self.width, self.size = stem, stem.width, (stem.size[0] + 1,)
        self.token = nn.Parameter(torch.empty(stem.width).normal_(std=0.02))

    def clean(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """As the stem does."""
        return self.stem.clean(x, lengths)

    def lengths(self, lengths: Tensor | None) -> Tensor | None:
        """One more than the stem's."""
        inner = self.stem.lengths(lengths)
        return None if inner is None else inner + 1

    def forward(self, x: Tensor) -> Tensor:
        """(b, ...) to (b, 1 + t, d)."""
        h: Tensor = self.stem(x)
        return torch.cat([self.token.to(h.dtype).expand(h.shape[0], 1, -1), h], 1)


class Condition(nn.Module):
    """A label or a vector beside the input, added to what the stem gives.

    `places`: what a generator starts from, where each place is told apart, as if the condition
    stood among the numbers of the noise; else all places are told the same.
    """

    def __init__(self, form: Form, width: int, places: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.places = places
        told = width * math.prod(places)
        self.embed = nn.Embedding(form.count, told) if isinstance(form, Classes) else None
        self.project = nn.Linear(form.features, told) if isinstance(form, Vector) else None

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        """`h`, a grid, a sequence or a vector, and the condition, (b,) or (b, f)."""
        module = self.embed if self.embed is not None else self.project
        assert module is not None
        e: Tensor = module(condition)
        if self.places:
            return h + e.view(h.shape)
        if h.dim() == 4:
            return h + e[:, :, None, None]
        return h + e[:, None] if h.dim() == 3 else h + e


def make_stem(
    form: Form,
    layout: Layout,
    config: StemConfig,
    *,
    size: tuple[int, ...] = (),
    columns: bool = False,
) -> Stem | Refusal:
    """The stem for a form and a layout, or why there is none.

    `size` is what a generator starts from; `columns` forces a picture to be read column by column,
    because the output has one place a column.
    """
    match form, layout:
        case Image(), "grid":
            return Pixels(form)
        case Image(), "sequence":
            return _picture_as_sequence(form, config, columns=columns)
        case Image(c, h, w), "vector":
            return Flat(c * h * w)
        case Tokens(), "sequence":
            return Symbols(form, config.width, config.dropout)
        case Tokens(), "vector":
            return FlatSymbols(form, config.width)
        case Frames(), "sequence":
            return Series(form, config.width, config.stride)
        case Frames(features, length), "vector":
            return Flat(features * length)
        case Vector(features), "vector":
            return Flat(features)
        case Vector(), "grid" | "sequence" if size:
            return Seed(form, config.width, size)
    return Refusal(f"no stem reads {type(form).__name__.lower()} as a {layout}")


def _picture_as_sequence(form: Image, config: StemConfig, *, columns: bool) -> Stem | Refusal:
    if columns or config.read in ("rows", "columns"):
        return Lines(form, config.width, columns=columns or config.read == "columns")
    if config.read == "patches":
        if form.height % config.patch or form.width % config.patch:
            return Refusal(
                f"patches of {config.patch} pixels do not divide a picture of "
                f"{form.height} x {form.width}"
            )
        return Patches(form, config.width, config.patch)
    if config.width >> (config.convolutions - 1) == 0:
        return Refusal(f"a width of {config.width} is too small for {config.convolutions} stages")
    return Tokeniser(form, config.width, config.convolutions)
