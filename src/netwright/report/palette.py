"""One colour a family, the same all over a page and on every page.

The colours are those of Okabe and Ito 2008 ("Color universal design"), which people with any kind
of colour vision tell apart; the style sheet holds them as classes `t0` to `t6`, for light and dark.
Nets of one family share its colour and differ in their mark and the dashes of their line.
"""

from collections.abc import Iterable
from dataclasses import dataclass

FAMILIES = ("cnn", "rnn", "transformer", "self_attention", "mlp", "gan")
TONES = 7
STYLES = 4


@dataclass(frozen=True)
class Ink:
    """How one net is drawn."""

    tone: int
    style: int = 0

    @property
    def css(self) -> str:
        """Classes of the style sheet."""
        return f"t{self.tone} d{self.style}"

    @property
    def mark(self) -> str:
        """The outline of its mark."""
        return mark(self.style)


def inks(nets: Iterable[tuple[str, str]]) -> dict[str, Ink]:
    """An ink for each (name, family); families that we do not know take the tones that are left."""
    pairs = list(nets)
    known = {family: i for i, family in enumerate(FAMILIES)}
    taken = {known[f] for _, f in pairs if f in known}
    free = [t for t in range(TONES - 1, -1, -1) if t not in taken] or list(range(TONES))
    found: dict[str, Ink] = {}
    others: list[str] = []
    seen: dict[str, int] = {}
    for name, family in pairs:
        if family not in known and family not in others:
            others.append(family)
        tone = known[family] if family in known else free[others.index(family) % len(free)]
        found[name] = Ink(tone, seen.get(family, 0) % STYLES)
        seen[family] = seen.get(family, 0) + 1
    return found


def mark(style: int, size: float = 5.5) -> str:
    """The outline of a mark around (0, 0), as an SVG path: circle, square, diamond, triangle."""
    s = size
    circle = f"M{-s} 0a{s} {s} 0 1 0 {2 * s} 0a{s} {s} 0 1 0 {-2 * s} 0z"
    square = f"M{-s * 0.88:.2f} {-s * 0.88:.2f}h{s * 1.76:.2f}v{s * 1.76:.2f}h{-s * 1.76:.2f}z"
    diamond = f"M0 {-s * 1.25:.2f}L{s * 1.25:.2f} 0L0 {s * 1.25:.2f}L{-s * 1.25:.2f} 0z"
    triangle = f"M0 {-s * 1.2:.2f}L{s * 1.15:.2f} {s * 0.85:.2f}H{-s * 1.15:.2f}z"
    return (circle, square, diamond, triangle)[style % STYLES]
