"""The table of a verdict, in plain text of at most 80 columns.

A column that is the same for all, that nobody could measure or that does not fit becomes a
footnote; the axis of the frontier is the last to go.
"""

import re
import textwrap
from collections.abc import Mapping, Sequence

from netwright.compare.numbers import AXIS, score
from netwright.compare.verdict import Axis, FloorRow, Row, Verdict
from netwright.compare.words import seeds_of, short_names
from netwright.metrics.numbers import cost, duration

WIDTH = 80
NAME = 28
"""Characters of a name at most; longer ones are cut in the table, not in the file."""
HEADS: dict[Axis, str] = {
    "parameters": "params",
    "forward_flops": "FLOPs",
    "training_flops": "train FLOPs",
    "seconds": "seconds",
    "latency": "latency",
    "memory": "memory",
    "energy": "energy",
}
"""Columns from left to right; where they do not fit, the last go first."""
UNKNOWN = "-"


def table(verdict: Verdict) -> str:
    """The candidates best first, the floors under them, what is the same for all in footnotes."""
    names = {n: _cut(short) for n, short in short_names(verdict.candidates).items()}
    names |= {floor.name: _cut(f"floor: {floor.title}") for floor in verdict.floors}
    rows = _ordered(verdict)
    cells = {axis: _column(axis, rows) for axis in HEADS}
    wide = max((len(n) for n in names.values()), default=0)
    scores = {r.name: score(r.estimate, verdict.unit) for r in rows if r.estimate}
    title = verdict.figure.replace("_", " ")
    figure = max([len(title), *map(len, scores.values())])
    shown, folded = _fitting(verdict, cells, WIDTH - 3 - wide - 2 - figure)
    widths = {a: max(len(HEADS[a]), *map(len, cells[a].values())) for a in shown}

    lines = [
        " " * (3 + wide)
        + f"  {title:>{figure}}"
        + "".join(f"  {HEADS[a]:>{widths[a]}}" for a in shown)
    ]
    for row in rows:
        start = f"{_marks(row)} {names[row.name]:<{wide}}"
        if row.name not in scores:
            lines += _wrapped(f"{row.status}: {row.reason}", f"{start}  ", 3 + wide + 2)
        elif isinstance(row, FloorRow):
            fit = "" if row.fit_seconds is None else f"  trains in {duration(row.fit_seconds)}"
            line = f"{start}  {scores[row.name]:>{figure}}"
            lines.append(line + fit if len(line + fit) <= WIDTH else line)
        else:
            lines.append(
                f"{start}  {scores[row.name]:>{figure}}"
                + "".join(f"  {cells[a][row.name]:>{widths[a]}}" for a in shown)
            )
    notes = [*_legend(verdict), *_footnotes(cells, folded, names)]
    return "\n".join([line.rstrip() for line in lines] + [x for n in notes for x in _wrapped(n)])


def _ordered(verdict: Verdict) -> list[Row | FloorRow]:
    def key(row: Row | FloorRow) -> tuple[bool, float]:
        value = row.estimate.value if row.estimate else 0.0
        return row.estimate is None, -value if verdict.higher else value

    return [*sorted(verdict.candidates, key=key), *sorted(verdict.floors, key=key)]


def _column(axis: Axis, rows: Sequence[Row | FloorRow]) -> dict[str, str]:
    made = {}
    for row in rows:
        if isinstance(row, Row) and row.estimate:
            value = row.costs.get(axis)
            made[row.name] = UNKNOWN if value is None else cost(axis, value)
    return made


def _fitting(
    verdict: Verdict, cells: Mapping[Axis, Mapping[str, str]], room: int
) -> tuple[list[Axis], list[Axis]]:
    """Axes that are columns, and axes that are footnotes."""
    differ = [
        a
        for a in HEADS
        if len(set(cells[a].values())) > 1
        or (len(cells[a]) == 1 and UNKNOWN not in cells[a].values())
    ]
    folded = [a for a in HEADS if a not in differ]
    shown: list[Axis] = []
    for axis in sorted(differ, key=lambda a: a != verdict.cost):
        width = 2 + max(len(HEADS[axis]), *map(len, cells[axis].values()))
        if width <= room:
            room -= width
            shown.append(axis)
        else:
            folded.append(axis)
    return [a for a in HEADS if a in shown], [a for a in HEADS if a in folded]


def _marks(row: Row | FloorRow) -> str:
    if isinstance(row, FloorRow):
        return "  "
    first = ">" if row.chosen else "x" if row.failing else " "
    return first + ("●" if row.on_frontier else " ")


def _legend(verdict: Verdict) -> list[str]:
    rows = verdict.candidates
    said = []
    if any(row.on_frontier for row in rows):
        said.append(
            f"● on the frontier of {verdict.figure.replace('_', ' ')} and {AXIS[verdict.cost]}"
        )
    if any(row.chosen for row in rows):
        said.append("> chosen")
    if any(row.failing for row in rows):
        said.append("x worse than a floor beyond chance")
    done = [row for row in rows if row.estimate]
    better = "higher" if verdict.higher else "lower"
    told = f"{verdict.figure.replace('_', ' ')}: {better} is better"
    if done:
        told += f", 95 % interval, {seeds_of(done)}, {verdict.n:,} units"
    return [*(["; ".join(said)] if said else []), told]


def _footnotes(
    cells: Mapping[Axis, Mapping[str, str]], folded: Sequence[Axis], names: Mapping[str, str]
) -> list[str]:
    said, unknown = [], []
    for axis in folded:
        values = cells[axis]
        same = set(values.values())
        if same == {UNKNOWN}:
            unknown.append(AXIS[axis])
        elif len(same) == 1:
            said.append(f"{AXIS[axis]}: {same.pop()}{' for all' if len(values) > 1 else ''}")
        elif values:
            said.append(f"{AXIS[axis]}: " + ", ".join(f"{names[n]} {x}" for n, x in values.items()))
    return said + ([f"not measurable here: {', '.join(unknown)}"] if unknown else [])


def _wrapped(text: str, start: str = "", indent: int = 0) -> list[str]:
    bound = re.sub(r"(?<=\d) (?=[a-zµ%]+\b|[MG]B)", "\N{NO-BREAK SPACE}", text)
    lines = textwrap.wrap(
        bound, WIDTH, initial_indent=start, subsequent_indent=" " * indent, break_on_hyphens=False
    )
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _cut(name: str) -> str:
    return name if len(name) <= NAME else name[: NAME - 1] + "…"
