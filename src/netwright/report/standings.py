"""Who stands in a contest, best first: what the verdict says of each, and the runs behind it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netwright.errors import DamagedError, InputError
from netwright.report import facts, numbers
from netwright.report.charts import Bar, bars
from netwright.report.palette import Ink, inks
from netwright.report.record import Cell, FloorRow, Row, Verdict
from netwright.train.view import RunView


@dataclass(frozen=True)
class Net:
    """One network on the page."""

    row: Row
    short: str
    """`cnn` where its family stands once."""
    ink: Ink
    score: str
    """Its figure and interval; '' where it has none."""
    ties: Sequence[str]
    runs: Sequence[tuple[Cell, RunView]]
    """Its cells that are done."""
    costs: Sequence[dict[str, Any]]
    """cost.json of each of them."""
    lost: Sequence[Cell]
    """Its cells that failed."""
    bar: Bar | None = None


@dataclass(frozen=True)
class FloorLine:
    """One floor on the page."""

    row: FloorRow
    score: str
    fit: str
    """How long it was fitted."""
    bar: Bar | None = None


def standings(folder: Path, verdict: Verdict) -> tuple[list[Net], list[FloorLine]]:
    """Nets and floors, each best first, whoever has no figure last.

    Raises: DamagedError, with the cell, where a run is not what it was.
    """
    families = Counter(row.family for row in verdict.candidates)
    short = {r.name: r.family if families[r.family] == 1 else r.name for r in verdict.candidates}
    colours = inks((r.name, r.family) for r in verdict.candidates)

    def rank(row: Row | FloorRow) -> tuple[bool, float]:
        value = row.estimate.value if row.estimate else 0.0
        return row.estimate is None, -value if verdict.higher else value

    nets = [
        _net(folder, row, short, colours[row.name], verdict.unit)
        for row in sorted(verdict.candidates, key=rank)
    ]
    floors = [
        FloorLine(
            row,
            _score(row, verdict.unit),
            "" if row.fit_seconds is None else numbers.duration(row.fit_seconds),
        )
        for row in sorted(verdict.floors, key=rank)
    ]
    return _barred(nets, floors, verdict.unit)


@contextmanager
def inside(cell: Cell) -> Iterator[None]:
    """Name the cell in whatever is wrong with its folder."""
    try:
        yield
    except (DamagedError, InputError) as error:
        raise DamagedError(
            f"the cell {cell.id} cannot be read", why=error.sentence, file=cell.folder
        ) from error


def _net(folder: Path, row: Row, short: dict[str, str], ink: Ink, unit: str) -> Net:
    runs, costs = [], []
    for cell in row.cells if row.status == "done" else ():
        if cell.status == "done":
            with inside(cell):
                runs.append((cell, RunView.open(folder / "cells" / cell.id)))
                costs.append(facts.cost_of(runs[-1][1]))
    return Net(
        row,
        short[row.name],
        ink,
        _score(row, unit),
        [short.get(t, t) for t in row.tied_with],
        runs,
        costs,
        [c for c in row.cells if c.status != "done"],
    )


def _score(row: Row | FloorRow, unit: str) -> str:
    e = row.estimate
    return numbers.score(e.value, e.low, e.high, unit) if e else ""


def _barred(
    nets: Sequence[Net], floors: Sequence[FloorLine], unit: str
) -> tuple[list[Net], list[FloorLine]]:
    """All with their bars, on one scale; the best floor's value is marked in each."""
    drawn = [(e.value, e.low, e.high, n.ink) for n in nets if (e := n.row.estimate)]
    plain = [(e.value, e.low, e.high, None) for f in floors if (e := f.row.estimate)]
    made = iter(bars([*drawn, *plain], plain[0][0] if plain else None, unit))
    with_bars = [replace(n, bar=next(made)) if n.row.estimate else n for n in nets]
    return with_bars, [replace(f, bar=next(made)) if f.row.estimate else f for f in floors]
