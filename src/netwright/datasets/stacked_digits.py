"""Stacked digits: three digits of 8 x 8 as the channels of one picture, a thousand modes to count.

After Metz et al. 2016 and Srivastava et al. 2017 (there with MNIST at 28 x 28): the label is the
number that the three digits spell. Each part is drawn from digits of its own, so that no digit of
the test part is seen in training. A judge's errors make modes of their own: read how many classes
it finds in real samples of the same number.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast, final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from netwright.datasets import _splits
from netwright.datasets.base import PARTS, Data, Dataset
from netwright.errors import InputError
from netwright.specs import Batch, Frozen, Schema

TOP, STACKED = 16, 3
VALIDATION, TEST = 180, 360
"""Digits that the held-out parts are drawn from."""


class StackedDigitsConfig(Frozen):
    """How many pictures are drawn."""

    samples: int = Field(default=20_000, ge=100, le=1_000_000)
    """Of the training part."""
    held: int = Field(default=2_600, ge=100, le=1_000_000)
    """Of the validation and of the test part."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the split and of the draws."""


@final
class StackedDigits(Dataset):
    """Drawn out of the digits that scikit-learn bundles."""

    Config = StackedDigitsConfig
    task = "image-generation"
    also = ("image-classification",)

    def open(self, config: Frozen) -> Data:
        """Split the digits, then draw threes of each part."""
        config = cast("StackedDigitsConfig", config)
        from sklearn.datasets import load_digits

        bunch = load_digits()
        pixels = torch.from_numpy(bunch.images).to(torch.uint8)
        labels = torch.from_numpy(bunch.target).to(torch.int64)
        rest, places = torch.arange(len(labels)), {}
        for part, size in (("test", TEST), ("validation", VALIDATION)):
            marks = _splits.digests(pixels[rest])
            held = _splits.stratified(labels[rest], marks, size, config.seed)
            places[part], rest = rest[held], rest[~held]
        places["train"] = rest
        sizes = {"train": config.samples, "validation": config.held, "test": config.held}
        drawn = {
            part: _stacked(pixels, labels, places[part], sizes[part], (config.seed, number))
            for number, part in enumerate(PARTS)
        }
        names = tuple(f"{i:03}" for i in range(10**STACKED))
        return _splits.labelled(drawn, names, top=TOP, fit="exact", notes=())

    def read(
        self,
        schema: Schema,  # noqa: ARG002
        inputs: Sequence[Path],  # noqa: ARG002
    ) -> Iterator[tuple[str, Batch]]:
        """InputError: nobody has such pictures."""
        raise InputError("stacked digits are drawn, and none are read from files")


def _stacked(
    pixels: Tensor, labels: Tensor, places: Tensor, count: int, seed: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """(count, 3, 8, 8) pictures and the numbers that they spell."""
    index = np.random.default_rng(seed).integers(0, len(places), (count, STACKED))
    chosen = places[torch.from_numpy(index)]
    worth = 10 ** torch.arange(STACKED - 1, -1, -1)
    return pixels[chosen], (labels[chosen] * worth).sum(1)


dataset = StackedDigits()
