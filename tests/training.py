"""Start and run small trainings on made-up tasks."""

from collections.abc import Callable

import torch

from made_up import Made, Plain
from netwright.train.budget import Budget, Ledger
from netwright.train.live import Live, build_networks
from netwright.train.loop import rounds
from netwright.train.recipe import Recipe
from netwright.train.streams import outer_states_kept

CPU = torch.device("cpu")


def recipe_for(task: Plain, structure: str | dict[str, str], **fields: object) -> Recipe:
    """A recipe with one structure in every trained role, or one by name."""
    role_fields = fields.pop("role", {})
    roles = {
        name: {"structure": structure if isinstance(structure, str) else structure[name]}
        | {"preset": "tiny", "schedule": "constant", "warmup": 0.0, "learning_rate": 3e-3}
        | dict(role_fields)  # type: ignore[call-overload]
        for name, role in task.roles().items()
        if role.given is None
    }
    values = {"task": {"name": "made-up"}, "data": {"name": "made-up"}, "roles": roles, "batch": 8}
    return Recipe.model_validate(values | {"budget": {"steps": 50}} | fields)


def start(task: Plain, made: Made, recipe: Recipe, given: dict[str, object] | None = None) -> Live:
    nets = build_networks(task, recipe, given or {})  # type: ignore[arg-type]
    return Live(task, made.parts["train"], recipe, CPU, nets)


def go(live: Live, count: int, after: Callable[[Live], None] = lambda live: None) -> Live:
    ledger = Ledger(Budget(steps=10**6), 1, 1, 0.0, [(0, 10**6)])
    with outer_states_kept():
        loop = rounds(live, ledger)
        for _ in range(count):
            next(loop)
            after(live)
    return live
