"""How what a net does came about: the same exhibit at several steps of its training, side by side.

A task shows the same small thing at every validation (`Task.timeline`); the first step, the last
and some evenly between are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from netwright.report.exhibits import Piece, Room, pieces
from netwright.tasks.base import Exhibit
from netwright.train.view import RunView

FRAMES = 8
"""Steps that are shown at most."""
READ = 200
"""Steps that are looked at."""
STRIPS = 4
"""Titles that are shown at most."""
BYTES = 160_000
"""Of all frames of a page."""
KINDS = ("picture", "text")
"""What is small enough to be shown again and again."""

Name = tuple[str, str]
"""Kind and title."""


@dataclass(frozen=True)
class Frame:
    """How it was at one step."""

    step: int
    piece: Piece


@dataclass(frozen=True)
class Strip:
    """One exhibit as it changed."""

    title: str
    frames: Sequence[Frame]


def strips(view: RunView) -> list[Strip]:
    """Each exhibit that there is of more than one step; DamagedError where one is damaged."""
    there: dict[Name, list[int]] = {}
    for step in spaced(view.exhibit_steps(), READ):
        for name in dict.fromkeys(map(_name, view.exhibits(step))):
            there.setdefault(name, []).append(step)
    many = {n: spaced(s) for n, s in there.items() if n[0] in KINDS and len(s) > 1}
    many = dict([*many.items()][:STRIPS])
    room = Room(pictures=1, tiles=64, bytes=BYTES // max(1, sum(map(len, many.values()))))
    frames: dict[Name, list[Frame]] = {name: [] for name in many}
    for step in sorted({step for steps in many.values() for step in steps}):
        first = {_name(e): e for e in reversed(view.exhibits(step))}
        for name, steps in many.items():
            if step in steps:
                frames[name].append(Frame(step, _small(first[name], room)))
    return [Strip(title, made) for (_, title), made in frames.items()]


def spaced(steps: Sequence[int], most: int = FRAMES) -> list[int]:
    """The first, the last, and others evenly between, `most` of them at most."""
    last = len(steps) - 1
    if last < most:
        return list(steps)
    return [steps[round(i * last / (most - 1))] for i in range(most)]


def _name(exhibit: Exhibit) -> Name:
    return exhibit.kind, exhibit.title


def _small(exhibit: Exhibit, room: Room) -> Piece:
    """One sheet, whatever its pictures are called."""
    strings = {k: v for k, v in exhibit.strings.items() if k != "captions"}
    (piece,) = pieces([Exhibit(exhibit.kind, exhibit.title, exhibit.tensors, strings)], room)
    return piece
