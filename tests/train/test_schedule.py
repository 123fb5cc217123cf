import math
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.train.schedule import Ramp, Shape, factor, ramp


@given(
    st.sampled_from(get_args(Shape)),
    st.integers(1, 500),
    st.floats(0, 0.9),
    st.floats(0.05, 1),
    st.data(),
)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_a_factor_lies_between_0_and_1_and_never_jumps_up_after_the_warm_up(
    shape: Shape, horizon: int, warmup: float, cooldown: float, data: st.DataObject
) -> None:
    step = data.draw(st.integers(0, 2 * horizon))
    now = factor(shape, step, horizon, warmup=warmup, cooldown=cooldown)
    assert 0 <= now <= 1
    if step >= warmup * horizon:
        assert factor(shape, step + 1, horizon, warmup=warmup, cooldown=cooldown) <= now + 1e-12


@pytest.mark.parametrize("shape", ["cosine", "linear", "trapezoid"])
def test_a_schedule_ends_at_zero(shape: Shape) -> None:
    assert factor(shape, 100, 100, warmup=0.1, cooldown=0.4) == pytest.approx(0, abs=1e-9)


def test_known_values() -> None:
    assert factor("cosine", 50, 100, warmup=0, cooldown=1) == pytest.approx(0.5)
    assert factor("cosine", 25, 100, warmup=0, cooldown=1) == pytest.approx(
        0.5 * (1 + math.cos(math.pi / 4))
    )
    assert factor("linear", 75, 100, warmup=0.5, cooldown=1) == pytest.approx(0.5)
    assert factor("trapezoid", 50, 100, warmup=0.1, cooldown=0.2) == 1
    assert factor("trapezoid", 90, 100, warmup=0.1, cooldown=0.2) == pytest.approx(0.5)
    assert factor("constant", 0, 100, warmup=0.1, cooldown=0) == pytest.approx(1 / 11)


@pytest.mark.parametrize(
    ("shape", "shares"),
    [("constant", [1, 1, 1]), ("rising", [0, 0.5, 1]), ("falling", [1, 0.5, 0])],
)
def test_shares_of_dropout_change_linearly_over_the_training(
    shape: Ramp, shares: list[float]
) -> None:
    assert [ramp(shape, step, 10) for step in (0, 5, 10)] == shares
    assert ramp("rising", 20, 10) == 1  # a horizon that was corrected downwards
