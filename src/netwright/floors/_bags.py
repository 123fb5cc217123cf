"""What the text floors share: texts as counts of words and pairs of words, and a held-out choice.

A pair (a, b) of symbols below v is packed into one integer, v + a v + b; nothing is hashed, so no
two pairs collide.
Dimensions: n texts, t places of the longest, d words and pairs, k classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer
from torch import Generator, Tensor

from netwright.errors import InputError
from netwright.floors._scores import classes_of, labels_of, spread
from netwright.floors.base import Floor
from netwright.specs import Batch, Labels, Schema, Scorer, Text

Labelled = NDArray[np.int64]
"""(n,) labels."""
HELD = 10
"""One of so many training texts is held out to choose by."""
FEWEST = 50
"""Texts held out at least; of fewer, nothing can be chosen by, and the default is taken."""
ENOUGH = 40_000
"""Texts that a choice is made by at most."""
TWICE = 2
"""Times that a pair must occur in training: one that occurs once says nothing of other texts."""


def refusal(schema: Schema) -> str | None:
    """Why a floor of words cannot stand beside these data; None if it can."""
    kinds = [type(column) for column in schema.columns.values()]
    if Text not in kinds:
        return "counts of words need texts, and these data hold none"
    return None if Labels in kinds else "these data hold no labels"


@dataclass(frozen=True)
class Bags:
    """Turns texts into counts of the words and pairs that training held."""

    vocabulary: int
    """v: symbols of the codec."""
    grams: NDArray[np.int64]
    """(d,) packed words and pairs that are counted, rising."""

    @staticmethod
    def of(x: Tensor, lengths: Tensor, vocabulary: int) -> "Bags":
        """The words of (n, t) texts with (n,) `lengths`, and the pairs that occur twice."""
        _, grams = packed(x, lengths, vocabulary)
        found, times = np.unique(grams, return_counts=True)
        return Bags(vocabulary, found[(found < vocabulary) | (times >= TWICE)])

    def counts(self, x: Tensor, lengths: Tensor) -> csr_matrix:
        """(n, t) texts with (n,) `lengths` to (n, d) counts; what was never seen is left out."""
        rows, grams = packed(x, lengths, self.vocabulary)
        place = np.searchsorted(self.grams, grams)
        known = place < len(self.grams)
        known[known] = self.grams[place[known]] == grams[known]
        ones = np.ones(int(known.sum()))
        shape = (len(x), len(self.grams))
        return csr_matrix((ones, (rows[known], place[known])), shape=shape)  # adds up equal places


def packed(
    x: Tensor, lengths: Tensor, vocabulary: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n, t) texts with (n,) `lengths` to all their words and pairs, and the row of each."""
    symbols = x.detach().cpu().numpy().astype(np.int64)
    inside = np.arange(symbols.shape[1]) < lengths.cpu().numpy()[:, None]
    pairs = vocabulary + symbols[:, :-1] * vocabulary + symbols[:, 1:]
    both = inside[:, 1:]
    rows = np.concatenate([inside.nonzero()[0], both.nonzero()[0]])
    return rows, np.concatenate([symbols[inside], pairs[both]])


@dataclass(frozen=True)
class Weighed:
    """Counts as weights of length 1: (1 + ln count) (1 + ln((1 + n) / (1 + df))), 0 if absent.

    n training texts, of which df hold the word or pair.
    """

    bags: Bags
    transformer: Any

    @staticmethod
    def of(x: Tensor, lengths: Tensor, vocabulary: int) -> tuple["Weighed", csr_matrix]:
        """Fitted on (n, t) texts, whose (n, d) weights it also gives."""
        bags = Bags.of(x, lengths, vocabulary)
        counts = bags.counts(x, lengths)
        transformer = TfidfTransformer(sublinear_tf=True).fit(counts)
        return Weighed(bags, transformer), transformer.transform(counts)

    def __call__(self, x: Tensor, lengths: Tensor) -> csr_matrix:
        """(n, t) texts with (n,) `lengths` to (n, d) weights."""
        weights: csr_matrix = self.transformer.transform(self.bags.counts(x, lengths))
        return weights


@dataclass(frozen=True)
class Reader:
    """A classifier of bags that answers like a network; it computes on the CPU."""

    features: Callable[[Tensor, Tensor], csr_matrix]
    scores: Callable[[csr_matrix], NDArray[np.float64]]
    """(m, d) to (m, k') scores of the classes seen in fitting."""
    classes: Labelled
    """(k',) labels seen in fitting."""
    count: int
    """k: classes of the data."""
    device: torch.device
    """Where its training texts lay, and those that it judges do."""

    def __call__(self, x: Tensor, lengths: Tensor | None = None, **_: Any) -> Tensor:
        """(m, t) symbols with (m,) `lengths` to (m, k) scores, on their device."""
        if lengths is None:
            lengths = torch.full((len(x),), x.shape[1])
        scores = self.scores(self.features(x, lengths))
        return spread(scores, self.classes, self.count).to(x.device)


def two_sided(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m,) margins of the second of two classes to (m, 2), whose difference they are.

    So the softmax of a logistic margin is its probability; (m, k') margins stay as they are.
    """
    return np.stack([-margins / 2, margins / 2], 1) if margins.ndim == 1 else margins


def chosen(
    values: Sequence[float],
    default: float,
    fitted: Callable[[float, csr_matrix, Labelled], Any],
    rows: csr_matrix,
    labels: Labelled,
    generator: Generator,
) -> float:
    """The one of `values` with the most hits on a held-out tenth; of equals the first.

    `default` where a tenth is too small or the rest holds one class alone. Of very many texts, a
    random part does for choosing.
    """
    order = torch.randperm(len(labels), generator=generator).numpy()[:ENOUGH]
    held = len(order) // HELD
    test, rest = order[:held], order[held:]
    if held < FEWEST or len(np.unique(labels[rest])) < 2:
        return default
    hits = [
        int((fitted(value, rows[rest], labels[rest]).predict(rows[test]) == labels[test]).sum())
        for value in values
    ]
    return values[hits.index(max(hits))]


class TfidfFloor(Floor):
    """A linear classifier of weighed words and pairs."""

    limit = 200_000
    values: Sequence[float]
    """Of C, the inverse of the L2 penalty's weight, to choose from; plainest first."""

    def model(self, c: float, rows: csr_matrix, labels: Labelled) -> Any:
        """Fit scikit-learn's classifier."""
        raise NotImplementedError

    def refuses(self, schema: Schema) -> str | None:
        """Where there are no texts or no labels."""
        return refusal(schema)

    def fit(self, batch: Batch, schema: Schema, generator: Generator) -> Mapping[str, Scorer]:
        """Fit; InputError where it refuses, or where all labels are the same.

        `batch`: `x` (n, t) symbols, `lengths` (n,), `y` (n,) labels.
        """
        labels = labels_of(batch["y"])
        features, rows = Weighed.of(batch["x"], batch["lengths"], vocabulary_of(schema))
        c = chosen(self.values, 1.0, self.model, rows, labels, generator)
        model = self.model(c, rows, labels)
        return {
            "net": Reader(
                features,
                lambda r: two_sided(model.decision_function(r)),
                model.classes_,
                classes_of(schema),
                batch["x"].device,
            )
        }


def vocabulary_of(schema: Schema) -> int:
    """Symbols of the texts' codec; InputError where a floor of words refuses these data."""
    if reason := refusal(schema):
        raise InputError("a floor of words cannot stand here", why=reason)
    return next(c.codec.size for c in schema.columns.values() if isinstance(c, Text))
