"""A probe takes real steps, and takes them back."""

import itertools
from typing import Any

import pytest
import torch

from made_up import Game, Rows, Streams, pictures, text
from netwright.train import probe as probe_module
from netwright.train.budget import Clocks
from netwright.train.live import Captured, Live
from netwright.train.probe import MEASURED, WARM, decide_precision, seconds_per_round
from training import go, recipe_for, start


def ticking(step: float) -> Clocks:
    """A clock that is `step` seconds later whenever it is read."""
    ticks = itertools.count()
    return Clocks(now=lambda: step * next(ticks))


def counted(live: Live) -> list[str]:
    """Precisions under which objectives are computed, as they come."""
    seen: list[str] = []
    original = live.task.objective

    def objective(*inputs: Any) -> Any:
        seen.append("bf16" if torch.is_autocast_enabled("cpu") else "fp32")
        return original(*inputs)

    live.task.objective = objective  # type: ignore[method-assign]
    return seen


def assert_same(one: Captured, two: Captured) -> None:
    for a, b in ((one.weights, two.weights), (one.trainer, two.trainer)):
        assert a.keys() == b.keys()
        assert all(torch.equal(a[k], b[k]) for k in a)
    assert one.state == two.state


CELLS = [(Rows, pictures, "cnn"), (Streams, text, "rnn"), (Game, pictures, "mlp")]


@pytest.mark.parametrize(("kind", "made", "structure"), CELLS)
@pytest.mark.parametrize("begun", [0, 2])
def test_nothing_has_moved_after_a_probe(kind: Any, made: Any, structure: str, begun: int) -> None:
    task = kind()
    live = start(task, made(), recipe_for(task, structure, batch=4, role={"average": 0.9}))
    before = go(live, begun).capture() if begun else live.capture()
    outer = torch.get_rng_state()
    seen = counted(live)
    seconds_per_round(live, ticking(0.01))
    assert seen
    assert_same(before, live.capture())
    assert torch.equal(outer, torch.get_rng_state())


def test_training_goes_on_as_if_there_had_been_no_probe() -> None:
    task = Streams()
    recipe = recipe_for(task, "rnn", batch=4, role={"average": 0.9})
    plain, probed = (start(task, text(), recipe) for _ in range(2))
    seconds_per_round(probed, ticking(0.01))
    assert_same(go(plain, 3).capture(), go(probed, 3).capture())


def test_a_quick_round_is_measured_several_times_after_warming_up() -> None:
    live = start(Rows(), pictures(), recipe_for(Rows(), "mlp"))
    seen = counted(live)
    assert seconds_per_round(live, ticking(0.01)) == pytest.approx(0.01)
    assert len(seen) == WARM + MEASURED


def test_a_slow_round_is_measured_once() -> None:
    live = start(Rows(), pictures(), recipe_for(Rows(), "mlp"))
    seen = counted(live)
    assert seconds_per_round(live, ticking(2.0)) >= 2.0
    assert len(seen) == 1


def live_with(monkeypatch: pytest.MonkeyPatch, *, units: bool, precision: str) -> Live:
    monkeypatch.setattr(probe_module, "has_bf16", lambda device: units)
    return start(Rows(), pictures(), recipe_for(Rows(), "mlp", precision=precision))


@pytest.mark.parametrize(
    ("precision", "units", "decided"),
    [("auto", False, "fp32"), ("fp32", True, "fp32"), ("bf16", False, "bf16")],
)
def test_what_needs_no_probe_takes_no_step(
    monkeypatch: pytest.MonkeyPatch, precision: str, units: bool, decided: str
) -> None:
    live = live_with(monkeypatch, units=units, precision=precision)
    seen = counted(live)
    assert decide_precision(live, ticking(0.01)) == decided
    assert seen == []


@pytest.mark.parametrize(("cost", "decided"), [(0.5, "bf16"), (0.95, "fp32"), (2.0, "fp32")])
def test_bf16_is_taken_where_it_is_faster_by_a_tenth(
    monkeypatch: pytest.MonkeyPatch, cost: float, decided: str
) -> None:
    live = live_with(monkeypatch, units=True, precision="auto")
    seen = counted(live)
    clocks = Clocks(now=lambda: 1e-3 * (seen.count("fp32") + cost * seen.count("bf16")))
    before = live.recipe
    assert decide_precision(live, clocks) == decided
    assert set(seen) == {"fp32", "bf16"}
    assert live.recipe is before
