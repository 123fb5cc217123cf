"""What stands of a candidate in the table."""

import torch

from netwright.compare.ended import Ended, candidates_of
from netwright.compare.plan import Planned
from netwright.compare.verdict import Cell
from netwright.metrics.base import Figure
from netwright.train.budget import Budget

COST = {"forward_flops": 3, "training_flops": 8.0, "parameters": 5, "seconds": 2.0}
PLANNED = Planned("mlp/tiny", "mlp", {"net": "mlp/tiny"})


def _ended(seed: int, value: float, **variants: float) -> Ended:
    made = {k.replace("_", " "): _figure(v) for k, v in variants.items()}
    cell = Cell(id=str(seed), seed=seed, folder=f"cells/{seed}")
    return Ended(cell, _figure(value), COST, variants=made)


def _figure(value: float) -> Figure:
    return Figure(torch.full((4, 1), value), "mean", higher=True)


def test_a_candidate_is_one_row_of_all_its_seeds() -> None:
    (row,) = candidates_of(PLANNED, [_ended(0, 0.5), _ended(1, 0.7)], Budget.parse("4s"))
    assert [f.value for f in row.figures] == [0.5, torch.tensor(0.7).double().item()]
    assert (row.costs["parameters"], row.costs["seconds"], row.costs["latency"]) == (5, 2, None)
    assert [(s.granted, s.spent) for s in row.spent] == [(4, 2), (4, 2)]


def test_another_use_of_the_same_nets_is_a_row_of_its_own() -> None:
    ended = [_ended(0, 0.5, test_time_flip=0.75), _ended(1, 0.5, test_time_flip=0.25)]
    first, second = candidates_of(PLANNED, ended, Budget.parse("4steps"))
    assert (first.name, second.name) == ("mlp/tiny", "mlp/tiny + test time flip")
    assert [f.value for f in second.figures] == [0.75, 0.25]
    assert {k: v for k, v in second.costs.items() if v is not None} == {
        "training_flops": 8.0,
        "seconds": 2.0,
    }  # a second pass, or an n-gram, is not free


def test_one_that_failed_or_was_refused_says_why() -> None:
    failed = Ended(Cell(id="0", seed=0, folder="c", status="failed", reason="it diverged"), code=5)
    (row,) = candidates_of(PLANNED, [failed], Budget.parse("4steps"))
    assert (row.status, row.reason) == ("failed", "it diverged")
    (none,) = candidates_of(PLANNED, [], Budget.parse("4steps"))
    assert (none.status, none.reason) == ("failed", "it was not trained")
    refused = Planned("mlp/tiny", "mlp", {}, refusal="it has no places")
    (row,) = candidates_of(refused, [], Budget.parse("4steps"))
    assert (row.status, row.reason) == ("refused", "it has no places")
