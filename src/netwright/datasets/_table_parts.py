"""Known columns made into a data set: split, bells fitted on the training part, rows encoded.

Dimensions: n rows, w width of an encoded row.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from netwright import rows
from netwright.datasets import _splits, _table_modes
from netwright.datasets._table_kinds import Kind
from netwright.datasets.base import PARTS, Data, Quarantined, Tensors
from netwright.errors import InputError, shown
from netwright.specs import Categorical, Continuous, Schema, Table

LEAST = 20
"""Different rows of a table."""
COMMON, SEEN, ABOVE = 0.05, 20, 5.0
"""A number stands for itself where more than this share of the cells hold it exactly, at least so
many, and so many times more than hold the number next to it: the zeros of a mixed column, but not
the middle of a column that is rounded."""


class Options(Protocol):
    """What the configuration of a table says of its parts."""

    @property
    def modes(self) -> int: ...
    @property
    def validation(self) -> _splits.Share: ...
    @property
    def test(self) -> _splits.Share: ...
    @property
    def seed(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Origin:
    """What is told beside the rows."""

    file: Path | str = ""
    notes: Sequence[str] = ()
    quarantine: Sequence[Quarantined] = ()
    fixed: Mapping[str, int | float | str | None] = field(default_factory=dict)
    """Columns of which nothing is learned: see `Table`."""
    order: Sequence[str] = ()


def assemble(
    kinds: Sequence[Kind],
    cells: rows.Columns,
    target: str | None,
    options: Options,
    origin: Origin,
) -> Data:
    """Parts of `row` (n, w), stratified by `target`, equal rows in one part.

    Raises:
        InputError: fewer than 20 different rows, or parts that take all of them.
    """
    codes = _codes(kinds, cells)
    places = _cut(codes, None if target is None else codes[target], options, origin.file)
    train = places["train"].numpy()
    columns = tuple(_column(kind, cells[kind.name], train, options.modes) for kind in kinds)
    fixed = tuple(origin.fixed.items())
    order = tuple(origin.order) if fixed else ()
    table = Table(columns=columns, target=target, fixed=fixed, order=order)
    generator = torch.Generator().manual_seed(options.seed)
    encoded = rows.encode(table, cells, generator)
    parts = {part: Tensors({"row": encoded[places[part]].contiguous()}) for part in PARTS}
    return Data(
        schema=Schema(columns={"row": table}),
        parts=parts,
        fingerprint=_splits.fingerprint(parts),
        notes=(_said(table), *origin.notes, *_apart(table)),
        quarantine=tuple(origin.quarantine),
        found=len(encoded) + len(origin.quarantine),
    )


def _said(table: Table) -> str:
    """`12 numbers, 3 categories, label income`."""
    numbers = sum(isinstance(c, Continuous) for c in table.columns)
    words = len(table.columns) - numbers
    pieces = []
    if numbers:
        pieces.append(f"{numbers} number{'s' * (numbers > 1)}")
    if words:
        pieces.append(f"{words} {'categories' if words > 1 else 'category'}")
    return ", ".join([*pieces, f"label {shown(table.target)}" if table.target else "no label"])


def _apart(table: Table) -> Sequence[str]:
    found = [
        f"{shown(column.name)} {', '.join(f'{value:g}' for value in column.special)}"
        for column in table.columns
        if isinstance(column, Continuous) and column.special
    ]
    return [f"numbers that many rows share stand for themselves: {'; '.join(found)}"] * bool(found)


def _codes(kinds: Sequence[Kind], cells: rows.Columns) -> dict[str, NDArray[np.int64]]:
    """(n,) integers of each column, equal where cells are."""
    found: dict[str, NDArray[np.int64]] = {}
    for kind in kinds:
        values = cells[kind.name]
        if kind.words:
            index: dict[str | None, int] = {word: i for i, word in enumerate(kind.words)}
            index[None] = len(kind.words)
            found[kind.name] = np.array([index[word] for word in values.tolist()], dtype=np.int64)
        else:
            plain = np.where(np.isnan(values), np.nan, values + 0.0)  # one NaN, one zero
            found[kind.name] = plain.view(np.int64)
    return found


def _cut(
    codes: Mapping[str, NDArray[np.int64]],
    classes: NDArray[np.int64] | None,
    options: Options,
    file: Path | str,
) -> dict[str, Tensor]:
    """The places of each part, test cut first."""
    table = np.stack(list(codes.values()), axis=1).astype("<i8")
    marks = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in table]
    different = len(set(marks))
    if different < LEAST:
        total = f" ({len(marks):,} with equal ones)" if len(marks) > different else ""
        raise InputError(
            f"there are {different:,} different rows{total}, and {LEAST} are the least",
            do="add rows",
            file=file,
        )
    rest = torch.arange(len(marks))
    labels = torch.zeros_like(rest) if classes is None else torch.from_numpy(classes)
    sizes = {
        part: max(1, round(share * len(marks))) if isinstance(share, float) else share
        for part, share in (("test", options.test), ("validation", options.validation))
    }
    if sum(sizes.values()) >= len(marks):
        raise InputError(
            f"test and validation take all of the {len(marks):,} rows",
            do="validation=0.1 test=0.2",
            file=file,
        )
    found: dict[str, Tensor] = {}
    for part, size in sizes.items():
        held = _held(labels[rest], [marks[i] for i in rest.tolist()], size, options.seed)
        if held is None:
            raise InputError(
                f"no {part} part can be cut from these {len(marks):,} rows",
                why="equal rows stay in one part, and too few of these differ",
                do="add rows",
                file=file,
            )
        found[part], rest = rest[held], rest[~held]
    return {**found, "train": rest}


def _held(labels: Tensor, marks: Sequence[bytes], size: int, seed: int) -> Tensor | None:
    """Which rows to hold out, (n,) of bool; classes of fewer than three stay to train on."""
    different: dict[int, set[bytes]] = defaultdict(set)
    for label, mark in zip(labels.tolist(), marks, strict=True):
        different[label].add(mark)
    common = torch.tensor([len(different[label]) >= 3 for label in labels.tolist()])
    places = common.nonzero().flatten()
    held = torch.zeros(len(marks), dtype=torch.bool)
    try:
        drawn = _splits.stratified(labels[places], [marks[i] for i in places.tolist()], size, seed)
    except InputError:
        return None
    held[places[drawn]] = True
    return held


def _column(
    kind: Kind, cells: NDArray[Any], train: NDArray[np.int64], modes: int
) -> Continuous | Categorical:
    """How a column is read, by its cells of the training part."""
    seen = cells[train]
    if kind.words:
        counts = Counter(seen.tolist())
        listed = [*kind.words, *([None] if kind.missing else [])]
        shares = tuple(counts[word] / max(1, len(seen)) for word in listed)
        return Categorical(name=kind.name, values=kind.words, missing=kind.missing, shares=shares)
    x = seen[~np.isnan(seen)]
    if not len(x):  # all of its numbers went to the other parts
        x = cells[~np.isnan(cells)]
    special = _special(x, len(seen))
    rest = x[~np.isin(x, special)]
    step = 0.0 if kind.decimals is None else 10.0**-kind.decimals
    return Continuous(
        name=kind.name,
        modes=_table_modes.fit(rest if len(rest) else x, modes, step),
        low=float(x.min()),
        high=float(x.max()),
        decimals=kind.decimals,
        special=special,
        missing=kind.missing,
    )


def _special(x: NDArray[np.float64], total: int) -> tuple[float, ...]:
    """Numbers that more than a twentieth of `total` cells share, and few of their neighbours."""
    values, counts = np.unique(x, return_counts=True)
    around = np.concatenate([[0], counts, [0]])
    beside = np.maximum(around[:-2], around[2:])
    chosen = (counts > COMMON * total) & (counts >= SEEN) & (counts > ABOVE * beside)
    return tuple(float(value) + 0.0 for value in values[chosen])
