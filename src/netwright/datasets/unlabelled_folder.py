"""Unlabelled folder: own pictures in a folder, without classes, to make more of their kind.

All pictures below the folder are taken, scaled and cropped in the middle to one size, decoded once
and cached; a split by hashing, in which equal pictures lie in one part.
Dimensions: n samples, c channels, h height, w width.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from os import walk
from pathlib import Path
from typing import Annotated, Literal, cast, final

import torch
from pydantic import Field

from netwright.datasets import _splits
from netwright.datasets._cache import Store, stored
from netwright.datasets._folder import Scan, gathered
from netwright.datasets._pictures import FORMATS, LIMITS, Limits, is_picture, litter, read_pictures
from netwright.datasets._stored import fingerprint_of, first_of, parts_of
from netwright.datasets.base import Data, Dataset, Quarantined
from netwright.errors import InputError, MachineError, shown
from netwright.specs import Batch, Frozen, Pictures, Schema

Side = Annotated[int, Field(ge=1, le=4_096)]
LOOKED = 1_000
"""Files looked at to tell whether a folder holds pictures."""


class UnlabelledFolderConfig(Frozen):
    """Where the pictures lie, and what is made of them."""

    path: Path
    """The folder."""
    size: Side | tuple[Side, Side] = 32
    """Side, or (height, width), to which pictures are scaled and cropped."""
    channels: Literal[1, 3] | None = None
    """1: grey, 3: colour; None: grey if the pictures looked at hold no colour."""
    validation: _splits.Share = 0.1
    """Number or share of the pictures that are not test."""
    test: _splits.Share = 0.1
    """Number or share of the pictures."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the split."""
    cache: Path | None = None
    """Folder of decoded pictures; None: netwright's own."""
    memory: int | None = Field(default=None, ge=0)
    """Bytes that all decoded pictures may take; None: a quarter of the machine's memory."""
    limits: Limits = LIMITS
    """Of one picture."""


@final
class UnlabelledFolder(Dataset):
    """Pictures in a folder."""

    Config = UnlabelledFolderConfig
    task = "image-generation"
    files = "a folder of pictures"

    def open(self, config: Frozen) -> Data:
        """List, decode and split; InputError names the folder or picture and the reason."""
        config = cast("UnlabelledFolderConfig", config)
        size = config.size if isinstance(config.size, tuple) else (config.size, config.size)
        found = gathered(config.path)
        store = stored(found, size, config.channels, config.limits, config.memory, config.cache)
        _check(found, store)
        kept = [found.samples[row] for row in store.rows]
        labels, rest = torch.zeros(len(kept), dtype=torch.int64), torch.arange(len(kept))
        places = {}
        for part, share in (("test", config.test), ("validation", config.validation)):
            left = [store.marks[row] for row in rest.tolist()]
            held = _splits.stratified(
                labels[rest], left, _splits.size_of(share, len(rest), part), config.seed
            )
            places[part], rest = rest[held], rest[~held]
        places = {"train": rest, "validation": places["validation"], "test": places["test"]}
        mean, deviation = store.statistics(places["train"])
        image = Pictures(form=store.form, mean=mean, deviation=deviation, top=255, fit="crop")
        return Data(
            schema=Schema(columns={"image": image}),
            parts=parts_of(found, kept, store, labels, places, config.limits),
            fingerprint=fingerprint_of(store, labels, places),
            notes=_notes(found, store),
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
        """Whether a folder holds a picture, itself or below."""
        if not path.is_dir():
            return False
        inside = (
            Path(folder, name)
            for folder, _, names in walk(path)
            for name in names
            if not litter(name)
        )
        try:
            return any(file.is_file() and is_picture(file) for file in islice(inside, LOOKED))
        except MachineError:
            return False


def _check(found: Scan, store: Store) -> None:
    """InputError where there is no picture, or more than one in a hundred cannot be read."""
    bad, total = len(store.bad), len(store.rows) + len(store.bad)
    if not store.rows:
        raise InputError(
            "the folder has no picture",
            why=f"{FORMATS} are read",
            do="add pictures",
            file=found.root,
        )
    if 100 * bad > total:
        some = [(found.samples[row], why) for row, why in store.bad[:3]]
        raise InputError(
            f"{bad:,} of {total:,} pictures cannot be read, and 1 % may be bad",
            why="; ".join(f"{shown(s.name)} ({why})" for s, why in some),
            do="repair or remove them",
            file=found.root,
        )


def _notes(found: Scan, store: Store) -> tuple[str, ...]:
    notes = []
    if store.passed:
        names = first_of([found.samples[row].name for row in store.passed])
        notes.append(f"files that are no pictures and were left out: {names}")
    return (*notes, *([store.note] if store.note else ()))


dataset = UnlabelledFolder()
