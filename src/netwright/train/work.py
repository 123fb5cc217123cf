"""Begin, resume, evaluate and apply a run: what the public face calls."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from netwright import registry
from netwright.datasets.base import Data
from netwright.errors import DamagedError, InputError, shown
from netwright.metrics.base import Figure
from netwright.nn.flops import parameters
from netwright.specs import Schema
from netwright.tasks.base import Answer, Nets, Task
from netwright.train.budget import Clocks, Ledger
from netwright.train.finished import (
    Given,
    given_roles,
    networks_of,
    recipe_of,
    task_of,
    trained,
)
from netwright.train.judge import figures_of, judge, plain, rows, show
from netwright.train.live import Captured, Live, build_networks
from netwright.train.machine import Options, differences, memory_told, prepared, record
from netwright.train.probe import decide_precision, seconds_per_round
from netwright.train.progress import Progress
from netwright.train.quantise import Precision, in_columns, quantise
from netwright.train.recipe import Recipe, need_roles, validated
from netwright.train.run import Run, RunView, continues
from netwright.train.session import Session
from netwright.train.setting import (
    Setting,
    forward_cost,
    lay,
    open_setting,
    round_cost,
    start_live,
)
from netwright.train.stop import Stop, listening
from netwright.train.streams import stream


def begin(
    recipe: Recipe,
    folder: Path,
    options: Options,
    progress: Progress,
    *,
    data: Data | None = None,
) -> RunView:
    """Train in a new folder, or go on in one that holds the same specification."""
    clocks = Clocks()
    with prepared(options) as device, listening() as stop:
        with clocks.running("data"):
            setting = open_setting(recipe, device, data)
        need_roles(recipe, [n for n, r in setting.task.roles().items() if r.given is None])
        given = given_roles(setting)
        live = start_live(setting, options, {name: role.net for name, role in given.items()})
        live.steps_per_epoch()  # a batch that does not fit is told before a folder is made
        precision = _decided(folder) or decide_precision(live, clocks)
        precise = setting.recipe.model_copy(update={"precision": precision})
        live.recipe = precise
        setting = Setting(precise, setting.data, setting.task, device)
        spec = {"recipe": precise.model_dump(mode="json"), **_marks(given)}
        there = continues(folder, spec)
        if there and complete(view := RunView.open(folder)):
            return view
        if there:
            _say_how_exact(view, record(device, options), progress)
        opened = (
            Run.own(folder)
            if there
            else Run.create(folder, spec, seed=recipe.seed, determinism=record(device, options))
        )
        with opened as run:
            return _go(run, setting, live, clocks, options, progress, stop)


def resume(folder: Path, options: Options, progress: Progress) -> RunView:
    """Go on with a run where its newest good checkpoint stands; an ended one stays as it is."""
    clocks = Clocks()
    with Run.own(folder) as run:
        if complete(run.view):
            return run.view
        recipe = recipe_of(run.view)
        old = run.view.determinism
        if options.threads is None and isinstance(old, dict) and old.get("threads"):
            options = options.model_copy(update={"threads": int(old["threads"])})
        with prepared(options) as device, listening() as stop:
            _say_how_exact(run.view, record(device, options), progress)
            with clocks.running("data"):
                setting = open_setting(recipe, device)
            given = given_roles(setting)
            _same_marks(run.view, given)
            nets = {name: role.net for name, role in given.items()}
            live = start_live(setting, options, nets)
            return _go(run, setting, live, clocks, options, progress, stop)


def _marks(given: Mapping[str, Given]) -> dict[str, Any]:
    """What a specification says of frozen networks."""
    return {"given": {name: role.mark for name, role in given.items()}} if given else {}


def _same_marks(view: RunView, given: Mapping[str, Given]) -> None:
    """InputError where a frozen network is not the one that the run was begun with."""
    for name, role in given.items():
        if view.spec.get("given", {}).get(name) != role.mark:
            raise InputError(
                f"the {name} is not the one that this run was begun with",
                why="its weights have changed, so figures of before and after cannot be compared",
                file=shown(view.folder),
            )


def _decided(folder: Path) -> str | None:
    """The precision of a run that is there already: it was decided once."""
    if not (folder / "run.json").exists():
        return None
    return recipe_of(RunView.open(folder)).precision


def _say_how_exact(view: RunView, now: Mapping[str, Any], progress: Progress) -> None:
    """Whether what follows will be bit-equal to an uncut run, in one line."""
    old = view.determinism
    changed = differences(old, now) if isinstance(old, dict) else []
    progress.say("exact" if not changed else f"not exact: {'; '.join(changed)}")


def _go(
    run: Run,
    setting: Setting,
    live: Live,
    clocks: Clocks,
    options: Options,
    progress: Progress,
    stop: Stop,
) -> RunView:
    run.data(data_document(setting))
    run.quarantine([asdict(q) for q in setting.data.quarantine])
    counted = round_cost(live, setting)
    ledger = Ledger(
        live.recipe.budget,
        live.steps_per_epoch(),
        live.recipe.batch_size * live.draws_per_round(),
        counted.flops,
    )
    session = Session(run, setting, live, ledger, clocks, progress, options.save_every)
    if not session.restore():
        timed = live.recipe.budget.seconds is not None and not live.recipe.budget.horizons
        with clocks.running("compile"):
            ledger.begin(seconds_per_round(live, clocks) if timed else 0.0)
        run.event("start", {"horizon": ledger.horizon})
    try:
        with memory_told():
            session.train(stop)
            made = show(live, setting, "validation")
        run.cost(costs(live, counted.flops, counted.uncounted, session))
        run.exhibits(live.counters.round, made)
        session.finish()
    finally:
        progress.close()
    return run.view


def complete(view: RunView) -> bool:
    """Whether nothing is left to do: the training has ended and its last checkpoint is whole."""
    with suppress(DamagedError):
        status = view.status()
        return status.get("state") == "finished" and view.load().step == status.get("step")
    return False


def costs(
    live: Live, per_round: float, uncounted: Sequence[str], session: Session
) -> dict[str, Any]:
    """What the training took, counted and by the clock."""
    counted = [parameters(live.nets[n]) for n in live.trained]
    spent = session.clocks.spent
    granted = live.recipe.budget.seconds
    return {
        "parameters": sum(c.trainable for c in counted),
        "frozen_parameters": sum(c.frozen for c in counted),
        "forward_flops": forward_cost(live),
        "training_flops": per_round * session.step,
        "uncounted": list(uncounted),
        "steps": session.step,
        "samples": live.counters.samples,
        "horizons": [list(h) for h in session.ledger.horizons],
        "seconds": spent.get("training", 0.0),
        "granted": str(live.recipe.budget),
        "overshoot": spent.get("training", 0.0) / granted - 1 if granted else 0.0,
        "clocks": dict(spent),
        "skipped": {k: t.skipped for k, t in live.tallies.items()},
    }


def data_document(setting: Setting) -> dict[str, Any]:
    """What a run says of its data."""
    data = setting.data
    return {
        "data": setting.recipe.data.model_dump(mode="json"),
        "schema": data.schema.model_dump(mode="json"),
        "parts": {name: len(part) for name, part in data.parts.items()},
        "fingerprint": data.fingerprint,
        "notes": list(data.notes),
        "quarantined": len(data.quarantine),
        "figure": setting.task.figure,
    }


def evaluate(
    folder: Path, options: Options, *, data: Data | None = None
) -> tuple[RunView, Mapping[str, Figure]]:
    """Judge the test part, once; a run that was judged gives what was found then."""
    view = RunView.open(folder)
    view.need_finished()
    if view.evaluated():
        return view, figures_of(view.result(), view.rows())
    saved = trained(view)
    with Run.own(folder) as run, prepared(options) as device:
        recipe = recipe_of(view)
        setting = open_setting(recipe, device, data)
        found = view.data()["fingerprint"]
        if setting.data.fingerprint != found:
            raise InputError("the data is not what this run was trained on", file=shown(folder))
        given = given_roles(setting)
        _same_marks(view, given)
        frozen = {name: role.net for name, role in given.items()}
        nets = build_networks(setting.task, setting.recipe, frozen)
        for net in nets.values():
            lay(net, options)
        live = Live(setting.task, setting.data.parts["train"], setting.recipe, device, nets)
        live.restore(Captured(saved.weights, saved.trainer, saved.state))
        with memory_told():
            figures = judge(live, setting, "test")
        run.result(plain(figures), rows(figures))
        return view, figures


@dataclass(frozen=True)
class Applied:
    """A trained run, ready to be used: no data needed."""

    nets: Nets
    task: Task
    schema: Schema
    data: str
    """The data set by whose rules foreign inputs are read."""
    device: torch.device
    seed: int

    def predict(self, inputs: Sequence[Path]) -> Iterator[Answer]:
        """An answer for every file; folders are walked."""
        read = registry.load("datasets", self.data).read(self.schema, inputs)
        yield from self.task.apply(self.nets, read, stream(self.seed, "apply"))

    def generate(self, asked: Mapping[str, object], seed: int = 0) -> Iterator[Answer]:
        """What the task's `Request` asks for, drawn with `seed`."""
        if self.task.Request is None:
            raise InputError(
                "this task generates nothing", why="it answers", do="netwright predict RUN FILE"
            )
        request = validated(self.task.Request, asked, "what this run can be asked for")
        yield from self.task.generate(self.nets, request, stream(seed, "generate"))


def load(folder: Path, device: torch.device, precision: Precision = "fp32") -> Applied:
    """Load a finished run's networks, in evaluation mode."""
    view = RunView.open(folder)
    saved, task, recipe = trained(view), task_of(view), recipe_of(view)
    nets = networks_of(view, task, saved, device)
    for net in nets.values():
        quantise(net, precision, device)
        if task.Request is not None and device.type == "cpu" and precision == "fp32":
            in_columns(net)
    return Applied(nets, task, task.schema, recipe.data.name, device, recipe.seed)
