"""The page of a contest: the verdict, and all that it stands on. Nothing is computed again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netwright.report import facts, numbers, render
from netwright.report.charts import FORMATS, Chart
from netwright.report.curves import Curve, curves
from netwright.report.exhibits import BEST, FEW, Piece, pieces
from netwright.report.frontier import Level, Point, frontier
from netwright.report.histories import history, together
from netwright.report.record import Cell, Verdict, read_verdict
from netwright.report.standings import FloorLine, Net, inside, standings
from netwright.report.timeline import Strip, strips
from netwright.train.target import usage
from netwright.train.view import RunView

OTHERS = 3
"""Nets beside the best one whose exhibits are shown."""
COLUMNS = ("forward_flops", "training_flops", "parameters", "seconds")
HEADS = {
    "forward_flops": "forward FLOPs",
    "training_flops": "training FLOPs",
    "parameters": "parameters",
    "seconds": "trained for",
    "latency": "latency",
    "memory": "memory",
    "energy": "energy",
}


@dataclass(frozen=True)
class Shown:
    """What one net does."""

    net: Net
    seed: int
    exhibits: Sequence[Piece]


def write_contest_page(folder: Path) -> Path:
    """Write report.html into a contest folder. Raises: as `read_verdict` and `RunView`."""
    verdict = read_verdict(folder)
    nets, floors = standings(folder, verdict)
    done = [net for net in nets if net.row.estimate]
    columns = [verdict.cost, *(c for c in COLUMNS if c != verdict.cost)]
    best = next((n for n in done if n.row.chosen), done[0] if done else None)
    views = [view for net in done for _, view in net.runs]
    return render.write(
        folder,
        "contest.html",
        verdict=verdict,
        parts=facts.parts_line(verdict.parts),
        nets=nets,
        floors=floors,
        columns=columns,
        heads=HEADS,
        frontier=_frontier(verdict, done, floors),
        unplaced=[n.short for n in done if n.row.costs.get(verdict.cost) is None],
        curves=_curves(verdict, done),
        growing=_growing(done),
        came=_came(verdict, best),
        came_seed=_shown_run(verdict, best)[0].seed if best and best.runs else None,
        told_of=best,
        shown=_exhibits(verdict, done, best),
        using=[_using(net) for net in done if _measured(net)],
        training=[_trained(net) for net in done],
        energy_note=_energy_note(done),
        pairs=_pairs(verdict, nets),
        granted=any(s.granted is not None for net in done for s in net.row.spent),
        chosen=best is not None and best.row.chosen,
        best=bool(best and best.runs),
        use=usage(verdict.task, f"{facts.place(folder)}/{_shown_run(verdict, best)[0].folder}")
        if best and best.runs
        else "",
        versions=facts.versions(views[0].determinism) if views else [],
    )


def _frontier(verdict: Verdict, nets: Sequence[Net], floors: Sequence[FloorLine]) -> list[Chart]:
    points = [
        Point(n.short, n.ink, x, e.value, e.low, e.high, n.row.on_frontier, n.row.chosen)
        for n in nets
        if (e := n.row.estimate) and (x := n.row.costs.get(verdict.cost)) is not None and x > 0
    ]
    levels = [
        Level(f.title, f.estimate.value, f.estimate.low, f.estimate.high)
        for f in (line.row for line in floors)
        if f.estimate
    ]
    if not points:
        return []
    return [
        frontier(
            points,
            levels,
            axis=verdict.cost,
            figure=_spoken(verdict.figure),
            unit=verdict.unit,
            higher=verdict.higher,
            form=form,
        )
        for form in FORMATS
    ]


def _curves(verdict: Verdict, nets: Sequence[Net]) -> list[Chart]:
    series = []
    for net in nets:
        paths = []
        for cell, view in net.runs:
            with inside(cell):
                paths.append(history(view).figures.get(verdict.figure, ((), ())))
        found = together(paths)
        if found is not None and len(found.x) > 1:
            series.append(Curve(net.short, net.ink, found.x, found.mean, found.low, found.high))
    if not series:
        return []
    return [
        curves(
            series,
            figure=f"validation {_spoken(verdict.figure)}",
            unit=verdict.unit,
            x_title="seconds of training",
            form=form,
        )
        for form in FORMATS
    ]


def _growing(nets: Sequence[Net]) -> list[Chart]:
    """What one more symbol costs behind how many, where nets make them one by one."""
    series = []
    for net in nets:
        found = [(float(t), 1e3 * float(s)) for t, s in _measured(net).get("per_place", ())]
        if len(found) > 1:
            series.append(Curve(net.short, net.ink, *zip(*found, strict=True)))
    if not series:
        return []
    return [
        curves(
            series,
            figure="one more symbol",
            unit="ms",
            x_title="symbols before it",
            form=form,
        )
        for form in FORMATS
    ]


def _shown_run(verdict: Verdict, net: Net) -> tuple[Cell, RunView]:
    """The run of a net that the contest hands out, else that of its first seed."""
    return next((run for run in net.runs if run[0].folder == verdict.applied), net.runs[0])


def _exhibits(verdict: Verdict, nets: Sequence[Net], best: Net | None) -> list[Shown]:
    """Of the best net all, of a few others some; each of one seed."""
    order = [n for n in [best, *(n for n in nets if n is not best)] if n is not None and n.runs]
    made = []
    for net in order[: 1 + OTHERS]:
        cell, view = _shown_run(verdict, net)
        with inside(cell):
            steps = view.exhibit_steps()
            room = BEST if net is best else FEW
            found = pieces(view.exhibits(steps[-1]), room) if steps else []
        if found:
            made.append(Shown(net, cell.seed, found))
    return made


def _came(verdict: Verdict, best: Net | None) -> list[Strip]:
    """How what the best net does came about, in the seed whose exhibits are shown."""
    if best is None or not best.runs:
        return []
    cell, view = _shown_run(verdict, best)
    with inside(cell):
        return strips(view)


def _measured(net: Net) -> dict[str, Any]:
    """Costs of the cell whose latency was measured; empty where none was."""
    return next((c for c in net.costs if facts.number(c, "latency") is not None), {})


def _using(net: Net) -> dict[str, Any]:
    """What an answer costs."""
    cost = _measured(net)
    speed, joules = facts.number(cost, "throughput"), facts.number(cost, "energy")
    return {
        "net": net,
        "latency": numbers.cost("latency", facts.number(cost, "latency")),
        "p90": numbers.cost("latency", facts.number(cost, "latency_p90")),
        "p99": numbers.cost("latency", facts.number(cost, "latency_p99")),
        "speed": numbers.UNKNOWN if speed is None else numbers.amount(speed),
        "memory": numbers.cost("memory", facts.number(cost, "memory")),
        "energy": "" if joules is None else numbers.joules(joules),
    }


def _energy_note(nets: Sequence[Net]) -> str:
    """Why energy has no column; '' where it has one."""
    found = [_measured(net) for net in nets]
    if any(facts.number(c, "energy") is not None for c in found):
        return ""
    return next((str(c["energy_note"]) for c in found if c.get("energy_note")), "")


def _trained(net: Net) -> dict[str, Any]:
    """What was granted and predicted beside what was spent, as means over seeds."""
    expected = [x for c in net.costs if (x := facts.predicted_steps(c)) is not None]
    steps = [x for c in net.costs if (x := facts.number(c, "steps")) is not None]
    spent = [s.spent for s in net.row.spent]
    granted = [s.granted for s in net.row.spent if s.granted is not None]
    over = [s.spent / s.granted - 1 for s in net.row.spent if s.granted]
    return {
        "net": net,
        "predicted": f"{_mean(expected):,.0f}" if expected else numbers.UNKNOWN,
        "steps": f"{_mean(steps):,.0f}" if steps else numbers.UNKNOWN,
        "granted": numbers.duration(_mean(granted)) if granted else "",
        "spent": numbers.duration(_mean(spent)) if spent else numbers.UNKNOWN,
        "over": f"{numbers.signed(100 * max(over, key=abs), 1)} %" if over else "",
    }


def _pairs(verdict: Verdict, nets: Sequence[Net]) -> list[dict[str, str]]:
    names = {n.row.name: n.short for n in nets} | {f.name: f.title for f in verdict.floors}
    return [
        {
            "a": names.get(p.a, p.a),
            "b": names.get(p.b, p.b),
            "gap": numbers.gap(p.difference, p.low, p.high, verdict.unit),
            "p": numbers.chance(p.p_holm),
            "told": "told apart" if p.told_apart else "cannot be told apart",
            "seeds": "" if p.told_apart else str(p.seeds_needed or "over 50"),
        }
        for p in verdict.pairs
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _spoken(name: str) -> str:
    return name.replace("_", " ")
