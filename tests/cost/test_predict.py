"""What a training would take: counted exactly, timed by real steps that are taken back."""

import pytest
import torch

from netwright.cost.predict import predict_cost
from netwright.errors import InputError
from netwright.results import Prediction
from netwright.train.budget import Budget
from netwright.train.machine import Options
from netwright.train.recipe import Named, resolve

OPTIONS = Options(threads=1)


def predicted(structure: str = "mlp/tiny", budget: str = "8steps", **over: object) -> Prediction:
    recipe = resolve(
        "image-classification",
        Named(name="digits"),
        {"net": structure},
        budget=Budget.parse(budget),
        over={"precision": "fp32", **over},
    )
    return predict_cost(recipe, OPTIONS)


def test_what_can_be_counted_is_what_a_hand_counts() -> None:
    found = predicted(roles={"net": {"optimizer": "adam"}}).values
    weights = 64 * 32 + 32 + 32 * 10 + 10
    assert found["parameters"] == weights
    assert found["forward_flops"] == 2 * (64 * 32 + 32 * 10)
    assert found["weights_bytes"] == 4 * weights
    assert found["gradients_bytes"] == 4 * weights
    assert found["optimizer_bytes"] == 8 * weights
    assert 0 < found["activations_bytes"] < 1 << 20
    assert found["uncounted"] == []


@pytest.mark.parametrize(
    ("budget", "steps"),
    [("8steps", 8), ("2epochs", 2 * (1257 // 64)), ("640samples", 10), ("8steps,1epochs", 8)],
)
def test_a_budget_becomes_steps(budget: str, steps: int) -> None:
    found = predicted(budget=budget).values
    assert found["steps"] == steps
    assert found["seconds"] == steps * found["seconds_per_step"]
    assert found["training_flops"] == steps * found["training_flops_per_step"]
    assert found["samples_per_second"] == 64 / found["seconds_per_step"]


def test_a_budget_in_seconds_is_filled_with_steps() -> None:
    found = predicted(budget="30s").values
    assert found["steps"] == int(30 / found["seconds_per_step"])
    assert found["seconds"] <= 30


def test_the_sentences_say_whether_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    said = predicted()
    assert "a budget of 8steps is 8 steps of " in said.text()
    assert "; it fits into the " in said.text()
    assert "latency of one answer: p50 " in said.text()
    assert "not counted" not in said.text()

    class Little:
        available = 1000

    monkeypatch.setattr("psutil.virtual_memory", Little)
    little = predicted()
    assert little.values["fits"] is False
    assert "; it does not fit into the " in little.text()


def test_predicting_moves_no_random_state_and_gives_threads_back() -> None:
    before = torch.get_rng_state(), torch.get_num_threads()
    predicted("cnn/tiny")
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == torch.get_num_threads()


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(InputError, match="cnn does not fit image-classification"):
        predicted("cnn/classic")
    with pytest.raises(InputError, match="a batch of 100000 is larger"):
        predicted(batch=100000)
