"""What a contest was held on, in words: the machine, and whether it was busy otherwise."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

UNEVEN = 1.5
"""Most steps over fewest of one candidate's seeds, above which a contest says so."""


def machine(what: Mapping[str, Any]) -> str:
    """`x86_64 AVX2, 2 threads, torch 2.13.0`, from the determinism record."""
    card = f", {what['card']}" if what["card"] else ""
    threads = f"{what['threads']} thread{'s' if what['threads'] > 1 else ''}"
    system = f"{platform.machine()} {what['capability']}"
    return f"{system}, {threads}{card}, torch {what['torch']}"


def busy(steps: Mapping[str, Sequence[int]]) -> Iterable[str]:
    """A sentence for each candidate whose seeds took very different numbers of steps."""
    for name, taken in steps.items():
        if taken and max(taken) > UNEVEN * min(taken):
            yield (
                f"{name} took {min(taken):,} to {max(taken):,} steps in the same budget: the "
                "machine was busy; hold this contest again, or with a budget in steps"
            )
