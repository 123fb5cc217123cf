"""What the public face gives back: plain values that print, make frames and show in notebooks."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netwright import registry
from netwright.errors import escaped
from netwright.files import number
from netwright.specs import Refusal
from netwright.train.judge import in_words
from netwright.train.recipe import Named
from netwright.train.run import RunView
from netwright.train.setting import bind_task, open_data
from netwright.train.target import usage
from netwright.train.view import well_formed


class Shown:
    """A result as a table: `rows()` is all that a kind of result says."""

    def rows(self) -> list[dict[str, Any]]:
        """One mapping a row."""
        raise NotImplementedError

    def to_pandas(self) -> Any:
        """The rows as a pandas DataFrame; needs `pip install netwright[frames]`."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def _repr_html_(self) -> str:
        rows = self.rows()
        names = list(dict.fromkeys(k for row in rows for k in row))
        head = "".join(f"<th>{html.escape(n)}</th>" for n in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(r.get(n, '')))}</td>" for n in names) + "</tr>"
            for r in rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@dataclass(frozen=True)
class RunResult(Shown):
    """A trained run and its figures."""

    folder: Path
    state: str
    part: str
    """`test` where it was evaluated, else `validation`."""
    figures: Mapping[str, Mapping[str, Any]]
    cost: Mapping[str, Any]
    use: str = ""
    """The command that uses it."""
    notes: Sequence[str] = ()
    """What to know of the data, of what the figures mean and, until it is evaluated, of how the
    training ended."""

    @classmethod
    def of(cls, view: RunView) -> "RunResult":
        """What a run folder says."""
        state = view.status()["state"]
        use = usage(view.spec["recipe"]["task"]["name"], str(view.folder))
        told = _ended(view)
        notes = _notes(view, told)
        if view.evaluated():
            return cls(view.folder, state, "test", view.result(), view.cost(), use, notes)
        last = told.get("last", {})
        return cls(view.folder, state, "validation", last, view.cost(), use, notes)

    def rows(self) -> list[dict[str, Any]]:
        """One row a figure."""
        return [{"figure": name, "part": self.part, **said} for name, said in self.figures.items()]

    def document(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "run": str(self.folder),
            "state": self.state,
            "part": self.part,
            "figures": dict(self.figures),
            "cost": dict(self.cost),
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """For a terminal."""
        first = next(iter(self.figures.values()), {"n": 0})
        units = "samples" if first.get("paired", True) else "draws of what it makes"
        said = [in_words(k, f["value"], f["unit"]) for k, f in self.figures.items()]
        lines = [f"{self.part} ({first['n']} {units}): {', '.join(said)}"]
        c = self.cost
        if c:
            lines.append(
                f"{c['parameters']:,} parameters, {c['steps']:,} steps, {c['seconds']:.1f} s of "
                f"training, {c['training_flops']:.3g} FLOPs"
            )
        lines += [f"note: {escaped(note)}" for note in self.notes]
        lines.append(f"run: {self.folder}")
        return "\n".join(lines)


def notes_of(view: RunView) -> list[str]:
    """What to know of a run, a sentence each: see `RunResult.notes`."""
    return _notes(view, _ended(view))


def _notes(view: RunView, told: Mapping[str, Any]) -> list[str]:
    data = view.data()
    part, figure = "test" if view.evaluated() else "validation", str(data.get("figure", ""))
    count = int(data.get("parts", {}).get(part, 0))
    notes = [str(n) for n in data.get("notes", ())] + _few(part, count)
    last = told.get("last", {})
    notes += _remarks(view, view.result() if view.evaluated() else last)
    best = told.get("best", {})
    return notes + _past_its_best(figure, best, last.get(figure), told.get("step", 0), count)


def _remarks(view: RunView, figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What its task says of a run's figures, without the full stop of a whole sentence."""
    task = registry.installed("tasks", view.spec["recipe"]["task"]["name"])
    if task is None:
        return []
    with well_formed("result.json" if view.evaluated() else "a checkpoint"):
        said = task.remarks({name: number(f["value"]) for name, f in figures.items()})
    return [sentence.removesuffix(".") for sentence in said]


def _ended(view: RunView) -> Mapping[str, Any]:
    """What the newest checkpoint says of validation; empty of an evaluated run, or before any."""
    judged = any("validation" in m for m in view.metrics()) and view.checkpoints().steps()
    if view.evaluated() or not judged:
        return {}
    loaded = view.load()
    return {**loaded.state, "step": loaded.step}


FEW = 50
"""Samples below which a figure is said to stand on few."""
WORSE = 0.03
"""How far a share may end behind its best without a word, and no less than two samples or two
standard errors; another figure may by a tenth of it."""


def _few(part: str, count: int) -> list[str]:
    if not 0 < count < FEW:
        return []
    return [f"the {part} part has {count} samples: its figures stand on few, and may be chance"]


def _past_its_best(
    name: str, best: Mapping[str, Any], last: Mapping[str, Any] | None, step: int, count: int
) -> list[str]:
    """Say so where the training went on past its best: what is kept is how it ended."""
    if not best or last is None:
        return []
    then, now = number(best["value"]), number(last["value"])
    chance = 2 * math.sqrt(max(0.0, then * (1 - then)) / max(1, count))
    slack = max(WORSE, 2 / max(1, count), chance) if last["unit"] == "%" else 0.1 * abs(then)
    if not (math.isfinite(then) and math.isfinite(now)) or abs(now - then) <= slack or then == 0:
        return []
    was, ended = (in_words("", v, last["unit"]).strip() for v in (then, now))
    return [
        f"{name.replace('_', ' ')} was better in between: {was} after {best['round']:,} rounds, "
        f"{ended} at the end after {step:,}, which is kept; a shorter --budget may end better"
    ]


@dataclass(frozen=True)
class Prediction(Shown):
    """What a training would take."""

    values: Mapping[str, Any]
    lines: Sequence[str]

    def rows(self) -> list[dict[str, Any]]:
        """One row a figure."""
        return [{"figure": k, "value": v} for k, v in self.values.items()]

    def document(self) -> dict[str, Any]:
        """Plain JSON."""
        return dict(self.values)

    def text(self) -> str:
        """For a terminal."""
        return "\n".join(self.lines)


@dataclass(frozen=True)
class Matrix(Shown):
    """Structure x task: what fits, by presets, or the sentence of the refusal."""

    cells: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, targets: Sequence[tuple[str, Named]]) -> "Matrix":
        """Build every cell on the meta device."""
        cells = []
        for task_name, data in targets:
            task = bind_task(Named(name=task_name), open_data(data).schema)
            for family in registry.names("models"):
                structure = registry.load("models", family)
                for role, wanted in task.roles().items():
                    if wanted.given is not None:
                        continue
                    found = {
                        preset: structure.refuses(wanted.signature, config)
                        for preset, config in structure.presets.items()
                    }
                    cells.append(_cell(task_name, data.name, family, role, found))
        return cls(cells)

    def rows(self) -> list[dict[str, Any]]:
        """One row a cell."""
        return [dict(c) for c in self.cells]

    def document(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"cells": self.rows()}

    def text(self) -> str:
        """For a terminal."""
        lines = []
        for c in self.cells:
            fits = ", ".join(c["fits"]) or "refused"
            lines.append(f"{c['task']:<22} {c['structure']:<15} {c['role']:<14} {fits}")
            lines += [f"    {preset}: {why}" for preset, why in c["refused"].items()]
        return "\n".join(lines)


def _cell(
    task: str, data: str, family: str, role: str, found: Mapping[str, Refusal | None]
) -> dict[str, Any]:
    return {
        "task": task,
        "data": data,
        "structure": family,
        "role": role,
        "fits": [p for p, why in found.items() if why is None],
        "refused": {p: why.reason for p, why in found.items() if why is not None},
    }
