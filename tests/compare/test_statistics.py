import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from netwright.compare import statistics
from netwright.compare.statistics import difference, holm, interval, seeds_needed, spread
from netwright.errors import InputError
from netwright.metrics.base import Figure

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "verdicts.py"


@pytest.fixture(scope="module")
def verdicts():
    made = importlib.util.spec_from_file_location("verdicts_benchmark", BENCHMARK)
    module = importlib.util.module_from_spec(made)
    import sys

    sys.modules[made.name] = module
    made.loader.exec_module(module)
    yield module
    del sys.modules[made.name]


def figure(scores, *, reduce="mean", unit="%", groups=None, paired=True) -> Figure:
    rows = torch.as_tensor(np.asarray(scores), dtype=torch.float32)
    rows = rows if rows.ndim == 2 else rows[:, None]
    return Figure(rows, reduce, higher=True, unit=unit, groups=groups, paired=paired)


def hits(seed: int, n: int, share: float, seeds: int = 3) -> list[Figure]:
    rng = np.random.default_rng(seed)
    return [figure(rng.random(n) < share) for _ in range(seeds)]


def normal(seed: int, n: int, seeds: int, *, seed_effect: float = 0.0, unit: str = "") -> list:
    rng = np.random.default_rng(seed)
    units = rng.normal(size=n)
    return [
        figure(units + rng.normal(size=n) + seed_effect * rng.normal(), unit=unit)
        for _ in range(seeds)
    ]


# one candidate


def test_one_seed_gives_the_textbook_interval_over_units():
    one = normal(0, 50, 1)
    scores = one[0].rows[:, 0].double().numpy()
    low, high = stats.t.interval(0.95, 49, scores.mean(), stats.sem(scores))
    found = interval(one)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6)
    assert found.between_seeds == 0
    assert found.degrees == 49
    assert (found.n, found.seeds) == (50, 1)


def test_seeds_that_differ_much_give_the_textbook_interval_over_seeds():
    many = normal(1, 4000, 4, seed_effect=50.0)
    values = [f.value for f in many]
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    found = interval(many)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-2)
    assert found.degrees == pytest.approx(3, abs=0.1)


def test_components_are_those_of_the_two_way_analysis_of_variance():
    figures = normal(2, 40, 3, seed_effect=2.0)
    table = torch.stack([f.rows[:, 0] for f in figures]).double().numpy()
    seeds, n = table.shape
    grand = table.mean()
    apart = table - table.mean(1, keepdims=True) - table.mean(0) + grand
    error = np.square(apart).sum() / ((seeds - 1) * (n - 1))
    across = n * table.mean(1).var(ddof=1)
    found = interval(figures)
    assert found.between_units == pytest.approx(table.mean(0).var(ddof=1) / n)
    assert found.noise == pytest.approx(error / (seeds * n))
    assert found.between_seeds == pytest.approx((across - error) / (seeds * n))


def test_noise_is_not_counted_twice_where_seeds_make_no_difference():
    gap = difference(normal(3, 2000, 20), normal(4, 2000, 20))
    honest = 2 * (1 / 20 + 1) / 2000
    assert gap.between_seeds + gap.between_units == pytest.approx(honest, rel=0.15)


def test_a_share_of_one_has_wilsons_bound_and_not_a_width_of_zero():
    found = interval([figure(np.ones(360)) for _ in range(3)])
    t = stats.t.ppf(0.975, 359)
    assert found.value == found.high == 1
    assert found.low == pytest.approx(360 / (360 + t**2), rel=1e-6)


def test_a_share_of_zero_is_the_mirror_of_a_share_of_one():
    none, every = interval([figure(np.zeros(90))]), interval([figure(np.ones(90))])
    assert none.low == 0
    assert none.high == pytest.approx(1 - every.low)


def test_one_mistake_does_not_raise_the_lower_bound():
    perfect = [np.ones(360) for _ in range(3)]
    bounds = [interval([figure(s) for s in perfect]).low]
    for unit in range(6):
        perfect[unit % 3][unit] = 0
        bounds.append(interval([figure(s) for s in perfect]).low)
    assert bounds == sorted(bounds, reverse=True)


def test_a_share_of_one_seed_has_wilsons_interval():
    scores = np.arange(200) < 150
    found = interval([figure(scores)])
    wilson = stats.binomtest(150, 200).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), abs=2e-3)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.integers(2, 30),
    st.integers(1, 4),
    st.floats(0, 1),
    st.integers(0, 1000),
)
def test_intervals_of_shares_hold_their_value_and_stay_in_range(n, seeds, share, seed):
    found = interval(hits(seed, n, share, seeds))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert math.isfinite(found.degrees)


# other reducers and groups


def ratios(seed: int, n: int, seeds: int = 3) -> list[Figure]:
    rng = np.random.default_rng(seed)
    weights = rng.integers(5, 50, n)
    return [
        figure(np.stack([weights * (2 + rng.normal(size=n)), weights], 1), reduce="ratio", unit="")
        for _ in range(seeds)
    ]


def test_the_bootstrap_agrees_with_the_linearised_variance_of_a_ratio():
    figures = ratios(0, 300)
    found = interval(figures)
    linear = []
    for f in figures:
        top, bottom = f.rows.double().numpy().T
        linear.append((top - top.sum() / bottom.sum() * bottom) / bottom.sum())
    expected = np.square(np.mean(linear, 0)).sum() * 300 / 299
    assert found.between_units == pytest.approx(expected, rel=0.2)


def test_the_bootstrap_of_a_mean_agrees_with_its_closed_form():
    closed = hits(5, 400, 0.8)
    ones = [figure(torch.cat([f.rows, torch.ones(400, 1)], 1), reduce="ratio") for f in closed]
    assert interval(ones).between_units == pytest.approx(interval(closed).between_units, rel=0.2)
    assert interval(ones).noise == pytest.approx(interval(closed).noise, rel=0.2)


def test_the_bootstrap_gives_the_same_twice_and_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    assert interval(ratios(1, 60)) == interval(ratios(1, 60))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("reduce", ["mean", "ratio"])
def test_rows_of_one_group_count_as_one(reduce):
    rng = np.random.default_rng(6)
    each = rng.normal(3, 1, 40)
    groups = torch.arange(40).repeat_interleave(10)
    score = each.repeat(10)[:, None] * np.array([[1.0, 0.0]]) + np.array([[0.0, 1.0]])
    found = interval([figure(score, reduce=reduce, unit="", groups=groups)])
    alone = interval([figure(each, unit="")])
    assert found.n == 40
    assert found.value == pytest.approx(alone.value, rel=1e-5)
    assert found.high - found.low == pytest.approx(alone.high - alone.low, rel=0.1)


def test_groups_need_not_stand_together_or_be_of_one_size():
    numbers = torch.tensor([7, 2, 7, 2, 5, 2])
    scores = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    order = torch.argsort(numbers, stable=True)
    mixed = interval([figure(scores, groups=numbers)])
    sorted_ = interval([figure(scores[order.numpy()], groups=numbers[order])])
    assert mixed.n == 3
    assert mixed.between_units == pytest.approx(sorted_.between_units)


# two candidates


def test_a_floor_and_one_net_give_the_textbook_paired_test():
    a, b = normal(7, 60, 1), normal(8, 60, 1)
    expected = stats.ttest_rel(a[0].rows[:, 0].double(), b[0].rows[:, 0].double())
    low, high = expected.confidence_interval()
    found = difference(a, b)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-5)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-4)


def test_unpaired_figures_give_no_credit_for_what_they_share():
    rng = np.random.default_rng(9)
    units = rng.normal(size=200)
    a = [figure(units + 0.1 * rng.normal(size=200), unit="") for _ in range(3)]
    b = [figure(units + 0.1 * rng.normal(size=200), unit="") for _ in range(3)]
    apart = [figure(f.rows, unit="", paired=False) for f in a]
    assert difference(a, b).between_units < 0.1 * difference(apart, b).between_units


def test_unpaired_figures_may_have_different_units():
    a = [figure(f.rows, unit="", paired=False) for f in normal(10, 30, 3)]
    b = [figure(f.rows, unit="", paired=False) for f in normal(11, 50, 3)]
    assert difference(a, b).n == 30


def test_a_difference_is_minus_the_difference_the_other_way_round():
    a, b = hits(12, 300, 0.9), hits(13, 300, 0.8, seeds=2)
    there, back = difference(a, b), difference(b, a)
    assert there.value == pytest.approx(-back.value)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p == pytest.approx(back.p)


def test_nets_that_agree_on_every_unit_tie_with_an_interval_of_some_width():
    a = [figure(np.ones(100)) for _ in range(3)]
    found = difference(a, a)
    assert found.p == 1
    assert found.low < 0 < found.high


def test_the_p_value_is_below_5_percent_exactly_where_the_interval_leaves_out_zero():
    for seed in range(60):
        found = difference(hits(seed, 80, 0.9), hits(seed + 500, 80, 0.8))
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)


def test_a_paired_bootstrap_sees_that_nets_are_wrong_on_the_same_units():
    a = ratios(14, 200)
    b = [figure(f.rows + torch.tensor([0.5, 0.0]), reduce="ratio", unit="") for f in a]
    assert difference(a, b).between_units < 1e-3 * interval(a).between_units


# Holm and seeds


def test_holm_gives_the_worked_example():
    adjusted = holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_a_p_value_nor_changes_the_order(p_values):
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_more_seeds_help_only_where_seeds_are_the_trouble():
    noisy = difference(normal(20, 5000, 3, seed_effect=1.0), normal(21, 5000, 3, seed_effect=1.0))
    few = difference(hits(22, 20, 0.9), hits(23, 20, 0.85))
    assert few.p > 0.05
    wide = statistics.Estimate(
        value=1.0, low=-1, high=3, between_seeds=0.5, between_units=1e-3, noise=0.0,
        degrees=4, n=5000, seeds=3,
    )  # fmt: skip
    needed = seeds_needed(wide)
    assert needed is not None
    assert 3 < needed < 15
    assert seeds_needed(noisy) is None or seeds_needed(noisy) > 3
    blind = statistics.Estimate(
        value=1.0, low=-1, high=3, between_seeds=0.0, between_units=1.0, noise=0.1,
        degrees=19, n=20, seeds=3,
    )  # fmt: skip
    assert seeds_needed(blind) is None


# refusals


def test_what_cannot_be_estimated_is_refused_in_a_sentence():
    with pytest.raises(InputError, match="at least one figure"):
        interval([])
    with pytest.raises(InputError, match="two independent units, but there is 1"):
        interval([figure([1.0])])
    with pytest.raises(InputError, match="same units"):
        interval([figure([1.0, 0.0]), figure([1.0, 0.0, 1.0])])
    with pytest.raises(InputError, match="cannot be paired"):
        difference(hits(0, 20, 0.5), hits(0, 21, 0.5))
    with pytest.raises(InputError, match="group numbers"):
        interval([figure([1.0, 0.0, 1.0], groups=torch.tensor([0, 1]))])


# contests with known truth


CONTESTS = 400
SLACK = 0.025
"""Two and a half standard errors of a share of 95 % over 400 contests."""


@pytest.mark.parametrize("size", ["none", "medium", "strong"])
def test_over_many_contests_the_verdict_keeps_its_word(verdicts, size):
    of = verdicts.Setting(360, verdicts.SIZES[size])
    found = verdicts.run(np.random.default_rng(1), CONTESTS, of)
    assert verdicts.misses(found["components"], SLACK) == []


def test_a_percentile_bootstrap_over_seeds_would_not_keep_it(verdicts):
    of = verdicts.Setting(360, verdicts.SIZES["strong"])
    found = verdicts.run(np.random.default_rng(1), CONTESTS, of)
    assert len(verdicts.misses(found["naive"], SLACK)) == 3


def test_the_simulation_knows_the_truth(verdicts):
    hits = verdicts.simulate(np.random.default_rng(2), 3000, verdicts.Setting(60, 0.45))
    assert hits.mean((1, 2, 3)) == pytest.approx([0.95, 0.95, 0.93], abs=0.003)


def test_the_simulation_judges_by_the_same_numbers_as_a_contest_of_one(verdicts):
    hits = verdicts.simulate(np.random.default_rng(3), 2, verdicts.Setting(50, 0.3))
    many = statistics.solve_difference(verdicts.spread_of(hits[0]), verdicts.spread_of(hits[2]))
    one = difference([figure(h) for h in hits[0, 1]], [figure(h) for h in hits[2, 1]])
    assert one.p == pytest.approx(many.p[1])
    assert spread([figure(h) for h in hits[0, 1]]).values == pytest.approx(hits[0, 1].mean(-1))
