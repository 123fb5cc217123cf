"""What a data set is: a configuration in, schema and parts out.

Statistics come from the training part. Equal samples lie in one part of our own splits; official
splits are kept and their doubles reported in `notes`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from netwright.specs import (
    Batch,
    Frozen,
    Labels,
    Numbers,
    Part,
    Pictures,
    Schema,
    Series,
    Sound,
    Symbols,
    Table,
    Text,
)

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Tensors:
    """A part that lies in memory: one tensor a column, first axis the samples."""

    columns: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def gather(self, index: Tensor) -> Batch:
        """The samples at `index`, (n,) of integers on any device; where the columns lie."""
        columns = self.columns.items()
        return {name: c.index_select(0, index.to(c.device)) for name, c in columns}

    def to(self, device: torch.device) -> "Tensors":
        """The same part on `device`."""
        return Tensors({name: column.to(device) for name, column in self.columns.items()})


@dataclass(frozen=True)
class Ragged:
    """A part whose texts have lengths of their own, in memory, one behind the other."""

    name: str
    """Of the ragged column; `gather` also gives `lengths`."""
    flat: Tensor
    """(m,) symbols of all texts."""
    lengths: Tensor
    """(n,) symbols of each; on the CPU."""
    columns: Mapping[str, Tensor]
    """The other columns, first axis the samples."""
    starts: Tensor
    """(n,) where each begins in `flat`; on the CPU. See `ragged`."""

    def __len__(self) -> int:
        return len(self.lengths)

    def gather(self, index: Tensor) -> Batch:
        """The samples at `index`, (n,): texts as (n, t), zeros beyond their `lengths`.

        t is the longest text's length, rounded up to a multiple of 8.
        """
        here = index.cpu()
        lengths, starts = self.lengths[here], self.starts[here]
        longest = max(1, int(lengths.max())) if len(here) else 1
        place = torch.arange(-(-longest // 8) * 8)
        inside = place < lengths[:, None]
        at = torch.where(inside, starts[:, None] + place, 0).to(self.flat.device)
        text = self.flat[at].masked_fill(~inside.to(self.flat.device), 0)
        others = {k: v.index_select(0, index.to(v.device)) for k, v in self.columns.items()}
        return {self.name: text, "lengths": lengths.to(index.device), **others}

    def to(self, device: torch.device) -> "Ragged":
        """The same part with its texts on `device`."""
        moved = {name: column.to(device) for name, column in self.columns.items()}
        return Ragged(self.name, self.flat.to(device), self.lengths, moved, self.starts)


def ragged(name: str, texts: Sequence[Sequence[int]], columns: Mapping[str, Tensor]) -> Ragged:
    """A ragged part out of lists of symbols."""
    lengths = torch.tensor([len(t) for t in texts], dtype=torch.long)
    flat = torch.tensor([s for t in texts for s in t] or [0], dtype=torch.int32)
    return Ragged(name, flat, lengths, columns, lengths.cumsum(0) - lengths)


@runtime_checkable
class Resident(Part, Protocol):
    """A part that can lie on a device as a whole."""

    def to(self, device: torch.device) -> Part:
        """The same part on `device`."""
        ...


@dataclass(frozen=True)
class Quarantined:
    """A sample that was left out, where it lies and why."""

    file: str
    place: str
    reason: str


@dataclass(frozen=True)
class Data:
    """A data set, checked and decoded."""

    schema: Schema
    parts: Mapping[str, Part]
    """`train`, `validation`, `test`."""
    fingerprint: str
    """sha256 over every sample's bytes, in order, part by part."""
    notes: tuple[str, ...] = ()
    """Sentences for the run and the report: doubles in an official split, missing batches."""
    quarantine: tuple[Quarantined, ...] = ()
    found: int = 0
    """How many samples there were before the quarantine; 0: as many as in the parts."""


class Dataset(ABC):
    """One data set, or one form of files that a user may bring."""

    Config: ClassVar[type[Frozen]]
    """Frozen, unknown keys refused; `path` is where `--data PATH` goes, if it takes one."""
    task: ClassVar[str]
    """The task that it brings, for `train digits`."""
    also: ClassVar[tuple[str, ...]] = ()
    """Other tasks that its columns serve, for `train image-generation --data digits`."""
    files: ClassVar[str] = ""
    """What own files of its form look like, for a sentence; empty: it takes none."""

    @abstractmethod
    def open(self, config: Frozen) -> Data:
        """Check, decode and split; InputError names file, place and reason.

        `config` is an instance of this data set's `Config`.
        """

    @abstractmethod
    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Foreign inputs for `predict`: a name and a batch of one for each, as `gather` gives it.

        Folders are walked. An input that cannot be read is an InputError.
        """

    def fits(self, path: Path) -> bool:
        """Whether `path`, given with `--data`, holds files of this form; looks, does not decode."""
        return False


def example(schema: Schema, n: int) -> Batch:
    """A toy batch of zeros, as `gather` would give it; for `cost` and for tests."""
    made: Batch = {}
    for name, column in schema.columns.items():
        match column:
            case Pictures(form=f):
                made[name] = torch.zeros(n, f.channels, f.height, f.width, dtype=torch.uint8)
            case Labels():
                made[name] = torch.zeros(n, dtype=torch.long)
            case Text() | Symbols():
                made[name] = torch.zeros(n, column.length, dtype=torch.int32)
            case Series():
                made[name] = torch.zeros(n, column.length, column.features)
            case Numbers():
                made[name] = torch.zeros(n, len(column.names))
            case Sound():
                made[name] = torch.zeros(n, column.length, dtype=torch.int16)
            case Table(form=f):
                made[name] = torch.zeros(n, f.features)
    return made
