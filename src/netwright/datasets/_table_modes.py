"""The bells of a column of numbers: a mixture by expectation-maximisation, its size by BIC.

Source: Dempster et al. 1977 (EM), Schwarz 1978 (BIC). Numbers are first grouped into at most 300
neighbourhoods, of which each keeps its weight, middle and variance: the cost does not grow with the
rows, and a mixture of one bell stays exact. Nothing is drawn, so that the same
numbers give the same bells; these are rounded, so that they do so on every machine.
Dimensions: n numbers, g groups, m modes.
"""

import sys
from dataclasses import dataclass
from math import floor, log, log10

import numpy as np
from numpy.typing import NDArray

from netwright.specs import Mode

Floats = NDArray[np.float64]

CROWDS, CELLS = 150, 150
"""Groups are cut where as many equal crowds, and as many equal lengths of the range, end."""
MOVES, ENOUGH = 60, 1e-5
"""Moves of EM at most; and the gain in nats a number below which it ends."""
PATIENCE = 2
"""Sizes of a mixture in a row that may bring nothing."""
NARROWEST = 0.01
"""Deviation of a bell at least, in deviations of the whole column."""
RAREST = 0.002
"""Share of a bell at least; a smaller one is left out."""
DIGITS = 4
"""Significant digits of what is kept."""
TINY = sys.float_info.min


def fit(x: Floats, most: int, step: float = 0.0) -> tuple[Mode, ...]:
    """At most `most` bells for the finite numbers `x` (n,), n >= 1, in the order of their middles.

    `step` is what the numbers are rounded to; no bell is narrower than a half of it.
    """
    low, high = float(x.min()), float(x.max())
    unit = high - low
    if unit == 0:
        return (Mode(share=1, mean=low, deviation=max(step, abs(low) * 1e-3, TINY)),)
    scaled = np.sort((x - low) / unit)
    groups = _grouped(scaled)
    least = max(NARROWEST * float(scaled.std()), 0.5 * min(1.0, step / unit))
    best = _fitted(groups, 1, least)
    for m in range(2, most + 1):
        further = _fitted(groups, m, least)
        if further.bic < best.bic:
            best = further
        elif m - len(best.mean) >= PATIENCE:
            break
    found: list[Mode] = []
    for share, mean, deviation in sorted(
        zip(best.share, best.mean, best.deviation, strict=True), key=lambda mode: mode[1]
    ):
        if share >= RAREST:
            wide = max(_rounded(float(deviation) * unit), TINY)
            middle = _rounded(float(mean) * unit + low, wide)
            found.append(Mode(share=min(1.0, round(float(share), 4)), mean=middle, deviation=wide))
    return tuple(found)


def _rounded(value: float, unit: float | None = None) -> float:
    """`value` to four digits of itself, or of `unit`."""
    return round(value, DIGITS - 1 - floor(log10(abs(unit or value) or 1.0)))


@dataclass(frozen=True, slots=True)
class _Groups:
    weight: Floats
    middle: Floats
    variance: Floats


@dataclass(frozen=True, slots=True)
class _Mixture:
    share: Floats
    mean: Floats
    deviation: Floats
    bic: float


def _grouped(x: Floats) -> _Groups:
    """Sorted `x` (n,), from 0 to 1, in groups of neighbours."""
    crowds = np.linspace(0, len(x), min(len(x), CROWDS) + 1).astype(int)
    cells = np.searchsorted(x, np.linspace(0, 1, CELLS + 1)[1:-1])
    bounds = np.union1d(crowds, cells)
    count = np.diff(bounds).astype(np.float64)
    middle = np.add.reduceat(x, bounds[:-1]) / count
    square = np.add.reduceat(x * x, bounds[:-1]) / count
    return _Groups(count, middle, np.maximum(square - middle**2, 0))


def _fitted(groups: _Groups, m: int, least: float) -> _Mixture:
    """A mixture of `m` bells, from bells over groups of neighbours."""
    share, mean, variance = _start(groups, m, least)
    total, before, likelihood = groups.weight.sum(), -np.inf, -np.inf
    for _ in range(MOVES):
        spread = (groups.middle[:, None] - mean) ** 2 + groups.variance[:, None]  # (g, m)
        scores = np.log(share) - 0.5 * (np.log(2 * np.pi * variance) + spread / variance)
        top = scores.max(1, keepdims=True)
        odds = np.exp(scores - top)
        sums = odds.sum(1, keepdims=True)
        likelihood = float(groups.weight @ (np.log(sums) + top)[:, 0])
        if likelihood - before < ENOUGH * total:
            break
        before = likelihood
        members = odds / sums * groups.weight[:, None]
        size = members.sum(0) + TINY
        share = np.maximum(size / total, TINY)
        mean = groups.middle @ members / size
        spread = (groups.middle[:, None] - mean) ** 2 + groups.variance[:, None]
        variance = np.maximum((members * spread).sum(0) / size, least**2)
    bic = (3 * m - 1) * log(total) - 2 * likelihood
    return _Mixture(share, mean, np.sqrt(variance), bic)


def _start(groups: _Groups, m: int, least: float) -> tuple[Floats, Floats, Floats]:
    """Shares, means and variances (m,), of the better one of two k-means.

    One begins with equal crowds, one with equal lengths of the range.
    """
    crowds = np.linspace(0, len(groups.middle), m + 1).astype(int)
    inner = np.searchsorted(groups.middle, np.linspace(0, 1, m + 1)[1:-1])
    lengths = np.concatenate([[0], inner, [len(groups.middle)]])
    both = (_pieces(groups, _split(groups, cuts)) for cuts in (crowds, lengths))
    share, mean, variance = min(both, key=lambda pieces: float(pieces[0] @ pieces[2]))
    return np.maximum(share, TINY), mean, np.maximum(variance, least**2)


def _split(groups: _Groups, cuts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where k-means cuts the line, by Lloyd's moves from `cuts`; each piece holds a group."""
    for _ in range(MOVES):
        mean = _pieces(groups, cuts)[1]
        inner = np.searchsorted(groups.middle, (mean[1:] + mean[:-1]) / 2)
        moved = np.concatenate([[0], inner, [len(groups.middle)]])
        if (np.diff(moved) <= 0).any() or (moved == cuts).all():
            break
        cuts = moved
    return cuts


def _pieces(groups: _Groups, cuts: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
    """Shares, means and variances of the groups between `cuts` (m + 1,); of an empty piece, 0."""
    first, last = cuts[:-1], cuts[1:]
    sums = [
        np.concatenate([[0.0], np.cumsum(groups.weight * values)])
        for values in (
            np.ones_like(groups.middle),
            groups.middle,
            groups.variance + groups.middle**2,
        )
    ]
    size, middle, square = (s[last] - s[first] for s in sums)
    mean = middle / np.maximum(size, TINY)
    variance = np.maximum(square / np.maximum(size, TINY) - mean**2, 0)
    return size / groups.weight.sum(), mean, variance
