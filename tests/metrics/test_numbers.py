import pytest

from netwright.metrics.numbers import amount, cost, duration


@pytest.mark.parametrize(
    ("x", "said"),
    [(0, "0"), (10, "10"), (999.6, "1.00k"), (93_322, "93.3k"), (999_999, "1.00M"),
     (1.5e9, "1.50G"), (2.4e12, "2.40T"), (3e18, "3000P"), (0.25, "0.250")],
)  # fmt: skip
def test_amounts_have_three_digits(x, said):
    assert amount(x) == said


@pytest.mark.parametrize(
    ("x", "said"),
    [(0, "0 µs"), (1.2e-4, "120 µs"), (0.0034, "3.4 ms"), (0.0999, "0.1 s"), (0.1, "0.1 s"),
     (0.123, "0.12 s"), (0.999, "1.0 s"), (3.01, "3.0 s"), (59.6, "60 s"), (150, "2.5 min"),
     (7200, "2.0 h")],
)  # fmt: skip
def test_durations_have_the_unit_that_a_person_would_take(x, said):
    assert duration(x) == said


@pytest.mark.parametrize(
    ("axis", "x", "said"),
    [("memory", 12.3e6, "12.3 MB"), ("memory", 999.9e6, "1.00 GB"), ("energy", 12, "12.0 J"),
     ("energy", 1500, "1.50 kJ"), ("latency", 0.002, "2.0 ms"), ("parameters", 1e6, "1.00M")],
)  # fmt: skip
def test_costs_carry_their_unit(axis, x, said):
    assert cost(axis, x) == said
