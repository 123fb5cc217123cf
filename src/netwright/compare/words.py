"""The verdict in plain English: one headline, then sentences, then notes.

Three rules: no winner where an interval holds zero; whoever failed is named with the reason;
whoever is tied is named with whom.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from netwright.compare.numbers import AXIS
from netwright.compare.verdict import FloorRow, Pair, Row, Verdict
from netwright.metrics.numbers import cost, decimals, duration


@dataclass(frozen=True)
class Words:
    """What is said of a verdict."""

    headline: str
    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def words(verdict: Verdict) -> Words:
    """Headline, sentences and notes of a verdict that has none yet."""
    facts = Facts(verdict)
    headline, sentences = _main(facts)
    return Words(
        headline, (*sentences, *_ties(facts), *_failing(facts), *_missing(facts)), _notes(facts)
    )


def short_names(rows: Sequence[Row]) -> dict[str, str]:
    """`cnn` for `cnn/small` where the family stands once; else the whole name."""
    families = Counter(row.family for row in rows)
    return {row.name: row.family if families[row.family] == 1 else row.name for row in rows}


def listed(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


@dataclass(frozen=True)
class Facts:
    """What the sentences ask of a verdict."""

    v: Verdict

    @cached_property
    def names(self) -> dict[str, str]:
        """Of networks and floors, as a sentence says them."""
        floors = {floor.name: f"the floor {floor.title}" for floor in self.v.floors}
        return short_names(self.v.candidates) | floors

    @cached_property
    def nets(self) -> list[Row]:
        """Those that are done, best first."""
        return sorted((r for r in self.v.candidates if r.estimate), key=self._worse)

    @cached_property
    def floors(self) -> list[FloorRow]:
        """Those that are done, best first."""
        return sorted((f for f in self.v.floors if f.estimate), key=self._worse)

    @cached_property
    def chosen(self) -> Row | None:
        """The network to choose, if any."""
        return next((row for row in self.nets if row.chosen), None)

    @cached_property
    def among(self) -> list[Pair]:
        """Pairs of two networks."""
        nets = {row.name for row in self.nets}
        return [pair for pair in self.v.pairs if pair.b in nets]

    @property
    def blank(self) -> bool:
        """Several networks, and nothing between them that one could act upon."""
        return self.v.undecided

    def pair(self, a: Row, b: Row | FloorRow) -> Pair:
        """Their comparison, in whichever order it stands."""
        return next(p for p in self.v.pairs if {p.a, p.b} == {a.name, b.name})

    def loses(self, net: Row, floor: FloorRow) -> bool:
        """Whether `net` is worse beyond chance."""
        pair = self.pair(net, floor)
        return pair.told_apart and (pair.difference < 0) == self.v.higher

    def gap(self, a: Row, b: Row | FloorRow) -> str:
        """`1.2 points (95 %: 0.4 to 2.0)`, without a sign."""
        pair, share = self.pair(a, b), self.v.unit == "%"
        scale = (100 if share else 1) * (1 if pair.difference >= 0 else -1)
        low, high = sorted((scale * pair.low, scale * pair.high))
        digits = decimals((high - low) / 2)
        size = f"{scale * pair.difference:.{digits}f} {'points' if share else self.v.unit}".strip()
        return f"{size} (95 %: {low:.{digits}f} to {high:.{digits}f})"

    def seconds(self, seeds: float) -> str:
        """What `seeds` more seeds of every network would take; '' where that is not known."""
        spent = [[cell.spent for cell in row.spent] for row in self.nets]
        if not all(spent):
            return ""
        return f"about {duration(seeds * sum(sum(s) / len(s) for s in spent))}"

    def _worse(self, row: Row | FloorRow) -> float:
        value = row.estimate.value if row.estimate else 0.0
        return -value if self.v.higher else value


def seeds_of(rows: Sequence[Row]) -> str:
    """`3 seeds`, `1 seed`, `2 to 3 seeds`."""
    counts = sorted(len(row.values) for row in rows)
    if counts[-1] == 1:
        return "1 seed"
    few = "" if counts[0] == counts[-1] else f"{counts[0]} to "
    return f"{few}{counts[-1]} seeds"


def _main(facts: Facts) -> tuple[str, list[str]]:
    chosen = facts.chosen
    if not facts.nets:
        return "No verdict: no network finished.", []
    if chosen is None:
        return _none_worth_it(facts)
    name = facts.names[chosen.name]
    if facts.v.seeds == 1:
        take = [f"Of the nets trained here take {name}."] if len(facts.nets) > 1 else []
        subject = "It" if take else capital(name)
        return _one_seed(facts), [*take, *_beside_floors(facts, chosen, subject)]
    if facts.blank:
        best = facts.nets[0] is chosen
        among = "" if best else " of those that do not fail"
        take = [f"Until then take {name}, which measured best{among}."]
        return _undecided(facts), [*take, *_beside_floors(facts, chosen, "It")]
    why, beside = _why(facts, chosen), _beside_floors(facts, chosen, "It")
    if any(not facts.pair(chosen, floor).told_apart for floor in facts.floors):
        return f"Among the networks choose {name}.", [*beside, *why]
    return f"Choose {name}.", [*why, *beside]


def _none_worth_it(facts: Facts) -> tuple[str, list[str]]:
    best = facts.nets[0]
    name = facts.names[best.name]
    floor = next(f for f in facts.floors if facts.loses(best, f))
    whom = "every network" if len(facts.nets) > 1 else name
    subject = f"The best of them, {name}," if len(facts.nets) > 1 else "It"
    if not all(row.failing for row in facts.nets):
        whom, subject = f"the best of them, {name},", "It"
    trains = "" if floor.fit_seconds is None else f", and trains in {duration(floor.fit_seconds)}"
    return (
        f"No network is worth it here: the floor {floor.title} is better than {whom} "
        f"beyond chance{trains}.",
        [f"{subject} is worse by {facts.gap(best, floor)}."],
    )


def _one_seed(facts: Facts) -> str:
    price = facts.seconds(2)
    return "Undecided: with one seed a good structure cannot be told from lucky weights" + (
        f"; two more seeds would cost {price}." if price else "."
    )


def _undecided(facts: Facts) -> str:
    best, count = facts.nets[0], len(facts.nets)
    who = "the two networks" if count == 2 else f"the {count} networks"
    head = f"Undecided: {who} cannot be told apart ({seeds_of(facts.nets)})"
    needed = [
        (seeds, row)
        for row in facts.nets[1:]
        if (seeds := facts.pair(best, row).seeds_needed) is not None
    ]
    have = min(len(row.values) for row in facts.nets)
    if not needed:
        price = facts.seconds(2 * have)
        more = f": twice the budget would cost {price}" if price else ""
        return f"{head}, and more seeds alone would not do{more}."
    seeds, row = min(needed, key=lambda found: found[0])
    price = facts.seconds(seeds - have)
    names = listed((facts.names[best.name], facts.names[row.name]))
    more = f", which would cost {price} more" if price else ""
    return f"{head}; {names} might be with {seeds} seeds{more}."


def _beside_floors(facts: Facts, chosen: Row, subject: str) -> list[str]:
    """How the chosen stands to the floors; none is better than it beyond chance."""
    if not facts.floors:
        return []
    tied = [floor for floor in facts.floors if not facts.pair(chosen, floor).told_apart]
    if tied:
        name = "the floor" if len(facts.floors) == 1 else facts.names[tied[0].name]
        fit = tied[0].fit_seconds
        trains = "" if fit is None else f", which trains in {duration(fit)}"
        return [
            f"{subject} cannot be told apart from {name} here{trains}: "
            "take a network only for what the floor cannot do."
        ]
    best = facts.floors[0]
    name = facts.names[best.name]
    whom = name if len(facts.floors) == 1 else f"every floor, the best of them ({best.title})"
    return [f"{subject} beats {whom} by {facts.gap(chosen, best)}."]


def _why(facts: Facts, chosen: Row) -> list[str]:
    """Why this one among the networks."""
    best, axis = facts.nets[0], facts.v.cost
    if len(facts.nets) == 1:
        return []
    if best is chosen and not chosen.tied_with:
        after = facts.nets[1]
        name, gap = facts.names[after.name], facts.gap(chosen, after)
        if len(facts.nets) == 2:
            return [f"It is better than {name} beyond chance, by {gap}."]
        return [f"It is better than every other network beyond chance, than {name} by {gap}."]
    ours, theirs = chosen.costs.get(axis), best.costs.get(axis)
    if best is chosen:
        tied = [n.costs.get(axis) for n in facts.nets if n.name in chosen.tied_with]
        cheaper = [c for c in tied if c is not None and ours is not None and c < ours]
        if cheaper:  # and not chosen, because it fails
            return [
                f"It measured best; what ties with it and is cheaper in {AXIS[axis]} fails against "
                "a floor."
            ]
        return [f"It measured best, and none that ties with it is cheaper in {AXIS[axis]}."]
    if ours is None or theirs is None:
        return []
    return [
        f"{capital(facts.names[best.name])} measured better, but not beyond chance, and costs "
        f"more: {cost(axis, theirs)} against {cost(axis, ours)} ({AXIS[axis]})."
    ]


def _ties(facts: Facts) -> Iterator[str]:
    """One sentence for each largest group in which no two can be told apart."""
    if facts.blank and facts.v.seeds > 1:  # the headline says it
        return
    rows = {row.name: row for row in facts.nets}
    tied = {name: set(row.tied_with) for name, row in rows.items()}
    for group in _groups(tied, (), list(rows), []):
        names = listed(facts.names[name] for name in group)
        yield f"{capital(names)} cannot be told apart ({seeds_of([rows[n] for n in group])})."


def _groups(
    tied: Mapping[str, set[str]], group: tuple[str, ...], open_: list[str], closed: list[str]
) -> Iterator[tuple[str, ...]]:
    """Maximal cliques of two or more (Bron and Kerbosch 1973, algorithm 1)."""
    if not open_ and not closed and len(group) > 1:
        yield group
    while open_:
        name, *open_ = open_
        near = tied[name]
        yield from _groups(
            tied, (*group, name), [n for n in open_ if n in near], [n for n in closed if n in near]
        )
        closed = [*closed, name]


def _failing(facts: Facts) -> Iterator[str]:
    for row in facts.nets if facts.chosen else ():
        if row.failing:
            floor = next(f for f in facts.floors if facts.loses(row, f))
            name, gap = capital(facts.names[row.name]), facts.gap(row, floor)
            yield f"{name} fails: it is worse than the floor {floor.title} by {gap}."


def _missing(facts: Facts) -> Iterator[str]:
    """Whoever failed, was refused or finished in part."""
    for row in facts.v.candidates:
        name = capital(facts.names[row.name])
        if row.status == "failed":
            yield f"{name} failed: {ended(row.reason)}"
        elif row.status == "refused":
            yield f"{name} was refused: {ended(row.reason)}"
        elif lost := [cell for cell in row.cells if cell.status != "done"]:
            why = "; ".join(f"seed {cell.seed}: {ended(cell.reason)[:-1]}" for cell in lost)
            yield f"{name} finished {len(row.values)} of {facts.v.seeds} seeds ({why})."
    for floor in facts.v.floors:
        if floor.status != "done":
            yield f"The floor {floor.title} does not stand here: {ended(floor.reason)}"


def _notes(facts: Facts) -> tuple[str, ...]:
    """What to know beside the verdict."""
    said = [f"{floor.title}: {floor.note}" for floor in facts.v.floors if floor.note]
    if facts.nets and not facts.floors:
        said.append("no floor stands beside the networks")
    if facts.nets and facts.v.seeds == 1:
        said.append("one seed: the intervals are over units alone and hold for these weights")
    unpriced = [facts.names[row.name] for row in facts.nets if row.costs.get(facts.v.cost) is None]
    if unpriced:
        said.append(f"{AXIS[facts.v.cost]} of {listed(unpriced)} could not be measured")
    said += [
        f"{facts.names[p.a]} and {facts.names[p.b]} differ when taken alone (p = {p.p:.2g}), "
        f"but not among {len(facts.v.pairs)} comparisons"
        for p in facts.v.pairs
        if not p.told_apart and (p.low > 0 or p.high < 0)
    ]
    return tuple(ended(capital(note)) for note in said)


def capital(text: str) -> str:
    """The same with a capital first letter."""
    return text[:1].upper() + text[1:]


def ended(text: str) -> str:
    """The same with one full stop."""
    return f"{text.strip().rstrip('.') or 'no reason was given'}."
