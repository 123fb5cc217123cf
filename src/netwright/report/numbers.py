"""Numbers for readers of a page: scores, differences, chances, and what a budget is called."""

import re

from netwright.metrics.numbers import UNKNOWN, amount, cost, decimals, duration, joules, three

__all__ = [
    "AXES",
    "MINUS",
    "UNKNOWN",
    "amount",
    "budget",
    "chance",
    "cost",
    "decimals",
    "duration",
    "gap",
    "joules",
    "plain",
    "rounded",
    "score",
    "signed",
    "three",
]

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
MINUS = "\N{MINUS SIGN}"


def rounded(text: str) -> str:
    """A number with its unit, without zeros that say nothing: `50.0k` is `50k`."""
    return re.sub(r"(\.\d*?)0+(?=\D|$)", lambda m: m[1] if len(m[1]) > 1 else "", text)


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
