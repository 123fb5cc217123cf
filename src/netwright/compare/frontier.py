"""Who is on the frontier of quality and cost, and whom to choose.

Off the frontier is who is beaten beyond chance, or only tied, by somebody cheaper. Chosen is the
cheapest among those that cannot be told apart from the best. Ties are not transitive: the chosen
may be tied with somebody cheaper who is worse than the best; it is on the frontier all the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SAME_COST = 0.02
"""Costs this close are the same: clocks and meters repeat no better."""


@dataclass(frozen=True)
class Frontier:
    """Where everybody stands."""

    best: str | None
    """The best measured value among all."""
    tied: tuple[str, ...]
    """The best, and who cannot be told apart from it; cheapest first."""
    on: frozenset[str]
    chosen: str | None


def told(a: str, b: str) -> frozenset[str]:
    """A pair without an order."""
    return frozenset((a, b))


def frontier(
    values: Mapping[str, float],
    *,
    higher: bool,
    told_apart: Iterable[frozenset[str]],
    costs: Mapping[str, float | None],
    barred: Iterable[str] = (),
) -> Frontier:
    """Place candidates by value and cost; `told_apart` holds pairs that differ beyond chance.

    Who has no cost counts as dearer than all and is off the frontier, unless nobody has one.
    `barred` (worse than a floor) are never chosen nor on the frontier, and keep nobody off it.
    """
    if not values:
        return Frontier(None, (), frozenset(), None)
    apart, out = frozenset(told_apart), frozenset(barred)
    sign = 1 if higher else -1
    priced = {name: paid for name in values if (paid := costs.get(name)) is not None}

    def cost(name: str) -> float:
        return priced.get(name, float("inf") if priced else 0.0)

    def cheaper(a: str, b: str) -> bool:
        return cost(a) < cost(b) and not cost(b) <= cost(a) * (1 + SAME_COST)

    def beats(a: str, b: str) -> bool:
        return told(a, b) in apart and sign * values[a] > sign * values[b]

    def off(name: str) -> bool:
        if priced and name not in priced:
            return True
        for other in values.keys() - out:
            tied = told(name, other) not in apart
            if cheaper(other, name) and (tied or beats(other, name)):
                return True
            if not cheaper(name, other) and beats(other, name):
                return True
        return name in out

    order = sorted(values, key=lambda name: (-sign * values[name], cost(name), name))
    best = order[0]
    tied = [name for name in order if name == best or told(name, best) not in apart]
    fit = [name for name in tied if name not in out]
    lowest = min((cost(name) for name in fit), default=0.0)
    chosen = next((name for name in fit if cost(name) <= lowest * (1 + SAME_COST)), None)
    return Frontier(
        best=best,
        tied=tuple(sorted(tied, key=lambda name: (cost(name), order.index(name)))),
        on=frozenset(name for name in values if name == chosen or not off(name)),
        chosen=chosen,
    )
