"""`verdict.json`: what was compared, what came out, and what it means, in words.

The models alone: `decide` fills them, `words` and `table` speak of them.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from pydantic import ConfigDict, Field, ValidationError

from netwright.errors import DamagedError
from netwright.specs import Frozen

Axis = Literal[
    "forward_flops", "training_flops", "seconds", "parameters", "latency", "memory", "energy"
]
"""FLOPs of one example forward; of a cell's training; seconds of training; a count; seconds of one
answer (p50); bytes at the peak; joules of one answer."""
AXES: tuple[Axis, ...] = get_args(Axis)
Status = Literal["done", "failed", "refused"]


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
    undecided: bool = False
    """No two networks are told apart, and another might be better than the cheapest by a lot."""
    candidates: tuple[Row, ...]
    floors: tuple[FloorRow, ...] = ()
    pairs: tuple[Pair, ...] = ()
    verdict: str = ""
    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    applied: str = ""
    """Folder of the run that the contest hands out; see `compare.applied`."""

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
