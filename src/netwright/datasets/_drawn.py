"""What the drawn probes share: rows by a seed, no two equal in all parts, and no files to read.

The test part is drawn first, then validation, then training: how many samples a training has
changes nothing in what judges it.
Dimensions: n rows of one piece.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from netwright.datasets import _splits
from netwright.datasets.base import PARTS, Data, Tensors
from netwright.errors import InputError
from netwright.specs import Batch, Schema

Rows = dict[str, NDArray[Any]]
"""Columns by name, first axis the rows; `x` is what no two rows share."""
Draw = Callable[[np.random.Generator, int], Rows]
"""So many rows, drawn."""

PIECE, LEAST = 4_096, 64
"""Rows that are drawn at once: at most, which bounds the memory, and at least."""
PATIENCE = 20
"""Pieces in a row that may bring nothing new."""


def drawn(
    draw: Draw, schema: Schema, sizes: Mapping[str, int], seed: int, notes: tuple[str, ...] = ()
) -> Data:
    """The data set of `sizes` rows a part; InputError where there are not so many different ones.

    Rows that share a 64-bit mark are taken for equal.
    """
    generator = np.random.default_rng(seed)
    seen: set[int] = set()
    found = {part: _fresh(draw, sizes[part], generator, seen) for part in reversed(PARTS)}
    parts = {
        part: Tensors({name: torch.from_numpy(rows) for name, rows in found[part].items()})
        for part in PARTS
    }
    return Data(schema, parts, _splits.fingerprint(parts), notes)


def no_files(name: str) -> Iterator[tuple[str, Batch]]:
    """What a probe answers to foreign inputs: an InputError."""
    raise InputError(
        f"{name} reads no files",
        why="its rows are drawn, and none of them means anything outside of the probe",
        do="netwright evaluate RUN",
    )


def subsets(generator: np.random.Generator, n: int, size: int, total: int) -> NDArray[np.int32]:
    """(n, size) numbers below `total`, each row without a double, in random order.

    Floyd's algorithm for all rows at once (Bentley & Floyd 1987): the j-th number is drawn below
    total - size + j + 1, and replaced by the highest of these where the row has it already.
    """
    chosen = np.full((n, size), -1, dtype=np.int32)
    for place in range(size):
        top = total - size + place
        number = generator.integers(0, top + 1, size=n, dtype=np.int32)
        there = (chosen[:, :place] == number[:, None]).any(1)
        chosen[:, place] = np.where(there, top, number)
    shuffled: NDArray[np.int32] = generator.permuted(chosen, axis=1)
    return shuffled


def _fresh(draw: Draw, count: int, generator: np.random.Generator, seen: set[int]) -> Rows:
    """`count` rows whose marks are not in `seen`, which grows by theirs."""
    pieces: list[Rows] = []
    left, idle = count, 0
    while left:
        rows = draw(generator, min(PIECE, max(left, LEAST)))
        kept: list[int] = []
        for place, mark in enumerate(_marks(rows["x"])):
            if mark not in seen and len(kept) < left:
                seen.add(mark)
                kept.append(place)
        idle = 0 if kept else idle + 1
        if idle == PATIENCE:
            raise InputError(
                "there are too few different rows for so many samples",
                why="no two rows of all parts are equal",
                do="fewer samples, or longer rows",
            )
        pieces.append({name: column[kept] for name, column in rows.items()})
        left -= len(kept)
    return {name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]}


def _marks(x: NDArray[Any]) -> Sequence[int]:
    """A 64-bit number for each row: a sum of its 32-bit words by fixed, random, odd weights."""
    words = np.ascontiguousarray(x).reshape(len(x), -1).view(np.uint32).astype(np.uint64)
    weights = np.random.default_rng(0).integers(0, 2**64, words.shape[1], dtype=np.uint64) | 1
    marks: list[int] = (words @ weights).tolist()
    return marks
