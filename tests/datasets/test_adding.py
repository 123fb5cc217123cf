from pathlib import Path

import numpy as np
import pytest
import torch

from netwright import registry
from netwright.datasets.adding import AddingConfig, dataset, rows
from netwright.errors import InputError
from netwright.specs import Numbers, Series


@pytest.mark.parametrize("length", [2, 200])
def test_two_numbers_are_marked_and_their_sum_is_asked(length: int) -> None:
    made = rows(np.random.default_rng(0), 500, length)
    numbers, marks = made["x"][..., 0], made["x"][..., 1]
    assert made["x"].shape == (500, length, 2)
    assert set(marks.flat) <= {0.0, 1.0}
    assert (marks.sum(1) == 2).all()
    np.testing.assert_allclose((numbers * marks).sum(1, keepdims=True), made["y"], rtol=1e-6)
    assert numbers.min() >= 0
    assert numbers.max() < 1


def test_every_place_is_marked_alike_and_numbers_are_uniform() -> None:
    made = rows(np.random.default_rng(1), 20_000, 5)
    np.testing.assert_allclose(made["x"][..., 1].mean(0), 0.4, atol=0.02)
    assert made["x"][..., 0].var() == pytest.approx(1 / 12, rel=0.02)
    assert made["y"].var() == pytest.approx(1 / 6, rel=0.03)


def test_the_data_are_as_the_schema_says() -> None:
    config = AddingConfig(length=20, samples=300, held=40)
    data = dataset.open(config)
    assert dict(data.schema.columns) == {
        "x": Series(features=2, length=20),
        "y": Numbers(names=("sum",)),
    }
    assert [len(p) for p in data.parts.values()] == [300, 40, 40]
    stored = data.parts["train"].gather(torch.arange(300))
    assert (stored["x"].dtype, stored["y"].dtype) == (torch.float32, torch.float32)
    assert (stored["x"].shape, stored["y"].shape) == ((300, 20, 2), (300, 1))
    assert dataset.open(config).fingerprint == data.fingerprint
    assert AddingConfig().length == 200
    assert (AddingConfig().samples, AddingConfig().held) == (50_000, 2_000)


def test_files_mean_nothing_to_it() -> None:
    data = dataset.open(AddingConfig(length=4, samples=5, held=1))
    with pytest.raises(InputError, match="reads no files"):
        dataset.read(data.schema, [Path("x")])
    assert registry.load("datasets", "adding") is dataset
