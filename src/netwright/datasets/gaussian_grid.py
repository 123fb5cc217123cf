"""Gaussian grid: 25 narrow bells in the plane, whose modes can be counted.

Source: Srivastava et al. 2017, "VEEGAN", section 4.1: centres {-4, -2, 0, 2, 4} squared, deviation
0.05, all equally likely. Both columns are normalised by one wide bell, so that the grid must be
learnt and is not read off a mixture.
A sample of a net is good within 3 deviations of its nearest centre; of the true law 98.9 % are
(1 - exp(-4.5)), of even noise on the box 2.7 %, which still hits all 25 modes.
Dimensions: n rows of one piece.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import cast, final

import numpy as np
from pydantic import Field

from netwright import rows
from netwright.datasets import _splits
from netwright.datasets._drawn import Rows, drawn, no_files
from netwright.datasets.base import Data, Dataset, Tensors
from netwright.specs import Batch, Continuous, Frozen, Mode, Schema, Table

SIDE = (-4.0, -2.0, 0.0, 2.0, 4.0)
CENTRES = tuple(product(SIDE, SIDE))
SPREAD = 0.05
REACH = 5.0
"""What `a` = 1 stands for: four deviations of the one bell."""
DIGITS = 7
"""Digits behind the point that are kept, so that no machine's last bit shows."""

_BELL = (Mode(share=1, mean=0, deviation=REACH / rows.SPAN),)
TABLE = Table(
    columns=tuple(Continuous(name=n, modes=_BELL, low=-REACH, high=REACH) for n in "xy"),
    centres=CENTRES,
    spread=SPREAD,
)


class GaussianGridConfig(Frozen):
    """Size of the probe."""

    samples: int = Field(100_000, ge=1)
    """Rows to train on."""
    held: int = Field(2_500, ge=1)
    """Rows of the validation part, and of the test part; papers count modes in as many."""
    seed: int = Field(default=0, ge=0, lt=2**32)


@final
class GaussianGrid(Dataset):
    """25 modes in the plane."""

    Config = GaussianGridConfig
    task = "tabular-generation"

    def open(self, config: Frozen) -> Data:
        """Draw all parts."""
        made = cast("GaussianGridConfig", config)
        schema = Schema(columns={"row": TABLE})
        sizes = {"train": made.samples, "validation": made.held, "test": made.held}
        found = drawn(points, schema, sizes, made.seed)
        parts = {
            name: Tensors({"row": cast("Tensors", part).columns["x"]})
            for name, part in found.parts.items()
        }
        return Data(schema, parts, _splits.fingerprint(parts))

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Nothing: an InputError."""
        del schema, inputs
        return no_files("gaussian-grid")


def points(generator: np.random.Generator, n: int) -> Rows:
    """`x` (n, 2): encoded points around centres drawn evenly."""
    centre = np.array(CENTRES)[generator.integers(0, len(CENTRES), n)]
    plane = (centre + SPREAD * generator.standard_normal((n, 2))).round(DIGITS)
    return {"x": rows.encode(TABLE, {"x": plane[:, 0], "y": plane[:, 1]}).numpy()}


dataset = GaussianGrid()
