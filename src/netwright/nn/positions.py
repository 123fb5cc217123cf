"""Positions: what tells attention where a place stands. Sinusoidal, learned, rotary or linear.

Attention alone sees a set: without positions, permuted places give permuted outputs.
Dimensions: b batch, h heads, t places, s places that are asked, d features of a place, e features
of a head.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from netwright.errors import InputError

PositionKind = Literal["sinusoidal", "learned", "rotary", "alibi", "none"]
BASE = 10_000.0
"""The longest wave is 2 pi times this many places (Vaswani et al. 2017; Su et al. 2021)."""

Rotation = tuple[Tensor, Tensor]
"""Cosines and signed sines of each place's angles, (t, e) or (b, 1, t, e), as `rotate` takes them:
each angle stands twice, its sine negative in the first half."""


def frequencies(width: int, device: torch.device) -> Tensor:
    """10000^(-2i / width) for i = 0, 1, ..., ceil(width / 2) - 1, in radians a place."""
    even = torch.arange(0, width, 2, device=device, dtype=torch.float32)
    return torch.exp(even * (-math.log(BASE) / width))


def sinusoidal(places: Tensor, width: int) -> Tensor:
    """(..., ) of whole numbers to (..., width): waves of growing length.

    PE(p, 2i) = sin(p / 10000^(2i / d)), PE(p, 2i + 1) = cos of the same (Vaswani et al. 2017,
    section 3.5). For an odd width the last cosine is left out.
    """
    angles = places[..., None].float() * frequencies(width, places.device)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)[..., :width]


def rotation(places: Tensor, head_width: int) -> Rotation:
    """Cosines and signed sines for `rotate`, of places (t,), or (b, t) where rows stand apart."""
    angles = places[..., None].float() * frequencies(head_width, places.device)
    if places.dim() == 2:
        angles = angles[:, None]
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)


def rotate(x: Tensor, turn: Rotation) -> Tensor:
    """(b, h, t, e) with each pair of features turned by its place's angle (Su et al. 2021, 3.4.2).

    The product of a query turned by m and a key turned by n depends on m - n alone. Feature i is
    paired with i + e / 2 rather than with its neighbour: the same up to an order of features, and
    its halves lie in one piece.
    """
    cos, sin = turn
    if cos.dtype != x.dtype:
        cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


def slopes(heads: int, device: torch.device | None = None) -> Tensor:
    """2^(-8 i / h) for i = 1 ... h: (h, 1, 1) (Press et al. 2022, section 3)."""
    return 2.0 ** (torch.arange(1, heads + 1, device=device).view(-1, 1, 1) * (-8 / heads))


def leaning(distance: Tensor, slope: Tensor) -> Tensor:
    """-slope |distance|: what linear positions ("alibi") add to scores, (..., h, t, s).

    `distance` (t, s) or (..., 1, t, s) counts places back. What is ahead counts as what lies
    behind, where it may be seen at all.
    """
    return distance.abs() * -slope


class Learned(nn.Module):
    """One learned vector a place (Gehring et al. 2017): places (...,) to (..., d)."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.size = size
        self.table = nn.Parameter(torch.empty(size, width).normal_(std=0.02))

    def forward(self, places: Tensor) -> Tensor:
        """Places below `size`; others are an IndexError of torch's."""
        return self.table[places]


class Positions(nn.Module):
    """Any kind of positions: added to the places, or given on as a rotation of each head.

    `size` is the longest sequence, which only learned positions need; `head_width` only rotary.
    Linear positions ("alibi") and none leave the places as they are.
    """

    def __init__(self, kind: PositionKind, width: int, size: int, head_width: int) -> None:
        super().__init__()
        self.kind, self.head_width = kind, head_width
        self.learned = Learned(size, width) if kind == "learned" else None

    def forward(self, h: Tensor, places: Tensor) -> tuple[Tensor, Rotation | None]:
        """`h` (b, t, d) and its places, (t,) or (b, t), to `h` with positions, and the rotation.

        InputError for more places than were learned.
        """
        if self.learned is not None:
            if h.shape[1] > self.learned.size:
                raise InputError(
                    f"a sequence longer than {self.learned.size} places does not fit",
                    why=f"this network learned a vector for each of that many; here are "
                    f"{h.shape[1]}",
                    do='positions "sinusoidal" or "rotary" have no such limit',
                )
            # The padding of a step may stand beyond the end; nobody reads what it gets.
            return h + self.learned(places.clamp(max=self.learned.size - 1)), None
        if self.kind == "sinusoidal":
            return h + sinusoidal(places, h.shape[-1]).to(h.dtype), None
        if self.kind == "rotary":
            return h, rotation(places, self.head_width)
        return h, None
