"""Pictures from files: limits before decoding, whole decoding, and the fit to a column's form.

Only five decoders ever see foreign bytes: JPEG, PNG, WebP, BMP and GIF (its first frame), chosen by
content and never by suffix. Transparent parts are laid on white, as paper and browsers have it;
16-bit grey is cut to its high byte; CMYK becomes RGB without a colour profile.

Dimensions: n one, c channels (1 or 3), h height, w width.
"""

import os
import stat
import struct
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pydantic import Field
from torch import Tensor

from netwright.errors import InputError, MachineError, nearest, shown
from netwright.specs import Frozen, Image, Pictures

FORMATS = "JPEG, PNG, WebP, BMP and GIF"
LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx", "icon\r", "ehthumbs.db"})
"""Names, in lower case, that file managers leave behind."""
TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""EXIF orientation to what undoes it; 1 is upright (EXIF 2.3, section 4.6.4, tag 0x0112)."""


FAINT = 16
"""Steps of grey below which a picture holds no drawing."""
INK = 0.2
"""Share of the strongest stroke from which on a pixel is ink and not paper."""


class Limits(Frozen):
    """What a picture may be, checked by its size on disk and by its header."""

    bytes: int = Field(64 << 20, ge=1)
    """Of the file."""
    pixels: int = Field(50_000_000, ge=1)
    """Width times height."""
    side: int = Field(32_768, ge=1)
    """Width, and height."""


LIMITS = Limits()


def litter(name: str) -> bool:
    """Whether a file or folder of this name is hidden or a file manager's, and no sample."""
    return name.startswith(".") or name.lower() in LITTER


def decoder(head: bytes) -> type[ImageFile] | None:
    """The decoder for a file that begins with `head`, at least 12 bytes; None: no picture."""
    if head.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WebPImageFile
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GifImageFile
    return BmpImageFile if head.startswith(b"BM") else None


def is_picture(path: Path) -> bool:
    """Whether the file begins as a picture does; MachineError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return decoder(file.read(16)) is not None
    except OSError as error:
        raise MachineError(f"cannot read it: {error.strerror}", file=path) from error


def contents(path: Path, limits: Limits = LIMITS) -> bytes:
    """The bytes of one file; InputError if it is missing, no file, or too large."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise InputError("this is no regular file", do="name a picture", file=path)
        if found.st_size > limits.bytes:
            size, most = found.st_size / 2**20, limits.bytes / 2**20
            raise InputError(
                "the file is too large",
                why=f"it has {size:.1f} MiB, the limit `bytes` is {most:.1f} MiB",
                file=path,
            )
        data = path.read_bytes()
    except FileNotFoundError as error:
        beside = path.parent.iterdir() if path.parent.is_dir() else ()
        near = nearest(path.name, [p.name for p in beside])
        raise InputError("there is no such file", near=near, file=path) from error
    except OSError as error:
        raise MachineError(f"cannot read it: {error.strerror}", file=path) from error
    if len(data) != found.st_size:
        raise InputError("the file changed while it was read", file=path)
    return data


def decode(
    data: bytes, file: object = "", limits: Limits = LIMITS, near: tuple[int, int] | None = None
) -> Pillow.Image:
    """The picture in `data`, upright, in mode `L` or `RGB`.

    Args:
        data: a whole file.
        file: its name, for messages.
        limits: checked on the header, before any pixel is decoded.
        near: a (width, height) that it will be scaled down to; lets a JPEG be decoded at a half,
            a quarter or an eighth of its size where that is still twice as large.

    Raises:
        InputError: no picture, too large, truncated, damaged.
        MachineError: out of memory.
    """
    kind = decoder(data[:16])
    if kind is None:
        why = "it is empty" if not data else f"its first bytes are none of {FORMATS}"
        raise InputError("this is no picture", why=why, file=file)
    try:
        with kind(BytesIO(data)) as image:
            _check(image, limits)
            if near is not None and isinstance(image, JpegImageFile):
                image.draft(None, (2 * near[0], 2 * near[1]))
            image.load()
            turn = TURNS.get(orientation(image.info.get("exif", b"")))
            plain = flat(image)
    except InputError as error:
        raise named(error, file) from None
    except MemoryError as error:
        raise MachineError("out of memory while a picture was decoded", file=file) from error
    except Exception as error:  # noqa: BLE001  (a decoder fed with foreign bytes may raise anything)
        raise InputError(
            "the picture is damaged or truncated", why=shown(error), file=file
        ) from None
    return plain if turn is None else plain.transpose(turn)


def _check(image: ImageFile, limits: Limits) -> None:
    w, h = image.size
    if not (w and h):
        raise InputError("the picture is empty", why=f"it is {w} x {h} pixels")
    if max(w, h) > limits.side:
        why = f"a side has {max(w, h)} pixels, the limit `side` is {limits.side}"
    elif w * h > limits.pixels:
        why = f"it has {w * h / 1e6:.1f} megapixels, the limit `pixels` is {limits.pixels / 1e6:g}"
    else:
        return
    raise InputError(f"a picture of {w} x {h} is too large", why=why, do="make it smaller")


def named(error: InputError, file: object) -> InputError:
    """The same error, telling the file."""
    return InputError(error.what, why=error.why, do=error.do, near=error.near, file=file)


def orientation(exif: object) -> int:
    """The orientation, 1 to 8, that an EXIF block tells; 1 if it tells none or is damaged.

    Read here because a damaged block must not cost a good picture, nor print a warning.
    """
    body = exif.removeprefix(b"Exif\0\0") if isinstance(exif, bytes) else b""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(body[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", body, 4)
        (count,) = struct.unpack_from(order + "H", body, start)
        for entry in range(count):
            tag, _, _, value = struct.unpack_from(order + "HHIH", body, start + 2 + 12 * entry)
            if tag == 0x0112:
                return int(value)
    except struct.error:
        pass
    return 1


def flat(image: Pillow.Image) -> Pillow.Image:
    """Eight bits, no palette, no transparency: mode `L` or `RGB`."""
    if image.mode.startswith("I;16"):
        deep = np.asarray(image)
        grey = (deep >> 8).astype(np.uint8)
        if (hole := image.info.get("transparency")) is not None:
            grey[deep == hole] = 255
        return Pillow.fromarray(grey)
    if image.mode not in {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}:
        raise InputError(
            f"pixels of the kind '{image.mode}' are not read", do="convert it to 8-bit grey or RGB"
        )
    mode = "L" if image.mode in {"1", "L", "LA"} else "RGB"
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image = Pillow.alpha_composite(Pillow.new("RGBA", clear.size, "white"), clear)
    return image.convert(mode)


def is_grey(image: Pillow.Image) -> bool:
    """Whether a picture of mode `L` or `RGB` holds no colour."""
    if image.mode == "L":
        return True
    red, green, blue = image.split()
    return red.tobytes() == green.tobytes() == blue.tobytes()


def pixels(image: Pillow.Image, channels: int) -> Tensor:
    """(c, h, w) of uint8; colour to grey by the weights of ITU-R 601, grey to three equal ones."""
    array = np.array(image.convert("L" if channels == 1 else "RGB"))
    made = torch.from_numpy(array)
    return made[None] if channels == 1 else made.permute(2, 0, 1).contiguous()


def crop(image: Pillow.Image, form: Image) -> Tensor:
    """(c, h, w): the largest middle part of the form's proportions, scaled with antialiasing."""
    w, h = image.size
    scale = min(w / form.width, h / form.height)
    wide, high = form.width * scale, form.height * scale
    left, above = (w - wide) / 2, (h - high) / 2
    box = (left, above, min(left + wide, w), min(above + high, h))
    size = (form.width, form.height)
    return pixels(image.resize(size, Pillow.Resampling.BILINEAR, box=box), form.channels)


def ink(image: Pillow.Image, form: Image) -> Tensor:
    """(c, h, w): the drawing alone, light on black, its box centred, the strongest stroke 255.

    From 20 pixels on a margin of a seventh is left on each side, as MNIST has its 20 x 20 box in
    28 x 28; smaller forms are filled to the edge, as the 8 x 8 digits are. A picture of the form's
    own size stays in its place. InputError if there is nothing to see.
    """
    grey = np.asarray(image.convert("L"), dtype=np.float32)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = float(np.median(border))
    drawn = np.clip(paper - grey if paper > 127 else grey - paper, 0, None)
    if drawn.max() < FAINT:
        raise InputError(
            "no ink is found", why="the picture is of one tone", do="draw dark on light"
        )
    if drawn.shape == (form.height, form.width):
        made = drawn
    else:
        made = np.zeros((form.height, form.width), np.float32)
        strokes = _boxed(drawn, form)
        high, wide = strokes.shape
        top = _start(form.height, strokes.sum(1))
        left = _start(form.width, strokes.sum(0))
        # A thin stroke pales when it is scaled down; the data's strokes are strong.
        made[top : top + high, left : left + wide] = strokes * (255 / strokes.max())
    return torch.from_numpy(made.round().astype(np.uint8)).expand(form.channels, -1, -1).clone()


def _start(side: int, mass: NDArray[np.float32]) -> int:
    """Where a box of `len(mass)` begins in the middle of `side`; half a place by its mass."""
    rest = side - len(mass)
    heavy_behind = 2 * float(mass @ np.arange(len(mass))) > (len(mass) - 1) * float(mass.sum())
    return rest // 2 if heavy_behind else (rest + 1) // 2


def _boxed(drawn: NDArray[np.float32], form: Image) -> NDArray[np.float32]:
    """The ink's box, scaled to fit into the form less its margin."""
    inked = drawn > INK * drawn.max()
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    room = [side - 2 * (side // 7) if side >= 20 else side for side in (form.width, form.height)]
    wide, high = box[2] - box[0], box[3] - box[1]
    scale = min(room[0] / wide, room[1] / high)
    size = (max(1, round(wide * scale)), max(1, round(high * scale)))
    return np.asarray(Pillow.fromarray(drawn).resize(size, Pillow.Resampling.BILINEAR, box=box))


def exact(image: Pillow.Image, form: Image) -> Tensor:
    """(c, h, w): the pixels as they are; InputError if size or channels differ from the form's."""
    channels = len(image.getbands())
    if (channels, image.height, image.width) != (form.channels, form.height, form.width):
        raise InputError(
            f"the picture has {channels} channels and {image.width} x {image.height} pixels",
            why=f"this net reads {form.channels} channels and {form.width} x {form.height} pixels",
            do="convert the picture, or train on data of its form",
        )
    return pixels(image, form.channels)


FITS = {"exact": exact, "crop": crop, "ink": ink}


def fitted(image: Pillow.Image, column: Pictures) -> Tensor:
    """(c, h, w) of uint8 from 0 to `column.top`, in the column's form."""
    made = FITS[column.fit](image, column.form)
    if column.top == 255:
        return made
    return ((made.int() * column.top * 2 + 255) // 510).to(torch.uint8)  # rounds to the nearest


def read_pictures(column: Pictures, inputs: Sequence[Path]) -> Iterator[tuple[str, Tensor]]:
    """Each picture by its path, (n, c, h, w) of uint8 with n = 1.

    Folders are walked in order of names; what is no picture in them is passed over, but a file
    that is named must be one: InputError.
    """
    for path in files(inputs):
        image = decode(contents(path), path, near=_near(column))
        try:
            made = fitted(image, column)
        except InputError as error:
            raise named(error, path) from None
        yield str(path), made[None]


def _near(column: Pictures) -> tuple[int, int] | None:
    return (column.form.width, column.form.height) if column.fit == "crop" else None


def files(inputs: Iterable[Path]) -> Iterator[Path]:
    """The named files, and the pictures in the named folders; InputError where there are none."""
    for path in inputs:
        if not path.is_dir():
            yield path
            continue
        some = False
        for folder, inside, names in os.walk(path):
            inside[:] = sorted(name for name in inside if not litter(name))
            for name in sorted(names):
                found = Path(folder, name)
                if not litter(name) and found.is_file() and is_picture(found):
                    some = True
                    yield found
        if not some:
            raise InputError("the folder holds no picture", why=f"{FORMATS} are read", file=path)
