"""Runs that a task needs beside its own: trained once for a data set, then found again."""

from collections.abc import Mapping
from pathlib import Path

from netwright.datasets.base import Data
from netwright.tasks.base import Task
from netwright.train import work
from netwright.train.budget import Budget
from netwright.train.machine import Options
from netwright.train.progress import Progress
from netwright.train.recipe import Named, merged, resolve

RUNS = Path("runs")
"""Where such runs go: `runs/judges/digits-0123abcd-cnn-small`."""


def helping_runs(
    task: Task, named: Named, data: Data, options: Options, progress: Progress
) -> dict[str, str]:
    """A run folder for every option of `task.helpers()`; what is not there yet is trained now."""
    found = {}
    for option, helper in task.helpers().items():
        roles = {"net": helper.structure}
        recipe = resolve(
            helper.task,
            named,
            roles,
            budget=Budget.parse(helper.budget),
            over={"task": dict(helper.config)},
        )
        name = f"{named.name}-{data.fingerprint[:8]}-{helper.structure.replace('/', '-')}"
        folder = RUNS / f"{option}s" / name
        if not folder.exists():
            progress.say(f"{option}: {helper.structure} is trained once, into {folder}")
        quiet = Progress(option, quiet=True)
        found[option] = str(work.begin(recipe, folder, options, quiet, data=data).folder)
    return found


def with_options(recipe_task: Named, options: Mapping[str, str]) -> Named:
    """A task's name and configuration with these options in it."""
    return Named(name=recipe_task.name, config=merged(recipe_task.config, options))
