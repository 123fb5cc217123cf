"""Numbers for people: three digits, the unit beside them. A terminal and a page show the same."""

import math

UNKNOWN = "\N{EN DASH}"
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


def joules(x: float) -> str:
    """From `12 µJ` to `3.4 kJ`."""
    for limit, factor, unit in ((1e-3, 1e6, "µJ"), (1, 1e3, "mJ"), (1000, 1, "J")):
        if x < limit:
            return f"{three(x * factor)} {unit}"
    return f"{three(x / 1000)} kJ"


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
