"""Heads: what a trunk gives becomes the output form. Chosen by form and layout.

Dimensions: b batch, c channels, h height, w width, t places, d features, k outputs.
"""

import itertools
import math
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from netwright.nn.look import show
from netwright.nn.masks import valid
from netwright.nn.stems import Stem
from netwright.nn.stems import Symbols as Embedded
from netwright.specs import (
    Classes,
    Form,
    Frames,
    Frozen,
    Image,
    Layout,
    Refusal,
    Signature,
    Tokens,
    Vector,
)


class HeadConfig(Frozen):
    """How a trunk's result is read."""

    pooling: Literal["mean", "max", "last", "flatten", "sequence", "class_token"] = "mean"
    """How many places become one; `sequence` is softmax(x w)^T x (Hassani et al. 2021, section
    3.1); `class_token` reads a learned place before the others; `last` the last valid one."""
    hidden: tuple[PositiveInt, ...] = ()
    """Widths of dense ReLU layers before the last one."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Before the last layer."""
    growth: Literal[1, 2] = 1
    """1, or 2: a picture's head that doubles each side by a transposed 4 x 4 convolution."""
    stride: PositiveInt = 1
    """Frames that one place gives, where a series is made out of numbers."""
    tied: bool = False
    """Tokens from tokens: the output's matrix is the embedding (Press & Wolf 2017; Inan et al.
    2017), behind a projection where the trunk's width is another. Ignored for other forms."""
    scale: float = 1.0
    """What logits are multiplied by; below 1, it softens the start of short trainings."""


class Pool(nn.Module):
    """Many places to one: a grid (b, d, h, w) or a sequence (b, t, d) to (b, k)."""

    def __init__(self, kind: str, layout: Layout, width: int) -> None:
        super().__init__()
        self.kind, self.layout = kind, layout
        self.attend = nn.Linear(width, 1, bias=False) if kind == "sequence" else None

    def forward(self, h: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Padding beyond `lengths` is not read."""
        if self.layout == "vector":
            return h
        if self.kind == "flatten":
            return h.flatten(1)
        if self.layout == "grid" and self.attend is None:
            return h.amax((2, 3)) if self.kind == "max" else h.mean((2, 3))
        if self.layout == "grid":
            h = h.flatten(2).transpose(1, 2)
        return self._sequence(h, lengths)

    def _sequence(self, h: Tensor, lengths: Tensor | None) -> Tensor:
        mask = valid(lengths, h.shape[1])
        if self.kind == "class_token":
            return h[:, 0]
        if self.kind == "last":
            if lengths is None:
                return h[:, -1]
            at = (lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, h.shape[2])
            return h.gather(1, at)[:, 0]
        if self.attend is not None:
            score: Tensor = self.attend(h).squeeze(-1)
            if mask is not None:
                score = score.masked_fill(~mask, float("-inf"))
            return torch.einsum("bt,btd->bd", score.softmax(1), h)
        if self.kind == "max":
            return (h if mask is None else h.masked_fill(~mask[..., None], float("-inf"))).amax(1)
        if mask is None:
            return h.mean(1)
        kept = mask[..., None].to(h.dtype)
        return (h * kept).sum(1) / kept.sum(1)


class Head(nn.Module):
    """What all heads have."""

    told: bool = False
    """Whether it reads the condition, which the stem then does not."""

    def forward(
        self, h: Tensor, lengths: Tensor | None = None, condition: Tensor | None = None
    ) -> Tensor:
        """What the trunk gave, to the output form."""
        raise NotImplementedError


class Pooled(Head):
    """One result a sample: pool, dense layers, then the output form."""

    def __init__(
        self, layout: Layout, shape: tuple[int, ...], signature: Signature, config: HeadConfig
    ) -> None:
        super().__init__()
        self.output, self.scale = signature.output, config.scale
        width = shape[0] if layout == "grid" else shape[-1]
        self.pool = Pool(config.pooling, layout, width)
        read = math.prod(shape) if config.pooling == "flatten" else width
        sizes = (read, *config.hidden)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.dropout = nn.Dropout(config.dropout)
        self.last = nn.Linear(sizes[-1], numbers(signature.output))
        label = signature.condition
        self.project: nn.Embedding | None = None
        if isinstance(label, Classes) and signature.output in (Vector(1), Vector(1 + label.count)):
            self.told = True
            self.project = nn.Embedding(label.count, sizes[-1])
            # of numbers near 1, as the table is drawn by default, thousands of features would sum
            # to scores that no player recovers from
            nn.init.xavier_uniform_(self.project.weight)

    def forward(
        self, h: Tensor, lengths: Tensor | None = None, condition: Tensor | None = None
    ) -> Tensor:
        """(b, k) logits or numbers; (b, t, f) frames, (b, t, v) logits or (b, c, h, w) pictures.

        Towards one number, a score, a class enters by projection (Miyato & Koyama 2018); so it
        does where the classes' logits stand beside the score, which are not told it.
        """
        pooled: Tensor = self.pool(h, lengths)
        show("pooled", pooled)
        for layer in self.hidden:
            pooled = F.relu(layer(pooled))
        y: Tensor = self.last(self.dropout(pooled))
        if self.scale != 1.0:
            y = y * self.scale
        if self.project is not None and condition is not None:
            told = (self.project(condition) * pooled).sum(1, keepdim=True)
            y = y + F.pad(told, (0, y.shape[1] - 1))
        match self.output:
            case Tokens(length=t) | Frames(length=t):
                return y.view(y.shape[0], t, -1)
            case Image(c, height, w):
                return y.view(-1, c, height, w)
        return y


class Each(Head):
    """One result a place: tokens and frames along a sequence, pictures on a grid or by rows."""

    def __init__(
        self, layout: Layout, width: int, output: Form, config: HeadConfig, stride: int = 1
    ) -> None:
        super().__init__()
        self.layout, self.output, self.stride = layout, output, stride
        self.project: nn.Linear | None = None
        self.dropout = nn.Dropout(config.dropout)
        self.read: nn.Module
        if isinstance(output, Image) and layout == "grid":
            self.read = (
                nn.ConvTranspose2d(width, output.channels, 4, stride=2, padding=1)
                if config.growth == 2
                else nn.Conv2d(width, output.channels, 3, padding=1)
            )
        elif isinstance(output, Image):
            self.read = nn.Linear(width, output.channels * output.width)
        else:
            assert isinstance(output, Tokens | Frames)
            self.read = nn.Linear(
                width,
                output.vocabulary if isinstance(output, Tokens) else output.features * stride,
            )

    def forward(
        self, h: Tensor, lengths: Tensor | None = None, condition: Tensor | None = None
    ) -> Tensor:
        """(b, t, v) logits, (b, t, f) frames, or (b, c, h, w) pictures."""
        if self.layout == "grid" and not isinstance(self.output, Image):
            h = h.mean(2).transpose(1, 2)  # one place a column
        h = self.dropout(h)
        y: Tensor = self.read(h if self.project is None else self.project(h))
        if isinstance(self.output, Image) and self.layout == "sequence":
            rows = y.view(*y.shape[:2], self.output.channels, self.output.width)
            return rows.permute(0, 2, 1, 3)
        return y if self.stride == 1 else y.reshape(y.shape[0], -1, y.shape[2] // self.stride)


def tie(stem: Stem, head: Head) -> None:
    """Let a head that gives symbols read by the embedding of a stem that takes the same symbols.

    The embedding then starts with deviation d^(-1/2), so that logits start near 1.
    """
    if not (isinstance(stem, Embedded) and isinstance(head, Each)):
        return
    embedding, read = stem.embed.weight, head.read
    if not isinstance(read, nn.Linear) or read.out_features != embedding.shape[0]:
        return
    with torch.no_grad():
        embedding.normal_(std=embedding.shape[1] ** -0.5)
    if read.in_features != embedding.shape[1]:
        head.project = nn.Linear(read.in_features, embedding.shape[1], bias=False)
    tied = nn.Linear(embedding.shape[1], embedding.shape[0], device="meta")
    tied.weight, tied.bias = embedding, read.bias
    head.read = tied


def numbers(form: Form) -> int:
    """How many numbers one output holds."""
    match form:
        case Classes(count):
            return count
        case Vector(features):
            return features
        case Frames(features, length):
            return features * length
        case Tokens(vocabulary, length):
            return vocabulary * length
        case Image(c, h, w):
            return c * h * w


def make_head(
    layout: Layout, shape: tuple[int, ...], signature: Signature, config: HeadConfig
) -> Head | Refusal:
    """The head for what a trunk gives: `shape` of one sample, (d, h, w), (t, d) or (d,)."""
    output, picture = signature.output, isinstance(signature.output, Image)
    made = isinstance(signature.input, Vector) and isinstance(output, Image | Frames | Tokens)
    places = signature.positions != "free" or (picture and layout == "grid") or made
    if layout == "vector" or not places:
        if config.pooling == "last" and layout == "grid":
            return Refusal("a grid has no last place to read")
        if config.pooling == "class_token" and layout != "sequence":
            return Refusal("a class token needs a sequence to stand in")
        return Pooled(layout, shape, signature, config)
    if isinstance(output, Classes | Vector):
        name = type(output).__name__.lower()
        return Refusal(f"one {name} output has no places to be {signature.positions} with")
    width = shape[0] if layout == "grid" else shape[-1]
    return Each(
        layout, width, output, config, config.stride if made and isinstance(output, Frames) else 1
    )
