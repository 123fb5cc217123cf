"""Gaussian copula: each column as it is distributed, joined by the correlations of normal scores.

A column's values are ranked (equal ones by the middle of their ranks r) and become the scores
ndtri((r - 1/2) / n); the scores' correlations R, over the rows where both columns hold something,
are made positive definite. A row is drawn as normal numbers with correlation R; each, by its
distribution function u, chooses the cell of the training row at place floor(u n) of its column's
order. Words are ordered by how frequent they are, so that thresholds of the normal number tell them
apart; whether a column of numbers is empty is a normal number of its own.
Source: Nelsen 2006, section 2.3 (Sklar's theorem); Patki et al. 2016 (words and empty
cells). The correlations of words are those of their scores, and not corrected for their steps.
Dimensions: n rows, w width of a row, b batch, m numbers of noise, q normal numbers of a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from scipy.stats import rankdata
from torch import Generator, Tensor

from netwright import rows
from netwright.floors._draws import index_below, normals, samples_of
from netwright.floors._tables import blocks_of, choice_of, refusal, table_of
from netwright.floors.base import Floor
from netwright.specs import Batch, Categorical, Schema, Scorer, Table

LEAST = 1e-6
"""The smallest eigenvalue that a correlation matrix may keep."""


@dataclass(frozen=True)
class Margin:
    """One column: its rows in order, for the normal number at place `latent`."""

    block: slice
    """Where its cell lies in a row."""
    latent: int
    order: Tensor
    """Row numbers by value; of a column of numbers, those with empty cells left out."""
    empty_latent: int = 0
    empty_order: Tensor | None = None
    """Row numbers, those with empty cells apart from the others; None: no cell is empty."""
    empty: Tensor | None = None
    """(n,) of bool."""


@dataclass(frozen=True)
class Copula:
    """A Gaussian copula that answers like a generator of rows."""

    table: Table
    encoded: Tensor
    """(n, w)."""
    margins: Sequence[Margin]
    factor: Tensor
    """(q, q): factor factor' is the correlation matrix."""

    @property
    def device(self) -> torch.device:
        """Where the training rows lie."""
        return self.encoded.device

    def __call__(self, x: Tensor, **_: Any) -> Tensor:
        """(b, m) noise to (b, w), raw; a word that is asked for beside it is not heeded."""
        latent = normals(x.to(self.device), len(self.factor)) @ self.factor.T
        u = torch.special.ndtr(latent)
        cells = []
        for margin in self.margins:
            row = margin.order[index_below(u[:, margin.latent], len(margin.order))]
            if margin.empty_order is not None and margin.empty is not None:
                at = index_below(u[:, margin.empty_latent], len(margin.empty_order))
                other = margin.empty_order[at]
                row = torch.where(margin.empty[other], other, row)
            cells.append(self.encoded[row, margin.block])
        return rows.invert(self.table, torch.cat(cells, 1)).to(x.device)


class GaussianCopula(Floor):
    """All that two columns at a time tell of each other, as far as it rises or falls."""

    title = "Gaussian copula"

    def fit(
        self,
        batch: Batch,
        schema: Schema,
        generator: Generator,  # noqa: ARG002
    ) -> Mapping[str, Scorer]:
        """Fit to `x` (n, w), encoded rows."""
        table, x = table_of(schema), samples_of(batch)
        columns = rows.decode(table, x)
        margins: list[Margin] = []
        keys: list[Tensor] = []
        for column, block in zip(table.columns, blocks_of(table), strict=True):
            latent = len(keys)
            if isinstance(column, Categorical):
                key = _by_frequency(choice_of(column, x[:, block]), column.choices)
                keys.append(key)
                margins.append(Margin(block, latent, key.argsort(stable=True)))
                continue
            value = torch.from_numpy(columns[column.name]).to(x.device)
            empty = value.isnan()
            if empty.all():
                empty, value = torch.zeros_like(empty), torch.zeros_like(value)
            keys.append(value)
            order = value.argsort(stable=True)[: int((~empty).sum())]  # NaN is sorted last
            if not empty.any():
                margins.append(Margin(block, latent, order))
                continue
            flag = _by_frequency(empty.long(), 2)
            keys.append(flag)
            flagged = flag.argsort(stable=True)
            margins.append(Margin(block, latent, order, latent + 1, flagged, empty))
        factor = factor_of(correlations(torch.stack(keys, 1)))
        return {"generator": Copula(table, x, margins, factor)}

    def refuses(self, schema: Schema) -> str | None:
        """Where there is no table."""
        return refusal(schema)


def _by_frequency(choice: Tensor, count: int) -> Tensor:
    """(n,) choices to their places in the order of how frequent they are, the commonest 0."""
    order = torch.bincount(choice, minlength=count).argsort(descending=True, stable=True)
    return order.argsort()[choice].double()


def correlations(keys: Tensor) -> Tensor:
    """(n, q) numbers, NaN where there is none, to (q, q) correlations of their normal scores.

    0 where one of two columns is always the same, or no row has both.
    """
    there = ~keys.isnan()
    ranks = torch.from_numpy(rankdata(keys.cpu().numpy(), nan_policy="omit", axis=0))
    u = (ranks.to(keys.device) - 0.5) / there.sum(0).clamp(min=1)
    scores = torch.where(there, torch.special.ndtri(u), 0.0)
    squares = scores.square().T @ there.double()
    bounds = (squares * squares.T).sqrt()
    found = torch.where(bounds > 1e-9, scores.T @ scores / bounds.clamp(min=1e-9), 0.0)
    return found.fill_diagonal_(1.0)


def factor_of(matrix: Tensor) -> Tensor:
    """A factor of the nearest correlation matrix whose eigenvalues are no less than `LEAST`.

    Eigenvalues are raised where they are less, then rows brought back to length 1: the diagonal of
    factor factor' is 1.
    """
    values, vectors = torch.linalg.eigh(matrix)
    factor = vectors * values.clamp(min=LEAST).sqrt()
    unit: Tensor = factor / factor.norm(dim=1, keepdim=True)
    return unit


floor = GaussianCopula()
"""What the registry finds here."""
