from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from netwright import registry
from netwright.datasets.associative_recall import AssociativeRecallConfig, dataset, rows
from netwright.datasets.base import Data
from netwright.errors import InputError
from netwright.specs import Symbols

SMALL = AssociativeRecallConfig(length=24, pairs=3, vocabulary=64, samples=400, held=50)


@pytest.fixture(scope="module")
def small() -> Data:
    return dataset.open(SMALL)


def columns(data: Data, part: str) -> tuple[Tensor, Tensor]:
    found = data.parts[part].gather(torch.arange(len(data.parts[part])))
    return found["x"], found["y"]


def test_the_defaults_are_the_published_protocol() -> None:
    made = AssociativeRecallConfig()
    assert (made.length, made.pairs, made.vocabulary) == (64, 4, 8192)
    assert (made.samples, made.held) == (100_000, 3_000)
    drawn = rows(np.random.default_rng(0), 2_000, made)
    keys, values = drawn["x"][:, 0:8:2], drawn["x"][:, 1:8:2]
    assert (keys.min(), values.min()) >= (1, 4_096)
    assert (keys.max(), values.max()) <= (4_095, 8_191)
    assert keys.max() > 4_080
    assert values.min() < 4_112
    assert all(len(set(row)) == 4 for row in [*keys.tolist(), *values.tolist()])


def test_each_key_comes_again_and_its_value_is_asked_there_and_nowhere_else(small: Data) -> None:
    for x, y in zip(*(c.tolist() for c in columns(small, "train")), strict=True):
        known = dict(zip(x[0:6:2], x[1:6:2], strict=True))
        asked = {place: answer for place, answer in enumerate(y) if answer != -1}
        assert len(known) == len(asked) == 3
        assert sorted(x[place] for place in asked) == sorted(known)
        assert all(known[x[place]] == answer for place, answer in asked.items())
        assert all(place >= 6 and place % 2 == 0 for place in asked)
        assert all(x[place] == 0 for place in range(6, 24) if place not in asked)


def test_gaps_follow_the_power_law() -> None:
    made = AssociativeRecallConfig(length=40, pairs=1, vocabulary=8)
    drawn = rows(np.random.default_rng(0), 40_000, made)
    gaps = ((drawn["y"] >= 0).argmax(1) - 2) // 2
    found = np.bincount(gaps, minlength=19) / 40_000
    wanted = np.arange(1, 20) ** (0.01 - 1)
    assert abs(found - wanted / wanted.sum()).max() < 0.01


def test_rows_are_as_the_schema_says_and_differ_in_all_parts(small: Data) -> None:
    column = Symbols(vocabulary=64, length=24)
    assert dict(small.schema.columns) == {"x": column, "y": column}
    marks = [row.numpy().tobytes() for part in small.parts for row in columns(small, part)[0]]
    assert len(marks) == len(set(marks)) == 500
    assert {c.dtype for c in columns(small, "test")} == {torch.int32}
    assert {name: len(part) for name, part in small.parts.items()} == {
        "train": 400,
        "validation": 50,
        "test": 50,
    }


def test_a_seed_is_a_data_set(small: Data) -> None:
    assert dataset.open(SMALL).fingerprint == small.fingerprint
    other = SMALL.model_copy(update={"seed": 1})
    assert dataset.open(other).fingerprint != small.fingerprint


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"length": 63}, "length=63 does not hold"),
        ({"pairs": 17}, "does not hold pairs=17"),
        ({"vocabulary": 8}, "too few keys"),
    ],
)
def test_a_row_that_cannot_be_drawn_is_refused(wrong: dict[str, int], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        dataset.open(AssociativeRecallConfig(**{"samples": 5, "held": 1, **wrong}))
    name, value = caught.value.do.split()[0].split("=")
    dataset.open(AssociativeRecallConfig(**{"samples": 5, "held": 1, **wrong, name: int(value)}))


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError):
        AssociativeRecallConfig(gaps=3)  # type: ignore[call-arg]


def test_files_mean_nothing_to_it(small: Data) -> None:
    with pytest.raises(InputError, match="reads no files"):
        dataset.read(small.schema, [Path("x")])
    assert registry.load("datasets", "associative-recall") is dataset
