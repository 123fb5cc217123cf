"""Quality against cost: a point with its interval for each net, a dashed line for each floor."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from netwright.report import numbers
from netwright.report.charts import (
    Chart,
    Format,
    Line,
    Mark,
    Text,
    cut,
    in_unit,
    joined,
    value_ticks,
)
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
    marks = [_mark(p, x, y) for p in points]
    levels = _levels(floors, y, form)
    words, leaders = _names(points, marks, levels, form)
    better = "higher" if higher else "lower"
    return Chart(
        about=f"{figure} against {title}: " + "; ".join(_said(p, axis, unit) for p in points),
        format=form,
        frame=frame,
        x_title=f"{title}, logarithmic",
        y_title=f"{figure}{in_unit(unit)}, {better} is better",
        x_ticks=[(x(t), numbers.rounded(numbers.cost(axis, t))) for t in x.ticks(form.x_ticks)],
        y_ticks=value_ticks(y, unit),
        areas=[_band(f, y, frame) for f in floors[:1]],
        lines=[*_dashes(floors, y, frame), *_stairs(points, x, y), *leaders],
        marks=marks,
        texts=[*levels, *words],
    )


def _mark(p: Point, x: Scale, y: Scale) -> Mark:
    css = p.ink.css + ("" if p.on_frontier else " beaten") + (" chosen" if p.chosen else "")
    outline = mark(p.ink.style, 7.5 if p.chosen else 5.5)
    return Mark(x(p.cost), y(p.value), y(p.high), y(p.low), outline, css)


def _names(
    points: Sequence[Point], marks: Sequence[Mark], levels: Sequence[Text], form: Format
) -> tuple[list[Text], list[Line]]:
    """A name beside each mark, and leaders to those that stand apart."""
    obstacles = [Box(m.x - 7, m.y - 7, m.x + 7, m.y + 7) for m in marks]
    obstacles += [Box(m.x - 1, m.top, m.x + 1, m.bottom) for m in marks]
    obstacles += [_box(t) for t in levels]
    names = [cut(p.name) for p in points]
    paper = Box(form.frame.left, form.frame.top - 8, form.width, form.frame.bottom)
    places = place_labels([(m.x, m.y) for m in marks], names, obstacles, paper)
    words, leaders = [], []
    for name, spot, p, m in zip(names, places, points, marks, strict=True):
        css = "name strong" if p.chosen else "name" if p.on_frontier else "name beaten"
        words.append(Text(spot.x, spot.y, name, spot.anchor, css))
        if spot.leader:
            leaders.append(Line(joined([(m.x, m.y), spot.leader]), "leader"))
    return words, leaders


def _stairs(points: Sequence[Point], x: Scale, y: Scale) -> list[Line]:
    """From net to net on the frontier, by rising cost."""
    best = sorted((p for p in points if p.on_frontier), key=lambda p: p.cost)
    places = [(x(p.cost), y(p.value)) for p in best]
    steps = [s for a, b in pairwise(places) for s in (a, (b[0], a[1]))]
    return [Line(joined([*steps, places[-1]]), "stairs")] if steps else []


def _band(floor: Level, y: Scale, frame: Box) -> Line:
    top, bottom = y(floor.high), y(floor.low)
    left, right = frame.left, frame.right
    return Line(joined([(left, top), (right, top), (right, bottom), (left, bottom)]), "floor")


def _dashes(floors: Sequence[Level], y: Scale, frame: Box) -> list[Line]:
    return [
        Line(joined([(frame.left, y(f.value)), (frame.right, y(f.value))]), _rank(i))
        for i, f in enumerate(floors)
    ]


def _rank(place: int) -> str:
    """The best floor is drawn in full, the others thinly."""
    return "floor minor" if place else "floor"


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
        Text(frame.right + 8, a + 4, cut(f.name, 19), "start", _rank(i))
        for i, (f, a) in enumerate(zip(floors, at, strict=True))
    ]


def _box(text: Text) -> Box:
    wide = width(text.text)
    left = text.x - (wide if text.anchor == "end" else 0)
    return Box(left - 8, text.y - LINE * 0.8, left + wide, text.y + LINE * 0.2)
