"""Non-finite numbers never reach what a turn moves (promise P6)."""

import pytest
import torch
from torch import nn

from made_up import Game, Rows, Streams, pictures, text
from netwright.nn.dropout import LockedDropout, WeightDropout
from netwright.tasks.base import Loss
from netwright.train.live import Captured, Live
from netwright.train.update import Mover
from training import go, recipe_for, start


def moved(before: Captured, after: Captured) -> list[str]:
    """Names of what differs, tallies and counters aside."""
    names = []
    for old, new in ((before.weights, after.weights), (before.trainer, after.trainer)):
        names += [
            k
            for k in new
            if not k.startswith("tally/") and (k not in old or not torch.equal(old[k], new[k]))
        ]
    return names


def poison_samples(live: Live) -> None:
    original = live.task.batch

    def batch(part, draw, generator, *, train):
        made = original(part, draw, generator, train=train)
        return made | {"x": made["x"] * float("nan")}

    live.task.batch = batch  # type: ignore[method-assign]


def poison_loss(value: float):
    def apply(live: Live) -> None:
        original = live.task.objective

        def objective(*inputs):
            loss = original(*inputs)
            return Loss(loss.total + value * loss.total.detach().sign(), loss.weight, loss.carry)

        live.task.objective = objective  # type: ignore[method-assign]

    return apply


def poison_gradient(live: Live) -> None:
    original = live.task.objective

    def objective(*inputs):
        loss = original(*inputs)
        # finite loss, non-finite gradient: sqrt has an infinite slope at zero
        weight = next(live.nets["net"].parameters())
        return Loss(loss.total + (weight * 0).sum().sqrt(), loss.weight, loss.carry)

    live.task.objective = objective  # type: ignore[method-assign]


def poison_buffer(live: Live) -> None:
    original = live.task.objective

    def objective(*inputs):
        loss = original(*inputs)
        for m in live.nets["net"].modules():
            if isinstance(m, nn.BatchNorm2d):
                m.running_var.data.mul_(float("inf"))
        return loss

    live.task.objective = objective  # type: ignore[method-assign]


def poison_carry(live: Live) -> None:
    original = live.task.objective

    def objective(*inputs):
        loss = original(*inputs)
        return Loss(loss.total, loss.weight, {k: v + float("inf") for k, v in loss.carry.items()})

    live.task.objective = objective  # type: ignore[method-assign]


CASES = [
    (Rows, pictures, "cnn", poison_samples),
    (Rows, pictures, "cnn", poison_loss(float("nan"))),
    (Rows, pictures, "cnn", poison_loss(float("inf"))),
    (Rows, pictures, "cnn", poison_gradient),
    (Streams, text, "rnn", poison_carry),
]


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "muon"])
@pytest.mark.parametrize(
    ("kind", "made", "structure", "poison"),
    CASES,
    ids=["sample", "nan", "inf", "gradient", "carry"],
)
def test_a_poisoned_turn_moves_nothing(kind, made, structure, poison, optimizer) -> None:
    if optimizer == "muon" and structure == "rnn":
        pytest.skip("a small recurrent net has no hidden matrix for Muon")
    task = kind()
    role = {"average": 0.9, "optimizer": optimizer, "clip": 1.0}
    live = go(start(task, made(), recipe_for(task, structure, batch=4, role=role)), 2)
    before = live.capture()
    poison(live)
    go(live, 1)
    assert moved(before, live.capture()) == []
    tally = live.tallies["net"]
    tally.read()
    assert (tally.skipped, tally.in_a_row) == (1, 1)


def test_a_poisoned_buffer_is_put_back() -> None:
    task = Rows()
    config = {"norm": "batch"}
    live = go(start(task, pictures(), recipe_for(task, "cnn", role={"config": config})), 2)
    if not list(live.nets["net"].buffers()):
        pytest.skip("this preset keeps no statistics")
    before = live.capture()
    poison_buffer(live)
    go(live, 1)
    assert moved(before, live.capture()) == []


def test_each_players_skips_are_counted_apart() -> None:
    task = Game()
    live = go(start(task, pictures(), recipe_for(task, "mlp")), 1)
    original = task.objective

    def objective(turn, nets, batch, carry, generator):
        loss = original(turn, nets, batch, carry, generator)
        bad = float("nan") if turn.name == "generator" else 0.0
        return Loss(loss.total + bad, loss.weight)

    task.objective = objective  # type: ignore[method-assign]
    before = {k: v.clone() for k, v in live.nets["generator"].state_dict().items()}
    go(live, 1)
    for name, skipped in (("generator", 1), ("discriminator", 0)):
        live.tallies[name].read()
        assert live.tallies[name].skipped == skipped
    after = live.nets["generator"].state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())


def test_the_guards_kernel_divides_and_finds_in_one_pass() -> None:
    good, bad = torch.tensor([2.0, 4.0]), torch.tensor([1.0, float("inf")])
    found = torch.zeros(())
    torch._amp_foreach_non_finite_check_and_unscale_([good], found, torch.tensor(0.5))
    assert good.tolist() == [1.0, 2.0]
    assert float(found) == 0
    torch._amp_foreach_non_finite_check_and_unscale_([good, bad], found, torch.tensor(0.5))
    assert float(found) == 1


def test_a_gradient_that_lies_otherwise_in_memory_moves_the_right_weights() -> None:
    task = Rows()
    ends = []
    for order in (torch.contiguous_format, torch.channels_last):
        live = start(task, pictures(), recipe_for(task, "cnn"))
        live.nets["net"].to(memory_format=order)
        ends.append(go(live, 2).capture().weights)
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, rtol=1e-4, atol=1e-5)


def test_shares_of_dropout_follow_their_ramp() -> None:
    task = Rows()
    live = start(task, pictures(), recipe_for(task, "mlp", role={"dropout": "rising"}))
    layers = [nn.Dropout(0.4), LockedDropout(0.2), WeightDropout(0.2)]
    live.nets["net"].extra = nn.ModuleList(layers)
    mover = Mover(live.task.turns()[0], live)
    for step, want in ((0, 0.0), (5, 0.5), (10, 1.0), (15, 1.0)):
        live.counters.round = step
        mover.before(10)
        assert [m.p for m in layers] == [0.4 * want, 0.2 * want, 0.2 * want]
