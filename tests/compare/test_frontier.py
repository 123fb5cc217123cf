import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.compare.frontier import Frontier, frontier, told

VALUES = {"good": 0.9, "fair": 0.8, "poor": 0.6}
COSTS = {"good": 30.0, "fair": 20.0, "poor": 10.0}
ALL = [told(a, b) for a, b in itertools.combinations(VALUES, 2)]


def place(apart=ALL, *, values=VALUES, costs=COSTS, higher=True, barred=()) -> Frontier:
    return frontier(values, higher=higher, told_apart=apart, costs=costs, barred=barred)


def test_who_is_better_than_everybody_cheaper_is_on_the_frontier():
    found = place()
    assert found.on == {"good", "fair", "poor"}
    assert found.chosen == found.best == "good"


def test_who_is_only_tied_by_somebody_cheaper_is_off_and_the_cheaper_is_chosen():
    found = place([told("good", "poor"), told("fair", "poor")])
    assert found.on == {"fair", "poor"}
    assert found.best == "good"
    assert found.tied == ("fair", "good")
    assert found.chosen == "fair"


def test_who_is_beaten_by_somebody_cheaper_is_off():
    found = place(costs={"good": 10.0, "fair": 20.0, "poor": 30.0})
    assert found.on == {"good"}


def test_where_nobody_can_be_told_apart_the_cheapest_is_left():
    found = place([])
    assert found.on == {"poor"}
    assert found.chosen == "poor"


def test_lower_is_better_where_the_figure_says_so():
    found = place(higher=False)
    assert found.best == found.chosen == "poor"
    assert found.on == {"poor"}


def test_costs_within_2_percent_are_the_same():
    costs = {"good": 10.1, "fair": 10.0, "poor": 10.0}
    assert place([], costs=costs).chosen == "good"
    assert place(costs=costs).on == {"good"}


def test_who_has_no_cost_counts_as_dearer_than_all():
    found = place([], costs={"good": None, "fair": 20.0, "poor": None})
    assert found.on == {"fair"}
    assert found.chosen == "fair"


def test_where_nobody_has_a_cost_the_best_is_chosen():
    found = place([], costs={})
    assert found.chosen == "good"


def test_who_is_barred_is_neither_chosen_nor_keeps_others_off():
    found = place([], barred=["poor"])
    assert found.chosen == "fair"
    assert found.on == {"fair"}


def test_where_all_are_barred_nobody_is_chosen():
    found = place(barred=VALUES)
    assert found.chosen is None
    assert found.on == frozenset()
    assert found.best == "good"


def test_nobody_is_placed_where_nobody_finished():
    assert place(values={}) == Frontier(None, (), frozenset(), None)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(st.data())
def test_the_chosen_is_on_the_frontier_and_ties_with_the_best(data):
    names = "abcde"[: data.draw(st.integers(1, 5))]
    number = st.sampled_from([1.0, 2.0, 3.0, 4.0])
    values = {n: data.draw(number) for n in names}
    costs = {n: data.draw(number | st.none()) for n in names}
    pairs = [told(a, b) for a, b in itertools.combinations(names, 2) if values[a] != values[b]]
    apart = data.draw(st.sets(st.sampled_from(pairs))) if pairs else set()
    barred = data.draw(st.sets(st.sampled_from(names)))
    found = place(apart, values=values, costs=costs, barred=barred)
    assert not found.on & barred
    assert found.best in found.tied
    if found.chosen is None:
        assert set(found.tied) <= barred
        return
    assert found.chosen in found.on
    assert found.chosen in found.tied
    for name in found.on - {found.chosen}:
        for other in set(names) - barred - {name}:
            if None not in (costs[name], costs[other]) and costs[other] < costs[name]:
                assert told(name, other) in apart
                assert values[name] > values[other]
