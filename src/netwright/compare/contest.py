"""The contest: train what is missing, judge it, fit the floors, and decide.

An interrupted contest goes on where it stopped, also by two processes at once: a cell is done when
its result verifies, and is trained by whoever holds its lock.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from netwright import files
from netwright.compare import circumstances
from netwright.compare import plan as planning
from netwright.compare.applied import with_applied
from netwright.compare.decide import Contest, decide
from netwright.compare.ended import Ended, candidates_of
from netwright.compare.floors import floor_candidates
from netwright.compare.plan import Planned, Wanted, cell_id, plan_candidates
from netwright.compare.table import table
from netwright.compare.verdict import AXES, Axis, Cell, Verdict
from netwright.cost.process import measure_runs
from netwright.errors import (
    BusyError,
    DivergedError,
    InputError,
    MachineError,
    NetwrightError,
    OutOfMemoryError,
    StoppedError,
    shown,
    unknown,
)
from netwright.results import Shown
from netwright.train import work
from netwright.train.budget import Budget, Clocks
from netwright.train.finished import frozen, given_roles
from netwright.train.helpers import helping_runs
from netwright.train.machine import Options, prepared, record, usable_threads
from netwright.train.plain_yaml import read_yaml
from netwright.train.probe import decide_precision
from netwright.train.progress import Progress
from netwright.train.recipe import Named, Recipe, merged
from netwright.train.run import Run, RunView
from netwright.train.setting import Setting, bind_task, open_data, open_setting, start_live
from netwright.train.target import find_target, usage


@dataclass(frozen=True)
class ContestResult(Shown):
    """The verdict and where it lies."""

    folder: Path
    verdict: Verdict
    best_run: Path | None
    """A run of the chosen network, to be applied."""
    code: int = 0
    """For the command to exit with: where no network was judged, the code of the first failure."""

    @property
    def use(self) -> str:
        """The command that uses the chosen network."""
        run = self.best_run
        return usage(self.verdict.task, str(run)) if run else "netwright matrix"

    def rows(self) -> list[dict[str, Any]]:
        """One row a network, one a floor."""
        nets = [
            {
                "name": r.name,
                "status": r.status,
                **({} if r.estimate is None else r.estimate.model_dump()),
                **r.costs,
                "on_frontier": r.on_frontier,
                "chosen": r.chosen,
                "failing": r.failing,
                "reason": r.reason,
            }
            for r in self.verdict.candidates
        ]
        floors = [
            {
                "name": f"floor: {f.title}",
                "status": f.status,
                **({} if f.estimate is None else f.estimate.model_dump()),
                "seconds": f.fit_seconds,
                "reason": f.reason,
            }
            for f in self.verdict.floors
        ]
        return [*nets, *floors]

    def document(self) -> dict[str, Any]:
        """Plain JSON: verdict.json, and where it lies."""
        said: dict[str, Any] = json.loads(self.verdict.text())
        return {"folder": str(self.folder), **said}

    def text(self) -> str:
        """For a terminal: the table, the verdict."""
        return "\n".join([table(self.verdict), "", self.verdict.verdict, *self.verdict.sentences])


def hold(
    target: str,
    *,
    candidates: str | None,
    data: str | Path | None,
    columns: str | None = None,
    recipe: Path | None,
    budget: str,
    seeds: int,
    axis: str,
    out: Path | None,
    options: Options,
    progress: Progress,
) -> ContestResult:
    """Hold a contest, or go on with one; arguments as the face's `compare`."""
    if seeds < 1:
        raise InputError(f"cannot train {seeds} seeds", do="--seeds 3")
    cost = _axis(axis)
    task_name, named = find_target(target, data, columns)
    if recipe is not None:  # one split for all candidates
        named = Named(name=named.name, config=merged(_block(recipe, "data"), named.config))
    opened = open_data(named)
    own = _block(recipe, "task") if recipe is not None else {}
    task = bind_task(Named(name=task_name, config=own), opened.schema)
    wanted = Wanted(task_name, named, Budget.parse(budget), seeds, recipe)
    planned = plan_candidates(candidates, wanted, task)
    fitting = _need_one(planned, target)  # told before a helping run is trained
    if helped := helping_runs(task, named, opened, options, progress):
        task = bind_task(Named(name=task_name, config=merged(own, helped)), opened.schema)
        wanted = replace(wanted, helped=helped)
        planned = plan_candidates(candidates, wanted, task)
        fitting = _need_one(planned, target)
    threads = usable_threads() if options.threads is None else options.threads
    options = options.model_copy(update={"threads": threads})
    with prepared(options) as device:
        given = given_roles(open_setting(fitting[0].recipes[0], device, opened))
        marks = {name: role.mark for name, role in given.items()}
        machine = record(device, options) | ({"given": marks} if marks else {})
        asked = planning.document(wanted, planned, opened.fingerprint, axis, machine)
        hashed = hashlib.sha256(files.dumps(asked)).hexdigest()
        folder = out or Path("runs") / f"{named.name}-{hashed[:8]}"
        precision = _decided(folder) or _precision(fitting[0], opened, device, options)
        wanted = replace(wanted, precision=precision)
        planned = plan_candidates(candidates, wanted, task)
        fitting = [p for p in planned if p.recipes]
        made = planning.document(wanted, planned, opened.fingerprint, axis, machine)
        _settle(folder, made)
        setting = open_setting(fitting[0].recipes[0], device, opened)
        parts = {name: len(part) for name, part in opened.parts.items()}
        sizes = ", ".join(f"{n:,} {name}" for name, n in parts.items())
        count = sum(len(p.recipes) for p in planned)
        progress.say(f"{named.name}: {sizes} samples; {planning.trainings(count, wanted.budget)}")
        ended = _cells(planned, folder, setting, options, progress)
        floors = floor_candidates(setting, folder / "floors", progress)
    judged = [e.figure for many in ended.values() for e in many] + [f.figure for f in floors]
    figure = next((f for f in judged if f), None)
    names = None if candidates is None else ",".join(p.name for p in planned)
    command = planning.command(target, names, data, columns, recipe, budget, seeds, axis, threads)
    steps = {n: [int(e.cost["steps"]) for e in many if e.cost] for n, many in ended.items()}
    contest = Contest(
        task=task_name,
        data=named.name,
        fingerprint=opened.fingerprint,
        figure=task.figure,
        unit=figure.unit if figure else "",
        higher=figure.higher if figure else True,
        budget=str(wanted.budget),
        seeds=seeds,
        parts=parts,
        candidates=[
            c for p in planned for c in candidates_of(p, ended.get(p.name, ()), wanted.budget)
        ],
        floors=floors,
        cost=cost,
        machine=circumstances.machine(machine),
        command=command,
        notes=(*opened.notes, *circumstances.busy(steps)),
    )
    verdict = with_applied(decide(contest), folder)
    files.replace(folder / "verdict.json", verdict.text().encode())
    best = folder / verdict.applied if verdict.applied else None
    return ContestResult(folder, verdict, best, _code(verdict, ended))


def _need_one(planned: Sequence[Planned], target: str) -> list[Planned]:
    """The candidates that fit; InputError with every reason where none does."""
    fitting = [p for p in planned if p.recipes]
    if not fitting:
        reasons = "; ".join(f"{p.name}: {p.refusal}" for p in planned)
        raise InputError(f"no candidate fits {target}", why=reasons, do="netwright matrix")
    return fitting


def _block(recipe: Path, name: str) -> dict[str, Any]:
    """One block of a user's recipe; what is no mapping is refused where recipes are resolved."""
    block = read_yaml(recipe).get(name)
    return block if isinstance(block, dict) else {}


def _precision(planned: Planned, data: Any, device: torch.device, options: Options) -> str:
    """Decided once a contest, by the first candidate, and frozen in the plan."""
    recipe = planned.recipes[0]
    setting = open_setting(recipe, device, data)
    return decide_precision(start_live(setting, options, frozen(setting)), Clocks())


def _decided(folder: Path) -> str | None:
    """The precision of a contest that is there already: it was decided once."""
    path = folder / "plan.json"
    if not path.exists():
        return None
    return str(files.unseal(files.read(path), shown(path)).get("precision", "auto"))


def _settle(folder: Path, made: Mapping[str, Any]) -> None:
    """Make the contest's folder with its plan in it; the same plan goes on in the same folder."""
    path, sealed = folder / "plan.json", files.seal(dict(made))
    if path.exists():
        there = files.read(path)
        files.unseal(there, shown(path))
        if there != sealed:
            raise InputError(
                "holds a contest with another plan", file=shown(folder), do="another folder: --out"
            )
        return
    if os.path.lexists(folder) and not (folder.is_dir() and _unmade(folder)):
        raise InputError("holds something else", file=shown(folder), do="another folder: --out")
    for made_folder in (folder, folder / "cells"):
        with suppress(FileExistsError):  # another process holds the same contest
            files.make_folder(made_folder)
    files.replace(path, sealed)


def _unmade(folder: Path) -> bool:
    """Whether a folder is empty, or is what a kill while it was made leaves."""
    names = {p.name for p in folder.iterdir() if not p.name.startswith(files.TEMPORARY)}
    return names <= {"cells"} and not any(folder.glob("cells/*"))


def _cells(
    planned: Sequence[Planned],
    folder: Path,
    setting: Setting,
    options: Options,
    progress: Progress,
) -> dict[str, list[Ended]]:
    """Train and judge every cell, all candidates of a seed before the next seed."""
    fingerprint = setting.data.fingerprint
    jobs = [
        (p, recipe)
        for seed in range(max(len(p.recipes) for p in planned))
        for p in planned
        for recipe in p.recipes[seed : seed + 1]
    ]
    ended: dict[str, list[Ended]] = {p.name: [] for p in planned}
    busy = list(enumerate(jobs, 1))
    for _ in range(2):  # what another process holds may be done the second time
        waiting, busy = busy, []
        for number, (candidate, recipe) in waiting:
            where = folder / "cells" / cell_id(recipe, fingerprint)
            progress.title = f"[{number}/{len(jobs)}] {candidate.name} seed {recipe.seed}"
            progress.restart()
            try:
                found = _ended(where, candidate, recipe, setting, options, progress)
            except BusyError:
                busy.append((number, (candidate, recipe)))
                continue
            ended[candidate.name].append(found)
    if busy:
        raise BusyError(
            f"another process is training {len(busy)} cells of this contest",
            do="the same command again when it is done",
        )
    for many in ended.values():
        many.sort(key=lambda e: e.cell.seed)
    _measure(planned, ended, folder, options, progress)
    return ended


def _ended(
    where: Path,
    candidate: Planned,
    recipe: Recipe,
    setting: Setting,
    options: Options,
    progress: Progress,
) -> Ended:
    """A cell that is done, or one that failed, with its reason."""
    try:
        return _cell(where, recipe, setting, options, progress)
    except StoppedError as error:
        again = "the same command again goes on"
        raise StoppedError(error.what, number=error.code - 128, do=again) from None
    except BusyError:
        raise
    except NetwrightError as error:
        if isinstance(error, MachineError) and not isinstance(error, OutOfMemoryError):
            raise  # no candidate's fault; the same command goes on when the machine can
        progress.say(f"netwright: {candidate.name} seed {recipe.seed} failed: {error}")
        cell = Cell(
            id=where.name,
            seed=recipe.seed,
            folder=f"cells/{where.name}",
            status="failed",
            reason=error.sentence,
        )
        return Ended(cell, code=error.code)


def _cell(
    where: Path, recipe: Recipe, setting: Setting, options: Options, progress: Progress
) -> Ended:
    if not (where / "result.json").exists():
        work.begin(recipe, where, options, progress, data=setting.data)
    view, figures = work.evaluate(where, options, data=setting.data)
    raw = files.read(where / "result.json")
    cell = Cell(
        id=where.name,
        seed=recipe.seed,
        folder=f"cells/{where.name}",
        sha256=hashlib.sha256(raw).hexdigest(),
    )
    variants = bind_task(recipe.task, setting.data.schema).variants()
    return Ended(
        cell,
        figures[setting.task.figure],
        view.cost(),
        variants={v.title: figures[v.figure] for v in variants},
    )


def _measure(
    planned: Sequence[Planned],
    ended: Mapping[str, list[Ended]],
    folder: Path,
    options: Options,
    progress: Progress,
) -> None:
    """Latency, memory and energy of each candidate's first cell, in a fresh process each."""
    first = {
        p.name: next((e for e in ended[p.name] if e.figure is not None), None) for p in planned
    }
    due = {n: e for n, e in first.items() if e and e.cost is not None and "latency" not in e.cost}
    if not due:
        return
    progress.say(f"measuring {', '.join(due)}")
    folders = [folder / e.cell.folder for e in due.values()]
    try:
        found = measure_runs(folders, device=options.device, threads=options.threads or 1)
    except NetwrightError as error:
        progress.say(f"netwright: {error}")
        return
    for (name, done), where, measured in zip(due.items(), folders, found, strict=True):
        if "error" in measured:
            progress.say(f"netwright: {name} could not be measured: {measured['error']}")
            continue
        with Run.own(where) as run:
            run.cost({**run.view.cost(), **measured})
        at = ended[name].index(done)
        ended[name][at] = replace(done, cost=RunView.open(where).cost())


def _axis(name: str) -> Axis:
    if name not in AXES:
        raise unknown("cost axis", name, AXES)
    return name


def _code(verdict: Verdict, ended: Mapping[str, Sequence[Ended]]) -> int:
    if any(row.status == "done" for row in verdict.candidates):
        return 0
    failed = (e.code for many in ended.values() for e in many if e.code)
    return next(failed, DivergedError.code)  # none failed: then no figure was a number
