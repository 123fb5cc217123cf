"""Scores and axes as a terminal shows them; the numbers themselves are `metrics.numbers`."""

from netwright.compare.verdict import Axis, Interval
from netwright.metrics.numbers import decimals

AXIS: dict[Axis, str] = {
    "forward_flops": "forward FLOPs",
    "training_flops": "training FLOPs",
    "seconds": "seconds of training",
    "parameters": "parameters",
    "latency": "latency",
    "memory": "memory",
    "energy": "energy",
}


def score(of: Interval, unit: str) -> str:
    """`98.9 ± 0.6 %`; `98.9 +0.4 -1.3 %` where the sides differ in what is shown."""
    scale = 100 if unit == "%" else 1
    value, above, below = (scale * x for x in (of.value, of.high - of.value, of.value - of.low))
    digits = decimals(max(above, below))
    over, under = f"{above:.{digits}f}", f"{below:.{digits}f}"
    sides = f"± {over}" if over == under else f"+{over} -{under}"
    return f"{value:.{digits}f} {sides} {unit}".strip()
