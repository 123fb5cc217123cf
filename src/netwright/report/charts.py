"""Charts as plain values: where every line, mark and word stands; `templates/chart.html` draws.

A chart is laid out for one width, so that its words keep their size: a page carries one for a wide
and one for a narrow window. Places are in pixels of the chart, y downwards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from netwright.report.labels import Anchor, Box
from netwright.report.palette import Ink, mark
from netwright.report.scales import Scale, linear, tick_texts

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
    frame: Box
    """What the axes enclose."""
    x_title: str
    y_title: str
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    areas: Sequence[Line] = ()
    lines: Sequence[Line] = ()
    marks: Sequence[Mark] = ()
    texts: Sequence[Text] = ()


@dataclass(frozen=True)
class Bar:
    """An interval as a small bar, 120 pixels wide."""

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


def value_ticks(scale: Scale, unit: str, count: int = 5) -> list[tuple[float, str]]:
    """Places and words of about `count` round values."""
    ticks = scale.ticks(count)
    if scale.logarithmic:
        return [(scale(t), f"{t:g}") for t in ticks]
    return [(scale(t), text) for t, text in zip(ticks, tick_texts(ticks, unit), strict=True)]


def in_unit(unit: str) -> str:
    """What a title says of a unit; nothing of shares, whose ticks say it."""
    return f" in {unit}" if unit not in ("", "%") else ""


def joined(pairs: Iterable[tuple[float, float]]) -> str:
    """Places as SVG's `points`."""
    return " ".join(f"{a:g},{b:g}" for a, b in pairs)


def cut(name: str, most: int = NAME) -> str:
    """A name, or its beginning."""
    return name if len(name) <= most else name[: most - 1] + "…"
