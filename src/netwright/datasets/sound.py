"""Sound: own recordings, a folder for each class or the class in the name; else spoken digits.

The split is seeded and stratified, and equal sounds lie in one part; or, where every file is called
`label_speaker_number`, the first recordings of each speaker and label are the test part, as the
Free Spoken Digit set has it (Jackson et al. 2018). Recordings are brought to one channel, one rate
and one length. Without a path, digits are synthesised, each by another voice.

Dimensions: n samples, t samples of a sound.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from netwright.datasets import _formants, _splits
from netwright.datasets._sound_files import By, Scan, scan, take
from netwright.datasets._sounds import FORMATS, LIMITS, Heard, Limits, files, heard, read_sounds
from netwright.datasets.base import Data, Dataset, Quarantined, Tensors
from netwright.errors import InputError, shown
from netwright.specs import Batch, Column, Frozen, Labels, Schema, Sound

PATTERN = "label_speaker_number.wav"
MADE = (
    "the digits are synthesised, each by another voice that is drawn at random; "
    "recorded ones are harder"
)
SPEAKERS = "the same speakers stand in training and test: expect less on new speakers"


class SoundConfig(Frozen):
    """Where the sounds lie, and what is made of them."""

    path: Path | None = None
    """The folder; None: digits are synthesised."""
    rate: int = Field(8_000, ge=1_000, le=192_000)
    """Samples a second, to which all sounds are brought."""
    length: int = Field(4_096, ge=2, le=1 << 24)
    """Samples, to which all sounds are cut or filled with silence."""
    labels: By = "auto"
    """Where classes stand: in the names of folders, or in front of an underscore; `none`: there are
    none; `auto`: folders where several hold sounds, and none where neither tells two apart."""
    split: Literal["auto", "share", "first"] = "auto"
    """`share`: drawn; `first`: by the number of the recording; `auto`: by the number where every
    name has one."""
    first: int = Field(5, ge=1)
    """Recordings of each speaker and label, numbered from 0, that are the test part."""
    validation: _splits.Share = 0.1
    """Number or share of the sounds that are not test."""
    test: _splits.Share = 0.2
    """Number or share of the sounds, where the split is drawn."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the split, and of the voices that are synthesised."""
    count: int = Field(1_500, ge=100, le=100_000)
    """Digits that are synthesised."""
    limits: Limits = LIMITS
    """Of one sound."""


@dataclass(frozen=True)
class Read:
    """Sounds in the column's form."""

    samples: Tensor
    """(n, t) of int16."""
    labels: Tensor
    """(n,) of int64."""
    names: Sequence[str]
    """(n,) files; none where they were synthesised."""
    notes: tuple[str, ...] = ()
    bad: tuple[Quarantined, ...] = ()


@final
class SoundFolder(Dataset):
    """Sounds, each with a label where there are any."""

    Config = SoundConfig
    task = "sound-classification"
    also = ("audio-generation",)
    files = "a folder of WAV files; classes are subfolders or names like CLASS_1.wav"

    def open(self, config: Frozen) -> Data:
        """Read or synthesise, check and split; InputError names file and reason."""
        config = cast("SoundConfig", config)
        if config.path is None:
            classes, read = _formants.NAMES, _synthesised(config)
        else:
            found = scan(config.path, config.labels)
            classes, read = found.classes, _read(found, config)
        places, told = _split(read, config)
        if classes:
            _trained(classes, read.labels[places["train"]], config)
        columns: dict[str, Column] = {"sound": Sound(rate=config.rate, length=config.length)}
        stored = {"sound": read.samples}
        if classes:
            columns["label"], stored["label"] = Labels(names=classes), read.labels
        parts = {
            part: Tensors({name: rows[where] for name, rows in stored.items()})
            for part, where in places.items()
        }
        return Data(
            schema=Schema(columns=columns),
            parts=parts,
            fingerprint=_splits.fingerprint(parts),
            notes=(*told, *read.notes),
            quarantine=read.bad,
            found=len(read.samples) + len(read.bad),
        )

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Foreign sounds, brought to the form of the training sounds."""
        column = cast("Sound", schema.columns["sound"])
        return ((name, {"sound": sound}) for name, sound in read_sounds(column, inputs))

    def fits(self, path: Path) -> bool:
        """Whether a folder holds a sound."""
        try:
            return path.is_dir() and next(files([path]), None) is not None
        except InputError:
            return False


def _synthesised(config: SoundConfig) -> Read:
    if config.split == "first" or config.labels != "auto":
        raise InputError(
            "synthesised digits have no file names to split or label by",
            do="leave split and labels out, or give --data FOLDER",
        )
    clips, digits = _formants.spoken(config.count, config.rate, config.length, config.seed)
    labels = torch.from_numpy(digits.astype(np.int64))
    return Read(torch.from_numpy(clips.copy()), labels, (), (MADE,))


def _read(found: Scan, config: SoundConfig) -> Read:
    """All sounds that can be read; InputError where too many cannot."""
    number = {name: i for i, name in enumerate(found.classes or ("",))}
    good: list[Heard] = []
    names: list[str] = []
    labels: list[int] = []
    bad: list[tuple[int, str]] = []
    for place, sample in enumerate(found.samples):
        path = found.root / sample.name
        try:
            made = heard(path, config.rate, config.length, found.root, config.limits)
        except InputError as error:
            bad.append((place, f"{error.what}: {error.why}" if error.why else error.what))
            continue
        good.append(made)
        names.append(sample.name)
        labels.append(number[sample.label])
    _check(found, bad)
    return Read(
        samples=torch.from_numpy(np.stack([h.samples for h in good])),
        labels=torch.tensor(labels, dtype=torch.int64),
        names=names,
        notes=_notes(found, good, names, config),
        bad=tuple(Quarantined(found.samples[row].name, "", reason) for row, reason in bad),
    )


def _check(found: Scan, bad: Sequence[tuple[int, str]]) -> None:
    """InputError where more than one in a hundred is bad, of all sounds or of a class."""
    samples = found.samples
    everything = Counter(sample.label for sample in samples)
    lost = {"": (len(bad), len(samples))} | {
        label: (n, everything[label])
        for label, n in Counter(samples[row].label for row, _ in bad).items()
    }
    for label, (n, total) in lost.items():
        if 100 * n > total:
            some = [(samples[row], why) for row, why in bad]
            some = [(s, why) for s, why in some if label in {"", s.label}]
            where = f" of class '{shown(label)}'" if label else ""
            raise InputError(
                f"{n:,} of {total:,} sounds{where} cannot be read, and 1 % may be bad",
                why="; ".join(f"{shown(s.name)} ({why})" for s, why in some[:3]),
                do="repair or remove them",
                file=found.root,
            )


def _split(read: Read, config: SoundConfig) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Rows of each part, and what is to be said of them."""
    marks = _splits.digests(read.samples)
    takes = [take(name) for name in read.names]
    numbered = bool(takes) and all(takes)
    if config.split == "first" and not numbered:
        strange = next(n for n, t in zip(read.names, takes, strict=True) if t is None)
        raise InputError(
            f"split=first reads names like {PATTERN}, and '{shown(strange)}' is none",
            do="split=share, or rename the files",
            file=config.path or "",
        )
    notes: tuple[str, ...] = ()
    if numbered and config.split != "share":
        test = torch.tensor([t is not None and t.number < config.first for t in takes])
        if test.all() or not test.any():
            raise InputError(
                f"{'all' if test.all() else 'none'} of the recordings are numbered below "
                f"first={config.first}",
                why="these are the test part, and the others are trained on",
                do="split=share",
                file=config.path or "",
            )
        training = [m for m, held in zip(marks, test.tolist(), strict=True) if not held]
        judging = [m for m, held in zip(marks, test.tolist(), strict=True) if held]
        told = _splits.doubles(training, judging)
        notes = (SPEAKERS, *(sentence.replace("image", "sound") for sentence in told))
    else:
        size = _splits.size_of(config.test, len(marks), "test")
        test = _splits.stratified(read.labels, marks, size, config.seed)
    rest = (~test).nonzero().flatten()
    size = _splits.size_of(config.validation, len(rest))
    left = [marks[row] for row in rest.tolist()]
    held = _splits.stratified(read.labels[rest], left, size, config.seed)
    places = {"train": rest[~held], "validation": rest[held], "test": test.nonzero().flatten()}
    return places, notes


def _trained(classes: Sequence[str], labels: Tensor, config: SoundConfig) -> None:
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    for label, count in zip(classes, counts, strict=True):
        if not count:
            raise InputError(
                f"class '{shown(label)}' has no sound left to train on",
                why="all of its sounds went to the other parts; equal ones stay together",
                do="add sounds, or hold out fewer by test=0.1 validation=0.1",
                file=config.path or "",
            )


def _notes(
    found: Scan, good: Sequence[Heard], names: Sequence[str], config: SoundConfig
) -> tuple[str, ...]:
    """What was done to the sounds, where it was more than reading them."""
    lasts = f"{config.length / config.rate:.3g} s"
    what: Mapping[str, Sequence[bool]] = {
        "sounds of several channels, which were mixed to one": [h.channels > 1 for h in good],
        f"sounds of another rate, brought to {config.rate:,} a second": [
            h.rate != config.rate for h in good
        ],
        f"sounds longer than {lasts}, of which the beginning was kept": [h.cut for h in good],
        "clipped sounds, with more than 1 % of their samples at full scale": [
            h.clipped for h in good
        ],
    }
    notes = [
        f"{sentence}: {_first([n for n, told in zip(names, which, strict=True) if told])}"
        for sentence, which in what.items()
        if any(which)
    ]
    if found.only:
        notes.append(f"all sounds would be of one class, '{shown(found.only)}', so they have none")
    if found.passed:
        sentence = f"files that are neither {' nor '.join(FORMATS.split(' and '))}"
        notes.append(f"{sentence} and were left out: {_first(found.passed)}")
    return tuple(notes)


def _first(names: Sequence[str]) -> str:
    """Three of the names, and how many there are."""
    more = f", ... ({len(names):,} in all)" if len(names) > 3 else ""
    return ", ".join(map(shown, names[:3])) + more


dataset = SoundFolder()
