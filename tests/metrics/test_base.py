"""Reducers against independent formulas, and never mixing the sets that they are given."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from torch import Generator, Tensor

from netwright.metrics.base import REDUCERS, Figure

quick = settings(derandomize=True, deadline=None, max_examples=25)


def rows_for(reduce: str, n: int, seed: int) -> Tensor:
    """Statistics of `n` units, as a task would give them."""
    g = Generator().manual_seed(seed)
    if reduce == "f1_macro":
        one_hot = [F.one_hot(torch.randint(3, (n,), generator=g), 3) for _ in range(2)]
        return torch.cat(one_hot, -1).double()
    if reduce == "calibration":
        hits = torch.randint(2, (n,), generator=g).double()
        return torch.stack([hits, torch.rand(n, generator=g, dtype=torch.float64)], -1)
    return 0.1 + torch.rand(n, 2, generator=g, dtype=torch.float64)


def calibration_by_hand(hits: list[float], confidences: list[float]) -> float:
    """Guo et al. 2017, equation 3, bin by bin."""
    total, n = 0.0, len(hits)
    for number in range(15):
        inside = [i for i in range(n) if min(14, int(confidences[i] * 15)) == number]
        if inside:
            accuracy = sum(hits[i] for i in inside) / len(inside)
            confidence = sum(confidences[i] for i in inside) / len(inside)
            total += len(inside) / n * abs(accuracy - confidence)
    return total


@pytest.mark.parametrize("reduce", sorted(REDUCERS))
@given(seed=st.integers(0, 10**6), n=st.integers(1, 40), sets=st.integers(1, 4))
@quick
def test_many_sets_at_once_are_reduced_as_each_alone(
    reduce: str, seed: int, n: int, sets: int
) -> None:
    each = [rows_for(reduce, n, seed + i) for i in range(sets)]
    stacked = torch.stack(each).unsqueeze(1).expand(-1, 2, -1, -1)
    alone = torch.stack([REDUCERS[reduce](rows) for rows in each])
    found = REDUCERS[reduce](stacked)
    assert found.shape == (sets, 2)
    torch.testing.assert_close(found, alone[:, None].expand(-1, 2))


@pytest.mark.parametrize("reduce", sorted(REDUCERS))
def test_the_order_of_the_units_does_not_matter(reduce: str) -> None:
    rows = rows_for(reduce, 30, 1)
    shuffled = rows[torch.randperm(30, generator=Generator().manual_seed(2))]
    torch.testing.assert_close(REDUCERS[reduce](rows), REDUCERS[reduce](shuffled))


@pytest.mark.parametrize("seen", [range(4), range(2)], ids=["all classes", "two never occur"])
def test_macro_f1_is_that_of_scikit_learn(seen: range) -> None:
    g = Generator().manual_seed(0)
    truth, guess = torch.randint(len(seen), (2, 200), generator=g)
    rows = torch.cat([F.one_hot(truth, 4), F.one_hot(guess, 4)], -1)
    peer = f1_score(truth, guess, labels=list(range(4)), average="macro", zero_division=0)
    assert Figure(rows, "f1_macro", higher=True).value == pytest.approx(peer)


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.floats(0, 1)), min_size=1, max_size=60))
@quick
def test_calibration_is_the_formula_bin_by_bin(pairs: list[tuple[float, float]]) -> None:
    hits, confidences = map(list, zip(*pairs, strict=True))
    found = REDUCERS["calibration"](torch.tensor(pairs, dtype=torch.float64))
    assert float(found) == pytest.approx(calibration_by_hand(hits, confidences), abs=1e-12)


def test_certainty_is_calibrated_when_right_and_off_by_one_when_wrong() -> None:
    right, wrong = torch.tensor([[1.0, 1.0]]), torch.tensor([[0.0, 1.0]])
    assert float(REDUCERS["calibration"](right)) == 0
    assert float(REDUCERS["calibration"](wrong)) == 1


def test_ratios_divide_sums_and_not_units() -> None:
    rows = torch.tensor([[1.0, 1.0], [1.0, 3.0]])
    assert Figure(rows, "ratio", higher=False).value == pytest.approx(0.5)
    assert Figure(rows, "exp_ratio", higher=False).value == pytest.approx(math.exp(0.5))


def test_a_figure_sums_many_small_numbers_exactly_enough() -> None:
    rows = torch.full((100_000, 1), 0.1, dtype=torch.float32)
    assert Figure(rows, "mean", higher=True).value == pytest.approx(float(rows[0, 0]), abs=1e-12)
