"""A net and an n-gram together: p = l_b p_net + (1 - l_b) p_ngram, b the n-gram's evidence.

The n-gram counts the training part alone; the weights are fitted by expectation and maximisation
on text that it did not count (Jelinek & Mercer 1980).
Dimensions: n symbols that are predicted, k buckets of evidence.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from netwright.nn import ngram
from netwright.specs import Part, Text
from netwright.tasks._streams import Stream

CPU = torch.device("cpu")
ROUNDS = 40
"""Of expectation and maximisation; the weights move in the third digit no more."""

PRIOR = 4.0
"""Symbols that a bucket counts for before it has seen one."""


@dataclass(frozen=True)
class Judged:
    """What the n-gram says of each symbol that is predicted."""

    nats: Tensor
    """(n,)."""
    bucket: Tensor
    """(n,) integers."""


class Beside:
    """The n-gram of one training part, and what it says of other parts; each is read once."""

    def __init__(self, text: Text, train: Part, whole: Callable[[Part, torch.device], Stream]):
        """`whole` gives a part as a stream; the first 20 million symbols of `train` are counted."""
        self.train, self._whole = train, whole
        self._before = ngram.NOTHING if text.start is None else np.array([text.start])
        counted = whole(train, CPU).symbols[: ngram.LIMIT].numpy()
        self._model = ngram.fit(np.concatenate([self._before, counted]), text.codec.size)
        self._known: list[tuple[Part, Judged]] = []

    @property
    def buckets(self) -> int:
        """How many values the evidence may have: k."""
        return self._model.buckets

    def judge(self, part: Part) -> Judged:
        """What it says of a part."""
        for known, judged in self._known:
            if known is part:
                return judged
        stream = self._whole(part, CPU)
        nats, bucket = self._model.judged(stream.symbols.numpy(), self._before)
        judged = Judged(
            torch.from_numpy(nats[stream.skipped :]), torch.from_numpy(bucket[stream.skipped :])
        )
        self._known.append((part, judged))
        return judged


def fitted(net: Tensor, other: Judged, buckets: int) -> Tensor:
    """(k,): the net's weight in each bucket; `net` (n,) are its nats of the same symbols.

    Each bucket has `PRIOR` symbols beforehand, which say what the weight is over all of them.
    """
    ahead, one = other.nats - net, torch.zeros_like(other.bucket)
    overall = _maximised(ahead, one, torch.full((1,), 0.5, dtype=torch.float64))
    return _maximised(ahead, other.bucket, overall.expand(buckets))


def _maximised(ahead: Tensor, bucket: Tensor, beforehand: Tensor) -> Tensor:
    many = torch.bincount(bucket, minlength=len(beforehand)).double()
    weights = beforehand
    for _ in range(ROUNDS):
        share = torch.sigmoid(torch.logit(weights)[bucket] + ahead)
        for_net = torch.bincount(bucket, share, len(weights))
        weights = (for_net + PRIOR * beforehand) / (many + PRIOR)
    return weights


def mixed(net: Tensor, other: Judged, weights: Tensor) -> Tensor:
    """(n,) nats of the mixture, from the net's (n,)."""
    w = weights[other.bucket]
    return -torch.logaddexp(w.log() - net, (1 - w).log() - other.nats)


def crossed(net: Tensor, other: Judged, buckets: int) -> Tensor:
    """`mixed`, each half of the text with weights fitted on the other half."""
    half = len(net) // 2
    parts = (slice(0, half), slice(half, None))
    first, second = ((net[p], Judged(other.nats[p], other.bucket[p])) for p in parts)
    return torch.cat(
        [mixed(*first, fitted(*second, buckets)), mixed(*second, fitted(*first, buckets))]
    )
