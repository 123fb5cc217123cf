"""Trunks of strided convolutions along a wave form: one makes it longer, one reads it shorter.

They are for sequences of one length: WaveGAN's generator and its judge (Donahue et al. 2018).
Dimensions: b batch, t places, d features, s all factors multiplied.
"""

import math
from collections.abc import Sequence
from typing import final

from torch import Tensor, nn

from netwright.models._stages import Wave
from netwright.models.base import Trunk
from netwright.nn.convolution import Activation
from netwright.nn.look import show
from netwright.nn.masks import zero_padding
from netwright.nn.waves import Narrow, Widen


@final
class GrowingTrunk(Trunk):
    """A short sequence (b, t, d) through `stages`, one after another, to (b, s t, d')."""

    def __init__(
        self, width: int, stages: Sequence[Wave], *, activation: Activation = "relu"
    ) -> None:
        super().__init__()
        self.width, self.scale = width, math.prod(stage.factor for stage in stages)
        self.stages = nn.ModuleList()
        for stage in stages:
            layer = Widen(
                self.width,
                stage.width,
                stage.factor,
                stage.kernel,
                activation,
                dilations=stage.dilations,
            )
            self.stages.append(layer)
            self.width = stage.width

    def forward(
        self,
        h: Tensor,
        lengths: Tensor | None = None,  # noqa: ARG002 what is made has one length
        memory: Tensor | None = None,  # noqa: ARG002 refused
        memory_lengths: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """(b, t, d) to (b, s t, d')."""
        for stage in self.stages:
            h = stage(h)
            show("block", h)
        return h


@final
class ShrinkingTrunk(Trunk):
    """A sequence (b, t, d) through `stages` to (b, t', d'): each divides t and rounds up.

    `shuffle` is the radius of the phase shuffle behind every stage but the last (Donahue et al.
    2018, appendix D).
    """

    def __init__(
        self,
        width: int,
        stages: Sequence[Wave],
        *,
        activation: Activation = "leaky_relu",
        shuffle: int = 0,
    ) -> None:
        super().__init__()
        self.width = width
        self.factors = [stage.factor for stage in stages]
        self.stages = nn.ModuleList()
        for number, stage in enumerate(stages, 1):
            layer = Narrow(
                self.width,
                stage.width,
                stage.factor,
                stage.kernel,
                activation,
                shuffle=shuffle if number < len(stages) else 0,
                dilations=stage.dilations,
            )
            self.stages.append(layer)
            self.width = stage.width

    def forward(
        self,
        h: Tensor,
        lengths: Tensor | None = None,
        memory: Tensor | None = None,  # noqa: ARG002 refused
        memory_lengths: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """(b, t, d) to (b, t', d'); what lies beyond `lengths` is read as zero, and zero then."""
        h = zero_padding(h, lengths)
        for stage, factor in zip(self.stages, self.factors, strict=True):
            lengths = None if lengths is None else -(-lengths // factor)
            h = zero_padding(stage(h), lengths)
            show("block", h)
        return h
