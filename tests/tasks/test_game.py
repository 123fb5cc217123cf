"""The two players' losses and penalties, against their formulas and against autograd by hand."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from netwright.metrics.base import Figure
from netwright.specs import Schema, Signature, Vector
from netwright.tasks._game import Game, GameTask
from netwright.tasks.base import Loss, Role

WIDTH, NOISE, BATCH = 3, 2, 5


class Duel(GameTask):
    """Numbers out of numbers."""

    figure = "none"

    def roles(self) -> Mapping[str, Role]:
        return {
            "generator": Role(Signature(Vector(NOISE), Vector(WIDTH))),
            "discriminator": Role(Signature(Vector(WIDTH), Vector(1)), applied=False),
        }

    def made(self, raw: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return raw.tanh()

    def evaluate(self, nets, data, part) -> Mapping[str, Figure]:
        raise NotImplementedError

    def apply(self, nets, inputs, generator):
        raise NotImplementedError


def duel(**rules: object) -> Duel:
    task = Duel(Schema(columns={}), Game(noise=NOISE, **rules))
    task.game = task.config  # type: ignore[assignment]
    return task


def players() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "generator": nn.Linear(NOISE, WIDTH),
        "discriminator": nn.Sequential(nn.Linear(WIDTH, 8), nn.Tanh(), nn.Linear(8, 1)),
    }


def batch() -> dict[str, Tensor]:
    keyed = torch.Generator().manual_seed(1)
    return {
        "x": torch.rand(BATCH, WIDTH, generator=keyed),
        "z": torch.randn(BATCH, NOISE, generator=keyed),
    }


def loss(task: Duel, name: str, nets: Mapping[str, nn.Module]) -> Loss:
    turn = next(t for t in task.turns() if t.name == name)
    return task.objective(turn, nets, batch(), {}, torch.Generator().manual_seed(2))


def scores(nets: Mapping[str, nn.Module]) -> tuple[Tensor, Tensor]:
    made = nets["generator"](batch()["z"]).tanh()
    return nets["discriminator"](batch()["x"]), nets["discriminator"](made)


FORMULAS = {
    "non_saturating": (
        lambda r, f: -(r.sigmoid().log() + (1 - f.sigmoid()).log()),
        lambda r, f: -f.sigmoid().log(),
    ),
    "hinge": (lambda r, f: (1 - r).clamp(min=0) + (1 + f).clamp(min=0), lambda r, f: -f),
    "wasserstein": (lambda r, f: f - r, lambda r, f: -f),
    "relativistic": (
        lambda r, f: -(r - f).sigmoid().log(),
        lambda r, f: -(f - r).sigmoid().log(),
    ),
}


@pytest.mark.parametrize("kind", FORMULAS)
def test_losses_are_those_of_the_papers(kind: str) -> None:
    nets, task = players(), duel(loss=kind, penalty="none")
    r, f = scores(nets)
    for name, formula in zip(("discriminator", "generator"), FORMULAS[kind], strict=True):
        found = loss(task, name, nets)
        torch.testing.assert_close(found.total, formula(r, f).sum())
        assert float(found.weight) == BATCH
    torch.testing.assert_close(found.said["fake_score"], f.sum())


def slopes(net: nn.Module, x: Tensor) -> Tensor:
    """The gradient of each sample's score, one sample at a time."""
    found = []
    for row in x.detach():
        place = row[None].clone().requires_grad_()
        found.append(torch.autograd.grad(net(place).sum(), place)[0].square().sum())
    return torch.stack(found)


@pytest.mark.parametrize("kind", ["r1", "r1r2"])
@pytest.mark.parametrize("every", [1, 4])
def test_the_penalty_is_that_of_the_gradient_and_a_lazy_one_counts_as_often(
    kind: str, every: int
) -> None:
    nets = players()
    task = duel(loss="hinge", penalty=kind, gamma=3.0, every=every)
    plain = loss(duel(loss="hinge", penalty="none"), "discriminator", nets).total
    real = slopes(nets["discriminator"], batch()["x"]).sum()
    fake = slopes(nets["discriminator"], nets["generator"](batch()["z"]).tanh()).sum()
    expected = 3.0 / 2 * (real if kind == "r1" else real + fake)
    if every == 1:
        found = loss(task, "discriminator", nets).total - plain
    else:
        torch.testing.assert_close(loss(task, "discriminator", nets).total, plain)
        found = loss(task, "penalty", nets).total / every
    torch.testing.assert_close(found, expected)
    assert [t.every for t in task.turns()] == ([1, 1] if every == 1 else [1, every, 1])


def test_the_gradient_penalty_is_zero_where_the_slope_is_one() -> None:
    nets = players()
    flat = nn.Linear(WIDTH, 1)
    with torch.no_grad():
        flat.weight.copy_(torch.tensor([[0.6, 0.8, 0.0]]))
    nets["discriminator"] = flat
    steep = duel(loss="wasserstein", penalty="gradient", gamma=10.0)
    plain = loss(duel(loss="wasserstein", penalty="none"), "discriminator", nets).total
    torch.testing.assert_close(loss(steep, "discriminator", nets).total, plain)
    with torch.no_grad():
        flat.weight.mul_(3)
    plain = loss(duel(loss="wasserstein", penalty="none"), "discriminator", nets).total
    found = loss(steep, "discriminator", nets).total - plain
    torch.testing.assert_close(found, torch.tensor(10.0 * BATCH * 4))


def test_each_player_moves_itself_and_the_penalty_has_a_second_derivative() -> None:
    nets, task = players(), duel()
    first = loss(task, "discriminator", nets).total
    mine = [*nets["discriminator"].parameters()]
    found = torch.autograd.grad(first, [*mine, *nets["generator"].parameters()], allow_unused=True)
    assert all(g is not None for g in found[: len(mine) - 1])
    assert all(g is None for g in found[len(mine) :])
    alone = loss(duel(penalty="none"), "discriminator", nets).total
    without = torch.autograd.grad(alone, mine[0])[0]
    assert not torch.allclose(found[0], without)
    last = loss(task, "generator", nets).total
    assert all(
        g.abs().sum() > 0 for g in torch.autograd.grad(last, [*nets["generator"].parameters()])
    )


def test_more_moves_of_the_discriminator_are_its_turn_again() -> None:
    names = [t.name for t in duel(discriminator_turns=3).turns()]
    assert names == ["discriminator"] * 3 + ["generator"]
