"""Charts as plain values: where every line, mark and word stands. `templates/chart.html` draws them.

A chart is laid out for one width, so that its words keep their size: a page carries one for a wide
and one for a narrow window. Places are in pixels of the chart, y downwards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from netwright.report import numbers
from netwright.report.labels import LINE, Anchor, Box, place, width
from netwright.report.palette import Ink, mark
from netwright.report.scales import Scale, linear, logarithmic, spread, tick_texts

NAME = 26
"""Characters of a name in a chart at most."""


@dataclass(frozen=True)
class Format:
    """Size of a chart and the room around its frame."""

    width: int
    height: int
    left: int
    right: int
    x_ticks: int
    wide: bool

    @property
    def frame(self) -> Box:
        """What the axes enclose."""
        return Box(self.left, 34, self.width - self.right, self.height - 46)


WIDE = Format(928, 420, 56, 150, 7, wide=True)
NARROW = Format(360, 330, 46, 12, 3, wide=False)
FORMATS = (WIDE, NARROW)


@dataclass(frozen=True)
class Line:
    """A polyline or an area, as SVG's `points`."""

    points: str
    css: str


@dataclass(frozen=True)
class Mark:
    """A point with its interval from `top` to `bottom`."""

    x: float
    y: float
    top: float
    bottom: float
    path: str
    css: str


@dataclass(frozen=True)
class Text:
    """Words."""

    x: float
    y: float
    text: str
    anchor: Anchor = "start"
    css: str = ""


@dataclass(frozen=True)
class Chart:
    """All that is drawn."""

    about: str
    """What a reader who does not see it is told."""
    format: Format
    x_title: str
    y_title: str
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    areas: Sequence[Line] = ()
    lines: Sequence[Line] = ()
    marks: Sequence[Mark] = ()
    texts: Sequence[Text] = ()


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


@dataclass(frozen=True)
class Curve:
    """A figure over what was spent: mean, lowest and highest of the seeds at each place."""

    name: str
    ink: Ink
    x: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float] = field(default=())
    high: Sequence[float] = field(default=())


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
    frame = form.frame
    x = logarithmic((p.cost for p in points), frame.left, frame.right)
    ends = [e for p in (*points, *floors) for e in (p.low, p.high)]
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
    obstacles += [Box(m.x - 2, m.top, m.x + 2, m.bottom) for m in marks]
    obstacles += [] if form.wide else [_box(t) for t in levels]
    names = [_cut(p.name) for p in points]
    places = place([(m.x, m.y) for m in marks], names, obstacles, frame)
    leaders = [
        Line(_points([(m.x, m.y), spot.leader]), "leader")
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
        Line(_points([(frame.left, y(f.value)), (frame.right, y(f.value))]), css)
        for f, css in zip(floors, ["floor", *["floor minor"] * len(floors)], strict=False)
    ]
    best = sorted((p for p in points if p.on_frontier), key=lambda p: p.cost)
    stairs = [(x(p.cost), y(p.value)) for p in best]
    step = [s for a, b in zip(stairs, stairs[1:], strict=False) for s in (a, (b[0], a[1]))]
    lines = [Line(_points([*step, *stairs[-1:]]), "stairs")] if len(stairs) > 1 else []
    return Chart(
        about=f"{figure} against {numbers.AXES.get(axis, axis)}: "
        + "; ".join(
            f"{p.name} {numbers.score(p.value, p.low, p.high, unit)} at {numbers.cost(axis, p.cost)}"
            for p in points
        ),
        format=form,
        x_title=f"{numbers.AXES.get(axis, axis)}, logarithmic",
        y_title=_quality(figure, unit, higher=higher),
        x_ticks=[(x(t), numbers.cost(axis, t)) for t in x.ticks(form.x_ticks)],
        y_ticks=_y_ticks(y, unit),
        areas=bands,
        lines=[*dashes, *lines, *leaders],
        marks=marks,
        texts=[*levels, *words],
    )


def curves(
    series: Sequence[Curve], *, figure: str, unit: str, note: str, x_title: str, form: Format
) -> Chart:
    """Figures over what was spent, each named at the end of its line."""
    names = [_cut(c.name) for c in series]
    room = 8 + max(map(width, names)) if len(series) > 1 else 12
    frame = Box(form.frame.left, form.frame.top, form.width - room, form.frame.bottom)
    x = linear((v for c in series for v in c.x), frame.left, frame.right, margin=0.0)
    x = Scale(min(0.0, x.low), x.high, frame.left, frame.right)
    ends = [v for c in series for v in (*c.mean, *c.low, *c.high)]
    y = linear(ends, frame.bottom, frame.top, share=unit == "%")
    areas, lines = [], []
    for c in series:
        if c.low and list(c.low) != list(c.high):
            there = [(x(a), y(b)) for a, b in zip(c.x, c.high, strict=True)]
            back = [(x(a), y(b)) for a, b in zip(c.x, c.low, strict=True)]
            areas.append(Line(_points([*there, *reversed(back)]), c.ink.css))
        lines.append(
            Line(_points([(x(a), y(b)) for a, b in zip(c.x, c.mean, strict=True)]), c.ink.css)
        )
    texts = []
    if len(series) > 1:
        at = spread([y(c.mean[-1]) for c in series], LINE, frame.top, frame.bottom)
        texts = [
            Text(frame.right + 8, a + 4, name, "start", f"name {c.ink.css}")
            for name, a, c in zip(names, at, series, strict=True)
        ]
    last = "; ".join(f"{c.name} ends at {numbers.plain(c.mean[-1], unit)}" for c in series)
    return Chart(
        about=f"{figure} over {x_title}: {last}",
        format=form,
        x_title=x_title,
        y_title=f"{figure}{_unit(unit)}{note}",
        x_ticks=[(x(t), s) for t, s in zip(*_texts(x.ticks(form.x_ticks), ""), strict=True)],
        y_ticks=_y_ticks(y, unit),
        areas=areas,
        lines=lines,
        texts=texts,
    )


@dataclass(frozen=True)
class Bar:
    """An interval as a small bar, all in the width of the chart's 120 pixels."""

    low: float
    high: float
    value: float
    floor: float | None
    css: str
    path: str


def bars(
    estimates: Iterable[tuple[float, float, float, Ink | None]], floor: float | None, unit: str
) -> list[Bar]:
    """Intervals (value, low, high) on one common scale; `floor` is the best floor's value."""
    found = list(estimates)
    ends = [e for value in found for e in value[:3]] + ([] if floor is None else [floor])
    if not found:
        return []
    x = linear(ends, 4, 116, share=unit == "%")
    at = None if floor is None else x(floor)
    return [
        Bar(
            x(low),
            x(high),
            x(value),
            at,
            ink.css if ink else "plain",
            mark(ink.style if ink else 0, 4),
        )
        for value, low, high, ink in found
    ]


def _levels(floors: Sequence[Level], y: Scale, form: Format) -> list[Text]:
    """Names of the floors: all of them in the right margin, or the best one over its line."""
    frame = form.frame
    if not form.wide:
        return [
            Text(frame.right, y(f.value) - 5, f"floor: {_cut(f.name)}", "end", "floor")
            for f in floors[:1]
        ]
    at = spread([y(f.value) for f in floors], LINE, frame.top, frame.bottom)
    return [
        Text(frame.right + 8, a + 4, _cut(f.name, 19), "start", css)
        for f, a, css in zip(floors, at, ["floor", *["floor minor"] * len(floors)], strict=False)
    ]


def _box(text: Text) -> Box:
    wide = width(text.text)
    left = text.x - (wide if text.anchor == "end" else 0)
    return Box(left, text.y - LINE * 0.8, left + wide, text.y + LINE * 0.2)


def _y_ticks(y: Scale, unit: str) -> list[tuple[float, str]]:
    return [(y(t), s) for t, s in zip(*_texts(y.ticks(5), unit), strict=True)]


def _texts(ticks: list[float], unit: str) -> tuple[list[float], list[str]]:
    return ticks, tick_texts(ticks, unit)


def _quality(figure: str, unit: str, *, higher: bool) -> str:
    return f"{figure}{_unit(unit)}, {'higher' if higher else 'lower'} is better"


def _unit(unit: str) -> str:
    return f" in {unit}" if unit not in ("", "%") else ""


def _points(pairs: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{a:g},{b:g}" for a, b in pairs)


def _rectangle(left: float, top: float, right: float, bottom: float) -> str:
    return _points([(left, top), (right, top), (right, bottom), (left, bottom)])


def _cut(name: str, most: int = NAME) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
