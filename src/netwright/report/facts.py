"""What run folders say, as words: used by both pages and by the model card."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netwright import registry
from netwright.errors import InputError
from netwright.report import numbers
from netwright.train.view import RunView, well_formed

VERSIONS = ("netwright", "torch", "numpy", "python")
MACHINE = ("system", "capability", "threads", "device", "card")


@dataclass(frozen=True)
class Figure:
    """A figure without an interval."""

    name: str
    value: float
    unit: str
    higher: bool
    n: int
    says: str = ""
    """What it means, in words."""

    @property
    def text(self) -> str:
        """`97.2 %`."""
        return numbers.plain(self.value, self.unit)


@dataclass(frozen=True)
class Figures:
    """The figures of a run, the one that matters first."""

    part: str
    all: Sequence[Figure]

    @property
    def main(self) -> Figure | None:
        """The task's own figure."""
        return self.all[0] if self.all else None


@dataclass(frozen=True)
class Subject:
    """What was trained, on what, how long."""

    name: str
    """`cnn/small`, or role=family/preset joined by `+`."""
    families: Sequence[str]
    task: str
    data: str
    budget: str
    seed: int
    command: str


def subject(view: RunView) -> Subject:
    """Out of the recipe of a run; DamagedError where it holds none."""
    with well_formed("run.json"):
        recipe = view.spec["recipe"]
        parts = {
            str(role): f"{r['structure']}/{r['preset']}" if r.get("preset") else str(r["structure"])
            for role, r in recipe["roles"].items()
        }
        alike = len(set(parts.values())) == 1  # one structure in every role
        name = (
            next(iter(parts.values())) if alike else "+".join(f"{k}={v}" for k, v in parts.items())
        )
        task, data = str(recipe["task"]["name"]), str(recipe["data"]["name"])
        budget, seed = _budget(recipe["budget"]), int(recipe["seed"])
        config = recipe["data"].get("config", {})
        own = "PATH" if "path" in config else ""
        columns = (
            f" --columns {shlex.quote(str(config['columns']))}" if config.get("columns") else ""
        )
        families = [str(r["structure"]) for r in recipe["roles"].values()]
    known = data in registry.names("datasets")  # an extension may be gone by now
    brings = not known or registry.load("datasets", data).task == task
    what = f"{data}{own and f' --data {own}'}" if brings else f"{task} --data {own or data}"
    command = f"netwright train {what}{columns} --structure {name} --budget {budget} --seed {seed}"
    threads = view.determinism.get("threads") if isinstance(view.determinism, dict) else None
    if type(threads) is int:  # they change the last digits
        command += f" --threads {threads}"
    return Subject(name, families, task, data, budget, seed, command)


def place(folder: Path) -> str:
    """As somebody would name it who stands where it was trained; no other folder is told."""
    inside = folder.absolute().parent.name == "runs"
    return f"runs/{folder.name}" if inside else folder.name


def figures(view: RunView, task: str) -> Figures:
    """Of the test part where the run was evaluated, else of the last validation."""
    if view.evaluated():
        part, found = "test", view.result()
    else:
        part, found = "validation", _last(view)
    kind = registry.installed("tasks", task)
    main = str(view.data().get("figure") or getattr(kind, "figure", ""))
    says = {} if kind is None else kind.means
    with well_formed("result.json"):
        made = [
            Figure(
                str(name),
                float(said["value"]),
                str(said["unit"]),
                bool(said["higher"]),
                int(said["n"]),
                says.get(str(name), ""),
            )
            for name, said in found.items()
        ]
    return Figures(part, sorted(made, key=lambda f: f.name != main))


def cost_of(view: RunView) -> dict[str, Any]:
    """cost.json; empty where nothing was measured."""
    try:
        return view.cost()
    except InputError:
        return {}


def number(cost: Mapping[str, Any], key: str) -> float | None:
    """A number of cost.json; None where it was not measurable."""
    value = cost.get(key)
    return float(value) if isinstance(value, int | float) else None


def predicted_steps(cost: Mapping[str, Any]) -> float | None:
    """How many steps the probe expected before the training began."""
    horizons = cost.get("horizons")
    if isinstance(horizons, list) and horizons and isinstance(horizons[0], list):
        return float(horizons[0][-1])
    return None


def parts_line(parts: Mapping[str, Any]) -> str:
    """`1,257 train, 180 validation, 360 test`."""
    known = [n for n in ("train", "validation", "test") if n in parts]
    return ", ".join(
        f"{int(parts[n]):,} {n}" for n in [*known, *(p for p in parts if p not in known)]
    )


def versions(determinism: Any) -> list[tuple[str, str]]:
    """What bit-equality depends on, in a fixed order."""
    if not isinstance(determinism, dict):
        return []
    return [(k, str(determinism[k])) for k in (*VERSIONS, *MACHINE) if determinism.get(k)]


def _last(view: RunView) -> dict[str, Any]:
    """Figures of the last validation, which the newest checkpoint keeps with their units."""
    if not view.checkpoints().steps():
        return {}
    last = view.load().state.get("last")
    return last if isinstance(last, dict) else {}


def _budget(limits: Mapping[str, Any]) -> str:
    """As the command line takes it: `3s`, `60steps,1e+12flop`."""
    names = {"seconds": "s", "steps": "steps", "samples": "samples", "epochs": "epochs"}
    names["flops"] = "flop"
    return ",".join(
        f"{limits[k]:g}{n}" if k in ("seconds", "flops") else f"{limits[k]}{n}"
        for k, n in names.items()
        if limits.get(k) is not None
    )
