"""Self-attention alone: query, key, value, score and softmax as named parts, and no dense layers.

x <- x + softmax(Q K^T / sqrt(e)) V O, with Q, K, V = Norm(x) W_Q, W_K, W_V; after the last block
one more norm. The parts of Vaswani et al. 2017, section 3.2, without its section 3.3: the softmax
is the only nonlinearity between places. Its maps are shown as `attention.0`, `attention.1`, ...
Other kinds of attention stand in its place, each with a file of its own in `nn/`.
Dimensions: b batch, t places, s places attended to, h heads, e features of a head, d features.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Protocol, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from netwright.models._blocks import Around, Block, Blocks, misfit
from netwright.models._carried import Carried, CarriedAttention, CarriedBlock
from netwright.models.base import Structure, StructureConfig, Trunk
from netwright.nn.attention import attended, mask_scores
from netwright.nn.cache import Window, empty_cache, recall
from netwright.nn.differential_attention import DifferentialAttention
from netwright.nn.gated_attention import GatedAttention
from netwright.nn.heads import HeadConfig
from netwright.nn.latent_attention import LatentAttention
from netwright.nn.linear_attention import LinearAttention
from netwright.nn.local_attention import LocalAttention
from netwright.nn.look import show
from netwright.nn.norm import NormKind, make_norm
from netwright.nn.positions import PositionKind, Rotation, rotate
from netwright.nn.stems import StemConfig
from netwright.specs import Classes, Form, Image, Layout, Plan, Refusal, Vector

Kind = Literal["softmax", "windowed", "linear", "latent", "differential", "gated"]


class SelfAttentionConfig(StructureConfig):
    """Size and parts; the width is the stem's."""

    kind: Kind = "softmax"
    """How places are mixed: `softmax` over all; over a window; by sums, without a softmax; over
    keys and values read out of a latent; by the difference of two maps; behind a gate."""
    window: int = Field(64, ge=2)
    """Of `windowed`: places that a place sees, itself among them, and on either side where the
    output is not causal."""
    latent: int = Field(32, ge=1)
    """Of `latent`: features that keys and values of all heads are read out of."""
    depth: int = Field(2, ge=1)
    """Blocks."""
    heads: int = Field(4, ge=1)
    head_width: int = Field(16, ge=1)
    """Features of a head; heads x head_width need not be the width."""
    norm: NormKind = "layer"
    positions: PositionKind = "sinusoidal"
    dropout: float = Field(0.0, ge=0, lt=1)
    """Of each block's result and of the first places."""
    bias: bool = False
    """Biases in query, key, value and output; those of the keys never learn, but of `linear`."""

    @property
    def turned(self) -> int:
        """Features of a head that rotary positions turn, of a half of one where it is halved.

        Of `latent` they stand beside the head's own, half as many (DeepSeek-AI 2024, 3.1.2).
        """
        return self.head_width // 2 if self.kind in ("latent", "differential") else self.head_width

    @model_validator(mode="after")
    def _has_parts_for_it(self) -> Self:
        if self.kind == "latent" and self.bias:
            raise ValueError("a latent attention has no biases")
        if self.kind == "differential" and self.head_width % 2:
            raise ValueError(
                f"a differential attention halves each head, and {self.head_width} is odd"
            )
        return self


@final
class Score(nn.Module):
    """How well each key answers each query: q k^T / sqrt(e), hidden places at almost -infinity."""

    def __init__(self, *, causal: bool) -> None:
        super().__init__()
        self.causal = causal

    def forward(
        self, query: Tensor, key: Tensor, seen: Tensor | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """(b, h, t, e) and (b, h, s, e) to (b, h, t, s); `seen` and `bias` replace the causal mask.

        `bias` (..., t, s) is added.
        """
        scores = (query * query.shape[-1] ** -0.5) @ key.mT
        if bias is not None:
            scores = scores + bias
        return mask_scores(scores, seen, causal=self.causal and seen is None and bias is None)


@final
class Softmax(nn.Module):
    """Scores to weights that add up to 1 over the places attended to, shown as `attention`."""

    def forward(self, scores: Tensor) -> Tensor:
        """(b, h, t, s) to the same."""
        weights = scores.softmax(-1)
        show("attention", weights)
        return weights


@final
class SelfAttentionBlock(Block):
    """One pre-norm self-attention with a residual."""

    packs = True
    like: Tensor

    def __init__(self, config: SelfAttentionConfig, plan: Plan) -> None:
        super().__init__()
        d, inner, bias = plan.width, config.heads * config.head_width, config.bias
        self.shape = (config.heads, config.head_width)
        self.norm = make_norm(config.norm, d)
        self.query = nn.Linear(d, inner, bias=bias)
        self.key = nn.Linear(d, inner, bias=bias)
        self.value = nn.Linear(d, inner, bias=bias)
        self.score = Score(causal=plan.positions == "causal")
        self.softmax = Softmax()
        self.output = nn.Linear(inner, d, bias=bias)
        self.dropout = nn.Dropout(config.dropout)
        # for type and place of a cache: quantised layers have no weights to ask
        self.register_buffer("like", torch.empty(0), persistent=False)

    def forward(self, h: Tensor, around: Around) -> Tensor:
        """(b, t, d) to the same."""
        query, key, value = self._parts(h, around.rotation)
        seen = None if self.score.causal else attended(around.lengths, h.shape[1])
        weights = self.softmax(self.score(query, key, seen, around.bias))
        return self._join(h, weights @ value)

    def state(self, batch: int, capacity: int) -> dict[str, Tensor]:
        """Keys and values of no places."""
        return empty_cache(self.like, batch, self.shape[0], capacity, self.shape[1])

    def step(
        self, h: Tensor, state: Mapping[str, Tensor], window: Window, around: Around
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places (b, n, d), and the new cache."""
        query, key, value = self._parts(h, around.rotation)
        new, key, value = recall(state, key, value, window)
        weights = self.softmax(self.score(query, key, window.seen, window.bias))
        return self._join(h, weights @ value), new

    def _parts(self, h: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (b, h, t, e)."""
        x = self.norm(h)
        query, key, value = (
            part(x).unflatten(-1, self.shape).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        return query, key, value

    def _join(self, h: Tensor, mixed: Tensor) -> Tensor:
        y: Tensor = h + self.dropout(self.output(mixed.transpose(1, 2).flatten(2)))
        return y


class CachedAttention(Protocol):
    """What mixes places: a module of `nn/` that keeps every place."""

    def __call__(
        self,
        x: Tensor,
        lengths: Tensor | None = None,
        rotation: Rotation | None = None,
        *,
        bias: Tensor | None = None,
    ) -> Tensor: ...
    def state(self, batch: int, capacity: int) -> dict[str, Tensor]: ...
    def step(
        self,
        x: Tensor,
        state: Mapping[str, Tensor],
        window: Window,
        rotation: Rotation | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]: ...


class CachedBlock(Block):
    """h + attention(norm(h)), of another kind than the softmax of named parts."""

    packs = True

    def __init__(self, attention: CachedAttention, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm, self.attention, self.dropout = norm, attention, nn.Dropout(dropout)

    def forward(self, h: Tensor, around: Around) -> Tensor:
        """(b, t, d) to the same."""
        mixed = self.attention(self.norm(h), around.lengths, around.rotation, bias=around.bias)
        y: Tensor = h + self.dropout(mixed)
        return y

    def state(self, batch: int, capacity: int) -> dict[str, Tensor]:
        """An empty cache."""
        return self.attention.state(batch, capacity)

    def step(
        self, h: Tensor, state: Mapping[str, Tensor], window: Window, around: Around
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places (b, n, d), and the new cache."""
        mixed, new = self.attention.step(self.norm(h), state, window, around.rotation)
        return h + self.dropout(mixed), new


@final
class LatentBlock(CachedBlock):
    """A block that keeps latents alone."""

    keeps = ("latent",)


def cached_block(config: SelfAttentionConfig, plan: Plan, layer: int) -> Block:
    """Block number `layer`, from 1 on, of a kind that keeps every place."""
    c, causal = config, plan.positions == "causal"
    d, h, e = plan.width, c.heads, c.head_width
    norm = make_norm(c.norm, d)
    match c.kind:
        case "latent":
            turned = c.turned if c.positions == "rotary" else 0
            latent = LatentAttention(d, h, e, latent=c.latent, turned=turned, causal=causal)
            return LatentBlock(latent, norm, c.dropout)
        case "differential":
            both = DifferentialAttention(d, h, e, layer=layer, causal=causal, bias=c.bias)
            return CachedBlock(both, norm, c.dropout)
        case "gated":
            gated = GatedAttention(d, h, e, causal=causal, bias=c.bias)
            return CachedBlock(gated, norm, c.dropout)
        case _:
            return SelfAttentionBlock(config, plan)


def carried_block(config: SelfAttentionConfig, plan: Plan) -> CarriedBlock:
    """A block of a kind whose state keeps its size."""
    c, causal = config, plan.positions == "causal"
    d, h, e = plan.width, c.heads, c.head_width
    made: CarriedAttention = (
        LinearAttention(d, h, e, causal=causal, bias=c.bias)
        if c.kind == "linear"
        else LocalAttention(d, h, e, window=c.window, causal=causal, bias=c.bias)
    )
    return CarriedBlock(made, make_norm(c.norm, d), c.dropout)


SMALL = SelfAttentionConfig(
    stem=StemConfig(width=64, read="convolution", convolutions=2),
    head=HeadConfig(pooling="sequence"),
    depth=3,
    heads=4,
    head_width=16,
)
"""Two stages of the tokeniser, as the transformer's: on digits, 98.4 % to the 98.6 % of one stage
at equal processor time, and a sixth of its cost a step on 28 x 28. Mean pooling lies within 0.2;
four blocks reach 98.1. The presets named for a kind are this net with that kind."""

CLASSIC = SelfAttentionConfig(
    stem=StemConfig(width=64, read="rows"), depth=2, heads=8, head_width=64, bias=True
)
"""The classic transformer without its feed-forward layers.

A block holds 3 x (64 x 512 + 512) for query, key and value, 512 x 64 + 64 for the output and 128
for the norm: 132,800. Two blocks and the last norm: 265,728. On pictures of 28 x 28 read by rows,
28 x 64 + 64 more in the stem and 64 x 10 + 10 in the head: 268,234; on text with V symbols, 64 V +
65 V.
"""


@final
class SelfAttention(Structure):
    """The family."""

    Config: ClassVar[type[StructureConfig]] = SelfAttentionConfig
    presets: ClassVar[Mapping[str, StructureConfig]] = {
        "classic": CLASSIC,
        "tiny": SelfAttentionConfig(stem=StemConfig(width=24), depth=2, heads=2, head_width=12),
        "small": SMALL,
        "base": SelfAttentionConfig(
            stem=StemConfig(width=128, read="convolution", convolutions=2),
            head=HeadConfig(pooling="sequence"),
            depth=6,
            heads=4,
            head_width=32,
        ),
        # 4 x (4 x 128 x 384 + 128) + 128 = 787,072 in the trunk; with 65 symbols 803,777 in all.
        "language": SelfAttentionConfig(
            stem=StemConfig(width=128),
            depth=4,
            heads=6,
            head_width=64,
            norm="rms",
            positions="rotary",
        ),
        "windowed": SMALL.model_copy(update={"kind": "windowed", "window": 32}),
        "linear": SMALL.model_copy(update={"kind": "linear"}),
        "latent": SMALL.model_copy(update={"kind": "latent", "latent": 32}),
        "differential": SMALL.model_copy(update={"kind": "differential"}),
        "gated": SMALL.model_copy(update={"kind": "gated"}),
    }

    def layouts(self, form: Form, output: Form) -> Sequence[Layout] | Refusal:
        """A sequence: places in an order."""
        if isinstance(form, Classes):
            return Refusal("self-attention compares places, and one label has none; take mlp")
        if isinstance(form, Vector) and isinstance(output, Classes | Vector):
            return Refusal(
                "self-attention compares places, and a row of numbers has none; take mlp"
            )
        if isinstance(form, Image) and isinstance(output, Image):
            return Refusal("self-attention cannot give a picture back pixel by pixel; take cnn")
        return ("sequence",)

    def trunk(self, config: StructureConfig, plan: Plan) -> Trunk | Refusal:
        """Its blocks, their weights drawn from torch's current generator."""
        assert isinstance(config, SelfAttentionConfig)
        name = "self-attention" if config.kind == "softmax" else f"{config.kind} self-attention"
        carried = config.kind in ("linear", "windowed")
        if refused := misfit(name, plan, config.positions, config.turned, weighs=not carried):
            return refused
        if plan.memory is not None:
            return Refusal(
                f"{name} looks at its own places alone and would ignore the context; "
                "take transformer"
            )
        norm = make_norm(config.norm, plan.width)
        numbers = range(1, config.depth + 1)
        if not carried:
            return Blocks(
                plan,
                [cached_block(config, plan, number) for number in numbers],
                norm,
                positions=config.positions,
                head_width=config.turned,
                dropout=config.dropout,
                heads=config.heads,
            )
        if config.positions == "learned" and plan.positions == "causal":
            return Refusal(
                f"{name} goes on for ever, and learned positions end; "
                "take sinusoidal or rotary positions"
            )
        return Carried(
            plan,
            [carried_block(config, plan) for _ in numbers],
            norm,
            positions=config.positions,
            head_width=config.turned,
            dropout=config.dropout,
        )


structure = SelfAttention()
