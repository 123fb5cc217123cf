"""Bells of a column of numbers: their number, middles and widths, however odd the numbers."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture

from netwright.datasets._table_modes import fit


def test_one_bell_is_found_exactly() -> None:
    x = np.random.default_rng(0).normal(3, 2, 5_000)
    (mode,) = fit(x, 5)
    assert mode.share == 1
    assert mode.mean == pytest.approx(x.mean(), abs=2e-3)
    assert mode.deviation == pytest.approx(x.std(), rel=1e-3)


def test_separate_bells_are_all_found_as_another_library_finds_them() -> None:
    draw = np.random.default_rng(1)
    x = np.concatenate(
        [draw.normal(-5, 0.5, 1_000), draw.normal(0, 0.2, 3_000), draw.normal(6, 1, 6_000)]
    )
    found = fit(x, 5)
    theirs = GaussianMixture(3, means_init=[[-5], [0], [6]], tol=1e-6).fit(x[:, None])
    assert len(found) == 3
    assert [m.share for m in found] == pytest.approx(theirs.weights_, abs=1e-3)
    assert [m.mean for m in found] == pytest.approx(theirs.means_[:, 0], abs=0.01)
    spread = theirs.covariances_[:, 0, 0] ** 0.5
    assert [m.deviation for m in found] == pytest.approx(spread, rel=0.02)


def test_there_are_no_more_bells_than_asked_for_and_none_is_narrower_than_the_rounding() -> None:
    x = np.random.default_rng(2).poisson(6, 20_000).astype(float)
    for most in (1, 2, 3):
        assert len(fit(x, most, 1.0)) <= most
    assert min(m.deviation for m in fit(x, 5, 1.0)) >= 0.499


def test_the_order_of_the_numbers_changes_nothing() -> None:
    draw = np.random.default_rng(3)
    x = draw.exponential(size=3_000)
    assert fit(x, 5) == fit(draw.permutation(x), 5)


@pytest.mark.parametrize(
    "x",
    [
        [3.0],
        [0.0, 0.0],
        [1e-310, 2e-310],
        [-1e100, 1e100, 5.0],
        [1e9, 1e9 + 1, 1e9 + 2],
        [5e-324, 0.0],
        [sys.float_info.min] * 3,
    ],
)
def test_odd_numbers_have_bells_too(x: list[float]) -> None:
    for step in (0.0, 1.0):
        for mode in fit(np.array(x * 10), 5, step):
            assert np.isfinite([mode.mean, mode.deviation]).all()


@given(st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=60))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_any_numbers_lie_within_reach_of_their_bells_or_are_few(x: list[float]) -> None:
    found = fit(np.array(x), 5)
    assert 1 <= len(found) <= 5
    assert sum(m.share for m in found) == pytest.approx(1, abs=0.02)
    middles = [m.mean for m in found]
    assert middles == sorted(middles)
