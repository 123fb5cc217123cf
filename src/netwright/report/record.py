"""`verdict.json` as the report reads it: only what is shown, and every cell's hash verified."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from netwright import files
from netwright.errors import DamagedError, InputError, shown

SCHEMA = 1
LIMIT = 64 << 20
"""Bytes of a verdict."""
ID = re.compile(r"[0-9a-f]{16}")

Status = Literal["done", "failed", "refused"]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Record(BaseModel):
    """A part of the verdict; keys that the page does not show are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Estimate(Record):
    """A figure with its 95 % interval; shares in [0, 1]."""

    value: Finite
    low: Finite
    high: Finite


class Cell(Record):
    """One candidate with one seed."""

    id: str
    seed: int
    folder: str
    sha256: str | None = None
    status: Status = "done"
    reason: str = ""


class Spent(Record):
    """Seconds of one cell."""

    granted: Finite | None = None
    spent: Finite = 0.0


class Row(Record):
    """One network."""

    name: str
    family: str
    status: Status
    reason: str = ""
    estimate: Estimate | None = None
    values: tuple[Finite, ...] = ()
    spent: tuple[Spent, ...] = ()
    costs: Mapping[str, Finite | None] = {}
    on_frontier: bool = False
    chosen: bool = False
    failing: bool = False
    tied_with: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()


class FloorRow(Record):
    """One floor."""

    name: str
    title: str
    note: str = ""
    status: Status
    reason: str = ""
    estimate: Estimate | None = None
    fit_seconds: Finite | None = None


class Pair(Record):
    """`a` minus `b`."""

    a: str
    b: str
    difference: Finite
    low: Finite
    high: Finite
    p_holm: Finite
    told_apart: bool
    seeds_needed: int | None = None


class Verdict(Record):
    """What was compared and what came out."""

    version: int = Field(alias="schema")
    task: str
    data: str
    fingerprint: str
    figure: str
    unit: str
    higher: bool
    cost: str
    budget: str
    seeds: int
    n: int
    parts: Mapping[str, int] = {}
    machine: str = ""
    command: str = ""
    candidates: tuple[Row, ...]
    floors: tuple[FloorRow, ...] = ()
    pairs: tuple[Pair, ...] = ()
    verdict: str = ""
    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    applied: str = ""


def read_verdict(folder: Path) -> Verdict:
    """The verdict of a contest, once every cell that it stands on is what it was.

    Raises: InputError if there is none yet, or a newer one; DamagedError, with the cell.
    """
    path = folder / "verdict.json"
    try:
        data = files.read(path, LIMIT)
    except FileNotFoundError as error:
        raise InputError(
            "the contest has no verdict yet",
            do="the same `netwright compare` again: it goes on where it stopped",
            file=shown(folder),
        ) from error
    document = files.loads(data, path.name)
    schema = document.get("schema") if isinstance(document, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise InputError(
            "was made by a newer netwright",
            do="pip install --upgrade netwright",
            file=shown(path),
        )
    try:
        verdict = Verdict.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise DamagedError(
            "this is no verdict", why=f"{where}: {first['msg']}", file=path
        ) from error
    for row in verdict.candidates:
        for cell in row.cells:
            _verify(folder, row, cell)
    return verdict


def _verify(folder: Path, row: Row, cell: Cell) -> None:
    """DamagedError unless a cell lies in the contest and its result is what was judged."""
    name = f"the cell {shown(cell.id)} ({shown(row.name)}, seed {cell.seed})"
    if not ID.fullmatch(cell.id) or cell.folder != f"cells/{cell.id}":
        raise DamagedError(f"{name} lies outside its contest", file="verdict.json")
    if cell.sha256 is None:
        return
    place = f"{cell.folder}/result.json"
    try:
        found = files.sha256(folder / place)
    except FileNotFoundError as error:
        raise DamagedError(f"{name} has lost its result", file=place) from error
    if found != cell.sha256:
        raise DamagedError(f"{name} does not match its sha256 in verdict.json", file=place)
