"""A folder with a folder for each class, with or without official parts: what lies where.

Nothing is decoded here. Links are followed inside the folder and refused where they leave it.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netwright.datasets._pictures import is_picture, litter
from netwright.errors import InputError, MachineError, nearest, shown

PARTS: Final = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of folders, in lower case, to the part that they hold."""
FILES = 1_000_000
PATH = 1_024
"""Bytes of a path below the root."""
LAYOUT = "PATH/CLASS/*.jpg, or PATH/train/CLASS/*.jpg beside PATH/val and PATH/test"


@dataclass(frozen=True, slots=True)
class Sample:
    """A file that may be a picture, and how it stood when it was found."""

    name: str
    """Path below the root."""
    part: str
    """`train`, `validation`, `test`; empty where there are no official parts."""
    label: str
    size: int
    stamps: tuple[int, int]
    """When its content and when its entry changed last, in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Scan:
    """All samples of a folder, in order of part, class and name."""

    root: Path
    classes: tuple[str, ...]
    """Of the training part, sorted."""
    samples: Sequence[Sample]


def scan(root: Path, most: int = FILES) -> Scan:
    """What the folder holds.

    Raises:
        InputError: no folder, empty, one class, pictures without a class, a class of `test` or
            `val` that is not in `train`, a link that leaves the folder, more than `most` files.
        MachineError: it may not be read.
    """
    if not root.is_dir():
        kind = (
            "this is a file, but a folder is read" if root.exists() else "there is no such folder"
        )
        raise InputError(kind, do=f"lay the pictures out as {LAYOUT}", file=root)
    root = root.resolve()
    places = _parts(root)
    samples: list[Sample] = []
    classes: dict[str, tuple[str, ...]] = {}
    for part, folder in places.items():
        classes[part] = _classes(root, folder)
        earlier = len(samples)
        for label in classes[part]:
            before = len(samples)
            for sample in _walk(root, folder / label, part, label):
                samples.append(sample)
                if len(samples) > most:
                    raise InputError(f"there are more than {most:,} files", file=root)
            if len(samples) == before and part in {"", "train"}:
                raise _empty("class", folder / label)
        if len(samples) == earlier:
            raise _empty(f"{part} part", folder)
    known = classes["train" if "train" in classes else ""]
    if len(known) < 2:
        raise InputError(
            f"there is only one class, '{shown(known[0])}'",
            why="to tell classes apart takes two",
            do=f"lay the pictures out as {LAYOUT}",
            file=root,
        )
    _known(known, classes, places)
    return Scan(root, known, samples)


def gathered(root: Path, most: int = FILES) -> Scan:
    """All files below a folder, whatever folders they lie in, without a class.

    Raises: as `scan`, where classes are not spoken of.
    """
    if not root.is_dir():
        kind = "this is a file, but a folder is read"
        raise InputError(
            kind if root.exists() else "there is no such folder",
            do="a folder of pictures",
            file=root,
        )
    root = root.resolve()
    samples: list[Sample] = []
    for sample in _walk(root, root, "", ""):
        samples.append(sample)
        if len(samples) > most:
            raise InputError(f"there are more than {most:,} files", file=root)
    if not samples:
        raise InputError("the folder is empty", do="put pictures into it", file=root)
    return Scan(root, ("",), samples)


def _empty(what: str, folder: Path) -> InputError:
    return InputError(
        f"the {what} has no picture", do="add pictures or remove the folder", file=folder
    )


def _known(
    known: Sequence[str], classes: dict[str, tuple[str, ...]], places: dict[str, Path]
) -> None:
    for part, labels in classes.items():
        for label in labels:
            if label not in known:
                raise InputError(
                    f"label '{shown(label)}' of the {part} part is not in the training part",
                    why=f"it has {len(known)} classes",
                    near=nearest(label, known),
                    do="rename the folder, or add the class to the training part",
                    file=places[part] / label,
                )


def _parts(root: Path) -> dict[str, Path]:
    """The folders of the official parts, training first; {'': root} where there are none."""
    folders = [name for name, entry in _listing(root, root) if entry.is_dir()]
    official: dict[str, list[str]] = {}
    for name in folders:
        if (part := PARTS.get(name.lower())) is not None:
            official.setdefault(part, []).append(name)
    others = [name for name in folders if name.lower() not in PARTS]
    if not official or (others and len(official) == 1):
        return {"": root}  # `train` beside `car` and `bus` is a class of vehicles
    if others:
        raise InputError(
            f"the folder '{shown(others[0])}' lies beside {' and '.join(sorted(official))}",
            why="that is neither a layout of parts nor of classes",
            do=f"lay the pictures out as {LAYOUT}",
            file=root,
        )
    for part, names in official.items():
        if len(names) > 1:
            raise InputError(
                f"the {part} part is there twice, as {' and '.join(map(shown, names))}", file=root
            )
    if "train" not in official:
        raise InputError(
            f"there is a {' and a '.join(sorted(official))} part, but no train part",
            do="name the folder with the training pictures 'train'",
            file=root,
        )
    order = ("train", "validation", "test")
    return {part: root / official[part][0] for part in order if part in official}


def _classes(root: Path, folder: Path) -> tuple[str, ...]:
    names = []
    for name, entry in _listing(root, folder):
        if entry.is_dir():
            names.append(name)
        elif entry.is_file() and is_picture(Path(entry)):
            raise InputError(
                "this picture has no class",
                why="it does not lie in the folder of a class",
                do=f"lay the pictures out as {LAYOUT}",
                file=entry.path,
            )
    if not names:
        raise InputError(
            "the folder is empty", why="it holds no folder of a class", do=LAYOUT, file=folder
        )
    for name in names:
        if not name.isprintable():
            raise InputError(
                f"the class name '{shown(name)}' cannot be printed",
                do="rename the folder in plain UTF-8",
                file=folder,
            )
    return tuple(names)


def _walk(root: Path, top: Path, part: str, label: str) -> Iterator[Sample]:
    """All files below `top`, folders in order of names."""
    base = len(os.fspath(root)) + 1
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        inside = []
        for _, entry in _listing(root, folder):
            if entry.is_dir():
                inside.append(Path(entry))
                continue
            found = entry.stat()
            name = entry.path[base:]
            if not stat.S_ISREG(found.st_mode):
                raise InputError("this is a pipe or a device, not a picture", file=entry.path)
            if len(os.fsencode(name)) > PATH:
                raise InputError(f"the path is longer than {PATH:,} bytes", file=entry.path)
            stamps = (found.st_mtime_ns, found.st_ctime_ns)
            yield Sample(name, part, label, found.st_size, stamps)
        waiting += reversed(inside)


def _listing(root: Path, folder: Path) -> list[tuple[str, os.DirEntry[str]]]:
    """What lies in `folder` by name, without litter; links that leave `root` are refused."""
    try:
        with os.scandir(folder) as found:
            entries = sorted((e.name, e) for e in found if not litter(e.name))
    except OSError as error:
        raise MachineError(f"cannot read the folder: {error.strerror}", file=folder) from error
    for _, entry in entries:
        if not entry.is_symlink():
            continue
        target = Path(os.path.realpath(entry))
        if not target.is_relative_to(root):
            raise InputError(
                "this link leads out of the folder",
                do="put the picture itself there, or give the folder that holds both",
                file=entry.path,
            )
        if not target.exists():
            raise InputError("this link leads nowhere", do="remove it", file=entry.path)
        if Path(os.path.realpath(folder)).is_relative_to(target):
            raise InputError("this link leads to a folder that it lies in", file=entry.path)
    return entries
