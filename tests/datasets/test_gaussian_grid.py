"""The grid of 25 bells: what is drawn follows the law that papers count modes by."""

from pathlib import Path

import numpy as np
import pytest
import torch

from netwright import registry, rows
from netwright.datasets.base import Data, Tensors
from netwright.datasets.gaussian_grid import GaussianGridConfig, dataset
from netwright.errors import InputError
from netwright.specs import Continuous, Table, Vector

SMALL = GaussianGridConfig(samples=20_000, held=2_500)


@pytest.fixture(scope="module")
def data() -> Data:
    return dataset.open(SMALL)


def table(data: Data) -> Table:
    found = data.schema.columns["row"]
    assert isinstance(found, Table)
    return found


def plane(data: Data, part: str) -> np.ndarray:
    tensors = data.parts[part]
    assert isinstance(tensors, Tensors)
    cells = rows.decode(table(data), tensors.columns["row"])
    return np.stack([cells["x"], cells["y"]], 1)


def test_the_schema_counts_modes_and_normalises_by_one_bell(data: Data) -> None:
    found = table(data)
    assert len(found.centres) == 25
    assert (-4.0, 2.0) in found.centres
    assert found.spread == 0.05
    assert found.form == Vector(2)
    assert found.target is None
    for column in found.columns:
        assert isinstance(column, Continuous)
        assert [(m.share, m.mean, m.deviation) for m in column.modes] == [(1, 0, 1.25)]
        assert (column.low, column.high) == (-5, 5)


def test_all_bells_are_hit_alike_and_as_wide_as_the_law_says(data: Data) -> None:
    assert {k: len(p) for k, p in data.parts.items()} == {
        "train": 20_000,
        "validation": 2_500,
        "test": 2_500,
    }
    points, centres = plane(data, "train"), np.array(table(data).centres)
    away = ((points[:, None] - centres) ** 2).sum(2) ** 0.5
    counts = np.bincount(away.argmin(1), minlength=25)
    assert counts.min() > 650
    assert counts.max() < 950
    assert (away.min(1) < 0.15).mean() == pytest.approx(1 - np.exp(-4.5), abs=0.004)
    assert (away.min(1) ** 2).mean() == pytest.approx(2 * 0.05**2, rel=0.05)


def test_the_seed_and_nothing_else_decides(data: Data) -> None:
    again = dataset.open(SMALL)
    assert again.fingerprint == data.fingerprint
    other = dataset.open(GaussianGridConfig(samples=20_000, held=2_500, seed=1))
    assert other.fingerprint != data.fingerprint
    more = dataset.open(GaussianGridConfig(samples=30, held=2_500))
    index = torch.arange(5)
    mine, theirs = (d.parts["test"].gather(index)["row"] for d in (data, more))
    assert torch.equal(mine, theirs)
    assert (GaussianGridConfig().samples, GaussianGridConfig().held) == (100_000, 2_500)


def test_files_mean_nothing_to_it(data: Data) -> None:
    with pytest.raises(InputError, match="reads no files"):
        dataset.read(data.schema, [Path("x.csv")])
    assert not dataset.fits(Path("x.csv"))
    assert registry.load("datasets", "gaussian-grid") is dataset
