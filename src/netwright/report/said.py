"""What the turns of a training say beside their losses: scores and gradients, a chart each."""

from collections.abc import Mapping, Sequence

from netwright.report.charts import FORMATS, Chart
from netwright.report.curves import Curve, curves
from netwright.report.histories import History, thinned
from netwright.report.palette import STYLES, Ink

CHARTS = 6
"""Kinds that are drawn at most."""
SPAN = 100.0
"""From this quotient of the largest and the smallest on, an axis is logarithmic."""


def sayings(log: History, colours: Mapping[str, Ink]) -> list[list[Chart]]:
    """The charts, each in both widths; a turn has the colour that it has among the losses.

    The kind of `real_score` and `fake_score` is their last word: they share a chart.
    """
    kinds: dict[str, list[Curve]] = {}
    for name, path in log.said.items():
        turn, _, what = name.rpartition(": ")
        *first, kind = what.split("_")
        if len(path[0]) > 1:
            there = kinds.setdefault(kind, [])
            known = colours.get(turn, Ink(0))
            style = sum(c.ink.tone == known.tone for c in there) % STYLES
            label = f"{turn}: {' '.join(first)}" if first else turn
            there.append(Curve(label, Ink(known.tone, style), *thinned(path)))
    return [_chart(kind, series) for kind, series in [*kinds.items()][:CHARTS]]


def _chart(kind: str, series: Sequence[Curve]) -> list[Chart]:
    values = [v for curve in series for v in curve.mean]
    wide = min(values) > 0 and max(values) > SPAN * min(values)
    return [
        curves(
            series,
            figure=f"what the turns say: {kind}",
            unit="",
            x_title="seconds of training",
            form=form,
            axis="logarithmic" if wide else "linear",
        )
        for form in FORMATS
    ]
