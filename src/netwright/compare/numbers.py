"""Numbers for people: three digits, the unit beside them."""

import math

from netwright.compare.verdict import Axis, Interval

AXIS: dict[Axis, str] = {
    "forward_flops": "forward FLOPs",
    "training_flops": "training FLOPs",
    "seconds": "seconds of training",
    "parameters": "parameters",
    "latency": "latency",
    "memory": "memory",
    "energy": "energy",
}
TIMES = ((1e-3, 1e6, "µs"), (0.1, 1e3, "ms"), (120, 1, "s"), (7200, 1 / 60, "min"))
"""Below which seconds, times what, in which unit; beyond, hours."""


def amount(x: float) -> str:
    """Three digits and k, M, G, T or P: 93,322 is `93.3k`, 64 is `64`."""
    if x < 1000 and x == int(x):
        return str(int(x))
    for step, suffix in enumerate(("", "k", "M", "G", "T", "P")):
        small = x / 1000**step
        if abs(float(f"{small:.3g}")) < 1000 or suffix == "P":
            return f"{_three(small)}{suffix}"
    raise AssertionError


def duration(seconds: float) -> str:
    """From `120 µs` to `2.5 h`, in two digits or more."""
    for limit, factor, unit in TIMES:
        if float(f"{seconds:.2g}") < limit:
            return f"{_two(seconds * factor)} {unit}"
    return f"{_two(seconds / 3600)} h"


def cost(axis: Axis, x: float) -> str:
    """A cost with its unit, where it has one: `1.2M`, `3.4 ms`, `12.3 MB`, `1.5 kJ`."""
    if axis in ("seconds", "latency"):
        return duration(x)
    if axis == "memory":
        return f"{_three(x / 1e6)} MB" if x < 999.5e6 else f"{_three(x / 1e9)} GB"
    if axis == "energy":
        return f"{_three(x)} J" if x < 1000 else f"{_three(x / 1000)} kJ"
    return amount(x)


def score(of: Interval, unit: str) -> str:
    """`98.9 ± 0.6 %`; `98.9 +0.4 -1.3 %` where the sides differ in what is shown."""
    scale = 100 if unit == "%" else 1
    value, above, below = (scale * x for x in (of.value, of.high - of.value, of.value - of.low))
    digits = decimals(max(above, below))
    over, under = f"{above:.{digits}f}", f"{below:.{digits}f}"
    sides = f"± {over}" if over == under else f"+{over} -{under}"
    return f"{value:.{digits}f} {sides} {unit}".strip()


def _three(x: float) -> str:
    digits = f"{x:#.3g}" if x else "0"
    return digits.rstrip(".") if "e" not in digits else f"{x:.0f}"


def _two(x: float) -> str:
    if x < 0.995:
        return f"{x:.2g}"
    return f"{x:.0f}" if x >= 9.95 else f"{x:.1f}"


def decimals(half: float) -> int:
    """Digits after the point that a half-width of this size deserves."""
    if not half > 0 or not math.isfinite(half):
        return 1
    return min(6, max(0 if half >= 9.95 else 1, -math.floor(math.log10(half))))
