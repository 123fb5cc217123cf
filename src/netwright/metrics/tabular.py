"""How far a made table lies from a real one, column by column and pair by pair.

A table maps names to columns of one length: numbers as float64, NaN where a cell is empty; words as
objects of str, None where empty. The distance of a made row to the closest real one is
`distances.nearest`.
Dimensions: n rows, c columns.
"""

import math
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netwright.errors import InputError, nearest, shown

Table = Mapping[str, NDArray[Any]]
Numbers = NDArray[np.float64]
Codes = NDArray[np.intp]


def marginal_distance(real: Table, fake: Table) -> dict[str, float]:
    """Distance of each column's distribution, in [0, 1]: 0, the same; 1, nothing in common.

    Words: total variation, 1/2 sum over values v of |p(v) - q(v)|, where empty is a value.
    Numbers: (1 - max(e, f)) KS + |e - f|, where e and f are the shares of empty cells of either
    table and KS = sup over t of |F(t) - G(t)| is the Kolmogorov-Smirnov statistic of the cells that
    are not empty. So KS counts for the share of cells that both tables fill; it is the whole
    distance where no cell is empty, and no part of it where one table fills none.

    Raises:
        InputError: a table without rows, columns that one table lacks or holds as another kind,
            columns of unequal length, infinite numbers.
    """
    _comparable(real, fake)
    return {
        name: _of_numbers(column, fake[name]) if _numeric(column) else _of_words(column, fake[name])
        for name, column in real.items()
    }


def pairwise_distance(real: Table, fake: Table) -> float:
    """Mean over pairs of columns of the absolute difference of their `associations`.

    In [0, 2], since correlations have a sign; 0 where there is but one column. Associations of few
    rows or many words come out too strong, so give tables of the same length. InputError as
    `marginal_distance`.
    """
    _comparable(real, fake)
    names = list(real)
    pairs = np.triu_indices(len(names), 1)
    gaps = np.abs(associations(real) - associations({name: fake[name] for name in names}))[pairs]
    return float(gaps.mean()) if gaps.size else 0.0


def associations(table: Table) -> Numbers:
    """(c, c) symmetric matrix of how strongly columns hang together; 1 on its diagonal.

    Two of numbers: Pearson's correlation r, in [-1, 1].
    Numbers and words: the correlation ratio, the root of the share of the numbers' variance that
    lies between the words (Pearson 1905), in [0, 1].
    Two of words: Cramer's V = sqrt(chi^2 / (n (min(rows, columns) - 1))) (Cramer 1946, chapter
    21), in [0, 1].
    Rows in which a number is empty are left out of its pairs; an empty word is a value. 0 where a
    column is constant in the rows that are left. InputError as `marginal_distance`.
    """
    _checked(table, "given")
    columns = [x.astype(np.float64) if _numeric(x) else _codes(x) for x in table.values()]
    found = np.eye(len(columns))
    for i, j in combinations(range(len(columns)), 2):
        found[i, j] = found[j, i] = _association(columns[i], columns[j])
    return found


def _association(a: NDArray[Any], b: NDArray[Any]) -> float:
    present = ~(np.isnan(a) | np.isnan(b))
    a, b = a[present], b[present]
    if not a.size or a.min() == a.max() or b.min() == b.max():
        return 0.0
    match _is_codes(a), _is_codes(b):
        case True, True:
            return _cramer(a, b)
        case True, False:
            return _ratio(a, b)
        case False, True:
            return _ratio(b, a)
        case _:
            return _pearson(a, b)


def _is_codes(x: NDArray[Any]) -> bool:
    return x.dtype.kind == "i"


def _pearson(a: Numbers, b: Numbers) -> float:
    a, b = _standard(a), _standard(b)
    return float(np.clip(a @ b, -1, 1))


def _ratio(words: Codes, x: Numbers) -> float:
    x = _standard(x)
    counts = np.bincount(words)
    sums = np.bincount(words, x)
    between = float((sums**2 / np.maximum(counts, 1)).sum())
    return math.sqrt(min(1.0, between))


def _standard(x: Numbers) -> Numbers:
    """Of mean 0 and length 1; scaled first, since squares of large numbers overflow."""
    x = x / np.abs(x).max()
    x = x - x.mean()
    return np.asarray(x / np.linalg.norm(x))


def _cramer(a: Codes, b: Codes) -> float:
    """chi^2 / n = sum of n_ij^2 / (n_i n_j) - 1, over the cells that occur: few of many words."""
    cells, counts = np.unique(a * (b.max() + 1) + b, return_counts=True)
    of_a, of_b = np.bincount(a), np.bincount(b)
    i, j = np.divmod(cells, b.max() + 1)
    chi = float((counts**2 / (of_a[i] * of_b[j])).sum()) - 1
    fewest = min(np.count_nonzero(of_a), np.count_nonzero(of_b))
    return math.sqrt(np.clip(chi / (fewest - 1), 0, 1))


def _of_words(real: NDArray[Any], fake: NDArray[Any]) -> float:
    codes = _codes(np.concatenate([real, fake]))
    most = int(codes.max()) + 1
    shares = [
        np.bincount(part, minlength=most) / part.size
        for part in (codes[: real.size], codes[real.size :])
    ]
    return float(np.abs(shares[0] - shares[1]).sum()) / 2


def _of_numbers(real: NDArray[Any], fake: NDArray[Any]) -> float:
    sets = [np.sort(x[~np.isnan(x)]) for x in (real, fake)]
    empty = [1 - s.size / x.size for s, x in zip(sets, (real, fake), strict=True)]
    missing = abs(empty[0] - empty[1])
    if not all(s.size for s in sets):
        return missing
    every = np.concatenate(sets)
    below = [np.searchsorted(s, every, side="right") / s.size for s in sets]
    return (1 - max(empty)) * float(np.abs(below[0] - below[1]).max()) + missing


def _codes(words: Iterable[object]) -> Codes:
    """Each word as the number of its first place among the different ones."""
    index: dict[object, int] = {}
    return np.fromiter((index.setdefault(word, len(index)) for word in words), np.intp)


def _numeric(column: NDArray[Any]) -> bool:
    return column.dtype != object


def _checked(table: Table, name: str) -> None:
    lengths = {key: len(column) for key, column in table.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{n:,} in '{shown(key)}'" for key, n in lengths.items())
        raise InputError(f"columns of the {name} table differ in length: {said}")
    if not all(lengths.values()) or not lengths:
        raise InputError(f"the {name} table has no rows", why="a distance needs at least one")
    for key, column in table.items():
        if _numeric(column) and (wrong := int(np.isinf(column).sum())):
            raise InputError(
                f"column '{shown(key)}' of the {name} table holds {wrong:,} infinite numbers",
                why="distances to them mean nothing",
                do="leave these cells empty",
            )


def _comparable(real: Table, fake: Table) -> None:
    _checked(real, "real")
    _checked(fake, "made")
    for here, there, which in ((real, fake, "made"), (fake, real, "real")):
        for key, column in here.items():
            if key not in there:
                raise InputError(
                    f"the {which} table has no column '{shown(key)}'",
                    why="both tables need the same columns",
                    near=nearest(key, there),
                )
            if _numeric(column) != _numeric(there[key]):
                raise InputError(
                    f"column '{shown(key)}' holds numbers in one table and words in the other",
                    why="the distance of a number to a word is not defined",
                )
