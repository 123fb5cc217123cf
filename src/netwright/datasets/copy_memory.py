"""Copy memory: ten symbols are shown, then nothing for T places, then they are asked in order.

Source: Hochreiter & Schmidhuber 1997; in the form of Bai et al. 2018, section 4.1: a row holds T +
20 symbols, ten of 1 to 8, T - 1 zeros, and eleven nines, the first of which is the sign to begin.
The targets are T + 10 zeros and the ten symbols; every place is asked.
Zeros and then a guess among eight cost 10 ln 8 / (T + 20) nats a place, and recall 12.5 %. A net
whose positions are absolute can solve it by place alone.
Dimensions: n rows, t = T + 20 places.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast, final

import numpy as np
from pydantic import Field

from netwright.datasets._drawn import Rows, drawn, no_files
from netwright.datasets.base import Data, Dataset
from netwright.specs import Batch, Frozen, Schema, Symbols

SHOWN, KINDS = 10, 8
"""Symbols to be remembered, and how many different ones there are."""
GO = KINDS + 1
"""The symbol that stands where the answer is due."""


class CopyMemoryConfig(Frozen):
    """Size of the probe."""

    delay: int = Field(100, ge=1, le=2**16)
    """T: places between what is shown and the answer."""
    samples: int = Field(10_000, ge=1)
    """Rows to train on."""
    held: int = Field(1_000, ge=1)
    """Rows of the validation part, and of the test part."""
    seed: int = Field(default=0, ge=0, lt=2**32)


@final
class CopyMemory(Dataset):
    """Ten symbols over a delay."""

    Config = CopyMemoryConfig
    task = "recall"

    def open(self, config: Frozen) -> Data:
        """Draw all parts."""
        made = cast("CopyMemoryConfig", config)
        column = Symbols(vocabulary=GO + 1, length=made.delay + 2 * SHOWN)
        sizes = {"train": made.samples, "validation": made.held, "test": made.held}
        return drawn(
            lambda generator, n: rows(generator, n, made.delay),
            Schema(columns={"x": column, "y": column}),
            sizes,
            made.seed,
        )

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Nothing: an InputError."""
        del schema, inputs
        return no_files("copy-memory")


def rows(generator: np.random.Generator, n: int, delay: int) -> Rows:
    """`x` and `y`, (n, t) symbols."""
    symbols = generator.integers(1, KINDS + 1, size=(n, SHOWN), dtype=np.int32)
    x = np.zeros((n, delay + 2 * SHOWN), dtype=np.int32)
    y = np.zeros_like(x)
    x[:, :SHOWN] = symbols
    x[:, -SHOWN - 1 :] = GO
    y[:, -SHOWN:] = symbols
    return {"x": x, "y": y}


dataset = CopyMemory()
