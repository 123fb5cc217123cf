"""The plan of a contest: which cells there are, before any is trained.

A cell is a candidate with one seed; its id is the sha256 of its whole recipe and the data's
fingerprint, so that a changed recipe is another cell and an old score is never taken for it.
"""

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netwright import registry
from netwright.errors import InputError, shown
from netwright.files import dumps
from netwright.tasks.base import Task
from netwright.train.budget import Budget
from netwright.train.recipe import (
    PRESETS,
    Named,
    Recipe,
    need_roles,
    resolve,
    structure_config,
)
from netwright.train.target import role_candidates

FAMILIES = ("cnn", "rnn", "transformer", "self_attention")
"""Who stands in a contest whose candidates are not named."""
PLAIN = "mlp"
"""Who stands beside them where none of them fits: rows of a table have no neighbours."""
FORMAT, SCHEMA = "netwright-contest", 1


@dataclass(frozen=True)
class Planned:
    """A candidate: its name, what plays each role, and a recipe for every seed; or a refusal."""

    name: str
    family: str
    roles: dict[str, str]
    recipes: tuple[Recipe, ...] = ()
    refusal: str = ""


@dataclass(frozen=True)
class Wanted:
    """What the user asked of every cell."""

    task: str
    data: Named
    budget: Budget
    seeds: int
    file: Path | None = None
    """Recipe fields of every candidate."""
    precision: str = "auto"
    """What the contest's probe said, for recipes that leave it open."""
    helped: Mapping[str, str] = field(default_factory=dict)
    """Options of the task that name runs it needs, where recipes leave them open."""

    def decided(self, recipe: Recipe) -> Recipe:
        """The recipe with the contest's precision, where it names none."""
        if recipe.precision != "auto":
            return recipe
        return recipe.model_copy(update={"precision": self.precision})


def plan_candidates(text: str | None, wanted: Wanted, task: Task) -> tuple[Planned, ...]:
    """Candidates by their names, or one fitting preset of each family.

    Args:
        text: `cnn/small,transformer/tiny@mine.yaml`, or None.
        wanted: what they share.
        task: bound to the data's schema.
    """
    if text is None:
        found = tuple(_default(family, wanted, task) for family in FAMILIES)
        fits = any(p.recipes for p in found)
        return found if fits else (*found, _default(PLAIN, wanted, task))
    planned = [_named(piece.strip(), wanted, task) for piece in text.split(",") if piece.strip()]
    names = [p.name for p in planned]
    doubles = sorted({n for n in names if names.count(n) > 1})
    if doubles or not planned:
        what = f"the candidate '{shown(doubles[0])}' is named twice" if doubles else "no candidates"
        raise InputError(what, do="--candidates cnn/small,transformer/small")
    return tuple(planned)


def _default(family: str, wanted: Wanted, task: Task) -> Planned:
    presets = registry.load("models", family).presets
    reasons: list[str] = []
    for preset in (p for p in PRESETS if p in presets):
        made = _planned(family, f"{family}/{preset}", None, wanted, task)
        if not made.refusal:
            return made
        reasons.append(made.refusal)
    return Planned(family, family, {}, refusal=reasons[0] if reasons else "it has no presets")


def _named(piece: str, wanted: Wanted, task: Task) -> Planned:
    candidate, _, file = piece.partition("@")
    family = candidate.split("+")[0].rpartition("=")[2].partition("/")[0]
    name = f"{candidate}@{Path(file).name}" if file else candidate  # no path leaves in a verdict
    return _planned(registry.spelled("models", family), candidate, file or None, wanted, task, name)


def _planned(
    family: str, candidate: str, file: str | None, wanted: Wanted, task: Task, name: str = ""
) -> Planned:
    open_roles = [n for n, r in task.roles().items() if r.given is None and r.fixed is None]
    roles = role_candidates(candidate, open_roles)
    fixed = {n: r.fixed for n, r in task.roles().items() if r.fixed is not None}
    recipes = tuple(
        wanted.decided(
            resolve(
                wanted.task,
                wanted.data,
                roles | fixed,
                budget=wanted.budget,
                seed=seed,
                file=Path(file) if file else wanted.file,
                over={"task": wanted.helped} if wanted.helped else None,
            )
        )
        for seed in range(wanted.seeds)
    )
    need_roles(recipes[0], [n for n, r in task.roles().items() if r.given is None])
    title = name or candidate
    for role, wanted_role in task.roles().items():
        if role not in recipes[0].roles:
            continue
        mine = recipes[0].roles[role]
        structure = registry.load("models", mine.structure)
        refusal = structure.refuses(wanted_role.signature, structure_config(mine))
        if refusal is not None:
            return Planned(title, family, roles, refusal=refusal.reason)
    if recipes[0].data != wanted.data:
        raise InputError(
            f"the recipe of {title} asks for other data than the contest's",
            do="put `data:` into the recipe of --recipe, which all candidates share",
        )
    return Planned(title, family, roles, recipes)


def cell_id(recipe: Recipe, fingerprint: str) -> str:
    """16 hex digits that stand for a recipe on this data."""
    whole: Any = {"recipe": recipe.model_dump(mode="json"), "data": fingerprint}
    return hashlib.sha256(dumps(whole)).hexdigest()[:16]


def document(
    wanted: Wanted, planned: Sequence[Planned], fingerprint: str, axis: str, determinism: Any
) -> dict[str, Any]:
    """plan.json: everything on which the verdict hangs."""
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        "task": wanted.task,
        "data": wanted.data.model_dump(mode="json"),
        "fingerprint": fingerprint,
        "budget": str(wanted.budget),
        "seeds": wanted.seeds,
        "cost": axis,
        "precision": wanted.precision,
        "determinism": determinism,
        "candidates": [
            {
                "name": p.name,
                "family": p.family,
                "roles": p.roles,
                "refusal": p.refusal,
                "cells": [cell_id(r, fingerprint) for r in p.recipes],
            }
            for p in planned
        ],
    }


def command(
    target: str,
    candidates: str | None,
    data: object,
    columns: str | None,
    recipe: Path | None,
    budget: str,
    seeds: int,
    axis: str,
    threads: int,
) -> str:
    """The command that makes a contest again; files by their last part, for no path leaves."""
    words = ["netwright", "compare", target]
    words += ["--data", Path(str(data)).name] if data is not None else []
    words += ["--columns", columns] if columns is not None else []
    words += ["--candidates", candidates] if candidates is not None else []
    words += ["--recipe", recipe.name] if recipe is not None else []
    words += ["--budget", budget, "--seeds", str(seeds)]
    words += ["--cost", axis] if axis != "forward_flops" else []
    words += ["--threads", str(threads)]
    return shlex.join(words)


def trainings(count: int, budget: Budget) -> str:
    """`12 trainings of 300s each, 60 minutes in all`."""
    said = f"{count} trainings of {budget} each"
    minutes = count * (budget.seconds or 0) / 60
    return f"{said}, {minutes:.0f} minutes in all" if minutes >= 2 else said
