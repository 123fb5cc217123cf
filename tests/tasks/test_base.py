"""What a task has without writing it: one turn, a cut permutation, batches as they are stored."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from made_up import Game, Rows, pictures
from netwright import registry
from netwright.datasets.base import Tensors
from netwright.specs import Signature, Vector
from netwright.tasks.base import Draw, Loss, Role, Task, Turn

PART = Tensors({"x": torch.arange(23)})


@given(st.integers(0, 40), st.integers(1, 12), st.integers(0, 99))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_an_epoch_is_a_permutation_in_whole_batches(n: int, size: int, seed: int) -> None:
    part = Tensors({"x": torch.arange(n)})
    batches = Rows().order(part, size, Generator().manual_seed(seed))
    drawn = [i for batch in batches for i in batch.tolist()]
    assert [len(b) for b in batches] == [size] * (n // size)
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= set(range(n))


def test_the_order_is_the_generators_alone() -> None:
    one, same, other = (Rows().order(PART, 5, Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(torch.cat(list(one)), torch.cat(list(same)))
    assert not torch.equal(torch.cat(list(one)), torch.cat(list(other)))


def test_a_batch_is_what_the_part_holds() -> None:
    made = Rows().batch(PART, Draw(torch.tensor([3, 1])), Generator(), train=True)
    assert made["x"].tolist() == [3, 1]


def test_one_turn_moves_all_trained_roles_and_no_judge() -> None:
    class Three(Rows):
        def roles(self) -> dict[str, Role]:
            signature = Signature(Vector(2), Vector(2))
            judge = Role(signature, given=Path("run"))
            return {"a": Role(signature), "judge": judge, "b": Role(signature, fixed="mlp/tiny")}

    assert Three().turns() == (Turn("net", ("a", "b")),)


def test_what_a_task_leaves_out_is_nothing() -> None:
    task = Rows()
    assert task.carry({}, 8) == {}
    assert task.floors() == ()
    assert task.exhibits({}, pictures(), "train", Generator()) == ()
    assert task.prepare({}, PART, Generator()) is None  # type: ignore[func-returns-value]


def test_losses_do_not_share_what_they_carry() -> None:
    one, two = (Loss(torch.zeros(()), torch.ones(())) for _ in range(2))
    one.carry["state"] = torch.zeros(1)
    assert two.carry == {}


def test_moves_of_one_player_are_its_turns_listed() -> None:
    assert [t.roles for t in Game().turns()].count(("discriminator",)) == 3


def test_an_unfinished_task_cannot_be_made() -> None:
    class Half(Task):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Half(None, None)  # type: ignore[abstract, arg-type]


@pytest.mark.parametrize("name", registry.names("tasks"))
def test_every_task_names_an_offline_data_set_and_floors_that_there_are(name: str) -> None:
    kind = registry.load("tasks", name)
    dataset = registry.load("datasets", kind.data)
    task = kind(dataset.open(dataset.Config()).schema, kind.Config())
    assert set(task.floors()) <= set(registry.names("floors"))
    assert {r for t in task.turns() for r in t.roles} <= set(task.roles())
