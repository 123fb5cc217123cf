"""Figures as plain data and back, and a judgement that disturbs nothing."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Generator

from made_up import Rows, as_data, pictures
from netwright.metrics.base import Figure
from netwright.train.judge import figures_of, in_words, judge, plain, rows
from netwright.train.setting import Setting
from training import CPU, go, recipe_for, start

FIGURES = {
    "accuracy": Figure(torch.tensor([[1.0], [0.0], [1.0], [1.0]]), "mean", higher=True, unit="%"),
    "perplexity": Figure(
        torch.tensor([[2.0, 4.0], [3.0, 5.0]]),
        "exp_ratio",
        higher=False,
        groups=torch.tensor([0, 1]),
        paired=False,
    ),
}


class Drawn(Rows):
    """A task whose figure hangs on torch's global stream and notes what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[dict[str, Any]] = []

    def evaluate(self, nets: Any, data: Any, part: str) -> Mapping[str, Figure]:
        net = nets["net"]
        y = net(data.parts[part].columns["x"])
        self.given.append({"net": net, "training": net.training, "inference": y.is_inference()})
        return {"luck": Figure(torch.rand(5, 1) + 0 * y[:5, :1], "mean", higher=True)}


def test_judging_moves_no_random_state_and_repeats() -> None:
    task = Drawn()
    recipe = recipe_for(task, "mlp", role={"average": 0.9})
    live = go(start(task, pictures(), recipe), 1)
    setting = Setting(recipe, as_data(pictures()), task, CPU)
    torch.manual_seed(7)
    before, captured = torch.get_rng_state(), live.capture()
    one = judge(live, setting, "train")["luck"]
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(8)
    two = judge(live, setting, "train")["luck"]
    assert torch.equal(one.rows, two.rows)
    after = live.capture()
    assert all(torch.equal(v, after.weights[k]) for k, v in captured.weights.items())
    assert task.given[0] == {"net": live.averages["net"], "training": False, "inference": True}
    assert live.nets["net"].training


def test_figures_survive_files() -> None:
    document = json.loads(json.dumps(plain(FIGURES)))
    tensors = rows(FIGURES)
    again = figures_of(document, tensors)
    assert again.keys() == FIGURES.keys()
    for name, figure in FIGURES.items():
        found = again[name]
        assert torch.equal(found.rows, figure.rows)
        assert (found.groups is None) is (figure.groups is None)
        assert (found.reduce, found.higher, found.unit, found.paired, found.value) == (
            figure.reduce,
            figure.higher,
            figure.unit,
            figure.paired,
            figure.value,
        )
    assert torch.equal(again["perplexity"].groups, torch.tensor([0, 1]))  # type: ignore[arg-type]


def test_a_plain_figure_says_its_value_and_how_many_units_it_stands_on() -> None:
    said = plain(FIGURES)["accuracy"]
    assert (said["value"], said["n"], said["unit"]) == (0.75, 4, "%")


def test_kept_rows_are_whole_floats_on_the_processor() -> None:
    wide = torch.rand(4, 6, generator=Generator().manual_seed(0), dtype=torch.float64)[:, ::2]
    kept = rows({"a": Figure(wide, "mean", higher=True)})
    assert list(kept) == ["a/rows"]
    assert kept["a/rows"].dtype == torch.float32
    assert kept["a/rows"].is_contiguous()


@pytest.mark.parametrize(
    ("name", "value", "unit", "text"),
    [
        ("accuracy", 0.9722, "%", "accuracy 97.2 %"),
        ("log_loss", 0.11298, "nats", "log loss 0.113 nats"),
        ("perplexity", 12.0, "", "perplexity 12"),
    ],
)
def test_a_figure_is_said_in_words(name: str, value: float, unit: str, text: str) -> None:
    assert in_words(name, value, unit) == text
