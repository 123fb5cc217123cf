"""Convolutions of several widths side by side along a sequence: detectors of phrases.

y_t = concat_k f(b_k + sum_j W_kj x_{t + j - k // 2}) for each width k (Kim 2014, section 2). With a
maximum over time behind it, each of the channels says how well its best phrase fits.
Dimensions: b batch, t places, d features.
"""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from netwright.nn.convolution import ACTIVATIONS, Activation, SequenceConvolution


@final
class SideBySide(nn.Module):
    """(b, t, d) to (b, t, widths x channels); what lies outside of the sequence is zero.

    Args:
        width: d.
        widths: places that each kind of kernel spans.
        channels: kernels of each width.
        activation: f.
    """

    def __init__(
        self, width: int, widths: Sequence[int], channels: int, activation: Activation = "relu"
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            SequenceConvolution(width, channels, k, causal=False) for k in widths
        )
        self.activation = ACTIVATIONS[activation]
        self.width = len(self.branches) * channels
        """Features of what it gives."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What lies beyond `lengths` (b,) is read as zero; what is made there is not masked."""
        return self.activation(torch.cat([branch(x, lengths) for branch in self.branches], -1))
