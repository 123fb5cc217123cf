"""From figures to the verdict: one pure function.

Nothing in it reads a file or a clock, so that the same figures give the same verdict. Differences
are corrected together (Holm) over all pairs of networks and of a network and a floor; two floors
are not compared. A network fails that is worse than any floor beyond chance.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from netwright.compare.frontier import frontier, told
from netwright.compare.statistics import (
    Estimate,
    Spread,
    difference,
    holm,
    interval,
    seeds_needed,
    spread,
)
from netwright.compare.verdict import (
    Axis,
    Cell,
    FloorRow,
    Interval,
    Pair,
    Row,
    Spent,
    Status,
    Verdict,
)
from netwright.compare.words import words
from netwright.errors import InputError
from netwright.metrics.base import Figure

ALPHA = 0.05
NOT_A_NUMBER = "its figure is not a number"


MATERIAL = 0.05
"""Share of the best value that a tie may hide; more is no tie to act upon."""


@dataclass(frozen=True)
class Candidate:
    """A network."""

    name: str
    """`cnn/small`, or `generator=cnn/small,discriminator=cnn/tiny`."""
    family: str
    figures: Sequence[Figure] = ()
    """One a seed that is done; all on the same units in the same order."""
    status: Status = "done"
    reason: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)
    spent: Sequence[Spent] = ()
    costs: Mapping[Axis, float | None] = field(default_factory=dict)
    cells: Sequence[Cell] = ()


@dataclass(frozen=True)
class FloorCandidate:
    """A floor; no figure: it does not stand here, and `reason` says why."""

    name: str
    title: str
    figure: Figure | None = None
    fit_seconds: float | None = None
    note: str = ""
    """What to know of it: the subsample that it was fitted on."""
    reason: str = ""


@dataclass(frozen=True)
class Contest:
    """All that was measured; fields as in `Verdict`."""

    task: str
    data: str
    fingerprint: str
    figure: str
    unit: str
    higher: bool
    budget: str
    seeds: int
    parts: Mapping[str, int]
    candidates: Sequence[Candidate]
    floors: Sequence[FloorCandidate] = ()
    cost: Axis = "forward_flops"
    machine: str = ""
    command: str = ""
    notes: Sequence[str] = ()


def decide(contest: Contest) -> Verdict:
    """Who is better than whom beyond chance, whom to choose, and the words for it.

    Raises:
        InputError: two entries of one name, or networks that were scored on different units.
    """
    names = [c.name for c in contest.candidates] + [f.name for f in contest.floors]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"'{twice[0]}' stands twice in the contest")
    nets = {c.name: spread(c.figures) for c in contest.candidates if not _fault(c, contest.seeds)}
    fixed = {f.name: spread([f.figure]) for f in contest.floors if f.figure and _finite([f.figure])}
    pairs = _pairs(nets, fixed)
    rows = [_row(c, nets.get(c.name), contest.seeds) for c in contest.candidates]
    placed = _placed(rows, pairs, fixed, contest)
    undecided = _undecided(placed, pairs, contest)
    if undecided:
        placed = _best_instead(placed, contest)
    draft = Verdict(
        task=contest.task,
        data=contest.data,
        fingerprint=contest.fingerprint,
        figure=contest.figure,
        unit=contest.unit,
        higher=contest.higher,
        cost=contest.cost,
        budget=contest.budget,
        seeds=contest.seeds,
        n=min((s.n for s in (*nets.values(), *fixed.values())), default=0),
        parts=dict(contest.parts),
        machine=contest.machine,
        command=contest.command,
        undecided=undecided,
        candidates=placed,
        floors=tuple(_floor(f, fixed.get(f.name)) for f in contest.floors),
        pairs=tuple(pairs),
    )
    said = words(draft)
    notes = (*contest.notes, *said.notes)
    return draft.model_copy(
        update={"verdict": said.headline, "sentences": said.sentences, "notes": notes}
    )


def _fault(candidate: Candidate, seeds: int) -> str:
    """Why a candidate cannot be judged; '' if it can."""
    if candidate.status != "done":
        return candidate.reason or "no reason was given"
    if not candidate.figures:
        return candidate.reason or "no seed finished"
    if not _finite(candidate.figures):
        return NOT_A_NUMBER
    if len(candidate.figures) == 1 < seeds:
        return f"only one of {seeds} seeds finished, which does not show how much luck there is"
    return ""


def _finite(figures: Sequence[Figure]) -> bool:
    return all(bool(f.rows.isfinite().all()) and math.isfinite(f.value) for f in figures)


def _row(of: Candidate, found: Spread | None, seeds: int) -> Row:
    fault = _fault(of, seeds)
    return Row(
        name=of.name,
        family=of.family,
        roles=dict(of.roles),
        status="failed" if fault and of.status == "done" else of.status,
        reason=fault,
        estimate=None if found is None else _interval(interval(found)),
        values=() if found is None else tuple(float(v) for v in found.values),
        spent=tuple(of.spent),
        costs=dict(of.costs),
        cells=tuple(of.cells),
    )


def _floor(of: FloorCandidate, found: Spread | None) -> FloorRow:
    missing: Status = "refused" if of.figure is None else "failed"
    return FloorRow(
        name=of.name,
        title=of.title,
        note=of.note,
        status=missing if found is None else "done",
        reason=NOT_A_NUMBER if found is None and of.figure is not None else of.reason,
        estimate=None if found is None else _interval(interval(found)),
        fit_seconds=of.fit_seconds,
    )


def _interval(found: Estimate) -> Interval:
    return Interval(
        value=found.value,
        low=found.low,
        high=found.high,
        between_seeds=found.between_seeds,
        between_units=found.between_units,
        degrees=found.degrees,
    )


def _pairs(nets: Mapping[str, Spread], fixed: Mapping[str, Spread]) -> list[Pair]:
    both = {**nets, **fixed}
    named = [*itertools.combinations(nets, 2), *itertools.product(nets, fixed)]
    found = [difference(both[a], both[b]) for a, b in named]
    corrected = holm([gap.p for gap in found])
    return [
        Pair(
            a=a,
            b=b,
            difference=gap.value,
            low=gap.low,
            high=gap.high,
            p=gap.p,
            p_holm=p,
            told_apart=p < ALPHA,
            seeds_needed=None if p < ALPHA else seeds_needed(gap),
        )
        for (a, b), gap, p in zip(named, found, corrected, strict=True)
    ]


def _placed(
    rows: Sequence[Row], pairs: Sequence[Pair], fixed: Mapping[str, Spread], contest: Contest
) -> tuple[Row, ...]:
    """The rows with what follows from the pairs: failing, tied, on the frontier, chosen."""
    sign = 1 if contest.higher else -1
    failing = {p.a for p in pairs if p.b in fixed and p.told_apart and sign * p.difference < 0}
    apart = [told(p.a, p.b) for p in pairs if p.told_apart]
    done = {row.name: row.estimate.value for row in rows if row.estimate}
    places = frontier(
        done,
        higher=contest.higher,
        told_apart=apart,
        costs={row.name: row.costs.get(contest.cost) for row in rows},
        barred=failing,
    )
    return tuple(
        row.model_copy(
            update={
                "on_frontier": row.name in places.on,
                "chosen": row.name == places.chosen,
                "failing": row.name in failing,
                "tied_with": tuple(
                    other
                    for other in done
                    if row.name in done and other != row.name and told(row.name, other) not in apart
                ),
            }
        )
        for row in rows
    )


def _undecided(rows: Sequence[Row], pairs: Sequence[Pair], contest: Contest) -> bool:
    """No two networks told apart, and another may be better than the chosen one by over 5 %."""
    values = {row.name: row.estimate.value for row in rows if row.estimate}
    among = [p for p in pairs if p.a in values and p.b in values]
    if not among:
        return False
    if contest.seeds == 1:
        return True
    if any(p.told_apart for p in among):
        return False
    chosen = next((row.name for row in rows if row.chosen), None)
    best = max(abs(v) for v in values.values())
    gains = [_most_gained(p, chosen, contest.higher) for p in among if chosen in (p.a, p.b)]
    return any(gain > MATERIAL * best for gain in gains)


def _most_gained(pair: Pair, chosen: str | None, higher: bool) -> float:
    """By how much the other one of a pair may be better than the chosen one, at 95 %."""
    low, high = (pair.low, pair.high) if pair.b == chosen else (-pair.high, -pair.low)
    return high if higher else -low


def _best_instead(rows: Sequence[Row], contest: Contest) -> tuple[Row, ...]:
    """Until it is decided the best measured one that does not fail stands in for a choice."""
    fit = {r.name: r.estimate.value for r in rows if r.estimate and not r.failing}
    pick = max if contest.higher else min
    best = pick(fit, key=fit.__getitem__) if fit else None
    return tuple(
        row.model_copy(
            update={
                "chosen": row.name == best,
                "on_frontier": row.on_frontier or row.name == best,
            }
        )
        for row in rows
    )
