"""The loop against the same descent written by hand, and its promises on made-up tasks."""

import copy

import pytest
import torch
import torch.nn.functional as F

from made_up import (
    Game,
    Reversal,
    Rows,
    Streams,
    Tagging,
    frames,
    pictures,
    reversals,
    text,
)
from netwright.train.live import Live, build_networks
from training import go, recipe_for, start


def test_one_player_descends_as_adam_written_by_hand() -> None:
    task = Rows()
    recipe = recipe_for(task, "mlp", role={"optimizer": "adam", "betas": (0.9, 0.999)})
    live = start(task, pictures(), recipe)
    hand = copy.deepcopy(live.nets["net"])
    optimizer = torch.optim.Adam(hand.parameters(), lr=3e-3, betas=(0.9, 0.999))
    batches: list[torch.Tensor] = []

    original = live._next

    def watched() -> object:
        draw = original()
        batches.append(draw.index)
        return draw

    live._next = watched  # type: ignore[method-assign, assignment]
    go(live, 5)
    for index in batches:
        batch = live.part.gather(index)
        optimizer.zero_grad()
        F.cross_entropy(hand(batch["x"]), batch["y"]).backward()
        optimizer.step()
    torch.testing.assert_close(
        live.nets["net"].state_dict(), hand.state_dict(), rtol=1e-5, atol=1e-6
    )


def test_accumulated_sums_give_the_gradient_of_the_whole_batch() -> None:
    grown = []
    for batch, accumulate in ((16, 1), (4, 4)):
        task = Reversal()
        recipe = recipe_for(
            task,
            "transformer",
            batch=batch,
            accumulate=accumulate,
            role={"optimizer": "sgd", "momentum": 0.0, "nesterov": False},
        )
        live = start(task, reversals(16), recipe)
        live.task.order = lambda part, size, generator: torch.arange(16).split(size)  # type: ignore[method-assign, assignment]
        grown.append(go(live, 1).nets["net"].state_dict())
    torch.testing.assert_close(grown[0], grown[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("structure", ["rnn", "transformer"])
def test_a_stream_is_learned_whether_state_is_carried_or_not(structure: str) -> None:
    task, losses = Streams(), []
    live = start(task, text(), recipe_for(task, structure, batch=4, role={"learning_rate": 1e-2}))
    assert bool(live.carry) is live.nets["net"].carries

    def note(now: Live) -> None:
        told = now.tallies["net"].read()
        assert told is not None
        losses.append(told.loss)

    go(live, 60, note)
    assert sum(losses[-5:]) < 0.85 * sum(losses[:5])


def test_two_players_both_learn_and_neither_moves_in_the_others_turn() -> None:
    task = Game()
    live = start(task, pictures(), recipe_for(task, "mlp", role={"average": 0.9}))
    before = {n: copy.deepcopy(net.state_dict()) for n, net in live.nets.items()}
    go(live, 1)
    for name in ("generator", "discriminator"):
        now = live.nets[name].state_dict()
        assert all(not torch.equal(now[k], v) for k, v in before[name].items()), name
        average = live.averages[name].state_dict()
        assert all(not torch.equal(average[k], now[k]) for k in now), name


def test_a_frozen_judge_is_seen_and_never_moved(tmp_path) -> None:
    judge_task = Rows()
    judge = build_networks(judge_task, recipe_for(judge_task, "mlp"), {})["net"]
    task = Game(judge=tmp_path)
    live = start(task, pictures(), recipe_for(task, "mlp"), {"judge": judge})
    before = copy.deepcopy(judge.state_dict())
    go(live, 2)
    torch.testing.assert_close(judge.state_dict(), before, rtol=0, atol=0)
    assert "judge" not in live.trained
    assert not any(k.startswith("judge/") for k in live.capture().weights)


def test_padding_and_strides_train() -> None:
    task = Tagging()
    recipe = recipe_for(task, "rnn", role={"config": {"stem": {"stride": 2}}})
    live = go(start(task, frames(), recipe), 3)
    live.tallies["net"].read()
    assert live.tallies["net"].skipped == 0


CELLS = [
    (Rows, pictures, "cnn"),
    (Rows, pictures, "rnn"),
    (Rows, pictures, "transformer"),
    (Rows, pictures, "self_attention"),
    (Rows, pictures, "mlp"),
    (Streams, text, "rnn"),
    (Streams, text, "transformer"),
    (Game, pictures, "mlp"),
]


@pytest.mark.parametrize(("kind", "made", "structure"), CELLS)
def test_a_run_cut_at_every_step_ends_in_the_same_bits(kind, made, structure) -> None:
    task = kind()
    recipe = recipe_for(task, structure, batch=4, role={"average": 0.9, "clip": 1.0})
    steps, saved = 6, []
    whole = go(
        start(task, made(), recipe), steps, lambda live: saved.append(live.capture())
    ).capture()
    for cut in range(steps):
        again = start(task, made(), recipe)
        again.restore(saved[cut])
        end = go(again, steps - cut - 1).capture()
        for kept, expected in ((end.weights, whole.weights), (end.trainer, whole.trainer)):
            assert kept.keys() == expected.keys()
            assert all(torch.equal(kept[k], expected[k]) for k in kept)
        assert end.state == whole.state


@pytest.mark.parametrize("kind", ["optimizer/", "live/", "carry/", "weights", "counters"])
def test_leaving_out_any_kind_of_state_is_seen(kind: str) -> None:
    task = Streams()
    recipe = recipe_for(task, "rnn", batch=4, role={"average": 0.9})
    first = go(start(task, text(), recipe), 3)
    saved = first.capture()
    whole = go(first, 2).capture()
    again = start(task, text(), recipe)
    fresh = again.capture()
    if kind == "weights":
        saved.weights.update(fresh.weights)
    elif kind == "counters":
        saved.state.update(fresh.state)
    else:
        mine = [k for k in saved.trainer if k.startswith(kind)]
        assert mine
        for k in mine:
            del saved.trainer[k]
        saved.trainer.update({k: v for k, v in fresh.trainer.items() if k.startswith(kind)})
    again.restore(saved)
    end = go(again, 2).capture()
    same = all(torch.equal(end.weights[k], v) for k, v in whole.weights.items())
    assert not same or end.state != whole.state


def test_the_outer_random_state_is_unmoved() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    task = Rows()
    go(start(task, pictures(), recipe_for(task, "mlp")), 2)
    assert torch.equal(before, torch.get_rng_state())


def test_looking_does_not_disturb() -> None:
    task = Rows()
    recipe = recipe_for(task, "cnn")

    def look(live: Live) -> None:
        with live.judged() as nets, torch.no_grad():
            nets["net"](torch.randn(3, 1, 8, 8))
        live.capture()

    quiet = go(start(task, pictures(), recipe), 4).capture()
    watched = go(start(task, pictures(), recipe), 4, look).capture()
    assert all(torch.equal(quiet.weights[k], v) for k, v in watched.weights.items())


def test_the_batches_of_one_move_carry_on_where_the_last_one_ended() -> None:
    task, made = Streams(), text()
    two = go(start(task, made, recipe_for(task, "rnn", batch=4, accumulate=2)), 1)
    live = start(task, made, recipe_for(task, "rnn", batch=4))
    draws = list(live.draws(2))
    state = live.carry
    for draw in draws:
        batch = task.batch(live.part, draw, torch.Generator(), train=True)
        loss = task.objective(task.turns()[0], live.nets, batch, state, torch.Generator())
        state = {k: v.detach() for k, v in loss.carry.items()}
    for name, value in state.items():
        torch.testing.assert_close(two.carry[name], value)
