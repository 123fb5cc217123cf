"""A folder of sounds: which files there are and what each is called. Nothing is decoded here.

The class of a sound is the folder that it lies in, `PATH/CLASS/*.wav`, or what its name begins
with, up to the first underscore: `7_jackson_32.wav` is of class `7`. Sounds of which none is told
so have no classes.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from netwright.datasets._sounds import is_sound, litter
from netwright.errors import InputError, shown

By = Literal["auto", "folders", "prefix", "none"]
SUFFIXES = {".wav", ".wave", ".flac"} | {
    *(".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff", ".au", ".wma", ".w64")
}
"""Files that someone called a sound: one that cannot be read is told, not passed over."""
FILES = 200_000
LAYOUT = "PATH/CLASS/*.wav, or PATH/CLASS_*.wav"
TAKE: Final = re.compile(r"([^_]+)_(.+)_(\d{1,9})")
"""`label_speaker_number`, without the suffix."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A file that is called a sound, or is one."""

    name: str
    """Path below the root."""
    label: str


@dataclass(frozen=True, slots=True)
class Scan:
    """All samples of a folder, in order of class and name."""

    root: Path
    classes: tuple[str, ...]
    """Sorted; none where sounds have no classes."""
    samples: Sequence[Sample]
    passed: Sequence[str]
    """Files that are no sounds and are not called so."""
    only: str = ""
    """What all sounds would be called, where that tells none apart and was not asked for."""


@dataclass(frozen=True, slots=True)
class Take:
    """One of several recordings of a word by a speaker."""

    speaker: str
    number: int


def take(name: str) -> Take | None:
    """What a name of the form `label_speaker_number.wav` says; None for another form."""
    match = TAKE.fullmatch(Path(name).stem)
    return None if match is None else Take(match[2], int(match[3]))


def scan(root: Path, by: By = "auto", most: int = FILES) -> Scan:
    """What the folder holds.

    Raises:
        InputError: no folder, no sound, more than `most` files; one class where classes are asked
            for, a sound without one where others have one.
        MachineError: a file may not be read.
    """
    if not root.is_dir():
        kind = (
            "this is a file, but a folder is read" if root.exists() else "there is no such folder"
        )
        raise InputError(kind, do=f"lay the sounds out as {LAYOUT}", file=root)
    names, passed = _names(root, most)
    if not names:
        raise InputError(
            "the folder holds no sound", do=f"lay the sounds out as {LAYOUT}", file=root
        )
    guessed = _guessed(names) if by == "auto" else by
    plain = Scan(root, (), [Sample(name, "") for name in sorted(names)], passed)
    if guessed == "none":
        return plain
    label = _by_folder if guessed == "folders" else _by_prefix
    samples = sorted((Sample(name, label(root, name)) for name in names), key=_order)
    classes = tuple(sorted({sample.label for sample in samples}))
    if len(classes) < 2 and by == "auto":
        return replace(plain, only=classes[0])
    if len(classes) < 2:
        raise InputError(
            f"there is only one class, '{shown(classes[0])}'",
            why="to tell classes apart takes two",
            do=f"lay the sounds out as {LAYOUT}",
            file=root,
        )
    return Scan(root, classes, samples, passed)


def _guessed(names: Sequence[str]) -> Literal["folders", "prefix", "none"]:
    """Folders where several hold sounds; one alone is that of a set whose names tell the class."""
    folders = {_folder(name) for name in names} - {""}
    told = [Path(name).stem.find("_") > 0 for name in names]
    if not folders and not any(told):
        return "none"
    return "folders" if len(folders) > 1 or (folders and not all(told)) else "prefix"


def _order(sample: Sample) -> tuple[str, str]:
    return sample.label, sample.name


def _names(root: Path, most: int) -> tuple[list[str], list[str]]:
    """Files that are sounds or are called so, and the others, by their paths below the root."""
    found: list[str] = []
    passed: list[str] = []
    for folder, inside, names in os.walk(root):
        inside[:] = sorted(name for name in inside if not litter(name))
        for name in sorted(names):
            path = Path(folder, name)
            if litter(name) or not path.is_file():
                continue
            sound = path.suffix.lower() in SUFFIXES or is_sound(path)
            (found if sound else passed).append(path.relative_to(root).as_posix())
            if len(found) > most:
                raise InputError(f"there are more than {most:,} files", file=root)
    return found, passed


def _folder(name: str) -> str:
    return name.partition("/")[0] if "/" in name else ""


def _by_folder(root: Path, name: str) -> str:
    label = _folder(name)
    if not label:
        raise InputError(
            "this sound has no class",
            why="it does not lie in the folder of a class",
            do=f"lay the sounds out as {LAYOUT}",
            file=root / name,
        )
    return _printable(root, name, label)


def _by_prefix(root: Path, name: str) -> str:
    label, underscore, _ = Path(name).stem.partition("_")
    if not (label and underscore):
        raise InputError(
            "this sound has no class",
            why="its name has none before an underscore, and it does not lie in the folder of one",
            do=f"lay the sounds out as {LAYOUT}",
            file=root / name,
        )
    return _printable(root, name, label)


def _printable(root: Path, name: str, label: str) -> str:
    if not label.isprintable():
        raise InputError(
            f"the class name '{shown(label)}' cannot be printed",
            do="rename it in plain UTF-8",
            file=root / name,
        )
    return label
