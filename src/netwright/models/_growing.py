"""The grid that a convolutional net makes out of numbers: its stages from the last to the first.

Each stage that would halve the sides doubles them: by a transposed convolution where it has a
stride (Radford et al. 2016), else by repeating places before its blocks (Odena et al. 2016).
Dimensions: b batch, d features, h height, w width.
"""

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from netwright.models._grids import stage_blocks
from netwright.models._stages import Config, Stage
from netwright.models.base import Trunk
from netwright.nn.convolution import ACTIVATIONS, channel_norm, transposed
from netwright.nn.grouped import Resample
from netwright.nn.look import show


@final
class GrowingTrunk(Trunk):
    """A small grid (b, d, h, w) through the stages, backwards, to (b, d', s h, s w)."""

    def __init__(self, config: Config, width: int) -> None:
        super().__init__()
        self.width = width
        first = config.stages[-1].kind == "plain"  # the others begin with a norm, or need none
        self.norm = channel_norm(config.norm, width, config.momentum) if first else None
        self.activation = ACTIVATIONS[config.activation]
        self.stages = nn.ModuleList()
        for stage in reversed(config.stages):
            self.stages.append(GrowingStage(stage, self.width, config))
            self.width = stage.width
        self.scale = 2 ** sum(stage.pool != "none" for stage in config.stages)

    def forward(
        self,
        h: Tensor,
        lengths: Tensor | None = None,  # noqa: ARG002 a grid has none
        memory: Tensor | None = None,  # noqa: ARG002 refused
        memory_lengths: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """(b, d, h, w) to (b, d', s h, s w)."""
        if self.norm is not None:
            h = self.activation(self.norm(h))
        for stage in self.stages:
            h = stage(h)
            show("block", h)
        return h


@final
class GrowingStage(nn.Module):
    """Twice the sides where the stage pools, then its blocks, then dropout."""

    def __init__(self, stage: Stage, before: int, config: Config) -> None:
        super().__init__()
        self.grow: nn.Module | None = None
        if stage.pool != "none":
            self.grow, before = _grow(stage, before, config)
        rest = stage.blocks - 1 if isinstance(self.grow, Transposed) else stage.blocks
        plain = stage.model_copy(update={"pool": "none", "padding": True, "blocks": rest})
        attend = rest or stage.attention
        self.blocks = nn.ModuleList(stage_blocks(plain, before, config) if attend else ())
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, h: Tensor) -> Tensor:
        """(b, d, h, w) to (b, d', 2 h, 2 w), or to (b, d', h, w)."""
        if self.grow is not None:
            h = self.grow(h)
        for block in self.blocks:
            h = block(h)
        dropped: Tensor = self.dropout(h)
        return dropped


@final
class Transposed(nn.Module):
    """f(norm(W *^T x)): a transposed convolution of stride 2 (Radford et al. 2016, section 3)."""

    def __init__(self, stage: Stage, before: int, config: Config) -> None:
        super().__init__()
        self.norm = channel_norm(config.norm, stage.width, config.momentum)
        bias = isinstance(self.norm, nn.Identity)
        self.conv = transposed(before, stage.width, stage.kernel, bias=bias)
        self.activation = ACTIVATIONS[config.activation]

    def forward(self, h: Tensor) -> Tensor:
        """(b, d, h, w) to (b, d', 2 h, 2 w)."""
        return self.activation(self.norm(self.conv(h)))


@final
class Repeated(nn.Module):
    """Each place four times."""

    def forward(self, h: Tensor) -> Tensor:
        """(b, d, h, w) to (b, d, 2 h, 2 w)."""
        return F.interpolate(h, scale_factor=2, mode="nearest")


def _grow(stage: Stage, before: int, config: Config) -> tuple[nn.Module, int]:
    """What doubles the sides, and the width behind it."""
    if stage.kind == "plain" and stage.pool == "stride":
        return Transposed(stage, before, config), stage.width
    if stage.kind == "grouped":
        return Resample(before, stage.width, up=True), stage.width
    return Repeated(), before
