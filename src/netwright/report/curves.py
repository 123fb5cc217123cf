"""Figures over what was spent, a line for each net, the band of its seeds around it."""

from collections.abc import Sequence
from dataclasses import dataclass

from netwright.report import numbers
from netwright.report.charts import Chart, Format, Line, Text, cut, in_unit, joined, value_ticks
from netwright.report.labels import LINE, Box, width
from netwright.report.palette import Ink
from netwright.report.scales import Scale, linear, spread, tick_texts


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
    series: Sequence[Curve], *, figure: str, unit: str, note: str, x_title: str, form: Format
) -> Chart:
    """Figures over what was spent, each named at the end of its line."""
    names = [cut(c.name) for c in series]
    room = 24 + round(max(map(width, names))) if len(series) > 1 else 12
    frame = Box(form.frame.left, form.frame.top, form.width - room, form.frame.bottom)
    x = linear((v for c in series for v in c.x), frame.left, frame.right, margin=0.0)
    x = Scale(min(0.0, x.low), x.high, frame.left, frame.right)
    reached = [v for c in series for v in (*c.mean, *c.low, *c.high)]
    y = linear(reached, frame.bottom, frame.top, share=unit == "%")
    areas, lines = [], []
    for c in series:
        if c.low and list(c.low) != list(c.high):
            there = [(x(a), y(b)) for a, b in zip(c.x, c.high, strict=True)]
            back = [(x(a), y(b)) for a, b in zip(c.x, c.low, strict=True)]
            areas.append(Line(joined([*there, *reversed(back)]), c.ink.css))
        lines.append(
            Line(joined([(x(a), y(b)) for a, b in zip(c.x, c.mean, strict=True)]), c.ink.css)
        )
    texts = []
    if len(series) > 1:
        at = spread([y(c.mean[-1]) for c in series], LINE, frame.top, frame.bottom)
        texts = [
            Text(frame.right + 20, a + 4, name, "start", "name")
            for name, a in zip(names, at, strict=True)
        ]
        ends = [(x(c.x[-1]), y(c.mean[-1])) for c in series]
        lines += [
            Line(joined([end, (frame.right + 4, a), (frame.right + 15, a)]), f"lead {c.ink.css}")
            for end, a, c in zip(ends, at, series, strict=True)
        ]
    last = "; ".join(f"{c.name} ends at {numbers.plain(c.mean[-1], unit)}" for c in series)
    return Chart(
        about=f"{figure} over {x_title}: {last}",
        format=form,
        frame=frame,
        x_title=x_title,
        y_title=f"{figure}{in_unit(unit)}{note}",
        x_ticks=[(x(t), s) for t, s in zip(*_texts(x.ticks(form.x_ticks), ""), strict=True)],
        y_ticks=value_ticks(y, unit),
        areas=areas,
        lines=lines,
        texts=texts,
    )


