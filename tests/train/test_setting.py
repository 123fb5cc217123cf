"""What a recipe is about, opened; and what one round of it computes, by the formula."""

from typing import Any

import pytest
import torch
from torch import Generator, nn

from made_up import Game, Rows, as_data, pictures
from netwright.datasets.base import Data, Tensors
from netwright.errors import InputError
from netwright.specs import Image, Labels, Pictures, Schema
from netwright.tasks.base import Loss
from netwright.train.budget import Budget
from netwright.train.live import Live
from netwright.train.machine import Options
from netwright.train.recipe import Named, Recipe, resolve
from netwright.train.setting import (
    Setting,
    bind_task,
    forward_cost,
    lay,
    open_data,
    open_setting,
    round_cost,
    start_live,
)
from training import CPU, recipe_for

LINEAR = {"config": {"widths": []}}
TASK = "image-classification"


def begun(task: Any, structure: str, role: dict[str, Any], **fields: Any) -> tuple[Live, Setting]:
    setting = Setting(
        recipe_for(task, structure, role=role, **fields), as_data(pictures()), task, CPU
    )
    return start_live(setting, Options()), setting


def small_data(n: int = 12) -> Data:
    """Pictures of 8 x 8 in three classes."""
    schema = Schema(
        columns={
            "image": Pictures(form=Image(1, 8, 8), mean=(0.5,), deviation=(0.3,)),
            "label": Labels(names=("a", "b", "c")),
        }
    )
    g = Generator().manual_seed(0)
    columns = {
        "image": torch.randint(256, (n, 1, 8, 8), generator=g, dtype=torch.uint8),
        "label": torch.arange(n) % 3,
    }
    parts = dict.fromkeys(("train", "validation", "test"), Tensors(columns))
    return Data(schema, parts, "0" * 64)


def recipe(**over: Any) -> Recipe:
    roles = {"net": "mlp/tiny"}
    return resolve(TASK, Named(name="digits"), roles, budget=Budget(steps=1), over=over)


@pytest.mark.parametrize(("batch", "accumulate"), [(8, 1), (4, 3)])
def test_a_round_of_a_linear_model_costs_what_the_formula_says(batch: int, accumulate: int) -> None:
    live, setting = begun(Rows(), "mlp", LINEAR, batch=batch, accumulate=accumulate)
    found = round_cost(live, setting)
    forward = 2 * batch * 64 * 4  # 64 pixels, 4 classes; the pictures need no gradient
    assert found.by_turn == {"net": 2 * forward}
    assert found.flops == 2 * forward * accumulate
    assert found.uncounted == ()


def test_a_hidden_layer_also_costs_the_gradient_of_its_output() -> None:
    live, setting = begun(Rows(), "mlp", {"config": {"widths": [16]}}, batch=8)
    first, second = 2 * 8 * 64 * 16, 2 * 8 * 16 * 4
    assert round_cost(live, setting).flops == 2 * first + 3 * second


def test_lazy_turns_cost_their_share() -> None:
    live, setting = begun(Game(), "mlp", LINEAR, batch=8)
    found = round_cost(live, setting)
    by = found.by_turn
    assert by["discriminator"] == by["discriminator again"] > 0
    assert by["penalty"] > 0
    expected = by["discriminator"] * 2 + by["generator"] + by["penalty"] / 3
    assert found.flops == pytest.approx(expected)


def test_arithmetic_without_a_formula_is_named() -> None:
    class Odd(Rows):
        def objective(self, turn: Any, nets: Any, batch: Any, *rest: Any) -> Loss:
            loss = super().objective(turn, nets, batch, *rest)
            kept = torch.linalg.matrix_exp(batch["x"][:, 0]).sum() * 0
            return Loss(loss.total + kept, loss.weight)

    live, setting = begun(Odd(), "mlp", LINEAR)
    assert any("matrix_exp" in name for name in round_cost(live, setting).uncounted)


def test_counting_moves_nothing() -> None:
    live, setting = begun(Rows(), "cnn", {}, batch=8)
    before, outer = live.capture(), torch.get_rng_state()
    round_cost(live, setting)
    forward_cost(live)
    after = live.capture()
    assert all(torch.equal(v, after.weights[k]) for k, v in before.weights.items())
    assert before.state == after.state
    assert torch.equal(outer, torch.get_rng_state())


def test_no_batches_cost_nothing() -> None:
    live, setting = begun(Rows(), "mlp", LINEAR, batch=65)
    assert round_cost(live, setting).flops == 0


def test_a_forward_pass_costs_what_one_sample_does_in_every_trained_network() -> None:
    assert forward_cost(begun(Rows(), "mlp", LINEAR)[0]) == 2 * 64 * 4
    generator, discriminator = 2 * 6 * 64, 2 * 64
    assert forward_cost(begun(Game(), "mlp", LINEAR)[0]) == generator + discriminator


def test_a_setting_opens_what_the_recipe_names() -> None:
    setting = open_setting(recipe(task={"label_smoothing": 0.25}), CPU)
    assert set(setting.data.parts) == {"train", "validation", "test"}
    assert setting.task.schema == setting.data.schema
    assert setting.task.config.label_smoothing == 0.25  # type: ignore[attr-defined]


def test_data_that_is_given_is_not_opened_again_and_lies_on_the_device() -> None:
    data = small_data()
    setting = open_setting(recipe(), torch.device("meta"), data)
    assert setting.data.fingerprint == data.fingerprint
    for part in setting.data.parts.values():
        assert isinstance(part, Tensors)
        assert all(column.is_meta for column in part.columns.values())
    assert setting.task.roles()["net"].signature.output == data.schema.columns["label"].form


def test_wrong_configurations_of_data_and_task_name_the_nearest_key() -> None:
    with pytest.raises(InputError, match=r"configuration of digits.*nearest is 'fold'"):
        open_data(Named(name="digits", config={"flod": 1}))
    with pytest.raises(InputError, match="`path` is missing in the configuration of image-folder"):
        open_data(Named(name="image-folder"))
    with pytest.raises(InputError, match=r"configuration of image-class.*nearest is 'mixup'"):
        bind_task(Named(name=TASK, config={"mixpu": 1}), small_data().schema)
    with pytest.raises(InputError, match="no dataset 'digitz'"):
        open_data(Named(name="digitz"))


def test_networks_begin_prepared_and_the_outer_random_state_stays() -> None:
    class Shown(Rows):
        def prepare(self, nets: Any, part: Any, generator: Generator) -> None:
            torch.rand(3)
            self.draw = float(torch.rand(1, generator=generator))
            self.shown = (set(nets), len(part))

    draws = []
    for _ in range(2):
        task, outer = Shown(), torch.get_rng_state()
        begun(task, "mlp", {})
        assert torch.equal(outer, torch.get_rng_state())
        assert task.shown == ({"net"}, 64)
        draws.append(task.draw)
    assert draws[0] == draws[1]


def test_pictures_lie_channels_last_as_asked_or_where_there_are_convolutions() -> None:
    def laid(options: Options) -> bool:
        net = nn.Sequential(nn.Conv2d(2, 2, 3), nn.Linear(2, 2))
        lay(net, options)
        return net[0].weight.is_contiguous(memory_format=torch.channels_last)

    assert laid(Options())
    assert not laid(Options(channels_last=False))
    assert laid(Options(channels_last=True))
    lay(nn.Linear(2, 2), Options())


def test_a_recipe_that_names_no_batch_takes_one_that_fits() -> None:
    recipe = recipe_for(Rows(), "mlp").model_copy(update={"batch": None})
    assert recipe.sized(1000).batch == 64
    assert recipe.sized(100).batch == 25
    assert recipe.sized(2).batch == 1
    assert recipe.model_copy(update={"batch": 500}).sized(100).batch == 500
