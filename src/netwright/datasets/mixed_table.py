"""Mixed table: made-up rows of ten columns of every kind, whose law is known.

The law, row by row; N is normal, U even in [0, 1), s(z) = 1 / (1 + exp(-z)):

    region    north, east, south, west with shares 0.4, 0.3, 0.2, 0.1
    plan      basic, plus, pro with shares by region: north 0.7, 0.2, 0.1; east 0.5, 0.3, 0.2;
              south 0.3, 0.5, 0.2; west 0.1, 0.3, 0.6
    height    N(170, 10), one decimal
    income    exp(N(mu, 0.5)), whole; mu = 10 in the north, 10.2, 9.8, 10.5
    hour      N(8, 1) in 55 % of the rows (in the west 10 %), else N(18, 1.5); two decimals
    visits    Poisson(2, 5, 9 by plan)
    spent     0 in 60, 40, 20 % of the rows by plan, else exp(N(3 + 0.1 visits, 0.6)), two decimals
    distance  40 U squared, one decimal; empty in 20 % of the rows of the plan basic, 5 % of others
    score     0.6 (height - 170) / 10 + 0.8 N(0, 1), three decimals
    stays     yes where U < s(score + 0.25 (visits - 4) - 0.03 distance + t), else no; an empty
              distance counts as 13, t = 1.5 for plus in the morning (hour < 13), -1.5 for plus
              later, 0 for the others

All draws come from one seed, and are rounded, so that every machine makes the same rows.
Dimensions: n rows.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from netwright.datasets import _splits
from netwright.datasets._table_kinds import Kind
from netwright.datasets._table_parts import Origin, assemble
from netwright.datasets._table_reading import read_rows
from netwright.datasets.base import Data, Dataset
from netwright.rows import Columns
from netwright.specs import Batch, Frozen, Schema

REGIONS = ("north", "east", "south", "west")
REGION = (0.4, 0.3, 0.2, 0.1)
PLANS = ("basic", "plus", "pro")
PLAN = ((0.7, 0.2, 0.1), (0.5, 0.3, 0.2), (0.3, 0.5, 0.2), (0.1, 0.3, 0.6))
"""By region."""
WEALTH = (10.0, 10.2, 9.8, 10.5)
EARLY = (0.55, 0.55, 0.55, 0.1)
VISITS = (2.0, 5.0, 9.0)
"""By plan."""
NOTHING = (0.6, 0.4, 0.2)
EMPTY = (0.2, 0.05, 0.05)
NOON = 13
MIDDLE = 13.0
"""What an empty distance counts as: near its mean, 40 / 3."""

KINDS = (
    Kind("region", REGIONS),
    Kind("plan", PLANS),
    Kind("height", decimals=1),
    Kind("income", decimals=0),
    Kind("hour", decimals=2),
    Kind("visits", decimals=0),
    Kind("spent", decimals=2),
    Kind("distance", decimals=1, missing=True),
    Kind("score", decimals=3),
    Kind("stays", ("no", "yes")),
)


class MixedTableConfig(Frozen):
    """Size of the table and of its parts."""

    samples: int = Field(20_000, ge=1_000)
    """Rows in all."""
    modes: int = Field(default=5, ge=1, le=50)
    """Bells of a column of numbers, at most."""
    validation: _splits.Share = 0.1
    """Number or share of all rows."""
    test: _splits.Share = 0.2
    """Number or share of all rows."""
    seed: int = Field(default=0, ge=0, lt=2**32)


@final
class MixedTable(Dataset):
    """A table whose law is known."""

    Config = MixedTableConfig
    task = "tabular-generation"

    def open(self, config: Frozen) -> Data:
        """Draw, split and encode."""
        made = cast("MixedTableConfig", config)
        cells = people(np.random.default_rng(made.seed), made.samples)
        return assemble(KINDS, cells, "stays", made, Origin())

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Rows of tables with the same columns."""
        return read_rows(schema, inputs)


def people(generator: np.random.Generator, n: int) -> Columns:
    """`n` rows by the law above."""
    region = _drawn(generator, np.tile(REGION, (n, 1)))
    plan = _drawn(generator, np.array(PLAN)[region])
    height = generator.normal(170, 10, n).round(1)
    income = np.exp(generator.normal(np.array(WEALTH)[region], 0.5)).round()
    early = generator.random(n) < np.array(EARLY)[region]
    hour = np.where(early, generator.normal(8, 1, n), generator.normal(18, 1.5, n)).round(2)
    visits = generator.poisson(np.array(VISITS)[plan]).astype(np.float64)
    nothing = generator.random(n) < np.array(NOTHING)[plan]
    spent = np.where(nothing, 0, np.exp(generator.normal(3 + 0.1 * visits, 0.6)).round(2))
    distance = (40 * generator.random(n) ** 2).round(1)
    gone = generator.random(n) < np.array(EMPTY)[plan]
    score = (0.6 * (height - 170) / 10 + 0.8 * generator.standard_normal(n)).round(3)
    turn = np.where(plan == 1, np.where(hour < NOON, 1.5, -1.5), 0)
    logit = score + 0.25 * (visits - 4) - 0.03 * np.where(gone, MIDDLE, distance) + turn
    stays = generator.random(n) < 1 / (1 + np.exp(-logit))
    return {
        "region": _words(REGIONS, region),
        "plan": _words(PLANS, plan),
        "height": height,
        "income": income,
        "hour": hour,
        "visits": visits,
        "spent": spent,
        "distance": np.where(gone, np.nan, distance),
        "score": score,
        "stays": _words(("no", "yes"), stays.astype(np.intp)),
    }


def _drawn(generator: np.random.Generator, shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """(n,) numbers below k with the probabilities `shares` (n, k)."""
    ends = shares.cumsum(1)[:, :-1]
    found: NDArray[np.intp] = (ends <= generator.random((len(shares), 1))).sum(1)
    return found


def _words(names: Sequence[str], index: NDArray[np.intp]) -> NDArray[Any]:
    return np.array(names, dtype=object)[index]


dataset = MixedTable()
