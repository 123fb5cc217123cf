"""Intervals of a candidate and of the difference of two: how much is chance.

A score of seed s on unit u is taken as mean + seed_s + unit_u + noise_su. Two things vary: the seed
(initial weights, order of the data) and the units that happen to be in the part. With S seeds and n
units the variance of a candidate's mean is estimated as

    units + max(0, s^2 / S - noise)

    s^2    variance of the S figures of the seeds, S - 1 degrees
    units  variance over units of the seed-averaged scores, over n; it holds noise / (S n) already
    noise  that part, sigma^2 / (S n) of the two-way analysis of variance; s^2 / S holds it as well,
           so that a plain sum would count it twice (99.1 % of true ties instead of 98)

Everything comes from the seeds' figures and their covariance over units: in closed form where the
reducer is `mean`, by bootstrap over units where it does not decompose; rows of one group stay
together in both. A difference is the same of paired scores. Its seeds are taken as independent:
equal seeds share the data order but not the weights, and pairing them would halve the degrees.

What was settled by simulation (`benchmarks/verdicts.py`, 3 seeds, 360 and 10,000 units): the
difference takes Student's t with Welch-Satterthwaite degrees (Satterthwaite 1946). For a single
candidate, whose seeds give 2 degrees only, that covers 92 % under strong seed effects, because a
variance that came out small by chance also looks precise; there the quantiles of the components are
averaged by their variances (Cochran and Cox 1950), which covers 94 to 97 %. It is not always so
good: where seeds agree less on what is hard (`half` in the benchmark) it covers 91 to 97 %.

A share (unit `%`) has Wilson's interval (1927, score interval) for the number of units that would
give the same standard error; so it stays in [0, 1] and has a width where every unit is right.
One seed: the interval is over units alone and holds for these weights, not for the structure.

Dimensions: ... contests (simulation only), m rows of deviations, s seeds, n units, k statistics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtr, stdtridf, stdtrit

from netwright.errors import InputError
from netwright.metrics.base import REDUCERS, Figure

Array = NDArray[np.float64]
LEVEL = 0.95
RESAMPLES = 500
"""Bootstrap resamples; the standard error is then known to 3 %."""
PRIOR = 4.0
"""Wrong units' worth of belief that seeds are wrong on the same units; see `_wilson`."""
MOST_SEEDS = 50


@dataclass(frozen=True)
class Spread:
    """Figures of the seeds, and how they move when the units change."""

    values: Array
    """(..., s)."""
    deviations: Array
    """(..., m, s): deviations' deviations is the covariance of `values` over units."""
    n: int
    """Independent units: groups, where rows are grouped."""
    degrees: int
    """Of the covariance."""
    share: bool = False
    """Whether the figure lies in [0, 1]."""
    paired: bool = True


class Solved(NamedTuple):
    """Estimates of many contests at once; every field (...)."""

    value: Array
    low: Array
    high: Array
    between_seeds: Array
    between_units: Array
    noise: Array
    degrees: Array
    p: Array


@dataclass(frozen=True)
class Estimate:
    """A figure, or a difference of two, with its 95 % interval."""

    value: float
    low: float
    high: float
    between_seeds: float
    """Variance of `value` that comes from the choice of seeds; 0 where there is one seed."""
    between_units: float
    """Variance of `value` that comes from the choice of units."""
    noise: float
    """The part of `between_units` that more seeds would shrink."""
    degrees: float
    """Of Student's t."""
    n: int
    seeds: int
    """Fewest of the two, for a difference of networks."""
    p: float = 1.0
    """Two-sided probability of such a difference by chance; 1 for a single figure."""


Sample = Sequence[Figure] | Spread
"""One figure a seed, or what `spread` made of them (once, where many pairs are compared)."""


def spread(figures: Sequence[Figure]) -> Spread:
    """What intervals need of a candidate's figures, one a seed, same units in the same order.

    Raises:
        InputError: no figure, fewer than two units, or figures of different units.
    """
    if not figures:
        raise InputError("an interval needs at least one figure")
    first = figures[0]
    if any(f.rows.shape != first.rows.shape or f.reduce != first.reduce for f in figures):
        raise InputError("the seeds of one candidate were not scored on the same units")
    rows = torch.stack([f.rows.double().cpu() for f in figures])  # (s, n, k)
    groups = _members(first, rows.shape[1])
    n = len(groups) if groups is not None else rows.shape[1]
    if n < 2:
        raise InputError(f"an interval needs at least two independent units, but there is {n}")
    if first.reduce == "mean":
        deviations, degrees = _closed(rows[..., 0], groups), n - 1
    else:
        deviations = _bootstrap(rows, first.reduce, groups, n)
        degrees = min(n, RESAMPLES) - 1
    values = REDUCERS[first.reduce](rows).numpy()
    return Spread(values, deviations, n, degrees, first.unit == "%", first.paired)


def interval(figures: Sample) -> Estimate:
    """The mean over seeds with its 95 % interval."""
    one = figures if isinstance(figures, Spread) else spread(figures)
    return _scalars(solve_interval(one), one.n, one.values.shape[-1])


def difference(a: Sample, b: Sample) -> Estimate:
    """`a` minus `b` with its 95 % interval and p value; paired where both figures are.

    What has one figure counts as fixed: a floor, or the one net that was trained.

    Raises:
        InputError: paired figures of different numbers of units.
    """
    one = a if isinstance(a, Spread) else spread(a)
    two = b if isinstance(b, Spread) else spread(b)
    paired = one.paired and two.paired
    if paired and (one.n != two.n or one.deviations.shape[-2] != two.deviations.shape[-2]):
        raise InputError(f"scores on {one.n} and on {two.n} units cannot be paired")
    several = [s for s in (one.values.shape[-1], two.values.shape[-1]) if s > 1]
    return _scalars(solve_difference(one, two), min(one.n, two.n), min(several, default=1))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted for their number (Holm 1979): the i-th smallest times m - i, monotone."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def seeds_needed(gap: Estimate) -> int | None:
    """Seeds each at which a difference as large as this one would be told apart (uncorrected).

    None where more than 50 would be needed, so above all where the units are too few.
    """
    units = max(0.0, gap.between_units - gap.noise)
    seed = gap.seeds * (gap.between_seeds + gap.noise)
    for seeds in range(gap.seeds + 1, MOST_SEEDS + 1):
        variance = units + seed / seeds
        parts = (seed / seeds) ** 2 / (2 * (seeds - 1)) + units**2 / max(1, gap.n - 1)
        degrees = variance**2 / parts if parts > 0 else gap.n - 1
        if abs(gap.value) > float(_quantile(degrees)) * variance**0.5:
            return seeds
    return None


def solve_interval(one: Spread) -> Solved:
    """`interval`, over any leading dimensions."""
    value, seeds = one.values.mean(-1), one.values.shape[-1]
    between, noise, _ = _between([one])
    mean = one.deviations.mean(-1)
    units = np.square(mean).sum(-1)
    variance = between + units
    weight = np.divide(between, variance, out=np.zeros_like(variance), where=variance > 0)
    few = _quantile(max(1, seeds - 1))
    t = weight * few + (1 - weight) * _quantile(one.degrees)
    if one.share:
        low, high = _wilson(value, variance, t, one.n)
    else:
        low, high = value - t * np.sqrt(variance), value + t * np.sqrt(variance)
    degrees = stdtridf((1 + LEVEL) / 2, t) if seeds > 1 else np.full_like(t, one.degrees)
    return Solved(value, low, high, between, units, noise, degrees, np.ones_like(value))


def solve_difference(one: Spread, two: Spread) -> Solved:
    """`difference`, over any leading dimensions."""
    value = one.values.mean(-1) - two.values.mean(-1)
    between, noise, raw = _between([one, two])
    ours, theirs = one.deviations.mean(-1), two.deviations.mean(-1)
    if one.paired and two.paired:
        units = np.square(ours - theirs).sum(-1)
    else:
        units = np.square(ours).sum(-1) + np.square(theirs).sum(-1)
    if one.share:
        # half a hit more and half a hit less for each net (Agresti and Min 2005): two nets that
        # agree on every unit seen may still differ on others
        per_net = (1 / one.values.shape[-1] + 1 / two.values.shape[-1]) / 2
        units = units + per_net / min(one.n, two.n) ** 2
    variance = between + units
    fewest = min(one.degrees, two.degrees)
    parts = sum(r**2 / d for r, d in raw) + units**2 / fewest
    degrees = np.divide(variance**2, parts, out=np.full_like(value, fewest), where=parts > 0)
    lowest = min((d for _, d in raw), default=fewest)
    degrees = np.clip(degrees, min(lowest, fewest), max(lowest, fewest))
    error = np.sqrt(variance)
    none = np.where(value == 0, 0.0, np.inf)  # nothing varies: equal, or told apart for certain
    ratio = np.divide(np.abs(value), error, out=none, where=error > 0)
    half = _quantile(degrees) * error
    p = 2 * stdtr(degrees, -ratio)
    return Solved(value, value - half, value + half, between, units, noise, degrees, p)


def _between(sides: Sequence[Spread]) -> tuple[Array, Array, list[tuple[Array, int]]]:
    """Variance that seeds add, noise of the unit part, and (s^2 / S, degrees) of each side."""
    raw: list[tuple[Array, int]] = []
    total: Array = np.zeros(sides[0].values.shape[:-1])
    noise: Array = np.zeros_like(total)
    for side in sides:
        seeds = side.values.shape[-1]
        if seeds > 1:
            variance = side.values.var(-1, ddof=1) / seeds
            alone = np.square(side.deviations).sum((-1, -2)) / seeds
            shared = np.square(side.deviations.sum(-1)).sum(-1) - seeds * alone
            raw.append((variance, seeds - 1))
            total = total + variance
            noise = noise + (alone - shared / (seeds * (seeds - 1))) / seeds
    noise = np.maximum(0, noise)
    return np.maximum(0, total - noise), noise, raw


def _wilson(value: Array, variance: Array, t: Array, n: int) -> tuple[Array, Array]:
    """Bounds of a share known as well as one of `size` independent units.

    value (1 - value) / variance would be that size; it says nothing where (almost) no unit is
    wrong, so it is averaged with n, the more the fewer units are wrong. At 100 % size is n.
    """
    spare = value * (1 - value)
    wrong = n * np.minimum(value, 1 - value)
    known = (spare > 0) & (variance > 0)
    size = np.divide(spare, variance, out=np.full_like(value, float(n)), where=known)
    size = (wrong * size + PRIOR * n) / (wrong + PRIOR)
    middle = (value + t**2 / (2 * size)) / (1 + t**2 / size)
    half = t / (1 + t**2 / size) * np.sqrt(np.maximum(0, spare / size + (t / (2 * size)) ** 2))
    return np.clip(middle - half, 0, value), np.clip(middle + half, value, 1)


def _closed(scores: torch.Tensor, groups: list[torch.Tensor] | None) -> Array:
    """Deviations of means: scores (s, n) to (m, s). With groups, their sums (linearised)."""
    count = scores.shape[1]
    apart = (scores - scores.mean(1, keepdim=True)) / count
    m = count
    if groups is not None:
        apart, m = torch.stack([apart[:, g].sum(1) for g in groups], 1), len(groups)
    made: Array = (apart * (m / (m - 1)) ** 0.5).T.numpy()
    return made


def _bootstrap(rows: torch.Tensor, reduce: str, groups: list[torch.Tensor] | None, n: int) -> Array:
    """Deviations of resampled figures: rows (s, n, k) to (RESAMPLES, s).

    The draws depend on n alone, so that candidates scored on the same units stay paired.
    """
    generator = torch.Generator().manual_seed(n)
    drawn = []
    for _ in range(RESAMPLES):
        index = torch.randint(n, (n,), generator=generator)
        if groups is not None:
            index = torch.cat([groups[i] for i in index.tolist()])
        drawn.append(REDUCERS[reduce](rows.index_select(1, index)))
    figures = torch.stack(drawn)
    apart = figures - figures.mean(0)
    made: Array = (apart * (n / (n - 1) / (RESAMPLES - 1)) ** 0.5).numpy()
    return made


def _members(figure: Figure, count: int) -> list[torch.Tensor] | None:
    """Row numbers of each group, groups in ascending order; None where rows are independent."""
    if figure.groups is None:
        return None
    if len(figure.groups) != count:
        raise InputError(f"{count} units have {len(figure.groups)} group numbers")
    order = torch.argsort(figure.groups.cpu(), stable=True)
    sizes = torch.unique(figure.groups.cpu(), return_counts=True)[1]
    return list(torch.split(order, sizes.tolist()))


def _quantile(degrees: Any) -> Array:
    return np.asarray(stdtrit(degrees, (1 + LEVEL) / 2), dtype=np.float64)


def _scalars(solved: Solved, n: int, seeds: int) -> Estimate:
    fields = {name: float(value) for name, value in solved._asdict().items()}
    return Estimate(n=n, seeds=seeds, **fields)
