"""What moves in a training: how it begins, what it draws, what of it is judged."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from made_up import Game, Reversal, Rows, Streams, pictures, text
from netwright.errors import DamagedError, InputError
from netwright.tasks.base import Role
from netwright.train.live import Live, build_networks, optimizers_of
from training import go, recipe_for, start


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_weights_hang_on_the_seed_and_the_role_alone() -> None:
    task = Game()

    def drawn(discriminator: str, seed: int) -> dict[str, Tensor]:
        structures = {"generator": "mlp", "discriminator": discriminator}
        recipe = recipe_for(task, structures, seed=seed)
        return build_networks(task, recipe, {})["generator"].state_dict()

    assert same(drawn("mlp", 3), drawn("cnn", 3))
    assert not same(drawn("mlp", 3), drawn("mlp", 4))


def test_two_roles_of_one_form_begin_with_different_weights() -> None:
    class Twins(Rows):
        def roles(self) -> dict[str, Role]:
            return {"one": super().roles()["net"], "other": super().roles()["net"]}

    nets = build_networks(Twins(), recipe_for(Twins(), "mlp"), {})
    assert not same(nets["one"].state_dict(), nets["other"].state_dict())


def test_building_moves_no_outer_random_state() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    build_networks(Rows(), recipe_for(Rows(), "mlp"), {})
    assert torch.equal(before, torch.get_rng_state())


def test_a_structure_that_does_not_fit_is_an_error_that_points_to_the_matrix() -> None:
    with pytest.raises(InputError, match=r"mlp does not fit made-up: .*future") as told:
        build_networks(Streams(), recipe_for(Streams(), "mlp"), {})
    assert told.value.do == "netwright matrix made-up"


def test_roles_that_are_missing_or_too_many_are_named() -> None:
    game, rows = recipe_for(Game(), "mlp"), recipe_for(Rows(), "mlp")
    with pytest.raises(InputError, match="no structure is named for the role 'discriminator'"):
        build_networks(
            Game(), game.model_copy(update={"roles": {"generator": game.roles["generator"]}}), {}
        )
    with pytest.raises(InputError, match=r"'discriminator'.*there are net"):
        build_networks(Rows(), rows.model_copy(update={"roles": game.roles}), {})


def test_a_given_judge_is_frozen_and_in_evaluation_mode(tmp_path: Path) -> None:
    judge = build_networks(Rows(), recipe_for(Rows(), "mlp"), {})["net"].train()
    task = Game(judge=tmp_path)
    nets = build_networks(task, recipe_for(task, "mlp"), {"judge": judge})
    assert nets["judge"] is judge
    assert not judge.training
    assert not any(p.requires_grad for p in judge.parameters())
    live = Live(task, pictures().parts["train"], recipe_for(task, "mlp"), torch.device("cpu"), nets)
    live.train_mode()
    assert not judge.training


def test_every_epoch_draws_every_sample_once_in_an_order_of_its_own() -> None:
    live = start(Rows(), pictures(24), recipe_for(Rows(), "mlp", batch=8))
    draws = list(live.draws(6))
    assert [(d.epoch, d.position) for d in draws] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
        (1, 2),
    ]
    first, second = (torch.cat([d.index for d in draws[i : i + 3]]) for i in (0, 3))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(24))
    assert not torch.equal(first, second)
    assert live.counters.samples == 48


def test_a_batch_larger_than_the_part_is_told_with_one_that_fits() -> None:
    live = start(Rows(), pictures(20), recipe_for(Rows(), "mlp", batch=21))
    with pytest.raises(InputError, match=r"a batch of 21 .* of 20 samples") as told:
        next(live.draws(1))
    assert told.value.do == "batch: 5 in a recipe, or none"


@pytest.mark.parametrize(("accumulate", "draws", "steps"), [(1, 3, 3), (2, 7, 2), (9, 30, 1)])
def test_lazy_turns_count_by_their_share(accumulate: int, draws: int, steps: int) -> None:
    recipe = recipe_for(Game(), "mlp", batch=8, accumulate=accumulate)  # 3 1/3 turns a round
    live = start(Game(), pictures(64), recipe)
    assert live.draws_per_round() == draws
    assert live.steps_per_epoch() == steps


def test_judged_are_averages_where_they_are_and_nothing_trains_inside() -> None:
    task = Game()
    recipe = recipe_for(task, "mlp")
    averaged = recipe.roles["generator"].model_copy(update={"average": 0.9})
    recipe = recipe.model_copy(update={"roles": recipe.roles | {"generator": averaged}})
    live = go(start(task, pictures(), recipe), 1)
    with pytest.raises(ValueError, match="inside"), live.judged() as nets:  # noqa: PT012
        assert nets["generator"] is live.averages["generator"]
        assert nets["discriminator"] is live.nets["discriminator"]
        assert not any(net.training for net in nets.values())
        raise ValueError("inside")
    assert all(net.training for net in live.nets.values())
    weights = live.capture().weights
    mine = {k: v for k, v in weights.items() if k.startswith("generator/")}
    average = live.averages["generator"].state_dict()
    assert same(mine, {f"generator/{k}": v for k, v in average.items()})


def test_what_was_captured_does_not_move_on() -> None:
    live = go(start(Streams(), text(), recipe_for(Streams(), "rnn", batch=4)), 2)
    saved = live.capture()
    kept = {k: v.clone() for k, v in (saved.weights | saved.trainer).items()}
    go(live, 2)
    assert same(kept, saved.weights | saved.trainer)
    assert saved.state["counters"]["round"] == 2
    assert live.counters.round == 4


def test_weights_of_another_network_are_damage_and_not_a_bug() -> None:
    saved = start(Rows(), pictures(), recipe_for(Rows(), "mlp")).capture()
    other = start(Rows(), pictures(), recipe_for(Rows(), "cnn"))
    with pytest.raises(DamagedError, match="the weights of 'net' do not fit its network"):
        other.restore(saved)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "muon"])
def test_every_weight_is_moved_by_one_optimizer_that_remembers_its_full_rate(
    optimizer: str,
) -> None:
    task = Reversal()
    role = {"optimizer": optimizer, "learning_rate": 0.25, "adam_learning_rate": 0.125}
    recipe = recipe_for(task, "transformer", role=role)
    net = build_networks(task, recipe, {})["net"]
    groups = [g for o in optimizers_of(net, recipe.roles["net"]) for g in o.param_groups]
    moved = [id(p) for g in groups for p in g["params"]]
    assert len(moved) == len(set(moved))
    assert set(moved) == {id(p) for p in net.parameters()}
    rates = {0.25, 0.125} if optimizer == "muon" else {0.25}
    assert {g["initial_lr"] for g in groups} == {g["lr"] for g in groups} == rates
