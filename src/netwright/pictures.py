"""Pictures as numbers to pictures as PNG: one at a time, or many on one sheet.

Dimensions: n pictures, c channels, h height, w width.
"""

import io
import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

GAP = 1
"""Pixels between two pictures of a sheet; they are clear, so that any page shows through."""


def drawn(picture: Tensor) -> Image.Image:
    """(c, h, w) in [0, 1] as 8 bits; three channels are colours, of others the first is grey."""
    c, _, _ = picture.shape
    chosen = (picture if c == 3 else picture[:1]).detach().cpu().float()
    data = (chosen.nan_to_num(0.0).clamp(0, 1) * 255).round().to(torch.uint8)
    array = data.permute(1, 2, 0).numpy()
    return Image.fromarray(array if c == 3 else np.ascontiguousarray(array[:, :, 0]))


def sheet(pictures: Tensor, columns: int | None = None) -> Image.Image:
    """(n, c, h, w) in [0, 1] side by side, line by line, with clear gaps; n is at least 1."""
    n, _, h, w = pictures.shape
    across = min(n, columns or columns_of(n, h, w))
    down = -(-n // across)
    tiles = [drawn(p) for p in pictures]
    kind = "RGBA" if tiles[0].mode == "RGB" else "LA"
    made = Image.new(kind, (across * (w + GAP) - GAP, down * (h + GAP) - GAP))
    for i, tile in enumerate(tiles):
        made.paste(tile.convert(kind), (i % across * (w + GAP), i // across * (h + GAP)))
    return made


def columns_of(n: int, h: int, w: int) -> int:
    """How many of n pictures stand side by side, so that the sheet is nearly square and full."""

    def poor(across: int) -> float:
        down = -(-n // across)
        aspect = across * (w + GAP) / (down * (h + GAP))
        return abs(math.log(aspect)) + 1 - n / (across * down)

    wanted = math.sqrt(n * (h + GAP) / (w + GAP))
    near = range(max(1, int(wanted / 2)), min(n, int(2 * wanted) + 1) + 1)
    return min(near or (n,), key=lambda across: (round(poor(across), 9), -across))


def paletted(image: Image.Image, colours: int = 255) -> Image.Image:
    """An RGBA picture in few colours; what was clear stays so."""
    opaque = np.asarray(image)[..., 3] > 0
    few = image.convert("RGB").quantize(colours)
    places: NDArray[np.uint8] = np.where(opaque, np.asarray(few), colours).astype(np.uint8)
    made = Image.fromarray(places, "P")
    used = (few.getpalette() or [])[: 3 * colours]
    made.putpalette(used + [255] * (3 * (colours + 1) - len(used)))
    made.info["transparency"] = colours
    return made


def png(image: Image.Image) -> bytes:
    """A picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
