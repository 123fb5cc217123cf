"""Norms over the features of a place: layer norm, RMS norm or none."""

from typing import Literal

from torch import nn

NormKind = Literal["layer", "rms", "none"]
EPSILON = 1e-5
"""Added to the mean square under the root."""


def make_norm(kind: NormKind, width: int) -> nn.Module:
    """The norm of (..., width), with a learned gain; layer norm also has a learned shift.

    layer: g (x - mean x) / sqrt(var x + 1e-5) + b (Ba et al. 2016, equation 3, over one layer);
    rms: g x / sqrt(mean x^2 + 1e-5) (Zhang & Sennrich 2019, equation 4); none: x.
    """
    if kind == "layer":
        return nn.LayerNorm(width, eps=EPSILON)
    if kind == "rms":
        return nn.RMSNorm(width, eps=EPSILON)
    return nn.Identity()
