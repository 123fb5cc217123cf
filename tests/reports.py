"""Small run and contest folders, written by the code that owns them, and a page taken apart."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import torch

from faults import Swift
from netwright.tasks.base import Exhibit
from netwright.train.run import Run

SWIFT = Swift()
CLASSES = ("cat", "dog", "owl")


@dataclass
class Words:
    """Every place where foreign words may stand."""

    data: str = "pets"
    note: str = "the split is shuffled"
    label: str = "cat"
    caption: str = "said cat, is dog"
    title: str = "mistakes"
    line: str = "once upon a time"
    reason: str = "training diverged"
    energy: str = "not measurable: no counter"
    version: str = "2.13.0"
    figure: str = "accuracy"
    headline: str = "Choose cnn."
    sentence: str = "It beats every floor."
    floor: str = "SVM-RBF"
    machine: str = "x86_64 AVX2"
    command: str = "netwright compare pets --budget 3s"
    family: str = "gan"
    preset: str = "small"
    task: str = "image-classification"

    @classmethod
    def all(cls, word: str) -> "Words":
        return cls(**dict.fromkeys(cls.__dataclass_fields__, word))


def exhibits(words: Words, pictures: int = 3, side: int = 8) -> list[Exhibit]:
    """One of each kind."""
    g = torch.Generator().manual_seed(0)
    names = (words.label, *CLASSES[1:])
    return [
        Exhibit(
            "table",
            words.title,
            {"cells": torch.tensor([[0.5, 3.0], [1.0, 4.0], [0.25, 5.0]])},
            {"rows": names, "columns": (words.label, "samples")},
        ),
        Exhibit(
            "map",
            words.title,
            {"map": torch.tensor([[8, 1, 0], [0, 9, 0], [2, 0, 7]])},
            {"rows": names, "columns": names},
        ),
        Exhibit(
            "picture",
            words.title,
            {"pictures": torch.rand(pictures, 3, side, side, generator=g)},
            {"captions": (words.caption,) * pictures},
        ),
        Exhibit("map", "attention", {"map": torch.rand(30, 30, generator=g)}),
        Exhibit("text", words.title, strings={"lines": (words.line,)}),
        Exhibit("curve", "forecast", {"x": torch.arange(5.0), "y": torch.arange(5.0).square()}),
    ]


def write_run(
    folder: Path,
    words: Words | None = None,
    *,
    structure: str = "cnn",
    seed: int = 0,
    value: float = 0.9,
    evaluated: bool = True,
    shown: Sequence[Exhibit] | None = None,
) -> Path:
    """A finished run of 60 steps that validated three times."""
    words = words or Words()
    role = {"structure": structure, "preset": words.preset}
    recipe = {
        "task": {"name": words.task, "config": {}},
        "data": {"name": words.data, "config": {}},
        "roles": {"net": role},
        "budget": {"seconds": 3.0, "steps": None},
        "seed": seed,
    }
    determinism = {"netwright": "0.1.0", "torch": words.version, "system": words.machine}
    with Run.create(
        folder, {"recipe": recipe}, seed=seed, determinism=determinism, layer=SWIFT
    ) as run:
        column = {"kind": "labels", "names": [words.label, *CLASSES[1:]]}
        run.data(
            {
                "schema": {"columns": {"label": column}},
                "parts": {"train": 100, "validation": 20, "test": 40},
                "fingerprint": "f" * 64,
                "notes": [words.note],
                "quarantined": 2,
            }
        )
        for k, at in enumerate((20, 40, 60)):
            run.metric(
                {"round": at, "samples": 8 * at, "turns": {"net": {"loss": 2.0 - k, "skipped": 0}}}
            )
            run.metric({"round": at, "validation": {words.figure: value - 0.2 + 0.1 * k}})
            run.timing(
                {"round": at, "samples": 8 * at, "seconds": {"training": at / 20 + seed / 9}}
            )
        run.cost(
            {
                "parameters": 93_322,
                "forward_flops": 2.1e6,
                "training_flops": 2.8e10,
                "steps": 60,
                "samples": 480,
                "horizons": [[0, 57], [30, 60]],
                "seconds": 3.01,
                "granted": "3s",
                "latency": 1.5e-4,
                "latency_p90": 2e-4,
                "latency_p99": 3e-4,
                "throughput": 12_000.0,
                "throughput_batch": 256,
                "memory": 3.3e8,
                "energy": None,
                "energy_note": words.energy,
                "uncounted": [],
            }
        )
        run.exhibits(60, exhibits(words) if shown is None else shown)
        run.status("finished", step=60, spent={"training": 3.01})
        if evaluated:
            said = {"reduce": "mean", "n": 40, "paired": True}
            figures = {
                "log_loss": {"value": 0.3, "unit": "nats", "higher": False, **said},
                words.figure: {"value": value, "unit": "%", "higher": True, **said},
            }
            run.result(figures, {"accuracy/rows": torch.ones(40, 1)})
    return folder


def noise(steps: int, size: tuple[int, ...]) -> list[torch.Tensor]:
    """The same noise each time, growing dimmer: something that changes from step to step."""
    made = torch.rand(*size, generator=torch.Generator().manual_seed(0))
    return [made * (1 - k / (2 * steps)) for k in range(steps)]


def write_game(
    folder: Path,
    words: Words | None = None,
    *,
    steps: Sequence[int] = (20, 40, 60),
    size: tuple[int, ...] = (12, 1, 8, 8),
    length: int = 2000,
) -> Path:
    """A run of two players that showed the same pictures at every step, and sounds at the end."""
    words = words or Words()
    write_run(folder, words, structure="gan", shown=[])
    rows = torch.arange(3.0)[:, None] + 1
    tones = (torch.arange(length)[None] * rows * 0.1).sin() * 0.5
    strings = {"rate": ("8000",), "captions": (words.caption,) * 3}
    with Run.own(folder, layer=SWIFT) as run:
        for step, pictures in zip(steps, noise(len(steps), size), strict=True):
            shown = [Exhibit("picture", words.title, {"pictures": pictures})]
            if step == steps[-1]:
                shown += [
                    Exhibit("sound", words.title, {"sound": tones}, strings),
                    Exhibit("text", words.title, strings={"lines": (words.line,)}),
                ]
            run.exhibits(step, shown)
            k = step / steps[-1]
            turns = {
                "discriminator": {
                    "loss": 1.4 - k / 3,
                    "skipped": 0,
                    "said": {"real_score": 1 + k, "fake_score": -k, "gradient": 10 ** (3 - 3 * k)},
                },
                "generator": {
                    "loss": 0.7 + k / 3,
                    "skipped": 0,
                    "said": {"fake_score": k / 2, "gradient": 10 ** (2 - 2 * k)},
                },
            }
            run.metric({"round": step, "samples": 8 * step, "turns": turns})
    return folder


def interval(value: float, half: float = 0.02) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": min(1.0, value + half)}


def write_contest(
    folder: Path,
    words: Words | None = None,
    *,
    nets: Sequence[tuple[str, float, float]] = (("cnn", 0.95, 2e6), ("rnn", 0.85, 1e6)),
    seeds: int = 2,
    shown: Sequence[Exhibit] | None = None,
    change: Callable[[dict[str, Any]], None] = lambda document: None,
) -> Path:
    """A contest of nets (family, value, FLOPs), one failed and one refused net, two floors."""
    words = words or Words()
    (folder / "cells").mkdir(parents=True)
    (folder / "plan.json").write_text("{}\n")
    rows: list[dict[str, Any]] = []
    for i, (family, value, flops) in enumerate(nets):
        cells = []
        for seed in range(seeds):
            name = f"{16 * i + seed:016x}"
            where = write_run(
                folder / "cells" / name,
                words,
                structure=family,
                seed=seed,
                value=value,
                shown=shown,
            )
            digest = hashlib.sha256((where / "result.json").read_bytes()).hexdigest()
            cells.append({"id": name, "seed": seed, "folder": f"cells/{name}", "sha256": digest})
        rows.append(
            {
                "name": f"{family}/{words.preset}",
                "family": family,
                "status": "done",
                "estimate": interval(value),
                "values": [value] * seeds,
                "spent": [{"seed": s, "granted": 3.0, "spent": 3.01} for s in range(seeds)],
                "costs": {
                    "forward_flops": flops,
                    "training_flops": 1e4 * flops,
                    "seconds": 3.0,
                    "parameters": flops / 20,
                    "latency": 1e-4,
                    "memory": 3e8,
                    "energy": None,
                },
                "on_frontier": True,
                "chosen": i == 0,
                "tied_with": [],
                "cells": cells,
            }
        )
    lost = {"id": "f" * 16, "seed": 0, "folder": f"cells/{'f' * 16}", "status": "failed"}
    rows.append(
        {
            "name": f"gan/{words.preset}",
            "family": words.family,
            "status": "failed",
            "reason": words.reason,
            "cells": [lost | {"reason": words.reason}],
        }
    )
    rows.append({"name": "mlp/base", "family": "mlp", "status": "refused", "reason": words.reason})
    document = {
        "schema": 1,
        "task": words.task,
        "data": words.data,
        "fingerprint": "f" * 64,
        "figure": words.figure,
        "unit": "%",
        "higher": True,
        "cost": "forward_flops",
        "budget": "3s",
        "seeds": seeds,
        "n": 40,
        "parts": {"train": 100, "validation": 20, "test": 40},
        "machine": words.machine,
        "command": words.command,
        "candidates": rows,
        "floors": [
            {
                "name": "svm-rbf",
                "title": words.floor,
                "note": words.note,
                "status": "done",
                "estimate": interval(0.8),
                "fit_seconds": 0.1,
            },
            {"name": "hog", "title": "HOG", "status": "refused", "reason": words.reason},
        ],
        "pairs": [
            {
                "a": rows[0]["name"],
                "b": rows[1]["name"],
                "difference": 0.1,
                "low": 0.04,
                "high": 0.16,
                "p": 0.0001,
                "p_holm": 0.0002,
                "told_apart": True,
            },
            {
                "a": rows[0]["name"],
                "b": "svm-rbf",
                "difference": 0.01,
                "low": -0.04,
                "high": 0.06,
                "p": 0.5,
                "p_holm": 0.5,
                "told_apart": False,
                "seeds_needed": 9,
            },
        ],
        "verdict": words.headline,
        "sentences": [words.sentence, "A second one.", words.sentence],
        "notes": [words.note, "b", words.note],
    }
    change(document)
    (folder / "verdict.json").write_text(json.dumps(document, indent=2))
    return folder


INLINE = {"a", "bdi", "code", "span", "sup", "path", "text"}
"""Elements that stand in their line; what any other begins is read apart."""


@dataclass
class Page(HTMLParser):
    """A page taken apart as a browser would."""

    source: str
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: str = ""
    style: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._inside: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))
        self.text += "" if tag in INLINE else " "
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._inside and self._inside[-1] == "style":
            self.style += data
        else:
            self.text += data

    def having(self, name: str) -> list[str]:
        """The values of an attribute, in the order of the page."""
        return [a[name] for _, a in self.tags if name in a]

    @property
    def words(self) -> str:
        """What is read and what is told to those who do not see."""
        said = [a[n] for _, a in self.tags for n in ("alt", "aria-label") if n in a]
        return " ".join(" ".join([self.text, *said]).split())

    @property
    def policy_hash(self) -> str:
        digest = base64.b64encode(hashlib.sha256(self.style.encode()).digest()).decode()
        return f"style-src 'sha256-{digest}'"


def read_page(path: Path) -> Page:
    return Page(path.read_text("utf-8"))
