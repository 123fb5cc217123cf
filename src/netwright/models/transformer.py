"""Transformer: attention between places, then a feed-forward layer at each, again and again.

x <- x + Attention(Norm(x)); x <- x + FeedForward(Norm(x)), after the last block one more norm: the
pre-norm form (Xiong et al. 2020, figure 1b) of Vaswani et al. 2017, section 3.1. Where there is a
context, x <- x + Attention(Norm(x), context) stands between the two. Experts may stand for the
feed-forward layer.
Dimensions: b batch, t places, s places of the context, d features.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from pydantic import Field
from torch import Tensor, nn

from netwright.models._blocks import Around, Block, Blocks, misfit
from netwright.models.base import Structure, StructureConfig, Trunk
from netwright.nn.attention import Attention, Window
from netwright.nn.experts import Experts
from netwright.nn.feedforward import FeedForward, GatedActivation
from netwright.nn.heads import HeadConfig
from netwright.nn.masks import valid
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
    kv_heads: int | None = Field(None, ge=1)
    """Heads of keys and values, which several heads of queries share (Ainslie et al. 2023; 1:
    Shazeer 2019); None: as many as heads."""
    window: int | None = Field(None, ge=1)
    """Places that a place sees, itself among them, and on either side where the output is not
    causal (Beltagy et al. 2020, section 3.1); None: all. Of a causal net, memory in decoding is
    constant, and only learned positions end."""
    qk_norm: bool = False
    """RMS norm of queries and keys (Henry et al. 2020), with a learned gain."""
    value_residual: bool = False
    """Mix each block's values with the first one's (Zhou et al. 2024)."""
    experts: int = Field(0, ge=0)
    """Feed-forward layers of which each place takes `active`; 0: one, for all (nn/experts.py)."""
    active: int = Field(2, ge=1)


@final
class TransformerBlock(Block):
    """Attention, attention to the context where there is one, feed-forward; all pre-norm."""

    packs = True

    def __init__(self, config: TransformerConfig, plan: Plan, number: int = 0) -> None:
        super().__init__()
        d, c = plan.width, config
        self.attention_norm = make_norm(c.norm, d)
        self.attention = Attention(
            d,
            c.heads,
            c.head_width,
            causal=plan.positions == "causal",
            bias=c.bias,
            kv_heads=c.kv_heads,
            qk_norm=c.qk_norm,
            residual=c.value_residual and number > 0,
        )
        self.context_norm = self.context = None
        if plan.memory is not None:
            self.context_norm = make_norm(c.norm, d)
            self.context = Attention(
                d,
                c.heads,
                c.head_width,
                memory=plan.memory,
                bias=c.bias,
                kv_heads=c.kv_heads,
                qk_norm=c.qk_norm,
            )
        self.feedforward_norm = make_norm(c.norm, d)
        self.feedforward: FeedForward | Experts = (
            Experts(d, c.feedforward, c.activation, count=c.experts, active=c.active, bias=c.bias)
            if c.experts
            else FeedForward(d, c.feedforward, c.activation, bias=c.bias)
        )
        self.dropout = nn.Dropout(c.dropout)
        if c.zero_residual:
            for name, layer in self.named_modules():
                if name.endswith(".output") and isinstance(layer, nn.Linear):
                    nn.init.zeros_(layer.weight)

    def forward(self, h: Tensor, around: Around) -> Tensor:
        """(b, t, d) to the same."""
        mixed = self.attention(
            self.attention_norm(h),
            None,
            around.lengths,
            around.rotation,
            bias=around.bias,
            first=around.first,
        )
        if self.training:
            mixed = self.dropout(mixed)
        return self._rest(h + mixed, around)

    def state(self, batch: int, capacity: int) -> dict[str, Tensor]:
        """Keys and values of no places."""
        return self.attention.state(batch, capacity)

    def step(
        self, h: Tensor, state: Mapping[str, Tensor], window: Window, around: Around
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places (b, n, d), and the new cache."""
        mixed, new = self.attention.step(
            self.attention_norm(h), state, window, around.rotation, first=around.first
        )
        if self.training:
            mixed = self.dropout(mixed)
        return self._rest(h + mixed, around), new

    def _rest(self, h: Tensor, around: Around) -> Tensor:
        if self.context is not None and self.context_norm is not None:
            asked = self.context(self.context_norm(h), around.memory, around.memory_lengths)
            h = h + self.dropout(asked)
        x = self.feedforward_norm(h)
        made: Tensor = (
            self.feedforward(x)
            if isinstance(self.feedforward, FeedForward)
            else self.feedforward(x, valid(around.lengths, x.shape[1]))
        )
        if self.training:  # a call that does nothing costs much where one place is decoded
            made = self.dropout(made)
        return h + made


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
        # About 0.8 million parameters for 65 characters. On tiny-shakespeare, 120 steps of 16 x 256
        # symbols with Muon, 2 seeds: without the norm of queries and keys 0.1 nats worse; tied or
        # not is the same, and tied is smaller.
        "language": TransformerConfig(
            stem=StemConfig(width=128),
            head=HeadConfig(tied=True),
            depth=4,
            heads=4,
            head_width=32,
            feedforward=512,
            activation="relu2",
            norm="rms",
            positions="rotary",
            zero_residual=True,
            qk_norm=True,
        ),
        # Small, so that tests reach every part.
        "modern": TransformerConfig(
            stem=StemConfig(width=32),
            depth=2,
            heads=4,
            head_width=8,
            feedforward=64,
            activation="swiglu",
            norm="rms",
            positions="alibi",
            kv_heads=2,
            window=5,
            qk_norm=True,
            value_residual=True,
        ),
        "experts": TransformerConfig(
            stem=StemConfig(width=24),
            depth=1,
            heads=2,
            head_width=12,
            feedforward=32,
            positions="rotary",
            kv_heads=1,
            experts=4,
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
        if refused := _unsound(config) or misfit(
            "a transformer", plan, config.positions, config.head_width, weighs=True
        ):
            return refused
        return Blocks(
            plan,
            [TransformerBlock(config, plan, number) for number in range(config.depth)],
            make_norm(config.norm if config.final_norm else "none", plan.width),
            positions=config.positions,
            head_width=config.head_width,
            dropout=config.dropout,
            heads=config.heads,
            reach=config.window,
        )


def _unsound(config: TransformerConfig) -> Refusal | None:
    if config.kv_heads is not None and config.heads % config.kv_heads:
        return Refusal(
            f"{config.heads} heads cannot share {config.kv_heads} heads of keys and values evenly"
        )
    if config.experts and config.active > config.experts:
        return Refusal(
            f"{config.active} active experts are more than the {config.experts} there are"
        )
    return None


structure = Transformer()
