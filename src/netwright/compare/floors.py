"""Floors of a contest: fitted once, judged by the same scorer, kept as rows beside the cells."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from netwright import files, registry
from netwright.compare.decide import FloorCandidate
from netwright.errors import DamagedError, NetwrightError
from netwright.files import JSON
from netwright.metrics.base import Figure
from netwright.train import manifest
from netwright.train.budget import Clocks
from netwright.train.finished import frozen
from netwright.train.judge import figures_of, plain, rows
from netwright.train.progress import Progress
from netwright.train.setting import Setting
from netwright.train.streams import key, key_global, outer_states_kept, stream
from netwright.train.view import well_formed

FORMAT, SCHEMA = "netwright-floor", 1


@dataclass(frozen=True)
class Fitted:
    """What is kept of a floor."""

    title: str
    figures: dict[str, Figure]
    seconds: float
    note: str


def floor_candidates(setting: Setting, folder: Path, progress: Progress) -> list[FloorCandidate]:
    """Every floor of the task, from its files where it was fitted before."""
    found = []
    for name in setting.task.floors():
        floor = registry.load("floors", name)
        reason = floor.refuses(setting.data.schema)
        if reason is not None:
            found.append(FloorCandidate(name, floor.title, reason=reason))
            continue
        try:
            fitted = _stored(folder / name)
            if fitted is None:
                progress.say(f"floor: {floor.title}")
                fitted = fit(floor, setting)
                _store(folder / name, fitted)
        except NetwrightError as error:
            found.append(FloorCandidate(name, floor.title, reason=error.sentence))
            continue
        figure = fitted.figures[setting.task.figure]
        found.append(
            FloorCandidate(name, floor.title, figure, fit_seconds=fitted.seconds, note=fitted.note)
        )
    return found


def fit(floor: Any, setting: Setting) -> Fitted:
    """Fit on the training part, or on a seeded subsample of it, and judge the test part."""
    task, part = setting.task, setting.data.parts["train"]
    clocks = Clocks()
    with outer_states_kept(), torch.no_grad():
        key_global(key(0, "floor"))
        batch, note = task.sample(part, floor.limit, stream(0, "floor"))
        # as many BLAS threads as we were given: more of them wait for each other
        with threadpool_limits(torch.get_num_threads()), clocks.running("fit"):
            nets = floor.fit(batch, setting.data.schema, stream(0, "floor"))
        figures = dict(task.evaluate({**frozen(setting), **nets}, setting.data, "test"))
    return Fitted(floor.title, figures, clocks["fit"], note)


def _store(path: Path, fitted: Fitted) -> None:
    data = manifest.encode(rows(fitted.figures)).data
    document: dict[str, JSON] = {
        "format": FORMAT,
        "schema": SCHEMA,
        "rows": hashlib.sha256(data).hexdigest(),
        "title": fitted.title,
        "seconds": fitted.seconds,
        "note": fitted.note,
        "figures": plain(fitted.figures),
    }
    if not path.parent.exists():
        files.make_folder(path.parent)
    files.replace(path.with_suffix(".safetensors"), data)
    files.replace(path.with_suffix(".json"), files.seal(document))


def _stored(path: Path) -> Fitted | None:
    """A floor fitted before; None where there is none, or a damaged one: it is fitted anew."""
    with suppress(DamagedError), well_formed(path.name):
        said = files.unseal(files.read(path.with_suffix(".json")), path.name)
        data = files.read(path.with_suffix(".safetensors"))
        if hashlib.sha256(data).hexdigest() == said["rows"]:
            figures = figures_of(said["figures"], manifest.tensors_of(data, path.name))
            return Fitted(str(said["title"]), figures, float(said["seconds"]), str(said["note"]))
    return None
