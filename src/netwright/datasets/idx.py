"""IDX: the official files of MNIST and Fashion-MNIST, packed or not.

Source: LeCun, Cortes and Burges, The MNIST database; Xiao et al. 2017, Fashion-MNIST.
Format: two zero bytes, the type of the numbers (8: unsigned byte), the number of dimensions, then
each dimension as a big-endian 32-bit number, then the numbers, the last dimension fastest.
Dimensions: n samples, h height, w width.
"""

import hashlib
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import cast, final

import torch
from pydantic import Field
from torch import Tensor

from netwright.datasets import _splits
from netwright.datasets._bounded import EXPANSION, opened
from netwright.datasets.base import Data, Dataset
from netwright.errors import InputError
from netwright.specs import Batch, Frozen, Pictures, Schema

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist lies."""
PACKAGE = "dataset-fashion-mnist"
BYTE = 8
CLASSES = 10
VALIDATION = 5_000
FILES = {
    ("train", "images"): "train-images-idx3-ubyte",
    ("train", "labels"): "train-labels-idx1-ubyte",
    ("test", "images"): "t10k-images-idx3-ubyte",
    ("test", "labels"): "t10k-labels-idx1-ubyte",
}
DIGITS = tuple("0123456789")
CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
CLOTHES_LABELS = "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7"
"""Sha256 of Fashion-MNIST's 60,000 training labels."""


class IdxConfig(Frozen):
    """Where the files lie, and how many of them validate."""

    path: Path | None = None
    """Folder of the four files; None: Debian's Fashion-MNIST, where it is installed."""
    validation: _splits.Share | None = None
    """Number or share of the training images; None: 5,000, or a tenth of fewer than 10,000."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the validation part."""
    expansion: int = Field(default=EXPANSION, ge=1)
    """By how much a packed file may grow."""


@final
class Idx(Dataset):
    """MNIST, Fashion-MNIST, and sets in their format."""

    Config = IdxConfig
    task = "image-classification"
    also = ("image-generation",)

    def open(self, config: Frozen) -> Data:
        """Check, decode and split; InputError names the file, its place and the reason."""
        config = cast("IdxConfig", config)
        folder = _folder(config.path)
        pixels, labels = _official(folder, "train", config.expansion)
        tested = _official(folder, "test", config.expansion)
        if tested[0].shape[1:] != pixels.shape[1:]:
            raise InputError(
                f"the test images are {_size(tested[0])}, the training images {_size(pixels)}",
                file=folder,
            )
        marks = _splits.digests(pixels)
        few = len(labels) < 2 * VALIDATION
        share = config.validation or (0.1 if few else VALIDATION)
        size = _splits.size_of(share, len(labels))
        held = _splits.stratified(labels, marks, size, config.seed)
        return _splits.labelled(
            {
                "train": (pixels[~held], labels[~held]),
                "validation": (pixels[held], labels[held]),
                "test": tested,
            },
            _names(folder, labels),
            top=255,
            fit="ink",
            notes=_splits.doubles(marks, _splits.digests(tested[0])),
        )

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Scanned pictures, brought to the size of the training images."""
        from netwright.datasets._pictures import read_pictures

        column = cast("Pictures", schema.columns["image"])
        return ((name, {"image": image}) for name, image in read_pictures(column, inputs))

    def fits(self, path: Path) -> bool:
        return path.is_dir() and any(_located(path, name) for name in FILES.values())


def parse(path: Path, root: Path, dimensions: int, expansion: int = EXPANSION) -> Tensor:
    """The array in an IDX file of unsigned bytes, packed or not.

    Memory is taken for what the file holds, never for what its header claims.

    Raises:
        InputError: the header is of another type or shape, or disagrees with the bytes that follow.
    """
    with opened(path, root, expansion) as source:
        header = source.take(4)
        if bytes(header) != bytes((0, 0, BYTE, dimensions)):
            raise InputError(
                f"the file begins with {header.hex(' ') or 'nothing'}, "
                f"but with 00 00 {BYTE:02x} {dimensions:02x} an IDX file of bytes in "
                f"{dimensions} dimension{'s' * (dimensions > 1)} begins",
                why=_strange(header, dimensions),
                file=path,
            )
        sizes = source.take(4 * dimensions)
        shape = [int.from_bytes(sizes[i : i + 4], "big") for i in range(0, len(sizes), 4)]
        if len(sizes) < 4 * dimensions or 0 in shape:
            raise InputError(
                "the header is cut short" if len(sizes) < 4 * dimensions else "the file is empty",
                why=f"the dimensions are {' x '.join(map(str, shape)) or 'missing'}",
                do="get the file again",
                file=path,
            )
        count = prod(shape)
        if source.packed and count > source.left:
            raise source.bomb()
        if not source.packed and count != source.left:
            raise _disagree(path, shape, source.left)
        values = source.take(count)
        if len(values) < count or source.read(1):
            raise _disagree(path, shape, len(values) if len(values) < count else None)
    return torch.frombuffer(values, dtype=torch.uint8).reshape(shape)


def _disagree(path: Path, shape: list[int], follow: int | None) -> InputError:
    """The error for a header that claims other than `follow` bytes; None: than a few more."""
    count = prod(shape)
    return InputError(
        f"the header says {' x '.join(map(str, shape))}, {count:,} bytes, "
        f"but {'more' if follow is None else f'{follow:,}'} follow it",
        why="the file was changed" if follow is None or follow > count else "the file is cut short",
        do="get the file again",
        file=path,
    )


def _strange(header: bytearray, dimensions: int) -> str:
    if len(header) < 4 or header[:2] != b"\0\0":
        return "it is no IDX file"
    if header[2] != BYTE:
        return f"its numbers are of the type {header[2]:02x}, and only bytes (08) are read"
    return f"it has {header[3]} dimensions and not {dimensions}"


def _folder(path: Path | None) -> Path:
    folder = path or DEBIAN
    if folder.is_dir():
        return folder
    names = ", ".join(FILES.values())
    if path is None:
        raise InputError(
            f"no folder is given, and Debian's {PACKAGE} is not installed",
            do=f"apt install {PACKAGE}, or a folder with {names} (each may end in .gz)",
        )
    raise InputError(
        "there is no such folder" if not path.exists() else "this is a file, but a folder is read",
        do=f"give the folder that holds {names}",
        file=path,
    )


def _located(folder: Path, name: str) -> Path | None:
    """The file called `name`, with a dot before `idx` as some tools write it, or packed."""
    dotted = name.replace("-idx", ".idx")
    places = (folder / (n + end) for n in (name, dotted) for end in ("", ".gz"))
    return next((p for p in places if p.exists()), None)


def _official(folder: Path, part: str, expansion: int) -> tuple[Tensor, Tensor]:
    """Pictures (n, 1, h, w) and labels (n,) of one official part."""
    found: dict[str, Path] = {}
    for kind in ("images", "labels"):
        place = _located(folder, FILES[part, kind])
        if place is None:
            raise InputError(
                f"{FILES[part, kind]} is missing, and {FILES[part, kind]}.gz too",
                do=f"put it beside the others, or apt install {PACKAGE}",
                file=folder,
            )
        found[kind] = place
    pixels = parse(found["images"], folder, 3, expansion)
    labels = parse(found["labels"], folder, 1, expansion)
    if len(pixels) != len(labels):
        raise InputError(
            f"there are {len(labels):,} labels for {len(pixels):,} images",
            why=f"{found['images'].name} and {found['labels'].name} belong to different sets",
            file=found["labels"],
        )
    if (strange := (labels >= CLASSES).nonzero()).numel():
        first = int(strange[0])
        raise InputError(
            f"label {first} (from 0) is {int(labels[first])}, but the classes are 0 to 9",
            file=found["labels"],
        )
    return pixels.unsqueeze(1), labels


def _names(folder: Path, labels: Tensor) -> tuple[str, ...]:
    """The names of the classes: clothes, if the folder says so or the labels are known."""
    known = hashlib.sha256(labels.numpy().data).hexdigest() == CLOTHES_LABELS
    return CLOTHES if known or "fashion" in folder.resolve().name.lower() else DIGITS


def _size(pixels: Tensor) -> str:
    return f"{pixels.shape[-2]} x {pixels.shape[-1]}"


dataset = Idx()
