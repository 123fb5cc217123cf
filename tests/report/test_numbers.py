import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.compare import numbers as compared
from netwright.compare.verdict import Interval
from netwright.report import numbers

few = settings(derandomize=True, deadline=None, max_examples=60)


@pytest.mark.parametrize(
    ("axis", "x", "said"),
    [
        ("forward_flops", 93_322, "93.3k"),
        ("seconds", 3.0, "3.0 s"),
        ("latency", 1.5e-4, "150 µs"),
        ("memory", 3.3e8, "330 MB"),
        ("memory", 2e9, "2.00 GB"),
        ("energy", 2.5e-4, "250 µJ"),
        ("energy", 0.25, "250 mJ"),
        ("energy", 1500, "1.50 kJ"),
        ("parameters", None, numbers.UNKNOWN),
    ],
)
def test_a_cost_has_three_digits_and_its_unit(axis, x, said):
    assert numbers.cost(axis, x) == said


@few
@given(st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 0.3))
def test_the_terminal_and_the_page_say_the_same_scores(value, below, above):
    of = Interval(
        value=value,
        low=value - below,
        high=value + above,
        between_seeds=0,
        between_units=0,
        degrees=2,
    )
    for unit in ("%", "nats"):
        said = numbers.score(of.value, of.low, of.high, unit).replace(numbers.MINUS, "-")
        assert said == compared.score(of, unit)


def test_zeros_that_say_nothing_are_left_out_of_ticks():
    said = [numbers.rounded(t) for t in ("50.0k", "1.00M", "1.50 ms", "100", "0.250", "10.0 s")]
    assert said == ["50k", "1M", "1.5 ms", "100", "0.25", "10 s"]


def test_a_gap_has_signs_and_an_interval():
    assert numbers.gap(0.012, 0.004, 0.020, "%") == "+1.2 (+0.4 to +2.0) points"
    assert numbers.gap(-0.5, -1.0, 0.0, "nats") == "-0.5 (-1.0 to 0.0) nats".replace(
        "-", numbers.MINUS
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3s", "3 s"),
        ("60steps", "60 steps"),
        ("3s,60steps", "3 s or 60 steps"),
        ("1e+12flop", "1e+12 flop"),
        ("what?", "what?"),
    ],
)
def test_a_budget_is_spoken(text, said):
    assert numbers.budget(text) == said


@pytest.mark.parametrize(
    ("p", "said"), [(0.00002, "< 0.001"), (0.0312, "0.031"), (0.5, "0.50"), (1.0, "1.00")]
)
def test_a_chance_has_two_digits_that_matter(p, said):
    assert numbers.chance(p) == said


def test_a_figure_without_interval_is_plain():
    assert numbers.plain(0.9718, "%") == "97.2 %"
    assert numbers.plain(0.11349, "nats") == "0.1135 nats"
