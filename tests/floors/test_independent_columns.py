from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import ks_2samp, spearmanr
from torch import Generator, Tensor

from netwright import registry, rows
from netwright.errors import InputError
from netwright.floors.independent_columns import floor
from netwright.specs import Categorical, Continuous, Labels, Mode, Schema, Scorer, Table

TABLE = Table(
    columns=(
        Continuous(
            name="x", modes=(Mode(share=1, mean=0, deviation=1),), low=-4, high=4, missing=True
        ),
        Continuous(name="twice", modes=(Mode(share=1, mean=0, deviation=2),), low=-8, high=8),
        Categorical(name="sign", values=("minus", "plus", "never")),
    ),
    target="sign",
)
SCHEMA = Schema(columns={"row": TABLE})


def columns(count: int = 800) -> dict[str, NDArray[Any]]:
    """A number, twice that number, and its sign; a fifth of the first is empty."""
    x = np.random.default_rng(0).normal(size=count).clip(-3.9, 3.9)
    sign = np.where(x < 0.5, "minus", "plus").astype(object)
    return {"x": np.where(np.arange(count) % 5 == 0, np.nan, x), "twice": 2 * x, "sign": sign}


def noise(count: int, width: int = 64) -> Tensor:
    return torch.randn(count, width, generator=Generator().manual_seed(0))


def fitted() -> Scorer:
    return floor.fit({"x": rows.encode(TABLE, columns())}, SCHEMA, Generator())["generator"]


def made(z: Tensor, **beside: Tensor) -> rows.Columns:
    return rows.decode(TABLE, rows.activate(TABLE, fitted()(z, **beside), Generator()))


def test_each_column_is_distributed_as_it_was() -> None:
    real, drawn = columns(), made(noise(3_000))
    for name in ("x", "twice"):
        known = [c[name][~np.isnan(c[name])] for c in (real, drawn)]
        assert ks_2samp(*known).pvalue > 1e-3
        assert np.abs(known[1][:, None] - known[0]).min(1).max() < 1e-5
    assert np.isnan(drawn["x"]).mean() == pytest.approx(0.2, abs=0.03)
    assert (drawn["sign"] == "plus").mean() == pytest.approx(
        (real["sign"] == "plus").mean(), abs=0.03
    )
    assert "never" not in drawn["sign"]


def test_columns_tell_nothing_of_each_other() -> None:
    drawn = made(noise(3_000))
    there = ~np.isnan(drawn["x"])
    assert abs(spearmanr(drawn["x"][there], drawn["twice"][there]).statistic) < 0.06
    assert abs(spearmanr(drawn["twice"], drawn["sign"] == "plus").statistic) < 0.06


def test_the_same_noise_gives_the_same_rows_whatever_word_is_asked_for() -> None:
    for width in (64, 1):
        z = noise(20, width)
        raw = fitted()(z)
        assert (raw.shape, raw.dtype) == ((20, TABLE.form.features), torch.float32)
        assert torch.equal(raw, fitted()(z, condition=torch.eye(3)[torch.arange(20) % 3]))
        torch.testing.assert_close(raw[5:9], fitted()(z[5:9]))


def test_no_rows_are_an_error_and_other_data_are_refused_with_a_sentence() -> None:
    with pytest.raises(InputError, match="training samples"):
        floor.fit({"x": torch.zeros(0, TABLE.form.features)}, SCHEMA, Generator())
    assert floor.refuses(SCHEMA) is None
    assert "hold none" in str(floor.refuses(Schema(columns={"label": Labels(names=("a", "b"))})))


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "independent-columns") is floor
