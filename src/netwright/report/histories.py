"""Learning curves out of a run's logs: figures by seconds of training, and many seeds as one."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netwright.train.view import RunView, well_formed

PLACES = 48
"""Points of a drawn curve."""

Path = tuple[tuple[float, ...], tuple[float, ...]]
"""Places, ascending, and the values there."""


@dataclass(frozen=True)
class History:
    """What a run wrote while it trained, over seconds of training."""

    figures: Mapping[str, Path]
    """Of the validation part."""
    losses: Mapping[str, Path]
    """Of each turn."""
    said: Mapping[str, Path]
    """What a turn says beside its loss, named `turn: name`."""


def history(view: RunView) -> History:
    """Read the logs of a run; DamagedError where a line is not what it should be."""
    with well_formed("timing.jsonl"):
        clock = {int(t["round"]): float(t["seconds"].get("training", 0.0)) for t in view.timing()}
    rounds: Path = ((0.0, *map(float, sorted(clock))), (0.0, *(clock[r] for r in sorted(clock))))
    figures: dict[str, list[tuple[float, float]]] = {}
    losses: dict[str, list[tuple[float, float]]] = {}
    said: dict[str, list[tuple[float, float]]] = {}
    with well_formed("metrics.jsonl"):
        for line in view.metrics():
            at = between(rounds, float(line["round"]))
            for name, value in line.get("validation", {}).items():
                figures.setdefault(str(name), []).append((at, float(value)))
            for name, turn in line.get("turns", {}).items():
                losses.setdefault(str(name), []).append((at, float(turn["loss"])))
                for what, value in turn.get("said", {}).items():
                    said.setdefault(f"{name}: {what}", []).append((at, float(value)))
    return History(*({k: _path(v) for k, v in d.items()} for d in (figures, losses, said)))


def between(path: Path, at: float) -> float:
    """The value at a place, on a straight line between its neighbours; that of the end beyond."""
    places, values = path
    i = bisect_right(places, at)
    if i == 0:
        return values[0]
    if i == len(places):
        return values[-1]
    share = (at - places[i - 1]) / (places[i] - places[i - 1])
    return values[i - 1] + share * (values[i] - values[i - 1])


@dataclass(frozen=True)
class Together:
    """Several seeds on common places."""

    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def together(paths: Sequence[Path]) -> Together | None:
    """Mean, lowest and highest over seeds, where all of them have values; None if nowhere."""
    paths = [p for p in paths if p[0]]
    if not paths:
        return None
    start, end = max(p[0][0] for p in paths), min(p[0][-1] for p in paths)
    if end < start:
        return None
    inside = sorted({x for p in paths for x in p[0] if start <= x <= end})
    if len(inside) > PLACES:
        step = (end - start) / (PLACES - 1)
        inside = [start + i * step for i in range(PLACES - 1)] + [end]
    at = [[between(p, x) for p in paths] for x in inside]
    return Together(
        tuple(inside),
        tuple(sum(v) / len(v) for v in at),
        tuple(map(min, at)),
        tuple(map(max, at)),
    )


def thinned(path: Path, most: int = 160) -> Path:
    """Every n-th point, the last one always, so that a long log stays a small picture."""
    places, values = path
    step = max(1, -(-len(places) // most))
    kept = sorted({*range(0, len(places), step), len(places) - 1}) if places else []
    return tuple(places[i] for i in kept), tuple(values[i] for i in kept)


def _path(pairs: Sequence[tuple[float, float]]) -> Path:
    """Later lines of the same place win, as after a resume; what is no number is left out."""
    found = {at: value for at, value in pairs if math.isfinite(value)}
    places = tuple(sorted(found))
    return places, tuple(found[p] for p in places)
