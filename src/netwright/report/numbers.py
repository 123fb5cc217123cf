"""Numbers for readers: three digits, the unit beside them, and what a budget is called."""

import math
import re

AXES: dict[str, str] = {
    "forward_flops": "forward FLOPs of one example",
    "training_flops": "training FLOPs",
    "seconds": "seconds of training",
    "parameters": "parameters",
    "latency": "latency of one answer",
    "memory": "memory at the peak",
    "energy": "energy",
}
"""Cost axes as a chart names them."""
UNKNOWN = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


TIMES = ((1e-3, 1e6, "µs"), (0.1, 1e3, "ms"), (120, 1, "s"), (7200, 1 / 60, "min"))
"""Below which seconds, times what, in which unit; beyond, hours."""


def amount(x: float) -> str:
    """Three digits and k, M, G, T or P: 93,322 is `93.3k`, 64 is `64`."""
    if x < 1000 and x == int(x):
        return str(int(x))
    for step, suffix in enumerate(("", "k", "M", "G", "T", "P")):
        small = x / 1000**step
        if abs(float(f"{small:.3g}")) < 1000 or suffix == "P":
            return f"{three(small)}{suffix}"
    raise AssertionError


def duration(seconds: float) -> str:
    """From `120 µs` to `2.5 h`, in two digits or more."""
    for limit, factor, unit in TIMES:
        if float(f"{seconds:.2g}") < limit:
            return f"{_two(seconds * factor)} {unit}"
    return f"{_two(seconds / 3600)} h"


def cost(axis: str, x: float | None) -> str:
    """A cost with its unit, where it has one: `1.2M`, `3.4 ms`, `12.3 MB`, `1.5 kJ`."""
    if x is None:
        return UNKNOWN
    if axis in ("seconds", "latency"):
        return duration(x)
    if axis == "memory":
        return f"{three(x / 1e6)} MB" if x < 999.5e6 else f"{three(x / 1e9)} GB"
    if axis == "energy":
        return joules(x)
    return amount(x)


def rounded(text: str) -> str:
    """A number with its unit, without zeros that say nothing: `50.0k` is `50k`."""
    return re.sub(r"(\.\d*?)0+(?=\D|$)", lambda m: m[1] if len(m[1]) > 1 else "", text)


def joules(x: float) -> str:
    """From `12 µJ` to `3.4 kJ`."""
    for limit, factor, unit in ((1e-3, 1e6, "µJ"), (1, 1e3, "mJ"), (1000, 1, "J")):
        if x < limit:
            return f"{three(x * factor)} {unit}"
    return f"{three(x / 1000)} kJ"


def score(value: float, low: float, high: float, unit: str) -> str:
    """`98.9 ± 0.6 %`; `98.9 +0.4 −1.3 %` where the sides differ in what is shown."""
    scale = 100 if unit == "%" else 1
    value, above, below = scale * value, scale * (high - value), scale * (value - low)
    digits = decimals(max(above, below))
    over, under = f"{above:.{digits}f}", f"{below:.{digits}f}"
    sides = f"± {over}" if over == under else f"+{over} {MINUS}{under}"
    return f"{value:.{digits}f} {sides} {unit}".strip()


def plain(value: float, unit: str) -> str:
    """A figure without an interval: `97.2 %`, `0.113 nats`."""
    return f"{100 * value:.1f} %" if unit == "%" else f"{value:.4g} {unit}".strip()


def gap(value: float, low: float, high: float, unit: str) -> str:
    """A difference and its interval with signs: `+1.2 (+0.4 to +2.0) points`."""
    scale, name = (100, "points") if unit == "%" else (1, unit)
    digits = decimals(scale * (high - low) / 2)
    a, b, c = (signed(scale * x, digits) for x in (value, low, high))
    return f"{a} ({b} to {c}) {name}".strip()


def signed(x: float, digits: int) -> str:
    """`+1.2`, `−0.4`, `0.0`."""
    text = f"{abs(x):.{digits}f}"
    return text if not float(text) else f"{'+' if x > 0 else MINUS}{text}"


def chance(p: float) -> str:
    """A p value: `0.031`, `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.0995 else f"{p:.2f}"


def budget(text: str) -> str:
    """`3s,60steps` as it is spoken: `3 s or 60 steps`."""
    spoken = (re.sub(r"^([0-9.e+]*[0-9.])\s*([a-z]+)$", r"\1 \2", part) for part in text.split(","))
    return " or ".join(spoken)


def decimals(half: float) -> int:
    """Digits after the point that a half-width of this size deserves."""
    if not half > 0 or not math.isfinite(half):
        return 1
    return min(6, max(0 if half >= 9.95 else 1, -math.floor(math.log10(half))))


def three(x: float) -> str:
    """Three digits without an exponent."""
    digits = f"{x:#.3g}" if x else "0"
    return digits.rstrip(".") if "e" not in digits else f"{x:.0f}" if abs(x) >= 1 else f"{x:.2g}"


def _two(x: float) -> str:
    if x < 0.995:
        return f"{x:.2g}"
    return f"{x:.0f}" if x >= 9.95 else f"{x:.1f}"
