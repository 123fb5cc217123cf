"""Quality against cost: a point with its interval for each net, a dashed line for each floor."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from netwright.report import numbers
from netwright.report.charts import Chart, Format, Line, Mark, Text, cut, in_unit, joined, value_ticks
from netwright.report.labels import LINE, Box, place_labels, width
from netwright.report.palette import Ink, mark
from netwright.report.scales import Scale, linear, logarithmic, spread


@dataclass(frozen=True)
class Point:
    """A net on the frontier chart."""

    name: str
    ink: Ink
    cost: float
    value: float
    low: float
    high: float
    on_frontier: bool = False
    chosen: bool = False


@dataclass(frozen=True)
class Level:
    """A floor on the frontier chart."""

    name: str
    value: float
    low: float
    high: float


def frontier(
    points: Sequence[Point],
    floors: Sequence[Level],
    *,
    axis: str,
    figure: str,
    unit: str,
    higher: bool,
    form: Format,
) -> Chart:
    """Quality against cost; floors best first. Raises ValueError without a point."""
    frame, title = form.frame, numbers.AXES.get(axis, axis)
    x = logarithmic((p.cost for p in points), frame.left, frame.right)
    ends = [e for p in points for e in (p.low, p.high)]
    ends += [e for f in floors for e in (f.low, f.high)]
    y = linear(ends, frame.bottom, frame.top, share=unit == "%")
    marks = [
        Mark(
            x(p.cost),
            y(p.value),
            y(p.high),
            y(p.low),
            mark(p.ink.style, 7.5 if p.chosen else 5.5),
            p.ink.css + ("" if p.on_frontier else " beaten") + (" chosen" if p.chosen else ""),
        )
        for p in points
    ]
    levels = _levels(floors, y, form)
    obstacles = [Box(m.x - 7, m.y - 7, m.x + 7, m.y + 7) for m in marks]
    obstacles += [Box(m.x - 1, m.top, m.x + 1, m.bottom) for m in marks]
    obstacles += [_box(t) for t in levels]
    names = [cut(p.name) for p in points]
    paper = Box(frame.left, frame.top - 8, form.width, frame.bottom)
    places = place_labels([(m.x, m.y) for m in marks], names, obstacles, paper)
    leaders = [
        Line(joined([(m.x, m.y), spot.leader]), "leader")
        for m, spot in zip(marks, places, strict=True)
        if spot.leader
    ]
    words = [
        Text(
            s.x,
            s.y,
            name,
            s.anchor,
            "name strong" if p.chosen else "name" if p.on_frontier else "name beaten",
        )
        for name, s, p in zip(names, places, points, strict=True)
    ]
    bands = [
        Line(_rectangle(frame.left, y(f.high), frame.right, y(f.low)), "floor") for f in floors[:1]
    ]
    dashes = [
        Line(joined([(frame.left, y(f.value)), (frame.right, y(f.value))]), css)
        for f, css in zip(floors, ["floor", *["floor minor"] * len(floors)], strict=False)
    ]
    best = sorted((p for p in points if p.on_frontier), key=lambda p: p.cost)
    stairs = [(x(p.cost), y(p.value)) for p in best]
    step = [s for a, b in pairwise(stairs) for s in (a, (b[0], a[1]))]
    lines = [Line(joined([*step, *stairs[-1:]]), "stairs")] if len(stairs) > 1 else []
    return Chart(
        about=f"{figure} against {title}: " + "; ".join(_said(p, axis, unit) for p in points),
        format=form,
        frame=frame,
        x_title=f"{title}, logarithmic",
        y_title=_quality(figure, unit, higher=higher),
        x_ticks=[(x(t), numbers.rounded(numbers.cost(axis, t))) for t in x.ticks(form.x_ticks)],
        y_ticks=value_ticks(y, unit),
        areas=bands,
        lines=[*dashes, *lines, *leaders],
        marks=marks,
        texts=[*levels, *words],
    )


def _said(p: Point, axis: str, unit: str) -> str:
    score = numbers.score(p.value, p.low, p.high, unit)
    return f"{p.name} {score} at {numbers.cost(axis, p.cost)}"


def _levels(floors: Sequence[Level], y: Scale, form: Format) -> list[Text]:
    """Names of the floors: all of them in the right margin, or the best one over its line."""
    frame = form.frame
    if not form.wide:
        return [
            Text(frame.right, y(f.value) - 5, f"floor: {cut(f.name)}", "end", "floor")
            for f in floors[:1]
        ]
    at = spread([y(f.value) for f in floors], LINE, frame.top, frame.bottom)
    return [
        Text(frame.right + 8, a + 4, cut(f.name, 19), "start", css)
        for f, a, css in zip(floors, at, ["floor", *["floor minor"] * len(floors)], strict=False)
    ]


def _box(text: Text) -> Box:
    wide = width(text.text)
    left = text.x - (wide if text.anchor == "end" else 0)
    return Box(left - 8, text.y - LINE * 0.8, left + wide, text.y + LINE * 0.2)


def _quality(figure: str, unit: str, *, higher: bool) -> str:
    return f"{figure}{in_unit(unit)}, {'higher' if higher else 'lower'} is better"


def _rectangle(left: float, top: float, right: float, bottom: float) -> str:
    return joined([(left, top), (right, top), (right, bottom), (left, bottom)])


