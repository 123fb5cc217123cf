"""How cells ended, and what stands of a candidate in the table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from netwright.compare.decide import Candidate
from netwright.compare.plan import Planned
from netwright.compare.verdict import Axis, Cell, Spent
from netwright.metrics.base import Figure
from netwright.train.budget import Budget

TRAINED: tuple[Axis, ...] = ("training_flops", "seconds")
"""Costs that another use of the same nets shares; what its answers take is not measured."""


@dataclass(frozen=True)
class Ended:
    """How one cell ended."""

    cell: Cell
    figure: Figure | None = None
    cost: Mapping[str, Any] | None = None
    code: int = 0
    """Of the error that it failed with."""
    variants: Mapping[str, Figure] = field(default_factory=dict)
    """Figures of other uses of the same nets, by their titles."""


def candidates_of(p: Planned, ended: Sequence[Ended], budget: Budget) -> list[Candidate]:
    """The row of a candidate, and one more for each other use of its nets that its task knows.

    Args:
        p: the candidate.
        ended: its cells.
        budget: that each was granted.
    """
    first = _candidate(p, ended, budget)
    titles = next((tuple(e.variants) for e in ended if e.figure is not None), ())
    return [
        first,
        *(
            replace(
                first,
                name=f"{p.name} + {title}",
                figures=[e.variants[title] for e in ended if title in e.variants],
                costs={**dict.fromkeys(first.costs), **{k: first.costs.get(k) for k in TRAINED}},
            )
            for title in titles
        ),
    ]


def _candidate(p: Planned, ended: Sequence[Ended], budget: Budget) -> Candidate:
    if p.refusal:
        return Candidate(p.name, p.family, status="refused", reason=p.refusal, roles=p.roles)
    done = [e for e in ended if e.figure is not None]
    cells = [e.cell for e in ended]
    if not done:
        reason = next((e.cell.reason for e in ended), "it was not trained")
        return Candidate(
            p.name, p.family, status="failed", reason=reason, roles=p.roles, cells=cells
        )
    costs = [e.cost or {} for e in done]
    spent = [
        Spent(seed=e.cell.seed, granted=budget.seconds, spent=float(c.get("seconds", 0.0)))
        for e, c in zip(done, costs, strict=True)
    ]
    axes: dict[Axis, float | None] = {
        "forward_flops": float(costs[0]["forward_flops"]),
        "training_flops": sum(float(c["training_flops"]) for c in costs) / len(costs),
        "seconds": sum(s.spent for s in spent) / len(spent),
        "parameters": float(costs[0]["parameters"]),
        "latency": _number(costs[0].get("latency")),
        "memory": _number(costs[0].get("memory")),
        "energy": _number(costs[0].get("energy")),
    }
    figures = [e.figure for e in done if e.figure is not None]
    return Candidate(
        p.name, p.family, figures=figures, roles=p.roles, spent=spent, costs=axes, cells=cells
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
