"""How good made rows are: for a learner, column by column, pair by pair, and for counting modes.

Dimensions: n rows, c columns, k classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from netwright.metrics.base import Figure
from netwright.metrics.distances import memorising
from netwright.metrics.tabular import marginal_distance, pairwise_distance
from netwright.rows import Columns, decode, records
from netwright.specs import Categorical, Table
from netwright.tasks.base import Exhibit

MEANS = {
    "f1_on_made": "F1 on real rows, mean over classes, of a learner that saw made rows alone",
    "accuracy_on_made": "accuracy on real rows of a learner that saw made rows alone",
    "f1_on_real": "the same F1 where it saw as many real rows: what can be reached",
    "accuracy_on_real": "the same accuracy where it saw as many real rows: what can be reached",
    "marginal": "how far the columns are from real ones, each by itself; 0: the same",
    "pairwise": "how far the dependences of pairs of columns are from real ones; 0: the same",
    "novelty": "distance to the nearest training row, over that of real rows; near 0 it copies",
    "good": "made rows that lie within three deviations of a mode",
    "modes": "modes that are hit by a good row",
    "kl": "how unevenly the modes are hit, in nats; 0: all alike",
}
"""What each figure says."""
NEAR = 5_000
"""Rows whose nearest neighbours are looked for, at most."""
WIDE = 10
"""Columns of a row that is shown, at most."""
GOOD = 3.0
"""Deviations from the nearest centre within which a sample of a known mixture is good."""


def learned(table: Table, train: Columns, test: Columns) -> dict[str, Figure]:
    """F1 (mean over classes) and accuracy on `test` of gradient boosting fitted on `train`.

    The target is the table's; rows are the rows of `test`.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    target = next(c for c in table.columns if c.name == table.target)
    assert isinstance(target, Categorical)
    number = {value: i for i, value in enumerate(target.values)}
    x, y = _plain(table, train), _labels(train, target, number)
    z, truth = _plain(table, test), torch.from_numpy(_labels(test, target, number))
    words = [isinstance(c, Categorical) for c in table.columns if c.name != table.target]
    if len(np.unique(y)) < 2:
        guess = torch.full_like(truth, int(y[0]))
    else:
        wide = [len(c.values) > 250 for c in table.columns if isinstance(c, Categorical)]
        machine = HistGradientBoostingClassifier(
            categorical_features=None if any(wide) else words,
            random_state=0,
            max_iter=100,
            early_stopping=False,
        )
        guess = torch.from_numpy(machine.fit(x, y).predict(z))
    classes = len(target.values) + target.missing
    hot = torch.cat([F.one_hot(truth, classes), F.one_hot(guess, classes)], 1).float()
    return {
        "f1": Figure(hot, "f1_macro", higher=True, unit="%"),
        "accuracy": Figure((truth == guess).float()[:, None], "mean", higher=True, unit="%"),
    }


def distances(real: Columns, draws: Sequence[Columns]) -> dict[str, Figure]:
    """`marginal`, the mean over columns, and `pairwise`; a row a draw."""
    marginal = [float(np.mean([*marginal_distance(real, d).values()])) for d in draws]
    pairwise = [pairwise_distance(real, d) for d in draws]
    return {"marginal": _drawn(marginal), "pairwise": _drawn(pairwise)}


def modes(table: Table, draws: Sequence[Columns]) -> dict[str, Figure]:
    """Of a known mixture: `good` share, `modes` hit by a good sample, and `kl` to all alike.

    A sample is good within `GOOD` deviations of its nearest centre; kl is that of the good samples'
    histogram over centres to equal shares, in nats.
    """
    centres = np.array(table.centres)
    good, hit, apart = [], [], []
    for draw in draws:
        points = np.stack([draw[c.name] for c in table.columns], 1)
        gaps = np.linalg.norm(points[:, None] - centres[None], axis=2)
        near = gaps.argmin(1)[gaps.min(1) <= GOOD * table.spread]
        shares = np.bincount(near, minlength=len(centres)) / max(1, len(near))
        kept = shares[shares > 0]
        good.append(len(near) / len(points))
        hit.append(float((shares > 0).sum()))
        apart.append(float((kept * np.log(kept * len(centres))).sum()))
    return {
        "good": _drawn(good, higher=True, unit="%"),
        "modes": _drawn(hit, higher=True),
        "kl": _drawn(apart, unit="nats"),
    }


def _drawn(values: Sequence[float], *, higher: bool = False, unit: str = "") -> Figure:
    rows = torch.tensor(values, dtype=torch.float32)[:, None]
    return Figure(rows, "mean", higher=higher, unit=unit, paired=False)


def _labels(columns: Columns, target: Categorical, number: Mapping[str, int]) -> NDArray[np.int64]:
    empty = len(target.values)
    return np.array([number.get(v, empty) for v in columns[target.name]], dtype=np.int64)


def _plain(table: Table, columns: Columns) -> NDArray[Any]:
    """(n, c - 1) numbers: words by their place, NaN where empty; without the target."""
    found = []
    for column in table.columns:
        if column.name == table.target:
            continue
        cells = columns[column.name]
        if isinstance(column, Categorical):
            place = {value: float(i) for i, value in enumerate(column.values)}
            cells = np.array([place.get(v, np.nan) for v in cells])
        found.append(cells.astype(np.float64))
    return np.stack(found, 1)


def novelty(train: Tensor, part: Tensor, draws: Sequence[Tensor]) -> dict[str, Figure]:
    """Distance of made rows to the closest training row, over that of new real ones."""
    values = [memorising(train[:NEAR], part[:NEAR], d[:NEAR]) for d in draws]
    return {"novelty": _drawn(values, higher=True)}


def shown(table: Table, real: Tensor, made: Tensor, count: int) -> list[Exhibit]:
    """Rows of both, and the distance of each column."""
    exhibits = [
        Exhibit("text", title, strings={"lines": lines(table, encoded[:count])})
        for title, encoded in (("made rows", made), ("real rows", real))
    ]
    apart = marginal_distance(decode(table, real), decode(table, made))
    exhibits.append(
        Exhibit(
            "table",
            "distance of each column from the real one (0 to 1)",
            {"cells": torch.tensor(list(apart.values()))[:, None]},
            {"rows": tuple(apart), "columns": ("distance",)},
        )
    )
    return exhibits


def lines(table: Table, encoded: Tensor) -> tuple[str, ...]:
    """Names, then a line for each row, cells between bars; of a wide table the first cells.

    Without the columns of which nothing is learned.
    """
    cells = records(table, decode(table, encoded))
    fixed = {name for name, _ in table.fixed}
    learned = [i for i, name in enumerate(table.names) if name not in fixed]
    shown, more = learned[:WIDE], len(learned) - WIDE
    head = " | ".join([*(table.names[i] for i in shown), *([f"{more} more"] * (more > 0))])
    return (head, *(" | ".join(_cell(row[i]) for i in shown) for row in cells))


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
