"""What a convolutional net on a grid is made of: stages, read from the picture's side."""

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from netwright.models.base import StructureConfig
from netwright.nn.convolution import Activation, ChannelNormKind, Pooling
from netwright.specs import Frozen


class Stage(Frozen):
    """Blocks of one width, and the pool behind them."""

    width: int = Field(32, ge=1)
    blocks: int = Field(1, ge=1)
    kind: Literal["plain", "residual", "convnext", "grouped"] = "plain"
    """`residual` and `convnext` begin with a convolution to `width` where it differs, and end with
    a norm (and an activation, `residual`); `grouped` is R3GAN's, which knows no norm."""
    kernel: int = Field(3, ge=1)
    pool: Pooling = "none"
    """Halves the sides: the largest or the mean of 2 x 2 places, or a stride: of the last
    convolution of a plain stage, else of a 2 x 2 convolution of its own. A grouped stage blends
    the places between, whichever is named."""
    padding: bool = True
    """Whether a convolution keeps the size; without, it loses kernel - 1 places a side."""
    attention: bool = False
    """Whether self-attention over all places stands behind the blocks (Zhang et al. 2018)."""

    @model_validator(mode="after")
    def _keeps_its_size(self) -> Self:
        if self.kind != "plain" and not self.padding:
            raise ValueError(f"a {self.kind} stage adds to its input, so it needs padding")
        strided = self.kind == "plain" and self.pool == "stride" and self.blocks == 1
        if self.padding and self.kernel % 2 == 0 and not strided:
            raise ValueError(f"a kernel of {self.kernel} has no middle; with padding take odd ones")
        return self


class Wave(Frozen):
    """A stage along a wave form: read, it divides the places by `factor`; made, it multiplies."""

    width: int = Field(32, ge=1)
    factor: int = Field(4, ge=1)
    kernel: int = Field(25, ge=1)
    dilations: tuple[PositiveInt, ...] = ()
    """Of residual convolutions of three places behind it."""


class Config(StructureConfig):
    """Size of the net. On a grid `stages`, along a sequence `levels` of the stem's width.

    What makes a picture out of numbers takes the stages from the last to the first, and each that
    would halve the sides doubles them.
    """

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
    groups: int = Field(16, ge=1)
    """Channels of a group, in `grouped` stages."""
    waves: tuple[Wave, ...] = ()
    """Along a sequence of fixed length, strided stages in place of the levels."""
    shuffle: int = Field(0, ge=0)
    """Places by which `waves` shift what they read at random, in training (phase shuffle)."""


def remains(config: Config, side: int) -> int:
    """Places that are left of a side of `side` places; below 1 where the picture is too small."""
    side -= max(config.whiten - 1, 0)
    for stage in config.stages:
        for block in range(stage.blocks):
            side -= 0 if stage.padding else stage.kernel - 1
            if stage.kind == "plain" and stage.pool == "stride" and block == stage.blocks - 1:
                side = (side + (stage.kernel % 2 or not stage.padding)) // 2
        halves = stage.pool in {"max", "mean"} or (stage.pool == "stride" and stage.kind != "plain")
        side = side // 2 if halves else side
        if side < 1:
            return 0
    return side
