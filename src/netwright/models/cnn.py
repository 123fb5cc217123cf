"""Convolutional nets: stages of convolutions over a grid, each followed by a pool; TCNs over time.

Sources: LeCun et al. 1998; He et al. 2016 (residual); Liu et al. 2022 (ConvNeXt); Bai et al. 2018
(TCN); Kim 2014 (widths side by side); Jordan 2024 (whitening, partial identity). The blocks lie in
`nn/convolution.py` and `nn/text_convolution.py`.
Dimensions: b batch, c channels, h height, w width, t places, d features.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import ClassVar, Literal, Self, final

from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from netwright.models._convolved import LevelsTrunk, PhrasesTrunk
from netwright.models.base import Structure, StructureConfig, Trunk
from netwright.nn.convolution import (
    ACTIVATIONS,
    Activated,
    Activation,
    ChannelNormKind,
    ConvNextBlock,
    PlainBlock,
    Pooling,
    ResidualBlock,
    channel_norm,
    convolution,
    partial_identity_,
    pooled,
)
from netwright.nn.heads import HeadConfig
from netwright.nn.look import show
from netwright.nn.stems import StemConfig
from netwright.nn.text_convolution import SideBySide
from netwright.nn.whitening import Whitening
from netwright.specs import Classes, Form, Frozen, Image, Layout, Plan, Refusal, Vector


class Stage(Frozen):
    """Blocks of one width, and the pool behind them."""

    width: int = Field(32, ge=1)
    blocks: int = Field(1, ge=1)
    kind: Literal["plain", "residual", "convnext"] = "plain"
    """`residual` and `convnext` begin with a convolution to `width` where it differs, and end with
    a norm (and an activation, `residual`)."""
    kernel: int = Field(3, ge=1)
    pool: Pooling = "none"
    """Halves the sides: the largest or the mean of 2 x 2 places, or a stride: of the last
    convolution of a plain stage, else of a 2 x 2 convolution of its own."""
    padding: bool = True
    """Whether a convolution keeps the size; without, it loses kernel - 1 places a side."""

    @model_validator(mode="after")
    def _keeps_its_size(self) -> Self:
        if self.kind != "plain" and not self.padding:
            raise ValueError(f"a {self.kind} stage adds to its input, so it needs padding")
        if self.padding and self.kernel % 2 == 0:
            raise ValueError(f"a kernel of {self.kernel} has no middle; with padding take odd ones")
        return self


class Config(StructureConfig):
    """Size of the net. On a grid `stages`, along a sequence `levels` of the stem's width."""

    stages: tuple[Stage, ...] = Field((Stage(width=32, pool="max"), Stage(width=64)), min_length=1)
    norm: ChannelNormKind = "batch"
    momentum: float = Field(0.1, gt=0.0, le=1.0)
    """Share of the newest batch in the running statistics of a batch norm."""
    activation: Activation = "relu"
    pool_first: bool = False
    """In plain stages, pool before norm and activation: the same function for ReLU, max pooling
    and no norm, for a quarter of the work."""
    whiten: int = Field(0, ge=0)
    """Side of the patches that a frozen first layer whitens; 0: no such layer."""
    dirac: bool = False
    """Plain convolutions start as partial identities."""
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Behind each stage, and inside each level."""
    levels: int = Field(5, ge=1)
    """Dilated blocks along a sequence, kernel 3: they see 1 + 4 (2^levels - 1) places."""
    widths: tuple[PositiveInt, ...] = ()
    """Along a sequence, convolutions of these many places side by side in place of the levels; the
    head's pooling takes the maximum over time."""
    channels: int = Field(64, ge=1)
    """Of each of the `widths`."""


@final
class GridTrunk(Trunk):
    """A grid (b, c, h, w) through all stages; where `keep`, without pools and with padding."""

    def __init__(self, config: Config, channels: int, *, keep: bool) -> None:
        super().__init__()
        self.whiten = Whitening(channels, config.whiten, same=keep) if config.whiten else None
        self.activation = ACTIVATIONS[config.activation]
        self.stages = nn.ModuleList()
        self.width = channels if self.whiten is None else self.whiten.width
        for stage in config.stages:
            kept = stage.model_copy(update={"pool": "none", "padding": True}) if keep else stage
            self.stages.append(GridStage(kept, self.width, config))
            self.width = stage.width

    def forward(
        self,
        h: Tensor,
        lengths: Tensor | None = None,  # noqa: ARG002 a grid has none
        memory: Tensor | None = None,  # noqa: ARG002 refused
        memory_lengths: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """(b, c, h, w) to (b, d, h', w')."""
        if self.whiten is not None:
            h = self.activation(self.whiten(h))
        for stage in self.stages:
            h = stage(h)
            show("block", h)
        return h

    def prepare(self, h: Tensor) -> None:
        """Set the whitening layer from some pictures."""
        if self.whiten is not None:
            self.whiten.prepare(h)


@final
class GridStage(nn.Module):
    """Blocks one after another, then dropout."""

    def __init__(self, stage: Stage, before: int, config: Config) -> None:
        super().__init__()
        make = _plain if stage.kind == "plain" else _branched
        self.blocks = nn.ModuleList(make(stage, before, config))
        self.pool: Pooling = "none" if stage.kind == "plain" else stage.pool
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, h: Tensor) -> Tensor:
        """(b, c, h, w) to (b, c', h', w')."""
        for block in self.blocks:
            h = block(h)
        dropped: Tensor = self.dropout(pooled(h, self.pool))
        return dropped


def _plain(stage: Stage, before: int, config: Config) -> list[nn.Module]:
    blocks: list[nn.Module] = []
    for i in range(stage.blocks):
        block = PlainBlock(
            before if i == 0 else stage.width,
            stage.width,
            stage.kernel,
            padding=stage.padding,
            pool=stage.pool if i == stage.blocks - 1 else "none",
            pool_first=config.pool_first,
            norm=channel_norm(config.norm, stage.width, config.momentum),
            activation=config.activation,
        )
        if config.dirac:
            partial_identity_(block.conv.weight)
        blocks.append(block)
    return blocks


def _branched(stage: Stage, before: int, config: Config) -> list[nn.Module]:
    width, activation, bias = stage.width, config.activation, config.norm != "batch"
    blocks: list[nn.Module] = []
    if before != width:
        blocks.append(convolution(before, width, 3, bias=bias))
    for _ in range(stage.blocks):
        one, two = (channel_norm(config.norm, width, config.momentum) for _ in range(2))
        blocks.append(
            ResidualBlock((one, two), width, stage.kernel, activation)
            if stage.kind == "residual"
            else ConvNextBlock(one, width, stage.kernel, activation)
        )
    blocks.append(channel_norm(config.norm, width, config.momentum))
    if stage.kind == "residual":
        blocks.append(Activated(activation))
    if stage.pool == "stride":
        blocks.append(convolution(width, width, 2, stride=2, padding=False, bias=bias))
    return blocks


def remains(config: Config, side: int) -> int:
    """Places that are left of a side of `side` places; below 1 where the picture is too small."""
    side -= max(config.whiten - 1, 0)
    for stage in config.stages:
        for block in range(stage.blocks):
            side -= 0 if stage.padding else stage.kernel - 1
            if stage.kind == "plain" and stage.pool == "stride" and block == stage.blocks - 1:
                side = (side + 1) // 2
        halves = stage.pool in {"max", "mean"} or (stage.pool == "stride" and stage.kind != "plain")
        side = side // 2 if halves else side
        if side < 1:
            return 0
    return side


def _airbench(*widths: int) -> tuple[Stage, ...]:
    """Groups of convolution, pool, norm, GELU, convolution, norm, GELU (Jordan 2024, section 2)."""
    groups = [(Stage(width=w, pool="max"), Stage(width=w)) for w in widths]
    return tuple(stage for group in groups for stage in group)


@final
class Cnn(Structure):
    """Convolutions over a grid, or dilated ones along a sequence."""

    Config = Config
    carries: ClassVar[bool] = True  # along a sequence its windows have a constant size
    presets: ClassVar[Mapping[str, StructureConfig]] = {
        # The textbook net: 93,322 parameters from 28 x 28 x 1 to 10 classes. It pools before the
        # ReLU: the same function, for a quarter of the ReLU's work.
        "classic": Config(
            stages=(
                Stage(width=32, pool="max", padding=False),
                Stage(width=64, pool="max", padding=False),
                Stage(width=64, padding=False),
            ),
            norm="none",
            pool_first=True,
            head=HeadConfig(pooling="flatten", hidden=(64,)),
        ),
        "tiny": Config(
            stages=(Stage(width=8, pool="max"), Stage(width=16, pool="max"), Stage(width=16)),
            levels=2,
            stem=StemConfig(width=16),
        ),
        "small": Config(
            stages=(Stage(width=32, pool="max"), Stage(width=64), Stage(width=64, pool="max")),
            activation="gelu",
            pool_first=True,
            whiten=2,
            dirac=True,
        ),
        "base": Config(
            stages=_airbench(32, 128, 128),
            activation="gelu",
            pool_first=True,
            whiten=2,
            dirac=True,
            levels=7,
            stem=StemConfig(width=128),
            head=HeadConfig(pooling="max", scale=1 / 9),
        ),
        "residual": Config(
            stages=(
                Stage(width=32, kind="residual", pool="max"),
                Stage(width=64, kind="residual", pool="max"),
                Stage(width=64, kind="residual"),
            ),
        ),
        "convnext": Config(
            stages=(
                Stage(width=32, kind="convnext", kernel=7, pool="stride"),
                Stage(width=64, kind="convnext", kernel=7, blocks=2),
            ),
            norm="layer",
            activation="gelu",
        ),
        # Dilations 1, 2, ..., 128: a place sees 1,021. Norms are of each place alone, so nothing
        # leaks along time. 8 x 98,816 + 256 in the trunk; with 65 symbols 807,489 in all.
        "language": Config(levels=8, activation="gelu", stem=StemConfig(width=128)),
        # Kim 2014, section 3.1, with 64 channels for 100.
        "text": Config(
            widths=(3, 4, 5),
            channels=64,
            stem=StemConfig(width=128),
            head=HeadConfig(pooling="max", dropout=0.5),
        ),
    }

    def layouts(self, form: Form, output: Form) -> Sequence[Layout] | Refusal:
        """Pictures as a grid, tokens and frames as a sequence."""
        if isinstance(form, Image):
            return ("grid",)
        if isinstance(form, Classes) or (
            isinstance(form, Vector) and isinstance(output, Classes | Vector)
        ):
            return Refusal(
                "a convolution needs neighbours, but numbers in a row of a table have none"
            )
        return ("grid",) if isinstance(output, Image) else ("sequence",)

    def trunk(self, config: StructureConfig, plan: Plan) -> Trunk | Refusal:
        """Stages on a grid, dilated levels along a sequence."""
        assert isinstance(config, Config)
        if plan.memory is not None:
            return Refusal("a convolution does not attend to a context")
        if plan.scale == "grow":
            return Refusal("this convolutional net does not make places out of numbers yet")
        if plan.layout == "sequence":
            if plan.positions == "free" and config.head.pooling == "class_token":
                return Refusal("a class token read by convolutions would see its neighbours alone")
            if not config.widths:
                return LevelsTrunk(
                    plan.width,
                    config.levels,
                    causal=plan.positions == "causal",
                    activation=config.activation,
                    dropout=config.dropout,
                )
            if plan.positions == "causal":
                return Refusal(
                    "convolutions side by side look ahead and see one phrase; what comes next is "
                    "read by levels (widths: none)"
                )
            phrases = SideBySide(plan.width, config.widths, config.channels, config.activation)
            return PhrasesTrunk(phrases, config.dropout)
        if config.widths:
            return Refusal(
                "convolutions side by side slide along a sequence, and a picture is a grid; take "
                "stages (widths: none)"
            )
        keep = plan.scale == "keep"
        even = [stage.kernel for stage in config.stages if stage.kernel % 2 == 0]
        if keep and even:
            return Refusal(
                f"a kernel of {even[0]} has no middle, so places would not stay in place"
            )
        if not keep and min(remains(config, side) for side in plan.size) < 1:
            least = next(side for side in count(1) if remains(config, side) >= 1)
            height, width = plan.size
            return Refusal(
                f"a picture of {height} x {width} is too small: this net halves and trims it, "
                f"and needs at least {least} x {least}"
            )
        return GridTrunk(config, plan.width, keep=keep)


structure = Cnn()
