"""Trunks of convolutions along a sequence: dilated levels, or several widths side by side.

Dimensions: b batch, t places, d features, n places of one step.
"""

from collections.abc import Mapping
from typing import final

from torch import Tensor, nn

from netwright.models.base import Trunk
from netwright.nn.convolution import Activation, DilatedBlock
from netwright.nn.look import show
from netwright.nn.masks import zero_padding
from netwright.nn.text_convolution import SideBySide


@final
class LevelsTrunk(Trunk):
    """A sequence (b, t, d) through levels of dilation 1, 2, 4, ... to the same; a causal one steps.

    L levels see 1 + 4 (2^L - 1) places. All norms are of each place alone, so that no statistic of
    what follows reaches a place, not even in training.
    """

    def __init__(
        self, width: int, levels: int, *, causal: bool, activation: Activation, dropout: float
    ) -> None:
        super().__init__()
        self.width = width
        self.levels = nn.ModuleList(
            DilatedBlock(
                width,
                dilation=2**level,
                causal=causal,
                activation=activation,
                dropout=dropout,
            )
            for level in range(levels)
        )
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        h: Tensor,
        lengths: Tensor | None = None,
        memory: Tensor | None = None,  # noqa: ARG002 refused
        memory_lengths: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """(b, t, d) to the same; zeros beyond `lengths`."""
        for level in self.levels:
            h = level(h, lengths)
            show("block", h)
        return zero_padding(self.norm(h), lengths)

    def state(self, batch: int) -> dict[str, Tensor]:
        """Each level's last inputs: `window.0`, ..., (b, 2, 2 dilation, d), zeros."""
        return {f"window.{i}": level.window(batch) for i, level in self._numbered()}

    def step(
        self,
        h: Tensor,
        state: Mapping[str, Tensor],
        lengths: Tensor | None = None,
        memory: Tensor | None = None,  # noqa: ARG002 refused
        memory_lengths: Tensor | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places, each level from its window."""
        new = {}
        for i, level in self._numbered():
            h, new[f"window.{i}"] = level.step(h, state[f"window.{i}"], lengths)
            show("block", h)
        y: Tensor = self.norm(h)
        return y, new

    def _numbered(self) -> list[tuple[int, DilatedBlock]]:
        return [
            (i, level) for i, level in enumerate(self.levels) if isinstance(level, DilatedBlock)
        ]


@final
class PhrasesTrunk(Trunk):
    """A sequence (b, t, d) through convolutions side by side to (b, t, widths x channels)."""

    def __init__(self, phrases: SideBySide, dropout: float) -> None:
        super().__init__()
        self.width, self.phrases, self.dropout = phrases.width, phrases, nn.Dropout(dropout)

    def forward(
        self,
        h: Tensor,
        lengths: Tensor | None = None,
        memory: Tensor | None = None,  # noqa: ARG002 refused
        memory_lengths: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """(b, t, d) to (b, t, d'); zeros beyond `lengths`."""
        h = zero_padding(self.dropout(self.phrases(h, lengths)), lengths)
        show("block", h)
        return h
