from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import ks_2samp, norm, rankdata, spearmanr
from torch import Generator, Tensor

from netwright import registry, rows
from netwright.errors import InputError
from netwright.floors.gaussian_copula import correlations, factor_of, floor
from netwright.specs import Categorical, Continuous, Labels, Mode, Schema, Scorer, Table

WIDE = (Mode(share=1, mean=0, deviation=3),)
TABLE = Table(
    columns=(
        Continuous(name="x", modes=WIDE, low=-12, high=12),
        Continuous(name="falls", modes=WIDE, low=-12, high=12, missing=True),
        Continuous(name="mixed", modes=WIDE, low=-12, high=12, special=(0.0,)),
        Continuous(name="same", modes=WIDE, low=1, high=1),
        Categorical(name="word", values=("rare", "common", "never", "some"), missing=True),
        Categorical(name="only", values=("one",)),
    )
)
SCHEMA = Schema(columns={"row": TABLE})


def columns(count: int = 3_000) -> dict[str, NDArray[Any]]:
    g = np.random.default_rng(0)
    x, noise = g.normal(size=(2, count))
    falls = -np.exp(0.5 * (0.8 * x + 0.6 * noise))
    word = np.array(["common", "some", "rare", None], dtype=object)
    return {
        "x": x,
        # empty where x is high
        "falls": np.where(x + g.normal(size=count) > 1, np.nan, falls).clip(-11, None),
        "mixed": np.where(x < -0.3, 0.0, x + 0.5),
        "same": np.ones(count),
        "word": word[np.digitize(x + 0.5 * noise, [0.2, 0.9, 1.5])],
        "only": np.array(["one"] * count, dtype=object),
    }


def noise(count: int, width: int = 64) -> Tensor:
    return torch.randn(count, width, generator=Generator().manual_seed(1))


def fitted() -> Scorer:
    return floor.fit({"x": rows.encode(TABLE, columns())}, SCHEMA, Generator())["generator"]


def made(z: Tensor) -> rows.Columns:
    return rows.decode(TABLE, rows.activate(TABLE, fitted()(z), Generator()))


def test_each_column_is_distributed_as_it_was() -> None:
    real, drawn = columns(), made(noise(4_000))
    for name in ("x", "falls", "mixed"):
        assert ks_2samp(*(c[name][~np.isnan(c[name])] for c in (real, drawn))).pvalue > 1e-3
    assert (drawn["mixed"] == 0).mean() == pytest.approx((real["mixed"] == 0).mean(), abs=0.03)
    assert np.isnan(drawn["falls"]).mean() == pytest.approx(
        np.isnan(real["falls"]).mean(), abs=0.03
    )
    assert set(drawn["same"]) == {1.0}
    assert set(drawn["only"]) == {"one"}
    for word in ("common", "some", "rare", "never", None):
        shares = [np.mean([v == word for v in c["word"]]) for c in (real, drawn)]
        assert shares[1] == pytest.approx(shares[0], abs=0.03)


def test_rank_correlations_are_those_of_the_rows() -> None:
    real, drawn = columns(), made(noise(4_000))
    for pair in (("x", "falls"), ("x", "mixed"), ("falls", "mixed")):
        found = [
            spearmanr(*(c[n] for n in pair), nan_policy="omit").statistic for c in (real, drawn)
        ]
        assert found[1] == pytest.approx(found[0], abs=0.12)
        assert abs(found[0]) > 0.4


def test_words_and_empty_cells_lean_the_way_they_did() -> None:
    real, drawn = columns(), made(noise(4_000))
    for c in (real, drawn):
        assert spearmanr(c["x"], np.isnan(c["falls"])).statistic > 0.3
        assert c["x"][c["word"] == "common"].mean() < -0.3
        assert c["x"][c["word"] == "rare"].mean() > 0.4


def test_correlations_are_those_of_normal_scores() -> None:
    keys = np.stack([columns()[n] for n in ("x", "mixed")], 1)
    scores = norm.ppf((rankdata(keys, axis=0) - 0.5) / len(keys))
    wanted = (scores.T @ scores) / np.sqrt(np.outer(*[(scores**2).sum(0)] * 2))
    np.testing.assert_allclose(correlations(torch.from_numpy(keys)).numpy(), wanted, atol=1e-9)


def test_columns_that_are_never_both_there_are_not_correlated() -> None:
    keys = torch.tensor([[1.0, torch.nan, 3.0], [2.0, torch.nan, 3.0], [torch.nan, 5.0, 3.0]])
    assert torch.equal(correlations(keys.double()), torch.eye(3, dtype=torch.double))


def test_a_matrix_that_is_no_correlation_matrix_becomes_one() -> None:
    wrong = torch.tensor([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]]).double()
    assert float(torch.linalg.eigvalsh(wrong)[0]) < 0
    factor = factor_of(wrong)
    mended = factor @ factor.T
    assert float(torch.linalg.eigvalsh(mended)[0]) > 0
    torch.testing.assert_close(mended.diag(), torch.ones(3).double())
    assert mended[0].tolist() == pytest.approx([1, 0.5, -0.5], abs=1e-5)
    right = torch.tensor([[1.0, 0.5], [0.5, 1.0]]).double()
    torch.testing.assert_close(factor_of(right) @ factor_of(right).T, right)


def test_a_column_that_is_empty_throughout_stays_so() -> None:
    table = Table(columns=(TABLE.columns[1],))
    x = rows.encode(table, {"falls": np.full(5, np.nan)})
    net = floor.fit({"x": x}, Schema(columns={"row": table}), Generator())["generator"]
    drawn = rows.decode(table, rows.activate(table, net(noise(9)), Generator()))
    assert np.isnan(drawn["falls"]).all()


def test_the_same_noise_gives_the_same_rows_whatever_word_is_asked_for() -> None:
    net = fitted()
    for width in (64, 2):
        z = noise(20, width)
        raw = net(z)
        assert (raw.shape, raw.dtype) == ((20, TABLE.form.features), torch.float32)
        assert torch.equal(raw, net(z, condition=torch.eye(5)[torch.arange(20) % 5]))
        torch.testing.assert_close(raw[5:9], net(z[5:9]))


def test_no_rows_are_an_error_and_other_data_are_refused_with_a_sentence() -> None:
    with pytest.raises(InputError, match="training samples"):
        floor.fit({"x": torch.zeros(0, TABLE.form.features)}, SCHEMA, Generator())
    assert floor.refuses(SCHEMA) is None
    assert "hold none" in str(floor.refuses(Schema(columns={"label": Labels(names=("a", "b"))})))


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "gaussian-copula") is floor
