"""TF-IDF and a linear SVM: weighed words and pairs of words, one class against the others.

Source: Joachims 1998; scikit-learn's `TfidfTransformer` and `LinearSVC` (squared hinge, LIBLINEAR).
Dimensions: n texts, d words and pairs.
"""

import warnings
from typing import Any

from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from netwright.floors._bags import Labelled, TfidfFloor

PASSES = 300
"""Over the texts at most; only the closest fit needs more, and gains nothing by them."""


class TfidfSvm(TfidfFloor):
    """Scores are margins, and no log-probabilities."""

    title = "TF-IDF + linear SVM"
    values = (0.1, 0.3, 1.0, 3.0)

    def model(self, c: float, rows: csr_matrix, labels: Labelled) -> Any:
        """Fit on (n, d) weights, in an order of coordinates that is always the same."""
        with warnings.catch_warnings():  # the limit is meant: see PASSES
            warnings.simplefilter("ignore", ConvergenceWarning)
            return LinearSVC(C=c, max_iter=PASSES, random_state=0).fit(rows, labels)


floor = TfidfSvm()
"""What the registry finds here."""
