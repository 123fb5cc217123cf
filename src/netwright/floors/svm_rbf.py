"""SVM-RBF: support vectors with a Gaussian kernel on the pixels.

Source: Cortes & Vapnik 1995; C = 10 and gamma = `scale`, which give 99.1 % on shuffled digits.
"""

from collections.abc import Mapping

from torch import Generator

from netwright.floors._scores import Fitted, classes_of, flat, labels_of, seed_of, support_vectors
from netwright.floors.base import Floor
from netwright.specs import Batch, Schema, Scorer


class SvmRbf(Floor):
    """The strongest of the classical methods on small pictures; its time grows with n squared."""

    title = "SVM-RBF"
    limit = 10_000

    def fit(self, batch: Batch, schema: Schema, generator: Generator) -> Mapping[str, Scorer]:
        """Fit; InputError where all labels are the same."""
        labels = labels_of(batch["y"])
        model = support_vectors(flat(batch["x"]), labels, seed_of(generator))
        return {"net": Fitted(model, classes_of(schema), batch["x"].device)}


floor = SvmRbf()
"""What the registry finds here."""
