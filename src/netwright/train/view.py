"""A run folder to read: no lock is taken, and what is damaged is refused in one sentence."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

from torch import Tensor

from netwright import files
from netwright.errors import DamagedError, InputError, nearest, shown
from netwright.tasks.base import Exhibit
from netwright.train import manifest
from netwright.train.checkpoint import Checkpoints, Loaded

FORMAT, SCHEMA = "netwright-run", 1
RESULT_FORMAT, RESULT_SCHEMA = "netwright-result", 1
PLUMBING, CHECKPOINTS, EXHIBITS = ".run", "checkpoints", "exhibits"


@final
@dataclass(frozen=True)
class RunView:
    """A run to read. What is damaged raises DamagedError, with the file, when it is asked for."""

    folder: Path
    id: str
    spec: Any
    seed: int
    determinism: Any
    """Versions, threads, device: what the resumed run compares."""
    safe_against: str
    """`power loss`, or `kill` where the file system cannot make names durable."""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Raises: InputError if there is no run, or a newer one; DamagedError; MachineError."""
        with files.told(folder, "cannot be read"):
            there = folder.is_dir()
        if os.path.lexists(folder) and not there:
            raise InputError("is no folder", file=shown(folder))
        if not there:
            near = nearest(folder.name, names_in(folder.parent))
            raise InputError("there is no such run", near=near, file=shown(folder))
        try:
            data = files.read(folder / "run.json", manifest.MANIFEST_LIMIT)
        except FileNotFoundError as error:
            raise InputError(
                "is not a run folder", why="it holds no run.json", file=shown(folder)
            ) from error
        name = shown(folder / "run.json")
        document = files.unseal(data, name)
        files.readable(document, FORMAT, SCHEMA, name)
        with well_formed("run.json"):
            return cls(
                folder=folder,
                id=str(document["id"]),
                spec=document["spec"],
                seed=int(document["seed"]),
                determinism=document["determinism"],
                safe_against=str(document["safe_against"]),
            )

    def data(self) -> dict[str, Any]:
        """What the data set was: schema, parts, fingerprint."""
        return files.unseal(self._read("data.json"), "data.json")

    def quarantine(self) -> list[dict[str, Any]]:
        """What could not be read and was left out."""
        return self._lines("quarantine.jsonl")

    def metrics(self) -> list[dict[str, Any]]:
        """The metric lines; each carries its running number `n`."""
        lines = self._lines("metrics.jsonl")
        for n, line in enumerate(lines):
            if line.get("n") != n:
                what = f"a line is lost: number {shown(line.get('n'))} where {n} should be"
                raise DamagedError(what, file="metrics.jsonl", line=n + 1)
        return lines

    def timing(self) -> list[dict[str, Any]]:
        """Seconds, speed, memory."""
        return self._lines("timing.jsonl")

    def events(self) -> list[dict[str, Any]]:
        """Start, resume, fallback, skip, signal, save, end."""
        return self._lines("events.jsonl")

    def status(self) -> dict[str, Any]:
        """`state`, `step` and `spent`; state `new` before the first."""
        if not os.path.lexists(self.folder / "status.json"):
            return {"state": "new", "step": 0, "spent": {}}
        return self._document("status.json")

    def need_finished(self) -> None:
        """InputError unless the training has ended."""
        status = self.status()
        if status.get("state") != "finished":
            raise InputError(
                f"the run is not finished: it is {shown(status.get('state'))}"
                f" at step {shown(status.get('step'))}",
                do=f"netwright resume {self.folder}",
                file=shown(self.folder),
            )

    def checkpoints(self) -> Checkpoints:
        """The checkpoints, to read."""
        return Checkpoints(self.folder / CHECKPOINTS, self.id, owner=False)

    def load(self) -> Loaded:
        """The newest good checkpoint; InputError if none was saved yet."""
        loaded = self.checkpoints().load_newest()
        if loaded is None:
            raise InputError("the run has saved no checkpoint yet", file=shown(self.folder))
        return loaded

    def evaluated(self) -> bool:
        """Whether there is a result."""
        return os.path.lexists(self.folder / "result.json")

    def result(self) -> dict[str, Any]:
        """What `Run.result` was given as `figures`; InputError if it is not evaluated."""
        with well_formed("result.json"):
            figures: dict[str, Any] = self._result()["figures"]
            return figures

    def rows(self) -> dict[str, Tensor]:
        """The rows behind the figures."""
        expected = self._result().get("rows")
        data = self._read("rows.safetensors")
        if hashlib.sha256(data).hexdigest() != expected:
            raise DamagedError("does not match its sha256 in result.json", file="rows.safetensors")
        return manifest.tensors_of(data, "rows.safetensors")

    def cost(self) -> dict[str, Any]:
        """What was measured of the run; InputError if nothing was."""
        return self._document("cost.json")

    def exhibit_steps(self) -> list[int]:
        """Steps of which there are exhibits, ascending."""
        names = names_in(self.folder / EXHIBITS)
        return sorted(int(n[5:]) for n in names if n[:5] == "step-" and n[5:].isdecimal())

    def exhibits(self, step: int) -> list[Exhibit]:
        """What the nets made at a step."""
        folder = exhibit_folder(self.folder, step)
        found = []
        for path in sorted(folder.glob("*.json")):
            with well_formed(path.name):
                document = files.unseal(files.read(path), path.name)
                data = files.read(path.with_suffix(".safetensors"))
                if hashlib.sha256(data).hexdigest() != document["tensors"]:
                    raise DamagedError("does not match its tensors", file=path.name)
                tensors = manifest.tensors_of(data, path.name)
                strings = {key: tuple(value) for key, value in document["strings"].items()}
                found.append(Exhibit(document["kind"], document["title"], tensors, strings))
        return found

    def _result(self) -> dict[str, Any]:
        document = files.unseal(self._read("result.json"), "result.json")
        files.readable(document, RESULT_FORMAT, RESULT_SCHEMA, shown(self.folder / "result.json"))
        if document.get("run") != self.id:
            raise DamagedError("is the result of another run", file="result.json")
        return document

    def _document(self, name: str) -> dict[str, Any]:
        value = files.loads(self._read(name), name)
        if not isinstance(value, dict):
            raise DamagedError("is no JSON object", file=name)
        return value

    def _lines(self, name: str) -> list[dict[str, Any]]:
        if not os.path.lexists(self.folder / name):
            return []
        return files.parse_lines(files.read(self.folder / name), name)

    def _read(self, name: str) -> bytes:
        try:
            return files.read(self.folder / name)
        except FileNotFoundError as error:
            why = {"result.json": "it is not evaluated", "cost.json": "its cost is not measured"}
            raise InputError(
                f"the run has no {name}", why=why.get(name, ""), file=shown(self.folder)
            ) from error


@contextmanager
def well_formed(name: str) -> Iterator[None]:
    """DamagedError where a document of ours lacks what it should hold."""
    try:
        yield
    except (KeyError, ValueError, TypeError, AttributeError, FileNotFoundError) as error:
        raise DamagedError("lacks what it should hold", why=repr(error), file=name) from error


def names_in(folder: Path) -> list[str]:
    """Names in a folder, none if there is no such folder."""
    with suppress(OSError):
        return [path.name for path in folder.iterdir()]
    return []


def exhibit_folder(folder: Path, step: int) -> Path:
    """Where a run keeps the exhibits of a step."""
    return folder / EXHIBITS / f"step-{step:012d}"
