"""Naive Bayes: multinomial, on which words and pairs of words a text holds.

Score of class c = ln P(c) + sum over words and pairs of a text, each once, of ln P(w | c), with
P(w | c) = (a + texts of c that hold w) / (a d + their sum over all w).
Source: Wang & Manning 2012, section 2.1 (bigrams; counted once a text); scikit-learn's
`MultinomialNB`.
Dimensions: n texts, d words and pairs.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.naive_bayes import MultinomialNB
from torch import Generator, Tensor

from netwright.floors._bags import Bags, Labelled, Reader, chosen, refusal, vocabulary_of
from netwright.floors._scores import classes_of, labels_of
from netwright.floors.base import Floor
from netwright.specs import Batch, Schema, Scorer

SMOOTHINGS = (3.0, 1.0, 0.3, 0.1, 0.03)
"""Of a, to choose from; plainest first."""


class NaiveBayes(Floor):
    """Scores are joint log-probabilities, whose softmax is the posterior."""

    title = "naive Bayes, uni- and bigrams"
    limit = 200_000

    def refuses(self, schema: Schema) -> str | None:
        """Where there are no texts or no labels."""
        return refusal(schema)

    def fit(self, batch: Batch, schema: Schema, generator: Generator) -> Mapping[str, Scorer]:
        """Fit; InputError where it refuses, or where all labels are the same.

        `batch`: `x` (n, t) symbols, `lengths` (n,), `y` (n,) labels.
        """
        labels = labels_of(batch["y"])
        bags = Bags.of(batch["x"], batch["lengths"], vocabulary_of(schema))

        def held(x: Tensor, lengths: Tensor) -> csr_matrix:
            rows = bags.counts(x, lengths)
            rows.data = np.ones_like(rows.data)
            return rows

        rows = held(batch["x"], batch["lengths"])
        model = _model(chosen(SMOOTHINGS, 1.0, _model, rows, labels, generator), rows, labels)
        count, device = classes_of(schema), batch["x"].device
        return {"net": Reader(held, model.predict_joint_log_proba, model.classes_, count, device)}


def _model(smoothing: float, rows: csr_matrix, labels: Labelled) -> Any:
    return MultinomialNB(alpha=smoothing).fit(rows, labels)


floor = NaiveBayes()
"""What the registry finds here."""
