"""From values to places on paper: linear and logarithmic scales with round ticks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` onto pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value, to a tenth of a pixel; values outside stay at the edge."""
        a, b, x = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            a, b, x = math.log(a), math.log(b), math.log(x)
        share = (x - a) / (b - a) if b > a else 0.5
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, count: int) -> list[float]:
        """About `count` round values inside."""
        if self.high <= self.low:
            return [self.low]
        return _log_ticks(self, count) if self.logarithmic else _linear_ticks(self, count)


def linear(
    values: Iterable[float], start: float, end: float, *, margin: float = 0.06, share: bool = False
) -> Scale:
    """A linear scale around values with a margin on both sides; a share stays within [0, 1]."""
    low, high = _ends(values)
    room = margin * ((high - low) or abs(high) or 1.0)
    wide_low, wide_high = low - room, high + room
    if share:
        wide_low, wide_high = max(wide_low, min(low, 0.0)), min(wide_high, max(high, 1.0))
    return Scale(wide_low, wide_high, start, end)


def logarithmic(
    values: Iterable[float], start: float, end: float, *, margin: float = 0.08
) -> Scale:
    """A logarithmic scale around positive values, at least a factor of 4 wide."""
    low, high = _ends(values)
    decades = math.log10(high / low)
    room = 10 ** max(margin * decades, (math.log10(4) - decades) / 2)
    return Scale(low / room, high * room, start, end, logarithmic=True)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """`places` moved as little as is needed so that they are `gap` apart, between low and high.

    Each place is pushed down from its upper neighbour; the block is then pushed up again from the
    lower end. Where there is no room for all, they are set evenly.
    """
    if not places:
        return []
    order = sorted(range(len(places)), key=places.__getitem__)
    if gap * (len(places) - 1) > high - low:
        gap = (high - low) / (len(places) - 1)
    at = [min(max(places[i], low), high) for i in order]
    clusters: list[tuple[float, int]] = []
    for place in at:  # least squares: neighbours that would overlap share one centre
        clusters.append((place, 1))
        while len(clusters) > 1:
            (a, n), (b, m) = clusters[-2:]
            if b - a >= gap * (n + m) / 2:
                break
            clusters[-2:] = [((a * n + b * m) / (n + m), n + m)]
    moved = [c + gap * (i - (n - 1) / 2) for c, n in clusters for i in range(n)]
    moved[0] = max(moved[0], low)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + gap)
    moved[-1] = min(moved[-1], high)
    for i in range(len(moved) - 2, -1, -1):
        moved[i] = min(moved[i], moved[i + 1] - gap)
    result = [0.0] * len(places)
    for i, place in zip(order, moved, strict=True):
        result[i] = round(place, 1)
    return result


def tick_texts(ticks: Sequence[float], unit: str) -> list[str]:
    """Linear ticks in as many digits as tell them apart; shares as percent."""
    scale = 100 if unit == "%" else 1
    step = min((scale * abs(b - a) for a, b in pairwise(ticks)), default=1.0)
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    sign = " %" if unit == "%" else ""
    if digits > 9:
        return [f"{scale * t:.3g}{sign}" for t in ticks]
    return [f"{scale * t + 0.0:,.{digits}f}{sign}" for t in ticks]


def _ends(values: Iterable[float]) -> tuple[float, float]:
    found = list(values)
    return min(found), max(found)


def _linear_ticks(scale: Scale, count: int) -> list[float]:
    raw = (scale.high - scale.low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def _log_ticks(scale: Scale, count: int) -> list[float]:
    low, high = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
    ticks: list[float] = []
    for factors in ((1,), (1, 3), (1, 2, 5)):
        made = [f * 10.0**p for p in range(low, high + 1) for f in factors]
        inside = [t for t in made if scale.low * 0.999 <= t <= scale.high * 1.001]
        if ticks and len(inside) > count + 1:
            break
        ticks = inside
        if len(ticks) >= max(2, count - 1):
            break
    return ticks[:: max(1, -(-len(ticks) // (count + 1)))]
