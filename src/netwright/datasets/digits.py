"""Digits: 1,797 handwritten digits of 8 x 8 pixels, bundled with scikit-learn.

Source: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (UCI); values 0 to 16.
The file stands in the order of its writers: a shuffled split has the same writers in training and
test, which raises an accuracy by 1.7 to 4.0 points against unshuffled folds.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, cast, final

import torch
from pydantic import Field
from torch import Tensor

from netwright.datasets import _splits
from netwright.datasets.base import Data, Dataset
from netwright.errors import InputError
from netwright.specs import Batch, Frozen, Pictures, Schema

TOP = 16
TEST = 360
"""Test images of the fixed split."""
FOLDS = 5
SHUFFLED = (
    "the split is shuffled, so that the same writers stand in training and test: "
    "expect 2 to 4 points less on new writers; split=fold shuffle=false is stricter"
)
UNSHUFFLED = (
    "the folds are not shuffled, so that most writers of the test part are not in training; "
    "the validation part is cut from the training folds and shares their writers"
)


class DigitsConfig(Frozen):
    """How the digits are split."""

    split: Literal["fixed", "fold"] = "fixed"
    """360 test images, in proportion to the classes; or one of five stratified folds."""
    fold: int = Field(default=0, ge=0, lt=FOLDS)
    """Which fold is the test part."""
    shuffle: bool = True
    """Whether the folds are shuffled, as most papers do; the fixed split always is."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the split."""
    validation: _splits.Share = 0.125
    """Number or share of what is not test."""


@final
class Digits(Dataset):
    """Handwritten digits, without a file or a network."""

    Config = DigitsConfig
    task = "image-classification"
    also = ("image-generation",)

    def open(self, config: Frozen) -> Data:
        """Decode and split; InputError if `fold` or `shuffle` is given to the fixed split."""
        config = cast("DigitsConfig", config)
        if config.split == "fixed" and (config.fold or not config.shuffle):
            given = f"fold={config.fold}" if config.fold else "shuffle=false"
            raise InputError(
                f"{given} says nothing about the fixed split of digits", do=f"split=fold {given}"
            )
        from sklearn.datasets import load_digits

        bunch = load_digits()
        pixels = torch.from_numpy(bunch.images).to(torch.uint8).unsqueeze(1)
        labels = torch.from_numpy(bunch.target).to(torch.int64)
        marks = _splits.digests(pixels)
        test = (
            _splits.stratified(labels, marks, TEST, config.seed)
            if config.split == "fixed"
            else _splits.together(marks, _fold(labels, config))
        )
        rest = (~test).nonzero().flatten()
        left = [marks[i] for i in rest.tolist()]
        size = _splits.size_of(config.validation, len(rest))
        held = _splits.stratified(labels[rest], left, size, config.seed)
        places = {"train": rest[~held], "validation": rest[held], "test": test.nonzero().flatten()}
        return _splits.labelled(
            {part: (pixels[index], labels[index]) for part, index in places.items()},
            tuple("0123456789"),
            top=TOP,
            fit="ink",
            notes=(SHUFFLED if config.shuffle else UNSHUFFLED,),
        )

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Scanned digits, brought to 8 x 8."""
        from netwright.datasets._pictures import read_pictures

        column = cast("Pictures", schema.columns["image"])
        return ((name, {"image": image}) for name, image in read_pictures(column, inputs))


def _fold(labels: Tensor, config: DigitsConfig) -> Tensor:
    """Which samples lie in the fold, (n,) of bool."""
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(
        FOLDS, shuffle=config.shuffle, random_state=config.seed if config.shuffle else None
    )
    pairs = list(folds.split(labels, labels))
    held = torch.zeros(len(labels), dtype=torch.bool)
    held[torch.from_numpy(pairs[config.fold][1])] = True
    return held


dataset = Digits()
