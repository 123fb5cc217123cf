from collections.abc import Iterator
from typing import Any

import pytest
import torch
from sklearn.metrics import mean_absolute_error, mean_squared_error
from torch import Generator, Tensor, nn

from netwright import registry
from netwright.datasets.base import Data, Tensors
from netwright.errors import InputError
from netwright.models.base import Network, Structure
from netwright.nn.flops import on_meta
from netwright.specs import Batch, Frames, Numbers, Schema, Series, Signature, Symbols, Vector
from netwright.tasks.base import Draw
from netwright.tasks.regression import Options, Regression
from netwright.train.recipe import RoleRecipe, default_fields, structure_config


def made(n: int = 700, k: int = 2) -> Data:
    g = Generator().manual_seed(0)
    columns = {"x": torch.randn(n, 6, 3, generator=g), "y": torch.randn(n, k, generator=g)}
    names = tuple(f"n{i}" for i in range(k))
    schema = Schema(columns={"x": Series(features=3, length=6), "y": Numbers(names=names)})
    return Data(schema, {"train": Tensors(columns), "test": Tensors(columns)}, "")


def gen() -> Generator:
    return Generator().manual_seed(0)


class Linear(nn.Module):
    def __init__(self, k: int = 2) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.last = nn.Linear(18, k)

    def forward(self, x: Tensor, **_: Any) -> Tensor:
        y: Tensor = self.last(x.flatten(1))
        return y


def batch_of(task: Regression, data: Data, n: int) -> Batch:
    return task.batch(data.parts["train"], Draw(torch.arange(n)), gen(), train=True)


def test_its_role_is_from_frames_to_numbers() -> None:
    task = Regression(made().schema, Options())
    assert task.roles()["net"].signature == Signature(Frames(3, 6), Vector(2))
    assert registry.load("tasks", "regression") is Regression


def test_the_loss_is_the_squared_error_over_the_samples() -> None:
    data = made()
    task, net = Regression(data.schema, Options()), Linear()
    batch = batch_of(task, data, 9)
    loss = task.objective(task.turns()[0], {"net": net}, batch, {}, gen())
    torch.testing.assert_close(loss.total, ((net(batch["x"]) - batch["y"]) ** 2).sum())
    assert float(loss.weight) == 9


def test_figures_agree_with_scikit_learn() -> None:
    data = made()
    figures = Regression(data.schema, Options()).evaluate({"net": Linear()}, data, "test")
    assert set(figures) <= set(Regression.means)
    batch = data.parts["test"].gather(torch.arange(700))
    said, y = Linear()(batch["x"]).detach(), batch["y"]
    assert figures["mse"].value == pytest.approx(mean_squared_error(y, said), rel=1e-6)
    assert figures["mae"].value == pytest.approx(mean_absolute_error(y, said), rel=1e-6)
    assert not figures["mse"].higher
    assert not figures["mae"].higher
    assert figures["mse"].rows.shape == figures["mae"].rows.shape == (700, 1)


def test_an_empty_part_is_an_error_with_a_sentence() -> None:
    data = made(0)
    with pytest.raises(InputError, match="no series to judge by"):
        Regression(data.schema, Options()).evaluate({"net": Linear()}, data, "test")


def test_other_data_are_refused() -> None:
    symbols = Symbols(vocabulary=3, length=4)
    with pytest.raises(InputError, match="no column 'x' of series"):
        Regression(Schema(columns={"x": symbols, "y": symbols}), Options())


def built(family: str, data: Data) -> Network:
    """The small preset with what the default recipe changes of it."""
    own = default_fields("regression", family, "small")["roles"]["net"]
    role = RoleRecipe.model_validate({**own, "structure": family, "preset": "small"})
    structure: Structure = registry.load("models", family)
    torch.manual_seed(0)
    (player,) = Regression(data.schema, Options()).roles().values()
    return structure.build(player.signature, structure_config(role))


@pytest.mark.parametrize("family", ["cnn", "mlp", "rnn", "self_attention", "transformer"])
def test_every_family_takes_a_step_and_counts_it(family: str) -> None:
    dataset = registry.load("datasets", "adding")
    data = dataset.open(dataset.Config(length=12, samples=32, held=4))
    task, net = Regression(data.schema, Options()), built(family, data)
    batch = batch_of(task, data, 32)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    losses = []
    for _ in range(2):
        loss = task.objective(task.turns()[0], {"net": net}, batch, {}, gen())
        optimizer.zero_grad()
        (loss.total / loss.weight).backward()
        optimizer.step()
        losses.append(float(loss.total.detach()))
    assert losses[1] < losses[0]
    shadow = {k: v.to("meta") for k, v in batch.items()}
    counted = task.objective(task.turns()[0], {"net": on_meta(net)}, shadow, {}, gen())
    assert counted.total.is_meta
    counted.total.backward()


def test_exhibits_hold_the_means_of_what_was_said_and_the_largest_errors() -> None:
    data = made(100, k=1)

    def half(x: Tensor, **_: Any) -> Tensor:
        return truth / 2

    truth = data.parts["test"].gather(torch.arange(100))["y"]
    curve, table = Regression(data.schema, Options()).exhibits({"net": half}, data, "test", gen())
    assert curve.tensors["x"].shape == (20,)
    torch.testing.assert_close(curve.tensors["y"], curve.tensors["x"] / 2)
    assert curve.tensors["x"].tolist() == sorted(curve.tensors["x"].tolist())
    first = int(truth.abs().argmax())
    assert table.strings["rows"][0] == f"sample {first}"
    true = float(truth[first])
    assert table.tensors["cells"][0].tolist() == pytest.approx([true, true / 2, -true / 2])


def test_answers_keep_their_names_and_say_each_number() -> None:
    data = made()
    task, net, part = Regression(data.schema, Options()), Linear(), data.parts["test"]

    def inputs() -> Iterator[tuple[str, Batch]]:
        for i in range(70):
            yield f"row {i}", {"x": part.gather(torch.tensor([i]))["x"]}

    answers = list(task.apply({"net": net}, inputs(), gen()))
    said = net(part.gather(torch.arange(70))["x"]).tolist()
    assert [a.name for a in answers] == [f"row {i}" for i in range(70)]
    for answer, row in zip(answers, said, strict=True):
        assert list(answer.value) == ["n0", "n1"]
        assert list(answer.value.values()) == pytest.approx(row, abs=1e-5)


def test_every_floor_that_it_names_exists() -> None:
    assert set(Regression(made().schema, Options()).floors()) <= set(registry.names("floors"))
