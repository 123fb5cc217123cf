import pytest
import torch
from torch import Generator

from netwright import registry
from netwright.datasets.adding import AddingConfig, dataset
from netwright.errors import InputError
from netwright.floors.mean import floor
from netwright.tasks.regression import Options, Regression


def test_on_adding_its_error_is_a_sixth() -> None:
    data = dataset.open(AddingConfig(length=10, samples=20_000, held=20_000))
    task = Regression(data.schema, Options())
    batch, note = task.sample(data.parts["train"], floor.limit, Generator())
    nets = floor.fit(batch, data.schema, Generator())
    figures = task.evaluate(nets, data, "test")
    assert figures["mse"].value == pytest.approx(1 / 6, abs=0.004)
    assert note == ""


def test_it_says_the_mean_of_each_number() -> None:
    y = torch.tensor([[1.0, 10.0], [2.0, 30.0]])
    net = floor.fit({"x": torch.zeros(2, 1), "y": y}, Options(), Generator())["net"]  # type: ignore[arg-type]
    assert net(torch.zeros(3, 7, 2)).tolist() == [[1.5, 20.0]] * 3


def test_no_samples_are_an_error_with_a_sentence() -> None:
    with pytest.raises(InputError, match="training samples"):
        floor.fit({"y": torch.zeros(0, 1)}, Options(), Generator())  # type: ignore[arg-type]


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "mean") is floor
