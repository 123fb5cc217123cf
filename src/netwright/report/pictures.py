"""Tensors to small PNG pictures in `data:` URIs: numbers go in, no byte of a file is copied.

Dimensions: n pictures, c channels, h height, w width.
"""

import base64
import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

SIDE = 96
"""Pixels of a side at most; larger pictures are scaled down."""
MAP = 128
"""The same, of a map."""
PALETTE_FROM = 48
"""From this side on, colours are reduced to 128, which halves the bytes and is hardly seen."""
SMALL = 40
"""Up to this side, pixels are shown as squares instead of being smoothed."""
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


def photograph(picture: Tensor, caption: str = "") -> Shot:
    """(c, h, w) in [0, 1] as a PNG; one channel is grey, three are colours, of others the first."""
    c, h, w = picture.shape
    chosen = _reduced(picture if c == 3 else picture[:1])
    data = (chosen.nan_to_num(0.0).clamp(0, 1) * 255).round().to(torch.uint8)
    array = data.permute(1, 2, 0).numpy()
    image = Image.fromarray(array if c == 3 else np.ascontiguousarray(array[:, :, 0]))
    if max(image.size) > SIDE:
        image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    if c == 3 and max(image.size) >= PALETTE_FROM:
        image = image.quantize(128)
    return Shot(_uri(image), w, h, max(h, w) <= SMALL, caption)


def heat(values: Tensor, caption: str = "") -> Shot:
    """(h, w) numbers as opacity, from the least (clear) to the greatest (full)."""
    h, w = values.shape
    small = _reduced(values[None].float().nan_to_num(0.0))[0]
    low, high = float(small.min()), float(small.max())
    share = (small - low) / (high - low) if high > low else torch.zeros_like(small)
    array = np.empty((*small.shape, 4), np.uint8)
    array[..., :3] = INK
    array[..., 3] = (share.sqrt() * 255).round().to(torch.uint8).numpy()
    image = Image.fromarray(array)
    image.thumbnail((MAP, MAP), Image.Resampling.BOX)
    return Shot(_uri(image), w, h, pixels=True, caption=caption)


def _reduced(picture: Tensor) -> Tensor:
    """Every k-th row and column of what is far too large, so that no foreign size costs memory."""
    step = max(1, -(-max(picture.shape[-2:]) // (8 * SIDE)))
    return picture[..., ::step, ::step].detach().cpu().float()


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
