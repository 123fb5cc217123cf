"""Self-attention alone: query, key, value, score and softmax as named parts, and no dense layers.

x <- x + softmax(Q K^T / sqrt(e)) V O, with Q, K, V = Norm(x) W_Q, W_K, W_V; after the last block
one more norm. The parts of Vaswani et al. 2017, section 3.2, without its section 3.3: the softmax
is the only nonlinearity between places. Its maps are shown as `attention.0`, `attention.1`, ...
Dimensions: b batch, t places, s places attended to, h heads, e features of a head, d features.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from pydantic import Field
from torch import Tensor, nn

from netwright.models._blocks import Around, Block, Blocks, misfit
from netwright.models.base import Structure, StructureConfig, Trunk
from netwright.nn.attention import Window, attended, empty_cache, mask_scores, remember
from netwright.nn.heads import HeadConfig
from netwright.nn.look import show
from netwright.nn.norm import NormKind, make_norm
from netwright.nn.positions import PositionKind, Rotation, rotate
from netwright.nn.stems import StemConfig
from netwright.specs import Classes, Form, Image, Layout, Plan, Refusal, Vector


class SelfAttentionConfig(StructureConfig):
    """Size and parts; the width is the stem's."""

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
    """Biases in query, key, value and output; those of the keys never learn."""


@final
class Score(nn.Module):
    """How well each key answers each query: q k^T / sqrt(e), hidden places at almost -infinity."""

    def __init__(self, *, causal: bool) -> None:
        super().__init__()
        self.causal = causal

    def forward(self, query: Tensor, key: Tensor, seen: Tensor | None = None) -> Tensor:
        """(b, h, t, e) and (b, h, s, e) to (b, h, t, s); `seen` replaces the causal mask."""
        scores = (query * query.shape[-1] ** -0.5) @ key.mT
        return mask_scores(scores, seen, causal=self.causal and seen is None)


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

    def forward(self, h: Tensor, around: Around) -> Tensor:
        """(b, t, d) to the same."""
        query, key, value = self._parts(h, around.rotation)
        seen = None if self.score.causal else attended(around.lengths, h.shape[1])
        return self._mix(h, query, key, value, seen)

    def state(self, batch: int, capacity: int) -> dict[str, Tensor]:
        """Keys and values of no places."""
        return empty_cache(self.output.weight, batch, self.shape[0], capacity, self.shape[1])

    def step(
        self, h: Tensor, state: Mapping[str, Tensor], window: Window, around: Around
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places (b, n, d), and the new cache."""
        query, key, value = self._parts(h, around.rotation)
        new = remember(state, key, value, window)
        key, value = (new[n][:, :, : window.end].to(query.dtype) for n in ("key", "value"))
        return self._mix(h, query, key, value, window.seen), new

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

    def _mix(
        self, h: Tensor, query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None
    ) -> Tensor:
        mixed = self.softmax(self.score(query, key, seen)) @ value
        y: Tensor = h + self.dropout(self.output(mixed.transpose(1, 2).flatten(2)))
        return y


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
        # Two stages of the tokeniser, as the transformer's: on digits, 98.4 % to the 98.6 % of one
        # stage at equal processor time, and a sixth of its cost a step on 28 x 28. Mean pooling
        # lies within 0.2; four blocks reach 98.1.
        "small": SelfAttentionConfig(
            stem=StemConfig(width=64, read="convolution", convolutions=2),
            head=HeadConfig(pooling="sequence"),
            depth=3,
            heads=4,
            head_width=16,
        ),
        "base": SelfAttentionConfig(
            stem=StemConfig(width=128, read="convolution", convolutions=2),
            head=HeadConfig(pooling="sequence"),
            depth=6,
            heads=4,
            head_width=32,
        ),
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
        if refused := misfit("self-attention", plan, config.positions, config.head_width):
            return refused
        if plan.memory is not None:
            return Refusal(
                "self-attention looks at its own places alone and would ignore the context; "
                "take transformer"
            )
        return Blocks(
            plan,
            [SelfAttentionBlock(config, plan) for _ in range(config.depth)],
            make_norm(config.norm, plan.width),
            positions=config.positions,
            head_width=config.head_width,
            dropout=config.dropout,
        )


structure = SelfAttention()
