"""R3GAN's parts of a net without norms: a grouped residual block, and bilinear resampling.

Sources: Huang et al. 2025, section 4 (block and resampling); Xie et al. 2017 (groups);
Zhang et al. 2019 (fix-up: how residual nets start that have no norm).
Dimensions: b batch, c channels, h height, w width, k side of a kernel.
"""

import math
from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
"""Of the leaky ReLU below zero."""
GAIN = math.sqrt(2 / (1 + SLOPE**2))
"""What makes up for the share of the signal that a leaky ReLU takes (He et al. 2015)."""


@final
class GroupedBlock(nn.Module):
    """x + W3 f(W2 * f(W1 x + b1) + b2): 1 x 1 to an inner width, k x k in groups, 1 x 1 back.

    f is a leaky ReLU. W3 starts at zero, so the block starts as the identity; W1 and W2 start by He
    et al. 2015 times L^(-1/4), L the blocks of the net, so that a step of the optimizer moves the
    net as far as it would move one block (Zhang et al. 2019, section 3.2: L^(-1 / (2 m - 2)) for m
    layers in a branch).

    Args:
        width: c.
        kernel: k, odd.
        group: channels of a group; the largest divisor that it shares with the inner width.
        depth: L.
        expansion: the inner width over c.
    """

    def __init__(
        self, width: int, *, kernel: int = 3, group: int = 16, depth: int = 1, expansion: int = 2
    ) -> None:
        super().__init__()
        inner, scale = expansion * width, depth**-0.25
        groups = inner // math.gcd(inner, group)
        self.widen = nn.Conv2d(width, inner, 1)
        self.mix = nn.Conv2d(inner, inner, kernel, padding=kernel // 2, groups=groups)
        self.narrow = nn.Conv2d(inner, width, 1, bias=False)
        for conv in (self.widen, self.mix):
            nn.init.normal_(conv.weight, std=scale * GAIN / math.sqrt(conv.weight[0].numel()))
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to the same."""
        y = F.leaky_relu(self.widen(x), SLOPE)
        y = F.leaky_relu(self.mix(y), SLOPE)
        branch: Tensor = self.narrow(y)
        return x + branch


@final
class Resample(nn.Module):
    """Twice (`up`) or half the sides by bilinear interpolation; a 1 x 1 convolution between widths.

    The two commute, so the convolution stands where there are fewer places. Halving takes the mean
    of 2 x 2 places and leaves an odd last row or column out.
    """

    def __init__(self, before: int, after: int, *, up: bool) -> None:
        super().__init__()
        self.up = up
        self.project: nn.Conv2d | None = None
        if before != after:
            self.project = nn.Conv2d(before, after, 1, bias=False)
            nn.init.normal_(self.project.weight, std=before**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to (b, c', 2 h, 2 w) or (b, c', h / 2, w / 2)."""
        if not self.up:
            x = F.avg_pool2d(x, 2)  # what bilinear interpolation is at half the size
        if self.project is not None:
            x = self.project(x)
        if self.up:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return x
