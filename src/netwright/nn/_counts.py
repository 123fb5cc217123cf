"""Counts of n-grams over integer symbols, as a trie of sorted keys; no loop over symbols.

A k-gram is a *node*: its place among the k-grams sorted by (context, last symbol), where the
context is the node of its first k - 1 symbols. So a key is context x V + symbol, whatever k is.
Dimensions: n symbols of a stream, g k-grams of one length, V symbols of the vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer]
Nodes = NDArray[np.int64]


@dataclass(frozen=True)
class Level:
    """All k-grams of one length that occur."""

    keys: Nodes
    """(g,) sorted."""
    raw: NDArray[np.int32]
    """(g,) how often each occurs."""
    kinds: NDArray[np.int32]
    """(g,) how many different symbols stand before it, the beginning of the text among them: the
    count of Kneser & Ney 1995. Of the longest grams, which nobody asks, their `raw`."""

    def find(self, contexts: Nodes, symbols: Ints, size: int) -> Nodes:
        """Nodes of (context, symbol) pairs, each (n,); -1 where it never occurred."""
        wanted = np.where(contexts < 0, -1, contexts * size + symbols)
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[at] == wanted, at, -1)


@dataclass(frozen=True)
class Counts:
    """The grams of every length from 1 to `len(levels)`."""

    size: int
    """V."""
    levels: tuple[Level, ...]

    def contexts(self, k: int) -> int:
        """How many (k - 1)-grams there are: what a k-gram may begin with."""
        return len(self.levels[k - 2].keys) if k > 1 else 1

    def trace(self, symbols: Ints) -> Iterator[tuple[Nodes, Nodes]]:
        """For k = 1, 2, ...: the nodes of each symbol's context and of the k-gram that it ends.

        Each (n,), -1 where it never occurred or reaches beyond the first symbol.
        """
        contexts: Nodes = np.zeros(len(symbols), dtype=np.int64)
        for level in self.levels:
            found = level.find(contexts, symbols, self.size)
            yield contexts, found
            contexts = np.concatenate([[-1], found[:-1]])[: len(symbols)]


def count(symbols: Ints, size: int, order: int) -> Counts:
    """Count the grams of a stream, (n,) integers below `size`, up to the length `order`."""
    levels: list[Level] = []
    nodes: Nodes = np.zeros(len(symbols) + 1, dtype=np.int64)  # of the empty gram
    for k in range(1, min(order, len(symbols)) + 1):
        contexts, shorter = nodes[:-1], nodes[1:]  # without the last symbol, without the first
        keys, found, raw = np.unique(
            contexts * size + symbols[k - 1 :], return_inverse=True, return_counts=True
        )
        if levels:
            inner = np.empty(len(keys), dtype=np.int64)
            inner[found] = shorter  # all occurrences of a gram say the same
            kinds = np.bincount(inner, minlength=len(levels[-1].keys))
            kinds[nodes[0]] += 1  # the beginning of the text stands before this one
            levels[-1] = Level(levels[-1].keys, levels[-1].raw, kinds.astype(np.int32))
        occurrences = raw.astype(np.int32)
        levels.append(Level(keys, occurrences, occurrences))
        nodes = found
    return Counts(size, tuple(levels))
