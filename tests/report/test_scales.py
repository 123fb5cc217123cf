from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.report.scales import Scale, linear, logarithmic, spread, tick_texts

few = settings(derandomize=True, deadline=None, max_examples=80)
values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12)
costs = st.lists(st.floats(1e-6, 1e15), min_size=1, max_size=12)


@few
@given(values)
def test_a_linear_scale_keeps_order_and_holds_all_values(found):
    scale = linear(found, 0, 500)
    at = [scale(v) for v in sorted(found)]
    assert at == sorted(at)
    assert all(0 <= a <= 500 for a in at)


@few
@given(costs)
def test_a_logarithmic_scale_holds_all_values_and_has_two_ticks_at_least(found):
    scale = logarithmic(found, 0, 500)
    assert scale.low < min(found) <= max(found) < scale.high
    ticks = scale.ticks(7)
    assert 1 <= len(ticks) <= 9
    assert all(0 <= scale(t) <= 500 for t in ticks)
    assert ticks == sorted(set(ticks))


@few
@given(values)
def test_linear_ticks_are_few_and_told_apart_by_their_words(found):
    ticks = linear(found, 0, 500).ticks(5)
    assert 2 <= len(ticks) <= 7
    texts = tick_texts(ticks, "")
    assert len(set(texts)) == len(texts)


def test_equal_distances_are_equal_factors_on_a_logarithmic_scale():
    scale = Scale(1, 10_000, 0, 400, logarithmic=True)
    assert [scale(10.0**k) for k in range(5)] == [0, 100, 200, 300, 400]
    assert scale.ticks(5) == [1, 10, 100, 1000, 10_000]


def test_within_a_decade_ticks_are_1_2_5():
    assert Scale(1, 10, 0, 1, logarithmic=True).ticks(5) == [1, 2, 5, 10]


def test_shares_stay_between_nothing_and_all():
    scale = linear([0.9, 0.99], 400, 0, margin=0.5, share=True)
    assert scale.high == 1.0
    assert scale(1.0) == 0
    assert tick_texts(scale.ticks(3), "%")[-1].endswith(" %")


@pytest.mark.parametrize("value", [0.0, 1.0, -3.0, 1e-12])
def test_a_constant_has_a_scale(value):
    scale = linear([value, value], 0, 100)
    assert scale(value) == pytest.approx(50, abs=0.2)
    assert scale.ticks(5)


def test_a_scale_without_extent_has_its_one_value_as_tick():
    assert Scale(3.0, 3.0, 0, 100).ticks(5) == [3.0]


@few
@given(st.lists(st.floats(0, 300), min_size=1, max_size=15))
def test_labels_are_spread_in_order_apart_and_inside(places):
    moved = spread(places, 15, 0, 300)
    assert all(-0.1 <= m <= 300.1 for m in moved)
    order = sorted(range(len(places)), key=places.__getitem__)
    gap = min(15, 300 / max(1, len(places) - 1))
    assert all(moved[b] - moved[a] >= gap - 0.11 for a, b in pairwise(order))


def test_labels_that_are_apart_stay_and_two_at_one_place_part_evenly():
    assert spread([10, 100, 290], 15, 0, 300) == [10, 100, 290]
    assert spread([100, 100], 16, 0, 300) == [92, 108]
    assert spread([], 15, 0, 300) == []
