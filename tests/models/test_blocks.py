"""The pile of blocks: what it hands to each, in which order, and where it cannot stand."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from netwright.errors import InputError
from netwright.models._blocks import Around, Block, Blocks, misfit
from netwright.nn.attention import Window
from netwright.nn.look import watching
from netwright.nn.positions import PositionKind
from netwright.specs import Plan, Positions


class Noting(Block):
    """Multiplies by ten, adds its number, notes what it may see, and caches what it was given."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.seen = (
            nn.Parameter(torch.tensor(float(number)), requires_grad=False),
            list[Around](),
        )

    def forward(self, h: Tensor, around: Around) -> Tensor:
        self.seen.append(around)
        return 10 * h + self.number

    def state(self, batch: int, capacity: int) -> dict[str, Tensor]:
        return {name: torch.zeros(batch, capacity) for name in ("key", "value")}

    def step(
        self, h: Tensor, state: Mapping[str, Tensor], window: Window, around: Around
    ) -> tuple[Tensor, dict[str, Tensor]]:
        self.seen.append(around)
        return 10 * h + self.number, {name: value + 1 for name, value in state.items()}


def pile(
    count: int = 2, positions: Positions = "causal", kind: PositionKind = "none", **more: Any
) -> Blocks:
    blocks = [Noting(number) for number in range(count)]
    plan = Plan("sequence", 4, (6,), positions, "keep")
    return Blocks(plan, blocks, nn.Identity(), positions=kind, head_width=2, **more).eval()


def noted(trunk: Blocks, number: int) -> Around:
    block = trunk.blocks[number]
    assert isinstance(block, Noting)
    return block.seen[-1]


def test_blocks_come_one_after_another_and_show_what_they_give() -> None:
    h = torch.zeros(1, 3, 4)
    with watching() as seen:
        y = pile(3)(h)
    assert {name: float(value.mean()) for name, value in seen.items()} == {
        "block.0": 0,
        "block.1": 1,
        "block.2": 12,
    }
    assert float(y.mean()) == 12


def test_every_block_sees_the_lengths_the_memory_and_the_rotation() -> None:
    trunk = pile(kind="rotary")
    lengths, memory = torch.tensor([3, 1]), torch.randn(2, 5, 4)
    trunk(torch.randn(2, 3, 4), lengths, memory, torch.tensor([5, 2]))
    for number in (0, 1):
        around = noted(trunk, number)
        assert around.lengths is lengths
        assert around.rotation is not None
        assert around.memory is not None
        assert torch.equal(around.memory[0], memory[0])


def test_padding_of_a_memory_is_zero_whatever_it_held() -> None:
    trunk, memory = pile(), torch.full((2, 3, 4), float("nan"))
    memory[0] = 1.0
    trunk(torch.randn(2, 3, 4), None, memory, torch.tensor([3, 0]))
    found = noted(trunk, 0).memory
    assert found is not None
    assert found.sum((1, 2)).tolist() == [12, 0]


def test_a_state_is_flat_and_empty_and_each_block_has_its_own() -> None:
    state = pile().state(3)
    assert set(state) == {"at", "0.key", "0.value", "1.key", "1.value"}
    assert all(len(value) == 3 for value in state.values())
    assert not any(value.any() for value in state.values())


def test_a_step_counts_each_rows_places_and_leaves_the_old_state_alone() -> None:
    trunk = pile()
    old = trunk.state(2)
    y, new = trunk.step(torch.zeros(2, 3, 4), old, torch.tensor([3, 1]))
    assert y.shape == (2, 3, 4)
    assert float(y.mean()) == 1
    assert new["at"].tolist() == [3, 1]
    assert float(new["1.key"].mean()) == 1
    assert not any(value.any() for value in old.values())
    _, newer = trunk.step(torch.zeros(2, 2, 4), new)
    assert newer["at"].tolist() == [5, 3]


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_positions_of_a_step_are_those_that_its_rows_have_reached(kind: PositionKind) -> None:
    torch.manual_seed(0)
    trunk, h = pile(1, kind=kind), torch.randn(2, 6, 4)
    whole = trunk(h)
    _, state = trunk.step(h[:, :3], trunk.state(2), torch.tensor([3, 1]))
    rest = torch.stack([h[0, 3:5], h[1, 1:3]])
    y, _ = trunk.step(rest, state)
    torch.testing.assert_close(y, torch.stack([whole[0, 3:5], whole[1, 1:3]]))


def test_a_longer_sequence_than_was_planned_is_told() -> None:
    trunk = pile()
    _, state = trunk.step(torch.zeros(1, 4, 4), trunk.state(1))
    with pytest.raises(InputError, match="longer than 6 places"):
        trunk.step(torch.zeros(1, 3, 4), state)


@pytest.mark.parametrize("positions", ["free", "aligned"])
def test_what_is_not_causal_has_no_steps(positions: Positions) -> None:
    trunk = pile(positions=positions)
    with pytest.raises(InputError, match="cannot be run step by step"):
        trunk.state(1)
    with pytest.raises(InputError, match="cannot be run step by step"):
        trunk.step(torch.zeros(1, 1, 4), {})


def test_dropout_of_the_first_places_rests_in_evaluation() -> None:
    trunk, h = pile(dropout=0.5), torch.ones(1, 6, 4)
    assert torch.equal(trunk(h), pile()(h))
    trunk.train()
    assert not torch.equal(trunk(h), pile()(h))


@pytest.mark.parametrize(
    ("plan", "kind", "head_width", "words"),
    [
        (Plan("grid", 4, (2, 2), "free", "keep"), "none", 2, "a made reads a sequence, not a grid"),
        (Plan("sequence", 4, (6,), "free", "keep"), "rotary", 3, "a head of 3 has one left over"),
        (Plan("sequence", 4, (), "free", "grow"), "learned", 2, "take sinusoidal or rotary"),
        (Plan("sequence", 4, (6,), "causal", "keep"), "alibi", 2, "a made adds nothing to them"),
    ],
)
def test_where_blocks_cannot_stand_they_say_why(
    plan: Plan, kind: PositionKind, head_width: int, words: str
) -> None:
    refusal = misfit("a made", plan, kind, head_width)
    assert refusal is not None
    assert words in refusal.reason


@pytest.mark.parametrize("kind", ["none", "sinusoidal", "rotary", "learned"])
def test_on_a_sequence_of_known_length_all_positions_stand(kind: PositionKind) -> None:
    assert misfit("a made", Plan("sequence", 4, (6,), "causal", "keep"), kind, 2) is None


def test_a_family_that_weighs_its_scores_may_lean_them() -> None:
    plan = Plan("sequence", 4, (6,), "causal", "keep")
    assert misfit("a made", plan, "alibi", 2, weighs=True) is None


@pytest.mark.parametrize("positions", ["free", "causal"])
def test_a_reach_and_linear_positions_become_a_bias(positions: Positions) -> None:
    trunk = pile(positions=positions)
    trunk(torch.zeros(1, 4, 4))
    assert noted(trunk, 0).bias is None
    trunk = pile(positions=positions, kind="alibi", heads=2, reach=2)
    trunk(torch.zeros(1, 4, 4))
    bias = noted(trunk, 0).bias
    assert bias is not None
    for head, slope in enumerate((1 / 16, 1 / 256)):
        for t in range(4):
            for s in range(4):
                if abs(t - s) < 2 and (s <= t or positions == "free"):
                    assert bias[head, t, s].item() == -slope * abs(t - s)
                else:
                    assert bias[head, t, s] < -1e30


def test_with_a_reach_a_state_is_a_ring_and_has_no_end_save_what_was_learned() -> None:
    assert pile(reach=3).capacity is None
    assert pile(reach=3, kind="learned").capacity == 6
    assert pile().capacity == 6
    trunk = pile(reach=3)
    state = trunk.state(1)
    assert state["0.key"].shape == (1, 3)
    for _ in range(9):
        _, state = trunk.step(torch.zeros(1, 1, 4), state)
    assert state["at"].tolist() == [9]


def test_packed_documents_see_themselves_and_count_their_own_places() -> None:
    trunk = pile(kind="rotary")
    documents = torch.tensor([[0, 0, 1, 1, 1], [4, 4, 4, 4, 4]])
    trunk.packed(torch.zeros(2, 5, 4), documents)
    around = noted(trunk, 1)
    assert around.bias is not None
    assert around.rotation is not None
    seen = around.bias[:, 0] == 0
    past = torch.ones(5, 5).tril().bool()
    assert seen[1].equal(past)
    assert seen[0].equal(past & (documents[0][:, None] == documents[0]))
    cos = around.rotation[0][:, 0]
    assert cos[0, 0].equal(cos[0, 2])
    assert not cos[1, 0].equal(cos[1, 2])


def test_only_causal_blocks_that_say_so_pack() -> None:
    assert not pile().packs

    class Packing(Noting):
        packs = True

    for positions, packs in (("causal", True), ("free", False)):
        plan = Plan("sequence", 4, (6,), positions, "keep")  # type: ignore[arg-type]
        blocks = [Packing(0), Packing(1)]
        made = Blocks(plan, blocks, nn.Identity(), positions="none", head_width=2)
        assert made.packs == packs


def test_each_pass_has_its_own_place_for_the_first_values() -> None:
    trunk = pile()
    trunk(torch.zeros(1, 2, 4))
    first = noted(trunk, 0).first
    assert noted(trunk, 1).first is first
    trunk(torch.zeros(1, 2, 4))
    assert noted(trunk, 0).first is not first
