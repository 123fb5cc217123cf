"""`verdict.json`: what was compared, what came out, and what it means, in words.

`decide` is a pure function: figures in, verdict out. Nothing in it reads a file or a clock, so that
the same figures give the same verdict. Differences are corrected together (Holm) over all pairs of
networks and of a network and a floor; two floors are not compared.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError

from netwright.compare.frontier import frontier, told
from netwright.compare.statistics import Estimate, Spread, difference, holm, interval, spread
from netwright.compare.words import words
from netwright.errors import DamagedError
from netwright.metrics.base import Figure
from netwright.specs import Frozen

Axis = Literal[
    "forward_flops", "training_flops", "seconds", "parameters", "latency", "memory", "energy"
]
"""FLOPs of one example forward; of a cell's training; seconds of training; a count; seconds of one
answer (p50); bytes at the peak; joules of a cell's training."""
Status = Literal["done", "failed", "refused"]
ALPHA = 0.05


class Cell(Frozen):
    """One candidate with one seed."""

    id: str
    seed: int
    folder: str
    sha256: str | None = None
    """Of its result.json; None where there is none."""
    status: Status = "done"
    reason: str = ""


class Spent(Frozen):
    """What one cell was granted and what it spent, in seconds."""

    seed: int
    granted: float | None
    """None where the budget is not one of seconds."""
    spent: float


class Interval(Frozen):
    """A figure with its 95 % interval; shares in [0, 1]."""

    value: float
    low: float
    high: float
    between_seeds: float
    """Variance of `value` from the choice of seeds."""
    between_units: float
    """Variance of `value` from the choice of units."""
    degrees: float


class Row(Frozen):
    """One network in the table."""

    name: str
    """`cnn/small`."""
    family: str
    roles: Mapping[str, str] = {}
    """Role to structure/preset."""
    status: Status
    reason: str = ""
    estimate: Interval | None = None
    values: tuple[float, ...] = ()
    """The figure of each seed that is done."""
    spent: tuple[Spent, ...] = ()
    costs: Mapping[Axis, float | None] = {}
    """None: not measurable here."""
    on_frontier: bool = False
    chosen: bool = False
    failing: bool = False
    """Worse than a floor beyond chance."""
    tied_with: tuple[str, ...] = ()
    """Networks that it cannot be told apart from."""
    cells: tuple[Cell, ...] = ()


class FloorRow(Frozen):
    """One floor in the table; its interval is over units alone."""

    name: str
    title: str
    note: str = ""
    """What to know of it: the subsample that it was fitted on."""
    status: Status
    reason: str = ""
    estimate: Interval | None = None
    fit_seconds: float | None = None


class Pair(Frozen):
    """`a` minus `b`, paired, with its own 95 % interval; `p_holm` is what decides."""

    a: str
    b: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    told_apart: bool
    seeds_needed: int | None = None
    """Seeds each that would tell them apart if the difference is as measured; None: over 50."""


class Verdict(Frozen):
    """The whole of verdict.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    version: Literal[1] = Field(default=1, alias="schema")
    task: str
    data: str
    fingerprint: str
    figure: str
    unit: str
    higher: bool
    cost: Axis
    budget: str
    seeds: int
    """Asked for; a row holds as many values as are done."""
    n: int
    """Independent units that the figures are taken over."""
    parts: Mapping[str, int]
    machine: str = ""
    command: str = ""
    candidates: tuple[Row, ...]
    floors: tuple[FloorRow, ...] = ()
    pairs: tuple[Pair, ...] = ()
    verdict: str = ""
    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str, file: object = "") -> "Verdict":
        """From the text of verdict.json; DamagedError where it is not one."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise DamagedError(
                "this is no verdict", why=f"{where}: {first['msg']}", file=file, do="compare again"
            ) from error

    def text(self) -> str:
        """What verdict.json holds."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


@dataclass(frozen=True)
class Candidate:
    """What `decide` is told of a network."""

    name: str
    family: str
    figures: Sequence[Figure] = ()
    """One a seed that is done."""
    status: Status = "done"
    reason: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)
    spent: Sequence[Spent] = ()
    costs: Mapping[Axis, float | None] = field(default_factory=dict)
    cells: Sequence[Cell] = ()


@dataclass(frozen=True)
class FloorCandidate:
    """What `decide` is told of a floor; no figure: it was refused, and `reason` says why."""

    name: str
    title: str
    figure: Figure | None = None
    fit_seconds: float | None = None
    note: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Contest:
    """What `decide` reads."""

    task: str
    data: str
    fingerprint: str
    figure: str
    unit: str
    higher: bool
    budget: str
    seeds: int
    parts: Mapping[str, int]
    candidates: Sequence[Candidate]
    floors: Sequence[FloorCandidate] = ()
    cost: Axis = "forward_flops"
    machine: str = ""
    command: str = ""
    notes: Sequence[str] = ()


def decide(contest: Contest) -> Verdict:
    """Who is better than whom beyond chance, whom to choose, and the words for it."""
    rows = [_row(c) for c in contest.candidates]
    floors = [_floor(f) for f in contest.floors]
    nets = {
        c.name: spread(c.figures)
        for c, row in zip(contest.candidates, rows, strict=True)
        if row.status == "done"
    }
    fixed = {f.name: spread([f.figure]) for f in contest.floors if f.figure and _finite([f.figure])}
    rows = [_estimated(row, nets) for row in rows]
    floors = [_estimated(floor, fixed) for floor in floors]
    pairs = _pairs(nets, fixed)
    draft = Verdict(
        task=contest.task,
        data=contest.data,
        fingerprint=contest.fingerprint,
        figure=contest.figure,
        unit=contest.unit,
        higher=contest.higher,
        cost=contest.cost,
        budget=contest.budget,
        seeds=contest.seeds,
        n=min((s.n for s in (*nets.values(), *fixed.values())), default=0),
        parts=contest.parts,
        machine=contest.machine,
        command=contest.command,
        candidates=_placed(rows, pairs, set(fixed), contest),
        floors=tuple(floors),
        pairs=tuple(pairs),
        notes=tuple(contest.notes),
    )
    said = words(draft)
    return draft.model_copy(
        update={
            "verdict": said.headline,
            "sentences": said.sentences,
            "notes": (*draft.notes, *said.notes),
        }
    )


def _row(of: Candidate) -> Row:
    status, reason = of.status, of.reason
    if status == "done" and not of.figures:
        status, reason = "failed", reason or "no seed finished"
    if status == "done" and not _finite(of.figures):
        status, reason = "failed", "its figure is not a number"
    return Row(
        name=of.name,
        family=of.family,
        roles=dict(of.roles),
        status=status,
        reason=reason,
        spent=tuple(of.spent),
        costs=dict(of.costs),
        cells=tuple(of.cells),
    )


def _floor(of: FloorCandidate) -> FloorRow:
    status: Status = "refused" if of.figure is None else "done"
    reason = of.reason
    if of.figure is not None and not _finite([of.figure]):
        status, reason = "failed", "its figure is not a number"
    return FloorRow(
        name=of.name,
        title=of.title,
        note=of.note,
        status=status,
        reason=reason,
        fit_seconds=of.fit_seconds,
    )


def _finite(figures: Sequence[Figure]) -> bool:
    return all(math.isfinite(f.value) and bool(f.rows.isfinite().all()) for f in figures)


def _estimated[R: (Row, FloorRow)](row: R, spreads: Mapping[str, Spread]) -> R:
    if row.name not in spreads:
        return row
    found = interval(spreads[row.name])
    update: dict[str, object] = {"estimate": _interval(found)}
    if isinstance(row, Row):
        update["values"] = tuple(float(v) for v in spreads[row.name].values)
    return row.model_copy(update=update)


def _interval(found: Estimate) -> Interval:
    return Interval(
        value=found.value,
        low=found.low,
        high=found.high,
        between_seeds=found.between_seeds,
        between_units=found.between_units,
        degrees=found.degrees,
    )
