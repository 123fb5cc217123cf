"""Associative recall: pairs of key and value are shown, then keys are asked for their values.

Multi-query associative recall (MQAR), Arora et al. 2023 (Zoology), section 3 and the generator of
its code: pairs first, k1 v1 k2 v2 ...; then each key once more, 2 (g - 1) places behind the pairs,
g = 1, 2, ... drawn without doubles by weights a g^(a - 1), a = 0.01, and zeros between. Keys are 1
to V / 2 - 1, values V / 2 to V - 1, both without doubles in a row. At a repeated key its value is
asked, and nothing is asked elsewhere. Chance among the values shown is 1 / pairs.
Dimensions: n rows, p pairs, t places.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast, final

import numpy as np
from pydantic import Field

from netwright.datasets._drawn import Rows, drawn, no_files, subsets
from netwright.datasets.base import Data, Dataset
from netwright.errors import InputError
from netwright.specs import Batch, Frozen, Schema, Symbols

POWER = 0.01
"""Of the law of gaps; near 0, short gaps are by far the most frequent."""


class AssociativeRecallConfig(Frozen):
    """Size of the probe.

    The defaults are the paper's smallest; its others are (128, 8), (256, 16) and (512, 64) in
    length and pairs.
    """

    length: int = Field(64, ge=4, le=2**16)
    """Symbols of a row; even, and at least four a pair."""
    pairs: int = Field(4, ge=1)
    """Of key and value, in each row."""
    vocabulary: int = Field(8_192, ge=4, le=2**20)
    """Symbols: zero, keys in the lower half, values in the upper one."""
    samples: int = Field(100_000, ge=1)
    """Rows to train on."""
    held: int = Field(3_000, ge=1)
    """Rows of the validation part, and of the test part."""
    seed: int = Field(default=0, ge=0, lt=2**32)


@final
class AssociativeRecall(Dataset):
    """Key to value, within a row."""

    Config = AssociativeRecallConfig
    task = "recall"

    def open(self, config: Frozen) -> Data:
        """Draw all parts; InputError for a length or a vocabulary that cannot hold the pairs."""
        made = cast("AssociativeRecallConfig", config)
        _check(made)
        column = Symbols(vocabulary=made.vocabulary, length=made.length)
        sizes = {"train": made.samples, "validation": made.held, "test": made.held}
        return drawn(
            lambda generator, n: rows(generator, n, made),
            Schema(columns={"x": column, "y": column}),
            sizes,
            made.seed,
        )

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Nothing: an InputError."""
        del schema, inputs
        return no_files("associative-recall")


def rows(generator: np.random.Generator, n: int, config: AssociativeRecallConfig) -> Rows:
    """`x` (n, t) symbols and `y` (n, t) values where they are asked, else -1."""
    pairs, shown, half = config.pairs, 2 * config.pairs, config.vocabulary // 2
    keys = subsets(generator, n, pairs, half - 1) + 1
    values = subsets(generator, n, pairs, config.vocabulary - half) + half
    places = shown + 2 * _gaps(generator, n, pairs, (config.length - shown) // 2)
    x = np.zeros((n, config.length), dtype=np.int32)
    x[:, 0:shown:2], x[:, 1:shown:2] = keys, values
    y = np.full_like(x, -1)
    np.put_along_axis(x, places, keys, 1)
    np.put_along_axis(y, places, values, 1)
    return {"x": x, "y": y}


def _gaps(
    generator: np.random.Generator, n: int, pairs: int, space: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """(n, p) of 0 to `space` - 1, one after the other without doubles, weight (g + 1)^(a - 1).

    All rows at once: the largest of log weight + Gumbel noise, in falling order, are such draws
    (Yellott 1977; Kool et al. 2019).
    """
    weights = (POWER - 1) * np.log(np.arange(1, space + 1))
    ranks = np.argsort(-(weights + generator.gumbel(size=(n, space))), axis=1)
    return ranks[:, :pairs]


def _check(config: AssociativeRecallConfig) -> None:
    if config.length % 2 or config.length < 4 * config.pairs:
        raise InputError(
            f"length={config.length} does not hold pairs={config.pairs}",
            why="it must be even, and each pair takes two places and room for its question",
            do=f"length={max(4 * config.pairs, config.length + config.length % 2)}",
        )
    if config.vocabulary // 2 - 1 < config.pairs:
        raise InputError(
            f"vocabulary={config.vocabulary} has too few keys for pairs={config.pairs}",
            why="the keys of a row differ, and there are half as many as symbols, without the zero",
            do=f"vocabulary={2 * (config.pairs + 1)} or more",
        )


dataset = AssociativeRecall()
