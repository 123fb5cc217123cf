"""Figures over what was spent, a line for each net, the band of its seeds around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from netwright.report import numbers
from netwright.report.charts import Chart, Format, Line, Text, cut, in_unit, joined, value_ticks
from netwright.report.labels import LINE, Box, width
from netwright.report.palette import Ink
from netwright.report.scales import Scale, linear, logarithmic, spread


@dataclass(frozen=True)
class Curve:
    """A figure over what was spent: mean, lowest and highest of the seeds at each place."""

    name: str
    ink: Ink
    x: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


def curves(
    series: Sequence[Curve],
    *,
    figure: str,
    unit: str,
    x_title: str,
    form: Format,
    axis: Literal["linear", "logarithmic"] = "linear",
) -> Chart:
    """Figures over what was spent, each named at the end of its line.

    A logarithmic axis takes positive figures.
    """
    names = [cut(c.name) for c in series]
    room = 24 + round(max(map(width, names))) if len(series) > 1 else 12
    frame = Box(form.frame.left, form.frame.top, form.width - room, form.frame.bottom)
    x = linear((v for c in series for v in c.x), frame.left, frame.right, margin=0.0)
    x = Scale(min(0.0, x.low), x.high, frame.left, frame.right)
    reached = [v for c in series for v in (*c.mean, *c.low, *c.high)]
    if axis == "logarithmic":
        y = logarithmic(reached, frame.bottom, frame.top)
    else:
        y = linear(reached, frame.bottom, frame.top, share=unit == "%")
    areas = [Line(_around(c, x, y), c.ink.css) for c in series if list(c.low) != list(c.high)]
    lines = [
        Line(joined((x(a), y(b)) for a, b in zip(c.x, c.mean, strict=True)), c.ink.css)
        for c in series
    ]
    words, leads = _names(series, names, x, y, frame) if len(series) > 1 else ([], [])
    last = "; ".join(f"{c.name} ends at {numbers.plain(c.mean[-1], unit)}" for c in series)
    return Chart(
        about=f"{figure} over {x_title}: {last}" if figure else last,
        format=form,
        frame=frame,
        x_title=x_title,
        y_title=f"{figure}{in_unit(unit)}",
        x_ticks=value_ticks(x, "", form.x_ticks),
        y_ticks=value_ticks(y, unit),
        areas=areas,
        lines=[*lines, *leads],
        texts=words,
    )


def _around(curve: Curve, x: Scale, y: Scale) -> str:
    there = [(x(a), y(b)) for a, b in zip(curve.x, curve.high, strict=True)]
    back = [(x(a), y(b)) for a, b in zip(curve.x, curve.low, strict=True)]
    return joined([*there, *reversed(back)])


def _names(
    series: Sequence[Curve], names: Sequence[str], x: Scale, y: Scale, frame: Box
) -> tuple[list[Text], list[Line]]:
    """Names in the right margin, each led to from the end of its line."""
    at = spread([y(c.mean[-1]) for c in series], LINE, frame.top, frame.bottom)
    words = [
        Text(frame.right + 20, a + 4, name, "start", "name")
        for name, a in zip(names, at, strict=True)
    ]
    leads = [
        Line(
            joined([(x(c.x[-1]), y(c.mean[-1])), (frame.right + 4, a), (frame.right + 15, a)]),
            f"lead {c.ink.css}",
        )
        for c, a in zip(series, at, strict=True)
    ]
    return words, leads
