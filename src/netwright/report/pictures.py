"""Tensors to small PNG pictures in `data:` URIs: numbers go in, no byte of a file is copied.

Dimensions: n pictures, c channels, h height, w width.
"""

import base64
import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from netwright import pictures as drawing

SIDE = 96
"""Pixels of a side at most; larger pictures are scaled down."""
MAP = 128
"""The same, of a map."""
PALETTE_FROM = 48
"""From this side on, colours are reduced to 128, which halves the bytes and is hardly seen."""
SMALL = 40
"""Up to this side, pixels are shown as squares instead of being smoothed."""
SHEET = 96_000
"""Bytes of a sheet at most; its pictures are scaled down until they fit."""
DENSE = 4
"""Pixels to a byte at most: hardly a picture is packed so well."""
WIDE = 864
"""Pixels that a sheet takes of a wide page at most."""
CELL = 52
"""Pixels of the page that a small picture of a sheet takes at least."""
INK = (0, 114, 178)
"""The colour of a map; its opacity is the value, so that it serves light and dark pages."""


@dataclass(frozen=True)
class Shot:
    """A picture of the page."""

    uri: str
    width: int
    height: int
    """Of the picture before it was scaled."""
    pixels: bool
    """Whether its pixels are shown as squares."""
    caption: str = ""
    across: int = 0
    """Pixels that it takes of a wide page; 0: as the style says."""


def photograph(picture: Tensor, caption: str = "") -> Shot:
    """(c, h, w) in [0, 1] as a PNG; one channel is grey, three are colours, of others the first."""
    c, h, w = picture.shape
    image = drawing.drawn(_reduced(picture))
    if max(image.size) > SIDE:
        image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    if c == 3 and max(image.size) >= PALETTE_FROM:
        image = image.quantize(128)
    return Shot(_uri(image), w, h, max(h, w) <= SMALL, caption)


def sheet(pictures: Tensor, columns: int | None = None, *, most: int = SHEET) -> Shot:
    """(n, c, h, w) in [0, 1] as one PNG of at most about `most` bytes, with clear gaps.

    Raises: ValueError if there is no picture.
    """
    n, _, h, w = pictures.shape
    if not n or not h or not w:
        raise ValueError("there is no picture")
    across = min(n, columns or drawing.columns_of(n, h, w))
    made = _within(_reduced(pictures), across, most)
    larger = max(1, round(CELL / max(h, w))) if max(h, w) <= SMALL else 1
    place = min(WIDE, larger * (across * (w + drawing.GAP) - drawing.GAP))
    size = (across * w, -(-n // across) * h)
    uri = "data:image/png;base64," + base64.b64encode(made).decode("ascii")
    return Shot(uri, *size, max(h, w) <= SMALL, across=place)


def heat(values: Tensor, caption: str = "") -> Shot:
    """(h, w) numbers as opacity, from the least (clear) to the greatest (full)."""
    h, w = values.shape
    small = _reduced(values[None].float().nan_to_num(0.0))[0]
    low, high = float(small.min()), float(small.max())
    share = (small - low) / (high - low) if high > low else torch.zeros_like(small)
    image = inked(share.sqrt())
    image.thumbnail((MAP, MAP), Image.Resampling.BOX)
    return Shot(_uri(image), w, h, pixels=True, caption=caption)


def inked(share: Tensor) -> Image.Image:
    """(h, w) in [0, 1] as the opacity of the one colour of maps."""
    array = np.empty((*share.shape, 4), np.uint8)
    array[..., :3] = INK
    array[..., 3] = (share * 255).round().to(torch.uint8).numpy()
    return Image.fromarray(array)


def _within(pictures: Tensor, columns: int, most: int) -> bytes:
    """The sheet as it is, else in few colours, else of smaller pictures, until it fits."""
    pictures = _shrunk(pictures, DENSE * most / pictures[:, :1].numel())
    while True:
        image = drawing.sheet(pictures, columns)
        data = drawing.png(image)
        if len(data) > most and image.mode == "RGBA":
            data = drawing.png(drawing.paletted(image))
        if len(data) <= most or max(pictures.shape[-2:]) <= 4:
            return data
        pictures = _shrunk(pictures, min(0.8, 0.95 * most / len(data)))


def _shrunk(pictures: Tensor, share: float) -> Tensor:
    """At most this share of the pixels."""
    if share >= 1:
        return pictures
    h, w = (max(1, int(math.sqrt(share) * side)) for side in pictures.shape[-2:])
    return F.adaptive_avg_pool2d(pictures.nan_to_num(0.0).clamp(0, 1), (h, w))


def _reduced(picture: Tensor) -> Tensor:
    """Every k-th row and column of what is far too large, so that no foreign size costs memory."""
    step = max(1, -(-max(picture.shape[-2:]) // (8 * SIDE)))
    return picture[..., ::step, ::step].detach().cpu().float()


def _uri(image: Image.Image) -> str:
    return "data:image/png;base64," + base64.b64encode(drawing.png(image)).decode("ascii")
