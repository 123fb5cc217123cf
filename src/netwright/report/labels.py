"""Names beside points without overlapping: a greedy search over places around each point.

Nearest places come first; farther ones get a leader line. Two sweeps, so that early labels may give
way to later ones (after Christensen, Marks, Shieber 1995, "An empirical study of algorithms for
point-feature label placement", discrete gradient descent).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

Anchor = Literal["start", "middle", "end"]

CHARACTER, LINE = 7.5, 15.0
"""Mean width of a character and height of a line, in pixels of the chart; a little generous."""
NEAR = 11.0
"""Pixels between a point and its label."""
RINGS = (NEAR, 24.0, 40.0, 58.0, 80.0, 104.0)
ANGLES = (0, 180, 90, -90, 35, -35, 145, -145, 65, -65, 115, -115)
"""Degrees, right and left first: a name beside its point is read most easily."""
SWEEPS = 3
CROSSED = 40.0
"""How much a leader is disliked for every obstacle that it crosses."""


@dataclass(frozen=True)
class Box:
    """A rectangle of the paper, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Box") -> float:
        """Area that both cover."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, wide) * max(0.0, high)

    def crossed(self, a: tuple[float, float], b: tuple[float, float]) -> bool:
        """Whether the line from `a` to `b` comes in; looked at in 15 places, not at its start."""
        steps = (i / 16 for i in range(2, 17))
        places = ((a[0] + s * (b[0] - a[0]), a[1] + s * (b[1] - a[1])) for s in steps)
        return any(self.left <= x <= self.right and self.top <= y <= self.bottom for x, y in places)

    def outside(self, frame: "Box") -> float:
        """Area that lies beyond `frame`."""
        whole = (self.right - self.left) * (self.bottom - self.top)
        return whole - self.overlap(frame)


@dataclass(frozen=True)
class Place:
    """Where a text stands: its anchor on the base line, the box that it covers, its leader."""

    x: float
    y: float
    anchor: Anchor
    box: Box
    leader: tuple[float, float] | None = None
    """End of the line that leads from the point to a label that is far from it."""


def width(text: str) -> float:
    """Pixels that a text takes, about."""
    return CHARACTER * len(text)


def place_labels(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    obstacles: Sequence[Box],
    frame: Box,
) -> list[Place]:
    """A place for each text near its point: clear of each other, of obstacles, inside the frame."""
    offers = [_offers(x, y, text) for (x, y), text in zip(points, texts, strict=True)]
    taken = [offered[0][1] for offered in offers]
    for sweep in range(SWEEPS):
        for i, offered in enumerate(offers):
            others = [p.box for j, p in enumerate(taken) if j < i or (sweep and j != i)]
            bad = [_badness(o, points[i], others, obstacles, frame) for o in offered]
            taken[i] = offered[bad.index(min(bad))][1]
    return taken


def _badness(
    offer: tuple[float, Place],
    point: tuple[float, float],
    others: Sequence[Box],
    obstacles: Sequence[Box],
    frame: Box,
) -> float:
    """How much is wrong with a place."""
    dislike, place = offer
    box, leader = place.box, place.leader
    return (
        dislike
        + 8 * sum(box.overlap(o) for o in others)
        + 3 * sum(box.overlap(o) for o in obstacles)
        + 20 * box.outside(frame)
        + CROSSED * sum(o.crossed(point, leader) for o in (*others, *obstacles) if leader)
    )


def _offers(x: float, y: float, text: str) -> list[tuple[float, Place]]:
    """Places around a point with how little each is liked."""
    made = []
    for (far, ring), (turn, angle) in product(enumerate(RINGS), enumerate(ANGLES)):
        right, down = math.cos(math.radians(angle)), -math.sin(math.radians(angle))
        at_x, at_y = x + ring * right, y + ring * down
        wide = width(text)
        anchor: Anchor = "middle" if abs(right) < 0.2 else "start" if right > 0 else "end"
        left = at_x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
        middle = at_y + (LINE / 3 * down if anchor == "middle" else 0.0)
        box = Box(left, middle - LINE / 2, left + wide, middle + LINE / 2)
        leader = (round(at_x, 1), round(at_y, 1)) if far else None
        spot = Place(round(at_x, 1), round(middle + LINE * 0.28, 1), anchor, box, leader)
        made.append((4.0 * turn + 60.0 * far, spot))
    return made
