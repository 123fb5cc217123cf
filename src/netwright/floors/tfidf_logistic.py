"""TF-IDF and logistic regression: weighed words and pairs of words, multinomial, L2 penalty.

Source: scikit-learn's `TfidfTransformer` and `LogisticRegression`; fitted by SAG (Schmidt et al.
2017), whose time grows with the texts and not with the pairs of words that they bring.
Dimensions: n texts, d words and pairs.
"""

import warnings
from typing import Any

from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from netwright.floors._bags import Labelled, TfidfFloor

PASSES = 20
"""Over the texts at most; ending early regularises, and the figure hardly moves after."""


class TfidfLogistic(TfidfFloor):
    """Scores whose softmax is the fitted probability."""

    title = "TF-IDF + logistic regression"
    values = (3.0, 10.0, 30.0)

    def model(self, c: float, rows: csr_matrix, labels: Labelled) -> Any:
        """Fit on (n, d) weights, in an order of texts that is always the same."""
        with warnings.catch_warnings():  # the limit is meant: see PASSES
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(C=c, solver="sag", max_iter=PASSES, random_state=0)
            return model.fit(rows, labels)


floor = TfidfLogistic()
"""What the registry finds here."""
