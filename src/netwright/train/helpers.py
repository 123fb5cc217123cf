"""Runs that a task needs beside its own: trained once for a data set, then found again."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from netwright import registry
from netwright.datasets.base import Data
from netwright.files import dumps
from netwright.tasks.base import Task
from netwright.train import work
from netwright.train.budget import Budget
from netwright.train.live import misfit
from netwright.train.machine import Options
from netwright.train.progress import Progress
from netwright.train.recipe import Named, Recipe, merged, need_roles, resolve, structure_config
from netwright.train.run import RunView

RUNS = Path("runs")
"""Where such runs go: `runs/judges/digits-0123abcd-4567cdef`."""
STRUCTURE = "cnn/small"
"""What is trained: every data set that a game is judged on has a form that it reads."""


def helping_runs(
    task: Task, named: Named, data: Data, options: Options, progress: Progress
) -> dict[str, str]:
    """A run folder for every option of `task.helpers()`; what is not there yet is trained now.

    Its name says the data and how it is trained, so a finished one is taken as it is. The folder is
    absolute: the run that is judged by it may be resumed from anywhere.
    """
    found = {}
    for option, helper in task.helpers().items():
        recipe = resolve(
            helper.task,
            named,
            {"net": STRUCTURE},
            budget=Budget.parse(helper.budget),
            over={"task": dict(helper.config)},
        )
        how = hashlib.sha256(dumps(recipe.model_dump(mode="json", exclude={"data"}))).hexdigest()
        name = f"{named.name}-{data.fingerprint[:8]}-{how[:8]}"
        folder = (RUNS / f"{option}s" / name).resolve()
        if not (folder.exists() and work.complete(RunView.open(folder))):
            progress.say(f"{option}: {STRUCTURE} is trained once, into {folder.name}")
            beside = Progress(option, quiet=progress.quiet, stream=progress.stream)
            work.begin(recipe, folder, options, beside, data=data)
        found[option] = str(folder)
    return found


def _must_fit(recipe: Recipe, task: Task) -> None:
    """InputError for a role that is not the task's, or a structure that cannot play its role."""
    trained = {name: role for name, role in task.roles().items() if role.given is None}
    need_roles(recipe, trained)
    for name, role in trained.items():
        mine = recipe.roles[name]
        structure = registry.load("models", mine.structure)
        refusal = structure.refuses(role.signature, structure_config(mine))
        if refusal is not None:
            raise misfit(recipe, name, refusal)


def helped(recipe: Recipe, task: Task, data: Data, options: Options, progress: Progress) -> Recipe:
    """The recipe with a run for every option that its task wants one for.

    InputError for players that do not fit, before anything is trained for them.
    """
    if not task.helpers():
        return recipe
    _must_fit(recipe, task)
    found = helping_runs(task, recipe.data, data, options, progress)
    return recipe.model_copy(update={"task": with_options(recipe.task, found)})


def with_options(recipe_task: Named, options: Mapping[str, str]) -> Named:
    """A task's name and configuration with these options in it."""
    return Named(name=recipe_task.name, config=merged(recipe_task.config, options))
