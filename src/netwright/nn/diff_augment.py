"""DiffAugment: changes of pictures that gradients pass, for both players of an adversarial game.

The judge sees real and made pictures alike only through them, so it cannot learn the real ones by
heart, and the generator, whose gradient passes, does not learn to make changed ones.
Source: Zhao et al. 2020 (DiffAugment), section 3.2 and appendix C, for pictures in [-1, 1].
Dimensions: b batch, c channels, h height, w width.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Generator, Tensor

Policy = Literal["color", "translation", "cutout"]

TRANSLATION = 1 / 8
"""Of each side: how far a picture moves at most."""
CUTOUT = 1 / 2
"""Of each side: how much is covered."""


def diff_augment(x: Tensor, policy: Sequence[Policy], generator: Generator) -> Tensor:
    """Change each picture of (b, c, h, w) in its own way, one kind after another.

    Numbers are drawn on the CPU from `generator` and moved to the device of `x`, so that a seed
    gives the same changes on every device.
    """
    for kind in policy:
        match kind:
            case "color":
                x = _color(x, generator)
            case "translation":
                x = _translation(x, generator)
            case "cutout":
                x = _cutout(x, generator)
    return x


def _color(x: Tensor, generator: Generator) -> Tensor:
    """Brightness + U(-1/2, 1/2), saturation times U(0, 2), contrast times U(1/2, 3/2).

    Saturation is each place's distance from its mean over channels, and there is none of one
    channel; contrast is the distance from the picture's mean.
    """
    bright, saturated, hard = torch.rand(3, len(x), 1, 1, 1, generator=generator).to(x).unbind()
    x = x + (bright - 0.5)
    if x.shape[1] > 1:
        x = torch.lerp(x.mean(1, keepdim=True), x, 2 * saturated)
    return torch.lerp(x.mean((1, 2, 3), keepdim=True), x, hard + 0.5)


def _translation(x: Tensor, generator: Generator) -> Tensor:
    """Move by up to an eighth of each side, either way; zeros come in."""
    h, w = x.shape[2:]
    row, inside_h = _moved(h, x, generator)
    column, inside_w = _moved(w, x, generator)
    place = (row[:, :, None] * w + column[:, None]).view(-1, 1, h * w)
    inside = (inside_h[:, :, None] & inside_w[:, None])[:, None]
    moved = x.flatten(2).gather(2, place.expand(-1, x.shape[1], -1)).view_as(x)
    return moved.masked_fill(~inside, 0)


def _moved(side: int, x: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Where each place of a side comes from, (b, side), and whether that lies in the picture."""
    most = _share(side, TRANSLATION)
    move = torch.randint(-most, most + 1, (len(x), 1), generator=generator).to(x.device)
    source = torch.arange(side, device=x.device) - move
    return source.clamp(0, side - 1), (source >= 0) & (source < side)


def _cutout(x: Tensor, generator: Generator) -> Tensor:
    """Zero a box of half of each side; its middle lies anywhere, so at an edge less is covered."""
    rows, columns = (_covered(side, x, generator) for side in x.shape[2:])
    return x.masked_fill((rows[:, :, None] & columns[:, None])[:, None], 0)


def _covered(side: int, x: Tensor, generator: Generator) -> Tensor:
    """Which places of a side the box covers: (b, side)."""
    size = _share(side, CUTOUT)
    middle = torch.randint(side + 1 - size % 2, (len(x), 1), generator=generator)
    start = (middle - size // 2).to(x.device)
    place = torch.arange(side, device=x.device)
    return (place >= start) & (place < start + size)


def _share(side: int, share: float) -> int:
    return int(side * share + 0.5)
