"""N-grams: how likely a symbol is after the few before it, by counting.

Interpolated modified Kneser-Ney: Chen & Goodman 1999, section 3, equations 26 to 28,

    p_k(w | h) = (c(hw) - D(c(hw))) / c(h.) + mass(h) p_(k-1)(w | h'),  h' = h without its first,

where c counts occurrences in the longest grams and different left neighbours in all others, D is
one of three discounts of that length, and mass(h) is what they took away. p_0 = 1 / V.
Dimensions: n symbols of a stream, m contexts, V symbols of the vocabulary.
"""

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from netwright.nn._counts import Counts, Ints, Nodes, count

Floats = NDArray[np.float64]

LIMIT = 20_000_000
"""Symbols that are counted at most: 64 bytes of memory each, for letters of English at order 8."""
SMALL = 512
"""A vocabulary up to this is one of characters or bytes."""
CANDIDATES = {True: (3, 4, 5, 6, 7, 8), False: (2, 3, 4, 5)}
"""Orders that `fit` tries, by whether the vocabulary is small."""
STEPS = 8
"""Buckets of `evidence` a length: the logarithm of a context's count, base 2, cut."""
NOTHING: Ints = np.zeros(0, dtype=np.int64)


@final
class KneserNey:
    """An n-gram model of one stream. A text that it never saw has a probability above 0."""

    def __init__(self, counts: Counts, order: int | None = None) -> None:
        """`order`: the longest gram that is used; by default the longest that was counted."""
        counted = max(1, len(counts.levels))
        self.order = counted if order is None else min(order, counted)
        self.size = counts.size
        self.counts = Counts(counts.size, counts.levels[: self.order])
        self._tables = [
            _Table(
                level.raw if k == self.order else level.kinds,
                level.keys // self.size,
                counts.contexts(k),
            )
            for k, level in enumerate(self.counts.levels, 1)
        ]

    @property
    def buckets(self) -> int:
        """How many values `evidence` may have."""
        return self.order * STEPS

    def nats(self, symbols: Ints, before: Ints = NOTHING) -> Floats:
        """(n,): -log p of each symbol after those before it, the first after `before`."""
        return self.judged(symbols, before)[0]

    def evidence(self, symbols: Ints, before: Ints = NOTHING) -> Nodes:
        """(n,): how well each symbol's context is known, as a number below `buckets`.

        It grows with the longest context that was seen, and within that with how often. It does not
        depend on the symbol itself, so weights by bucket leave a mixture normalised.
        """
        return self.judged(symbols, before)[1]

    def judged(self, symbols: Ints, before: Ints = NOTHING) -> tuple[Floats, Nodes]:
        """`nats` and `evidence`, at the price of one of them."""
        before = before[max(0, len(before) - self.order + 1) :]
        text = np.concatenate([before, symbols]).astype(np.int64)
        p = np.full(len(text), 1 / self.size)
        bucket: Nodes = np.zeros(len(text), dtype=np.int64)
        for k, (table, (context, found)) in enumerate(
            zip(self._tables, self.counts.trace(text), strict=True)
        ):
            total = table.total[context]
            seen = (context >= 0) & (total > 0)
            total = np.maximum(total, 1)
            p = np.where(seen, table.own(found) / total + table.mass[context] * p, p)
            step = np.minimum(np.log2(total).astype(np.int64), STEPS - 1)
            bucket = np.where(seen, k * STEPS + step, bucket)
        nats: Floats = -np.log(p[len(before) :])
        return nats, bucket[len(before) :]

    def distribution(self, context: Ints = NOTHING) -> Floats:
        """(V,) probabilities of what follows a context of any length; they sum to 1."""
        kept = np.asarray(context, dtype=np.int64)[-max(1, self.order - 1) :]
        p: Floats = self._spread([nodes[-1:] for nodes in self._behind(kept)])[0]
        return p

    def following(self, symbols: Ints) -> Floats:
        """(n, V) probabilities of what follows each place of a stream; for small streams."""
        return self._spread([nodes[1:] for nodes in self._behind(symbols.astype(np.int64))])

    def _behind(self, symbols: Nodes) -> list[Nodes]:
        """For k = 0, 1, ...: nodes of the k-gram that ends before each place and at the end.

        Each (n + 1,).
        """
        nothing = np.zeros(len(symbols) + 1, dtype=np.int64)
        found = [f for _, f in self.counts.trace(symbols)][: self.order - 1]
        return [nothing, *(np.concatenate([[-1], f]) for f in found)]

    def _spread(self, contexts: Sequence[Nodes]) -> Floats:
        """(m, V) out of the nodes of every length of context, each (m,)."""
        p = np.full((len(contexts[0]), self.size), 1 / self.size)
        for table, level, context in zip(self._tables, self.counts.levels, contexts, strict=False):
            rows = np.flatnonzero((context >= 0) & (table.total[context] > 0))
            here = context[rows]
            p[rows] *= table.mass[here, None]
            first = np.searchsorted(level.keys, here * self.size)
            many = np.searchsorted(level.keys, (here + 1) * self.size) - first
            owner = np.repeat(np.arange(len(rows)), many)
            child = np.arange(len(owner)) + np.repeat(first - (many.cumsum() - many), many)
            share = table.own(child) / table.total[here][owner]
            p[rows[owner], level.keys[child] % self.size] += share
        return p


class _Table:
    """What one length adds: counts, discounts, and per context their sum and what is left over."""

    def __init__(self, counts: Ints, owner: Nodes, contexts: int) -> None:
        """`counts` of the k-grams and `owner`, the context of each; both (g,)."""
        self.counts, self.discounts = counts, discounts(counts)
        self.total = np.bincount(owner, counts, contexts)
        taken = np.bincount(owner, self.discounts[np.minimum(counts, 3)], contexts)
        self.mass = taken / np.maximum(self.total, 1)

    def own(self, nodes: Nodes) -> Floats:
        """Discounted counts, 0 for -1."""
        c = np.where(nodes >= 0, self.counts[nodes], 0)
        rest: Floats = c - self.discounts[np.minimum(c, 3)]
        return rest


def discounts(counts: Ints) -> Floats:
    """(4,): what is taken from a count of 0, 1, 2, and 3 or more.

    Chen & Goodman 1999, equation 26: D_i = i - (i + 1) Y n_(i+1) / n_i with Y = n_1 / (n_1 + 2 n_2)
    and n_i the number of grams that are counted i times. Where these are too few for discounts in
    (0, i], Y is taken from all (Ney et al. 1994), and where that is none, 1/2, 1 and 3/2.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(np.float64)
    steps = np.arange(1, 4)
    if n[0] and n[1]:
        y = n[0] / (n[0] + 2 * n[1])
        if n[2] and n[3]:
            found = steps - (steps + 1) * y * n[1:] / n[:3]
            if ((found > 0) & (found <= steps)).all():
                return np.concatenate([[0.0], found])
        return np.array([0.0, y, y, y])
    return np.array([0.0, 0.5, 1.0, 1.5])


def choose_order(train: Ints, validation: Ints, size: int, candidates: Sequence[int]) -> int:
    """The candidate under which what follows the training text is likeliest; ties to the least."""
    counts = count(train, size, max(candidates))
    before = train[-max(candidates) :]
    found = {
        order: float(KneserNey(counts, order).nats(validation, before).mean())
        for order in sorted(candidates)
    }
    return min(found, key=lambda order: found[order])


def fit(symbols: Ints, size: int, candidates: Sequence[int] = ()) -> KneserNey:
    """Count a stream, at the order that is best on its last tenth when counted on the rest."""
    candidates = candidates or CANDIDATES[size <= SMALL]
    cut = len(symbols) - len(symbols) // 10
    order = min(candidates)
    if cut < len(symbols) and len(candidates) > 1:
        order = choose_order(symbols[:cut], symbols[cut:], size, candidates)
    return KneserNey(count(symbols, size, order))
