"""Image folder: own pictures, a folder for each class (the layout of ImageNet).

Either `PATH/CLASS/*` and a seeded split of our own, in which equal pictures lie in one part; or
official parts, `PATH/train/CLASS/*` with `PATH/val` and `PATH/test`, which are kept as they are (a
missing one is cut from the training part) and whose doubles are told. Pictures are scaled and
cropped in the middle to one size, decoded once and cached.

Dimensions: n samples, c channels, h height, w width.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from os import walk
from pathlib import Path
from typing import Annotated, Literal, cast, final

import torch
from pydantic import Field
from torch import Tensor

from netwright.datasets import _splits
from netwright.datasets._cache import Store, stored
from netwright.datasets._folder import Sample, Scan, scan
from netwright.datasets._pictures import FORMATS, LIMITS, Limits, is_picture, litter, read_pictures
from netwright.datasets._stored import fingerprint_of, first_of, parts_of
from netwright.datasets.base import Data, Dataset, Quarantined
from netwright.errors import InputError, MachineError, shown
from netwright.specs import Batch, Frozen, Labels, Pictures, Schema

Side = Annotated[int, Field(ge=1, le=4_096)]
LOOKED = 1_000
"""Files looked at to tell whether a folder holds pictures."""


class ImageFolderConfig(Frozen):
    """Where the pictures lie, and what is made of them."""

    path: Path
    """The folder."""
    size: Side | tuple[Side, Side] = 32
    """Side, or (height, width), to which pictures are scaled and cropped."""
    channels: Literal[1, 3] | None = None
    """1: grey, 3: colour; None: grey if the pictures looked at hold no colour."""
    validation: _splits.Share = 0.1
    """Number or share of the pictures that are not test, where there is no official part."""
    test: _splits.Share = 0.2
    """Number or share of the pictures, where there is no official part."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the split."""
    cache: Path | None = None
    """Folder of decoded pictures; None: netwright's own."""
    memory: int | None = Field(default=None, ge=0)
    """Bytes that all decoded pictures may take; None: a quarter of the machine's memory."""
    limits: Limits = LIMITS
    """Of one picture."""


@final
class ImageFolder(Dataset):
    """Pictures in a folder for each class."""

    Config = ImageFolderConfig
    task = "image-classification"
    also = ("image-generation",)
    files = "a folder with one subfolder of pictures for each class"

    def open(self, config: Frozen) -> Data:
        """List, decode and split; InputError names the folder or picture and the reason."""
        config = cast("ImageFolderConfig", config)
        height, width = config.size if isinstance(config.size, tuple) else (config.size,) * 2
        found = scan(config.path)
        store = stored(
            found, (height, width), config.channels, config.limits, config.memory, config.cache
        )
        _check(found, store)
        kept = [found.samples[row] for row in store.rows]
        number = {name: i for i, name in enumerate(found.classes)}
        labels = torch.tensor([number[sample.label] for sample in kept], dtype=torch.int64)
        places = _split(kept, labels, store.marks, config)
        _trained(found, labels[places["train"]])
        mean, deviation = store.statistics(places["train"])
        image = Pictures(form=store.form, mean=mean, deviation=deviation, top=255, fit="crop")
        return Data(
            schema=Schema(columns={"image": image, "label": Labels(names=found.classes)}),
            parts=parts_of(found, kept, store, labels, places, config.limits),
            fingerprint=fingerprint_of(store, labels, places),
            notes=_notes(found, kept, store, labels, places),
            quarantine=tuple(
                Quarantined(found.samples[row].name, "", reason) for row, reason in store.bad
            ),
            found=len(store.rows) + len(store.bad),
        )

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Foreign pictures, scaled and cropped like the training pictures."""
        column = cast("Pictures", schema.columns["image"])
        return ((name, {"image": image}) for name, image in read_pictures(column, inputs))

    def fits(self, path: Path) -> bool:
        """Whether a folder in `path` holds a picture."""
        if not path.is_dir():
            return False
        inside = (
            Path(folder, name)
            for folder, _, names in walk(path)
            for name in names
            if Path(folder) != path and not litter(name)
        )
        try:
            return any(file.is_file() and is_picture(file) for file in islice(inside, LOOKED))
        except MachineError:
            return False


def _check(found: Scan, store: Store) -> None:
    """InputError where a class or part is empty, or too many pictures cannot be read.

    One in a hundred may be bad, of all pictures and of each class; of an official validation or
    test part none.
    """
    samples = found.samples
    bad = [samples[row] for row, _ in store.bad]
    good = [samples[row] for row in store.rows]
    counts = Counter(s.label for s in (*good, *bad) if s.part in {"", "train"})
    absent = [f"class '{shown(label)}'" for label in found.classes if not counts[label]]
    parts = {s.part for s in (*good, *bad)}
    absent += sorted(f"the official {s.part} part" for s in samples if s.part not in parts)
    if absent:
        raise InputError(
            f"{absent[0]} has no picture",
            why=f"{FORMATS} are read",
            do="add pictures or remove the folder",
            file=found.root,
        )
    for part in ("validation", "test"):
        official = [place for place, s in enumerate(bad) if s.part == part]
        if official:
            row, reason = store.bad[official[0]]
            raise InputError(
                f"{len(official):,} of the official {part} pictures cannot be read",
                why=reason,
                do="repair or remove it: a part that others are measured on stays whole",
                file=found.root / samples[row].name,
            )
    everything = Counter(s.label for s in (*good, *bad))
    lost = {"": (len(bad), len(good) + len(bad))} | {
        label: (n, everything[label]) for label, n in Counter(s.label for s in bad).items()
    }
    for label, (n, total) in lost.items():
        if 100 * n > total:
            some = [(samples[row], why) for row, why in store.bad]
            some = [(s, why) for s, why in some if label in {"", s.label}]
            where = f" of class '{shown(label)}'" if label else ""
            raise InputError(
                f"{n:,} of {total:,} pictures{where} cannot be read, and 1 % may be bad",
                why="; ".join(f"{shown(s.name)} ({why})" for s, why in some[:3]),
                do="repair or remove them",
                file=found.root,
            )


def _split(
    kept: Sequence[Sample], labels: Tensor, marks: Sequence[bytes], config: ImageFolderConfig
) -> dict[str, Tensor]:
    """Rows of each part: the official ones, and what is cut from the rest."""
    own = torch.tensor([sample.part in {"", "train"} for sample in kept])
    rest = own.nonzero().flatten()
    places: dict[str, Tensor] = {}
    for part, share in (("test", config.test), ("validation", config.validation)):
        official = [row for row, sample in enumerate(kept) if sample.part == part]
        if official:
            places[part] = torch.tensor(official)
            continue
        size = _splits.size_of(share, len(rest), part)
        left = [marks[row] for row in rest.tolist()]
        held = _splits.stratified(labels[rest], left, size, config.seed)
        places[part], rest = rest[held], rest[~held]
    return {"train": rest, "validation": places["validation"], "test": places["test"]}


def _trained(found: Scan, labels: Tensor) -> None:
    counts = torch.bincount(labels, minlength=len(found.classes)).tolist()
    for label, count in zip(found.classes, counts, strict=True):
        if not count:
            raise InputError(
                f"class '{shown(label)}' has no picture left to train on",
                why="all of its pictures went to the other parts; equal ones stay together",
                do="add pictures, or hold out fewer by test=0.1 validation=0.1",
                file=found.root,
            )


def _notes(
    found: Scan,
    kept: Sequence[Sample],
    store: Store,
    labels: Tensor,
    places: Mapping[str, Tensor],
) -> tuple[str, ...]:
    notes: list[str] = []
    marks = {part: [store.marks[row] for row in rows.tolist()] for part, rows in places.items()}
    official = {sample.part for sample in kept}
    for part in ("validation", "test"):
        if part in official:
            told = _splits.doubles(marks["train"], marks[part])
            notes += (sentence.replace("test", part) for sentence in told)
        absent = sorted(set(range(len(found.classes))) - set(labels[places[part]].tolist()))
        if absent:
            names = first_of([found.classes[i] for i in absent])
            notes.append(f"classes without a picture in the {part} part: {names}")
    first: dict[bytes, int] = {}
    twice = [
        kept[row].name
        for row, (mark, label) in enumerate(zip(store.marks, labels.tolist(), strict=True))
        if first.setdefault(mark, label) != label
    ]
    if twice:
        notes.append(f"pictures that equal one of another class: {first_of(twice)}")
    if store.passed:
        names = first_of([found.samples[row].name for row in store.passed])
        notes.append(f"files that are no pictures and were left out: {names}")
    if store.note:
        notes.append(store.note)
    return tuple(notes)


dataset = ImageFolder()
