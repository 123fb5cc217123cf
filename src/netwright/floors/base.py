"""What a floor is: something fitted without the training loop that answers like a network."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Generator

from netwright.specs import Batch, Schema, Scorer


class Floor(ABC):
    """A method that a network must beat; the same scorer judges both."""

    title: ClassVar[str]
    """Its name in tables: `SVM-RBF`."""
    limit: ClassVar[int] = 20_000
    """Training samples that it is fitted on at most; a smaller, seeded subsample is stated."""

    @abstractmethod
    def fit(self, batch: Batch, schema: Schema, generator: Generator) -> Mapping[str, Scorer]:
        """Fit on a whole training part and give role -> what answers like a network.

        `batch` is what the task makes of the part without augmentation: for image classification
        `x`, (n, c, h, w) normalised floats, and `y`, (n,) labels. It holds at most `limit` samples.
        """

    def refuses(self, schema: Schema) -> str | None:
        """Why it does not stand beside the networks here; None if it does."""
        return None
