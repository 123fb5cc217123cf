"""Interpolation: a training sample, moved toward one of its five nearest neighbours.

x = a + u (b - a), with a a random sample, b one of its neighbours of the same class, u uniform in
[0, 1). Of rows of a table, numbers are moved so; words, and numbers that are special or empty at
either end, are those of the nearer end. Rows are of one class where they agree in the target
column; how far they are apart is counted in deviations of each column of numbers, and 1 for every
column whose words, or kinds of numbers, differ.
Source: Chawla et al. 2002, sections 4.2 (SMOTE) and 6.1 (SMOTE-NC, with the words of the nearer end
in place of the commonest ones).
Dimensions: n samples, d numbers of a sample, w width of a row, b batch, m numbers of noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from netwright import rows
from netwright.floors._draws import (
    ByClass,
    by_class,
    classes_in,
    index_below,
    raw,
    samples_of,
    uniforms,
)
from netwright.floors._tables import blocks_of, choice_of, find_table
from netwright.floors.base import Floor
from netwright.specs import Batch, Continuous, Pictures, Schema, Scorer, Table

NEIGHBOURS = 5
DISTANCES = 2**24
"""Distances held at once: 64 MiB."""


@dataclass(frozen=True)
class Neighbours:
    """Who is near to whom."""

    places: ByClass
    near: Tensor
    """(n, 5) numbers of the nearest samples of the same class, nearest first."""
    counts: Tensor
    """(n,): how many of them there are; a sample that is alone is its own neighbour."""

    def ends(self, z: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Sample, neighbour and the share of the way between them, (b,) each, for (b, m) noise."""
        u = uniforms(z.to(self.near.device), 3)
        first = self.places.drawn(u[:, 0], condition)
        second = self.near[first, index_below(u[:, 1], self.counts[first])]
        return first, second, u[:, 2]


@dataclass(frozen=True)
class BetweenPictures:
    """Pictures between pictures."""

    pictures: Tensor
    """(n, c, h, w) in [-1, 1]."""
    neighbours: Neighbours

    @property
    def device(self) -> torch.device:
        """Where the training pictures lie."""
        return self.pictures.device

    def __call__(self, x: Tensor, *, condition: Tensor | None = None, **_: Any) -> Tensor:
        """(b, m) noise to (b, c, h, w), raw; of the classes (b,) that `condition` names."""
        first, second, share = self.neighbours.ends(x, condition)
        a, b = self.pictures[first].float(), self.pictures[second].float()
        return raw(torch.lerp(a, b, share.float().view(-1, 1, 1, 1))).to(x.device)


@dataclass(frozen=True)
class Column:
    """A column of numbers."""

    block: slice
    """Where its cell lies in a row."""
    table: Table
    """Of this column alone."""
    values: Tensor
    """(n,); 0 where the cell is special or empty."""
    ordinary: Tensor
    """(n,) of bool: neither special nor empty."""


@dataclass(frozen=True)
class BetweenRows:
    """Rows between rows."""

    table: Table
    encoded: Tensor
    """(n, w)."""
    columns: Sequence[Column]
    neighbours: Neighbours

    @property
    def device(self) -> torch.device:
        """Where the training rows lie."""
        return self.encoded.device

    def __call__(self, x: Tensor, **_: Any) -> Tensor:
        """(b, m) noise to (b, w), raw; a word that is asked for beside it is not heeded."""
        first, second, share = self.neighbours.ends(x, None)
        found = self.encoded[torch.where(share < 0.5, first, second)]
        for column in self.columns:
            moved = (column.ordinary[first] & column.ordinary[second]).nonzero().flatten()
            ends = column.values[first[moved]], column.values[second[moved]]
            values = torch.lerp(*ends, share[moved]).cpu().numpy()
            cells = rows.encode(column.table, {column.table.columns[0].name: values})
            found[moved, column.block] = cells.to(found)
        return rows.invert(self.table, found).to(x.device)


class Interpolation(Floor):
    """The training samples themselves, mixed in pairs."""

    title = "interpolation between neighbours"

    def fit(
        self,
        batch: Batch,
        schema: Schema,
        generator: Generator,  # noqa: ARG002
    ) -> Mapping[str, Scorer]:
        """Find neighbours in `x`: (n, c, h, w) in [-1, 1] with `y`, or (n, w) encoded rows."""
        x, table = samples_of(batch), find_table(schema)
        if table is None:
            y, count = classes_in(batch, schema)
            return {"generator": BetweenPictures(x, neighbours_of(x.flatten(1).float(), y, count))}
        columns, features, y = [], [], torch.zeros(len(x), dtype=torch.long, device=x.device)
        decoded = rows.decode(table, x)
        for column, block in zip(table.columns, blocks_of(table), strict=True):
            choice = choice_of(column, x[:, block])
            if isinstance(column, Continuous):
                values = torch.from_numpy(decoded[column.name]).to(x.device)
                columns.append(_column(column, block, values, choice == 0))
                features.append(_scaled(columns[-1]))
            elif column.name == table.target:
                y = choice
            features.append(_apart(choice))
        near = neighbours_of(torch.cat(features, 1), y, int(y.max()) + 1)
        return {"generator": BetweenRows(table, x, columns, near)}

    def refuses(self, schema: Schema) -> str | None:
        """Where there are neither pictures nor a table."""
        if any(isinstance(c, Pictures | Table) for c in schema.columns.values()):
            return None
        return "it mixes pictures or rows of a table, and these data hold neither"


def neighbours_of(features: Tensor, y: Tensor, classes: int) -> Neighbours:
    """The nearest of (n, d) samples within each class of `y` (n,), by Euclidean distance.

    In chunks, so that never more than `DISTANCES` are held.
    """
    count = len(features)
    itself = torch.arange(count, device=features.device)
    near, counts = itself[:, None].repeat(1, NEIGHBOURS), torch.ones_like(itself)
    for label in y.unique():
        members = (y == label).nonzero().flatten()
        k = min(NEIGHBOURS, len(members) - 1)
        if k == 0:
            continue
        here = features[members]
        here = here - here.mean(0)  # distances from near the origin lose fewer digits
        lengths = here.square().sum(1)
        for at in itself[: len(members)].split(max(1, DISTANCES // len(members))):
            # |a - b|^2 but for |a|^2, which is the same for every b
            gaps = torch.addmm(lengths, here[at], here.T, alpha=-2)
            gaps[itself[: len(at)], at] = torch.inf
            near[members[at], :k] = members[gaps.topk(k, largest=False).indices]
        counts[members] = k
    return Neighbours(by_class(y, classes), near, counts)


def _column(column: Continuous, block: slice, values: Tensor, ordinary: Tensor) -> Column:
    values = torch.where(ordinary, values, 0.0)
    return Column(block, Table(columns=(column,)), values, ordinary)


def _scaled(column: Column) -> Tensor:
    """(n, 1): deviations from the mean; 0 where a cell is special or empty."""
    known = column.values[column.ordinary]
    spread, mean = (known.std(), known.mean()) if len(known) > 1 else known.new_tensor((1.0, 0.0))
    scaled = (column.values - mean) / torch.where(spread > 0, spread, 1.0)
    return torch.where(column.ordinary, scaled, 0.0).float()[:, None]


def _apart(choice: Tensor) -> Tensor:
    """(n, choices): two rows with different choices are 1 apart."""
    apart: Tensor = F.one_hot(choice).float() * 0.5**0.5
    return apart


floor = Interpolation()
"""What the registry finds here."""
