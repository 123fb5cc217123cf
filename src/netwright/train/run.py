"""The run folder: what a training leaves, owned by one process, readable by all.

    run.json         once: id, specification, seed, determinism record
    data.json        once: schema, parts, fingerprint      quarantine.jsonl  once: what was left out
    metrics.jsonl    appended: only what is a function of the seed; exact after a resume
    timing.jsonl, events.jsonl  appended       status.json  replaced: state, step, budget spent
    checkpoints/     see `checkpoint`          exhibits/step-N/  what the nets made at that step
    result.json, rows.safetensors  once, by an evaluation
    cost.json, README.md, report.html  replaced whole
    .run/            lock, owner.json, and `reserve`, which is given up when the disk is full

`Run` writes and holds the lock; `RunView` reads and takes none.
"""

import hashlib
import os
import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, final

from pydantic import ValidationError
from torch import Tensor

from netwright import files
from netwright.errors import DamagedError, InputError, MachineError, shown
from netwright.files import DOOMED, JSON, OS, TEMPORARY, Layer, Lock
from netwright.specs import Schema
from netwright.tasks.base import Exhibit
from netwright.train import manifest
from netwright.train.checkpoint import Checkpoints, Loaded
from netwright.train.log import EMPTY, Log, Mark
from netwright.train.view import (
    CHECKPOINTS,
    FORMAT,
    PLUMBING,
    RESULT_FORMAT,
    RESULT_SCHEMA,
    SCHEMA,
    RunView,
    exhibit_folder,
    names_in,
)

__all__ = ["Run", "RunView", "State", "continues", "free_name"]

RESERVE = 1 << 20
"""Bytes kept to be given up, so that a full disk still takes the lines that tell of it."""

State = Literal["running", "stopped", "finished", "failed"]


@final
class Run:
    """A run that we own, from `create` or `own` until `close`; a context."""

    def __init__(self, view: RunView, lock: Lock, layer: Layer) -> None:
        self.view, self.folder, self.id = view, view.folder, view.id
        self.told: list[str] = []
        """Sentences on what was repaired, for the user."""
        self._layer = layer
        with ExitStack() as opening:  # what fails here gives the lock back
            opening.callback(lock.release)
            files.sweep(self.folder, layer)
            self._metrics = self._log("metrics.jsonl", opening)
            self._timing = self._log("timing.jsonl", opening)
            self._events = self._log("events.jsonl", opening)
            reserve = self.folder / PLUMBING / "reserve"
            with suppress(OSError, MachineError):
                if not reserve.exists():
                    files.replace(reserve, bytes(RESERVE), layer)
            self._stack = opening.pop_all()
        self.checkpoints = Checkpoints(self.folder / CHECKPOINTS, self.id, layer=layer)

    @classmethod
    def create(
        cls, folder: Path, spec: JSON, *, seed: int, determinism: JSON = None, layer: Layer = OS
    ) -> Self:
        """Make a run and own it. A folder that is empty, or that a kill left half made, will do.

        Raises: InputError if the folder holds something else; BusyError; MachineError.
        """
        try:
            files.make_folder(folder, layer)
        except FileExistsError as error:
            if not _unmade(folder):
                raise _taken(folder) from error
        except NotADirectoryError as error:
            raise InputError(
                "cannot be made: a part of it is a file", file=shown(folder)
            ) from error
        for name in (PLUMBING, CHECKPOINTS):
            with suppress(FileExistsError):
                files.make_folder(folder / name, layer)
        lock = Lock(folder / PLUMBING, layer)
        try:
            if os.path.lexists(folder / "run.json"):  # another process was quicker, and has ended
                raise _taken(folder)
            durable = files.sync_folder(folder, layer)
            document: dict[str, JSON] = {
                "format": FORMAT,
                "schema": SCHEMA,
                "id": secrets.token_hex(8),
                "spec": spec,
                "seed": seed,
                "determinism": determinism,
                "safe_against": "power loss" if durable else "kill",
            }
            files.write_new(folder / "run.json", files.seal(document), layer)
            return cls(RunView.open(folder), lock, layer)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def own(cls, folder: Path, layer: Layer = OS) -> Self:
        """Take the lock of a run. Raises: BusyError; what `RunView.open` raises; MachineError."""
        view = RunView.open(folder)
        with suppress(FileExistsError):
            files.make_folder(folder / PLUMBING, layer)
        return cls(view, Lock(folder / PLUMBING, layer), layer)

    def close(self) -> None:
        """Close the logs and give the lock back."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ------------------------------------------------------------ once

    def data(self, document: Mapping[str, JSON]) -> None:
        """Say what the data is, once; InputError if the run was trained on something else."""
        path = self.folder / "data.json"
        if not os.path.lexists(path):
            files.write_new(path, files.seal(document), self._layer)
        elif _samples(self.view.data()) != _samples(document):
            raise InputError("the data is not what this run was trained on", file=shown(path))

    def quarantine(self, lines: Sequence[Mapping[str, JSON]]) -> None:
        """List what could not be read, once: file, place, reason."""
        data = b"".join(map(files.dumps, lines))
        self._write_once("quarantine.jsonl", data)

    def result(self, figures: Mapping[str, JSON], rows: Mapping[str, Tensor]) -> None:
        """Write what an evaluation found, once. Raises InputError if there is a result."""
        if self.view.evaluated():
            raise InputError("is evaluated already", file=shown(self.folder))
        data = manifest.encode(rows).data
        document: dict[str, JSON] = {
            "format": RESULT_FORMAT,
            "schema": RESULT_SCHEMA,
            "run": self.id,
            "rows": hashlib.sha256(data).hexdigest(),
            "figures": figures,
        }
        files.replace(self.folder / "rows.safetensors", data, self._layer)
        files.write_new(self.folder / "result.json", files.seal(document), self._layer)

    def _write_once(self, name: str, data: bytes) -> None:
        path = self.folder / name
        if not os.path.lexists(path):
            files.write_new(path, data, self._layer)
        elif files.read(path) != data:
            raise InputError("is written once, and says something else", file=shown(path))

    # ------------------------------------------------------------ appended

    def metric(self, line: Mapping[str, JSON]) -> None:
        """Append a line that is a function of the seed alone; its number `n` is added."""
        self._metrics.append({"n": self._metrics.lines, **line})

    def timing(self, line: Mapping[str, JSON]) -> None:
        """Append seconds, speed, memory."""
        self._timing.append(line)

    def event(self, kind: str, line: Mapping[str, JSON]) -> None:
        """Append something that happened: start, resume, fallback, skip, signal, save, end."""
        self._events.append({"event": kind, **line})

    # ------------------------------------------------------------ replaced

    def status(self, state: State, *, step: int, spent: Mapping[str, float]) -> None:
        """Say how far the run is; `step` is the last durable one, `spent` seconds by clock."""
        line = files.dumps({"state": state, "step": step, "spent": spent})
        files.replace(self.folder / "status.json", line, self._layer)

    def cost(self, document: Mapping[str, JSON]) -> None:
        """Replace what was measured of the run."""
        files.replace(self.folder / "cost.json", files.dumps(document), self._layer)

    def page(self, name: Literal["README.md", "report.html"], text: str) -> None:
        """Replace a page."""
        files.replace(self.folder / name, text.encode(), self._layer)

    def exhibits(self, step: int, exhibits: Sequence[Exhibit]) -> None:
        """Keep what the nets made at a step; those of the same step, made before, are replaced."""
        final = exhibit_folder(self.folder, step)
        if not final.parent.exists():
            files.make_folder(final.parent, self._layer)
        files.sweep(final.parent, self._layer)
        temporary = final.with_name(TEMPORARY + final.name)
        with files.told(temporary):
            self._layer.mkdir(temporary)
        for index, exhibit in enumerate(exhibits):
            data = manifest.encode(exhibit.tensors).data
            document: dict[str, JSON] = {
                "kind": exhibit.kind,
                "title": exhibit.title,
                "strings": exhibit.strings,
                "tensors": hashlib.sha256(data).hexdigest(),
            }
            files.create(temporary / f"{index:03}.safetensors", data, self._layer)
            files.create(temporary / f"{index:03}.json", files.seal(document), self._layer)
        if os.path.lexists(final):
            with files.told(final):
                self._layer.rename(final, final.with_name(DOOMED + final.name))
        files.publish(temporary, final, self._layer)
        files.sweep(final.parent, self._layer)

    # ------------------------------------------------------------ saved and resumed

    def save(
        self,
        step: int,
        weights: Mapping[str, Tensor],
        trainer: Mapping[str, Tensor],
        state: Mapping[str, JSON],
        *,
        hashes: Mapping[str, str] | None = None,
        pinned: Collection[int] = (),
    ) -> MachineError | None:
        """`Checkpoints.save`, with the metric lines up to here; tells of it in `events.jsonl`."""
        mark = asdict(self._metrics.mark())
        failed = self.checkpoints.save(
            step, weights, trainer, {**state, "metrics": mark}, hashes=hashes, pinned=pinned
        )
        if failed is None:
            self.event("save", {"step": step})
        else:
            self.event("save failed", {"step": step, "why": failed.sentence})
        return failed

    def resume(self) -> Loaded | None:
        """The newest good checkpoint, once the metric lines after it are cut off; None: start.

        The lines move to `metrics.tail-K.jsonl`; sentences on what was cut or refused are in
        `told`. Raises: as `Checkpoints.load_newest`; DamagedError, with the line, if the metric
        lines before the checkpoint are not what they were.
        """
        loaded = self.checkpoints.load_newest()
        if loaded is None:
            self._rewind(EMPTY)
            return None
        for sentence in loaded.damaged:
            self.told.append(f"{sentence}; going on from step {loaded.step}")
            self.event("fallback", {"step": loaded.step, "why": sentence})
        state = dict(loaded.state)
        mark = state.pop("metrics", None)
        try:
            self._rewind(Mark(**mark))
        except TypeError as error:
            raise DamagedError("says nothing about the metric lines", file="state.json") from error
        self.event("resume", {"step": loaded.step})
        return replace(loaded, state=state)

    def _rewind(self, mark: Mark) -> None:
        tail = self._metrics.after(mark)
        if not tail:
            return
        number = 1
        while os.path.lexists(path := self.folder / f"metrics.tail-{number}.jsonl"):
            number += 1
        files.write_new(path, tail, self._layer)  # kept before it is cut off
        self._metrics.rewind(mark)
        count = tail.count(b"\n")
        self.told.append(f"{count} metric lines after the checkpoint are made anew: {path.name}")

    def _log(self, name: str, opening: ExitStack) -> Log:
        log = Log(self.folder / name, self._layer)
        opening.callback(log.close)
        if log.torn:
            self.told.append(f"{name}: a torn last line of {log.torn} bytes was cut off")
        return log


def _samples(document: Mapping[str, JSON]) -> bytes:
    """What makes data the same data; notes and paths may differ from machine to machine."""
    schema = document.get("schema")
    with suppress(ValidationError):  # one that was stored before a field was added is the same
        schema = Schema.model_validate(schema).model_dump(mode="json")
    same = {k: document.get(k) for k in ("fingerprint", "parts")}
    return files.dumps({**same, "schema": schema})


def free_name(parent: Path, name: str) -> str:
    """`name`, or the first of `name-2`, `name-3`... that is free in `parent`."""
    number, free = 1, name
    while os.path.lexists(parent / free):
        number += 1
        free = f"{name}-{number}"
    return free


def continues(folder: Path, spec: JSON) -> bool:
    """Whether a folder that the user named holds a run of this same specification.

    False if there is nothing yet: `Run.create` makes it. Raises InputError if it holds anything
    else, with the first key in which the specifications differ.
    """
    if not os.path.lexists(folder) or _unmade(folder):
        return False
    if not os.path.lexists(folder / "run.json"):
        raise _taken(folder)
    there = RunView.open(folder).spec
    here = files.loads(files.dumps(spec), "specification")
    if there != here:
        raise InputError(
            "holds a run of another specification",
            why=_difference(there, here),
            do="choose another folder with --out",
            file=shown(folder),
        )
    return True


def _difference(there: Any, here: Any, place: str = "") -> str:
    """`batch is 64 there and 32 here`, for the first key that differs."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted({*there, *here}):
            if there.get(key) != here.get(key):
                return _difference(there.get(key), here.get(key), f"{place}.{key}".lstrip("."))
    return f"{shown(place) or 'it'} is {shown(there)} there and {shown(here)} here"


def _taken(folder: Path) -> InputError:
    return InputError(
        "is there already",
        why="it holds something else",
        do="choose another folder with --out",
        file=shown(folder),
    )


def _unmade(folder: Path) -> bool:
    """Whether a folder is empty, or is what a kill while it was made leaves."""
    if not folder.is_dir():
        return False
    ours = {PLUMBING, CHECKPOINTS}
    names = [n for n in names_in(folder) if not n.startswith(TEMPORARY)]
    return set(names) <= ours and not names_in(folder / CHECKPOINTS)
