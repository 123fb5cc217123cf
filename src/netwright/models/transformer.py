"""Transformer: attention between places, then a feed-forward layer at each, again and again.

x <- x + Attention(Norm(x)); x <- x + FeedForward(Norm(x)), after the last block one more norm: the
pre-norm form (Xiong et al. 2020, figure 1b) of Vaswani et al. 2017, section 3.1. Where there is a
context, x <- x + Attention(Norm(x), context) stands between the two.
Dimensions: b batch, t places, s places of the context, d features.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from pydantic import Field
from torch import Tensor, nn

from netwright.models._blocks import Around, Block, Blocks, misfit
from netwright.models.base import Structure, StructureConfig, Trunk
from netwright.nn.attention import Attention, Window
from netwright.nn.feedforward import FeedForward, GatedActivation
from netwright.nn.heads import HeadConfig
from netwright.nn.norm import NormKind, make_norm
from netwright.nn.positions import PositionKind
from netwright.nn.stems import StemConfig
from netwright.specs import Classes, Form, Image, Layout, Plan, Refusal, Vector


class TransformerConfig(StructureConfig):
    """Size and parts; the width is the stem's."""

    depth: int = Field(2, ge=1)
    """Blocks."""
    heads: int = Field(4, ge=1)
    head_width: int = Field(16, ge=1)
    """Features of a head; heads x head_width need not be the width."""
    feedforward: int = Field(128, ge=1)
    """Hidden features of the feed-forward layer."""
    activation: GatedActivation = "gelu"
    norm: NormKind = "layer"
    final_norm: bool = True
    positions: PositionKind = "sinusoidal"
    dropout: float = Field(0.0, ge=0, lt=1)
    """Of each residual branch and of the first places (Vaswani et al. 2017, section 5.4)."""
    bias: bool = False
    """Biases in attention and feed-forward layers; those of the keys never learn."""
    zero_residual: bool = False
    """Start with every residual branch at zero, so that the net starts as its stem and head."""


@final
class TransformerBlock(Block):
    """Attention, attention to the context where there is one, feed-forward; all pre-norm."""

    def __init__(self, config: TransformerConfig, plan: Plan) -> None:
        super().__init__()
        d, c = plan.width, config
        self.attention_norm = make_norm(c.norm, d)
        self.attention = Attention(
            d, c.heads, c.head_width, causal=plan.positions == "causal", bias=c.bias
        )
        self.context_norm = self.context = None
        if plan.memory is not None:
            self.context_norm = make_norm(c.norm, d)
            self.context = Attention(d, c.heads, c.head_width, memory=plan.memory, bias=c.bias)
        self.feedforward_norm = make_norm(c.norm, d)
        self.feedforward = FeedForward(d, c.feedforward, c.activation, bias=c.bias)
        self.dropout = nn.Dropout(c.dropout)
        if c.zero_residual:
            for branch in (self.attention, self.context, self.feedforward):
                if branch is not None:
                    nn.init.zeros_(branch.output.weight)

    def forward(self, h: Tensor, around: Around) -> Tensor:
        """(b, t, d) to the same."""
        mixed = self.attention(self.attention_norm(h), None, around.lengths, around.rotation)
        return self._rest(h + self.dropout(mixed), around)

    def state(self, batch: int, capacity: int) -> dict[str, Tensor]:
        """Keys and values of no places."""
        return self.attention.state(batch, capacity)

    def step(
        self, h: Tensor, state: Mapping[str, Tensor], window: Window, around: Around
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places (b, n, d), and the new cache."""
        mixed, new = self.attention.step(self.attention_norm(h), state, window, around.rotation)
        return self._rest(h + self.dropout(mixed), around), new

    def _rest(self, h: Tensor, around: Around) -> Tensor:
        if self.context is not None and self.context_norm is not None:
            asked = self.context(self.context_norm(h), around.memory, around.memory_lengths)
            h = h + self.dropout(asked)
        y: Tensor = h + self.dropout(self.feedforward(self.feedforward_norm(h)))
        return y


CLASSIC = TransformerConfig(
    stem=StemConfig(width=64, read="rows"),
    depth=2,
    heads=8,
    head_width=64,
    feedforward=64,
    activation="relu",
    norm="layer",
    positions="sinusoidal",
    bias=True,
)
"""The textbook net, pre-norm and with positions: two blocks of 8 heads of 64 at width 64.

A block holds (3 x 512 x 64 + 3 x 512) + (64 x 512 + 64) for attention, 2 x (64 x 64 + 64) for the
dense layers and 2 x 128 for the norms: 141,248. Two blocks and the last norm: 282,624. On pictures
of 28 x 28 read by rows, 28 x 64 + 64 more in the stem and 64 x 10 + 10 in the head: 285,130; on
text with V symbols, 64 V + 65 V.
"""


@final
class Transformer(Structure):
    """The family."""

    Config: ClassVar[type[StructureConfig]] = TransformerConfig
    presets: ClassVar[Mapping[str, StructureConfig]] = {
        "classic": CLASSIC,
        "tiny": TransformerConfig(
            stem=StemConfig(width=24),
            depth=1,
            heads=2,
            head_width=12,
            feedforward=48,
        ),
        # Two stages of the tokeniser leave 4 places of digits and 49 of a 28 x 28 picture. At equal
        # processor time on digits (70 % to train on, 4 splits, 4 s) one stage is as good, 98.5 to
        # 98.3 %, but a step on 28 x 28 costs three times as much. Mean pooling, GELU with 128
        # features and branches that start at zero lie within 0.3; three blocks reach 97.3.
        "small": TransformerConfig(
            stem=StemConfig(width=64, read="convolution", convolutions=2),
            head=HeadConfig(pooling="sequence"),
            depth=2,
            heads=4,
            head_width=16,
            feedforward=88,
            activation="swiglu",
        ),
        "base": TransformerConfig(
            stem=StemConfig(width=128, read="convolution", convolutions=2),
            head=HeadConfig(pooling="sequence"),
            depth=5,
            heads=4,
            head_width=32,
            feedforward=256,
        ),
    }

    def layouts(self, form: Form, output: Form) -> Sequence[Layout] | Refusal:
        """A sequence: places in an order."""
        if isinstance(form, Classes):
            return Refusal("a transformer reads places, and one label has none; take mlp")
        if isinstance(form, Vector) and isinstance(output, Classes | Vector):
            return Refusal("a transformer reads places, and a row of numbers has none; take mlp")
        if isinstance(form, Image) and isinstance(output, Image):
            return Refusal("a transformer cannot give a picture back pixel by pixel; take cnn")
        return ("sequence",)

    def trunk(self, config: StructureConfig, plan: Plan) -> Trunk | Refusal:
        """Its blocks, their weights drawn from torch's current generator."""
        assert isinstance(config, TransformerConfig)
        if refused := misfit("a transformer", plan, config.positions, config.head_width):
            return refused
        return Blocks(
            plan,
            [TransformerBlock(config, plan) for _ in range(config.depth)],
            make_norm(config.norm if config.final_norm else "none", plan.width),
            positions=config.positions,
            head_width=config.head_width,
            dropout=config.dropout,
        )


structure = Transformer()
