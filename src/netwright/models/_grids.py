"""The grid that a convolutional net reads: stage after stage, sides shrinking or kept.

Dimensions: b batch, c channels, h height, w width, d features.
"""

from typing import final

from torch import Tensor, nn

from netwright.models._stages import Config, Stage
from netwright.models.base import Trunk
from netwright.nn.convolution import (
    ACTIVATIONS,
    Activated,
    ConvNextBlock,
    PlainBlock,
    Pooling,
    ResidualBlock,
    channel_norm,
    convolution,
    partial_identity_,
    pooled,
)
from netwright.nn.grid_attention import GridAttention
from netwright.nn.grouped import GroupedBlock, Resample
from netwright.nn.look import show
from netwright.nn.whitening import Whitening


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
        blocks = stage_blocks(stage, before, config)
        if stage.pool != "none" and stage.kind == "grouped":
            blocks.append(Resample(stage.width, stage.width, up=False))
        self.blocks = nn.ModuleList(blocks)
        self.pool: Pooling = stage.pool if stage.kind in ("residual", "convnext") else "none"
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, h: Tensor) -> Tensor:
        """(b, c, h, w) to (b, c', h', w')."""
        for block in self.blocks:
            h = block(h)
        dropped: Tensor = self.dropout(pooled(h, self.pool))
        return dropped


def stage_blocks(stage: Stage, before: int, config: Config) -> list[nn.Module]:
    """The blocks of one stage, and what stands behind them."""
    match stage.kind:
        case "plain":
            blocks = _plain(stage, before, config)
        case "grouped":
            blocks = _grouped(stage, before, config)
        case _:
            blocks = _branched(stage, before, config)
    if stage.attention:
        blocks.append(GridAttention(stage.width))
    return blocks


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


def _grouped(stage: Stage, before: int, config: Config) -> list[nn.Module]:
    width, depth = stage.width, sum(s.blocks for s in config.stages)
    blocks: list[nn.Module] = []
    if before != width:
        blocks.append(convolution(before, width, 1, bias=False))
    blocks.extend(
        GroupedBlock(width, kernel=stage.kernel, group=config.groups, depth=depth)
        for _ in range(stage.blocks)
    )
    return blocks
