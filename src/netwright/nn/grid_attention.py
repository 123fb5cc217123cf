"""Self-attention over the places of a grid, for generators and their judges.

Source: Zhang et al. 2018 (SAGAN), section 3, equations 1 to 3; keys and values of 2 x 2 places are
pooled to the largest, as in the authors' program, which leaves a quarter of the map.
Dimensions: b batch, c channels, h height, w width, t = h w places that ask, s pooled places.
"""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.nn.look import show


@final
class GridAttention(nn.Module):
    """x + gamma O softmax(q^T k)^T v: q, k of c / 8 features, v of c / 2; gamma starts at 0.

    All maps are 1 x 1 convolutions without bias. Scores are not divided by the root of the
    features, as in the paper. The map is made openly, since fused attention has no second gradient,
    and shown as "attention" (b, 1, t, s).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        narrow, half = max(width // 8, 1), max(width // 2, 1)
        self.query = nn.Conv2d(width, narrow, 1, bias=False)
        self.key = nn.Conv2d(width, narrow, 1, bias=False)
        self.value = nn.Conv2d(width, half, 1, bias=False)
        self.out = nn.Conv2d(half, width, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))
        for conv in (self.query, self.key, self.value, self.out):
            nn.init.xavier_normal_(conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to the same."""
        query, key, value = self.query(x), _largest(self.key(x)), _largest(self.value(x))
        weights = (query.flatten(2).mT @ key.flatten(2)).softmax(-1)
        show("attention", weights[:, None])
        seen = value.flatten(2) @ weights.mT
        y: Tensor = self.out(seen.unflatten(2, x.shape[2:]))
        return x + self.gamma * y


def _largest(x: Tensor) -> Tensor:
    """Of 2 x 2 places; an odd last row or column by itself."""
    return F.max_pool2d(x, 2, ceil_mode=True)
