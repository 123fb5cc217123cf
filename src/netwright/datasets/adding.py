"""The adding problem: two of many numbers are marked, and their sum is asked at the end.

Source: Hochreiter & Schmidhuber 1997; in the form of Bai et al. 2018, section 4.1: feature 1 is
uniform in [0, 1), feature 2 is zero but for two ones, anywhere in the row.
The mean, 1, has a mean squared error of 1/6, the variance of the sum of two such numbers.
Dimensions: n rows, t places.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast, final

import numpy as np
from pydantic import Field

from netwright.datasets._drawn import Rows, drawn, no_files, subsets
from netwright.datasets.base import Data, Dataset
from netwright.specs import Batch, Frozen, Numbers, Schema, Series

MARKED = 2
"""Numbers that are added."""


class AddingConfig(Frozen):
    """Size of the probe; papers take 200, 400 and 600 places."""

    length: int = Field(200, ge=2, le=2**16)
    """Places of a row."""
    samples: int = Field(50_000, ge=1)
    """Rows to train on."""
    held: int = Field(2_000, ge=1)
    """Rows of the validation part, and of the test part."""
    seed: int = Field(default=0, ge=0, lt=2**32)


@final
class Adding(Dataset):
    """A sum over a long way."""

    Config = AddingConfig
    task = "regression"

    def open(self, config: Frozen) -> Data:
        """Draw all parts."""
        made = cast("AddingConfig", config)
        series = Series(features=2, length=made.length)
        sizes = {"train": made.samples, "validation": made.held, "test": made.held}
        return drawn(
            lambda generator, n: rows(generator, n, made.length),
            Schema(columns={"x": series, "y": Numbers(names=("sum",))}),
            sizes,
            made.seed,
        )

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Nothing: an InputError."""
        del schema, inputs
        return no_files("adding")


def rows(generator: np.random.Generator, n: int, length: int) -> Rows:
    """`x` (n, t, 2): numbers and marks; `y` (n, 1): the sum of the marked ones."""
    x = np.zeros((n, length, 2), dtype=np.float32)
    x[..., 0] = generator.random((n, length), dtype=np.float32)
    places = subsets(generator, n, MARKED, length)
    np.put_along_axis(x[..., 1], places, np.float32(1), 1)
    marked = np.take_along_axis(x[..., 0], places, 1)
    return {"x": x, "y": marked.sum(1, keepdims=True)}


dataset = Adding()
