"""Linear: multinomial logistic regression on the numbers as they are.

Source: scikit-learn's `LogisticRegression`, L-BFGS with its default L2 penalty (C = 1).
Dimensions: n samples, d numbers of a sample, k classes.
"""

import warnings
from collections.abc import Mapping

from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Generator

from netwright.floors._scores import Fitted, classes_of, flat, labels_of
from netwright.floors.base import Floor
from netwright.specs import Batch, Schema, Scorer

ITERATIONS = 100
"""Of L-BFGS at most; ending early regularises, and the figure hardly moves after."""


class Linear(Floor):
    """Scores that are linear in the pixels."""

    title = "linear"
    limit = 20_000

    def fit(
        self,
        batch: Batch,
        schema: Schema,
        generator: Generator,  # noqa: ARG002
    ) -> Mapping[str, Scorer]:
        """Fit; InputError where all labels are the same."""
        model = LogisticRegression(max_iter=ITERATIONS)
        with warnings.catch_warnings():  # the limit is meant: see ITERATIONS
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(flat(batch["x"]), labels_of(batch["y"]))
        return {"net": Fitted(model, classes_of(schema), batch["x"].device)}


floor = Linear()
"""What the registry finds here."""
