"""Any value shown before: of the symbols that can be answers, those seen so far, all alike.

p(v | x_1 ... x_t) = p0(x_t) for the filler, v = 0, and (1 - p0(x_t)) / s for each of the s symbols
that some training row has as an answer and that stand among x_1 ... x_t. p0(u) is the share of
fillers among the answers where symbol u stands. It knows which answers there are and when they
are due, but not which of them; among equals the lowest is taken.
Dimensions: b batch, t places, v symbols.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from netwright.errors import InputError
from netwright.floors.base import Floor
from netwright.specs import Batch, Schema, Scorer

LEAST = 1e-9
"""Probability of what cannot be: never zero, so that a surprise costs 20.7 nats and no more."""


@dataclass(frozen=True)
class Shown:
    """Answers by what was shown; as log-probabilities."""

    values: Tensor
    """(v,) of bool: which symbols can be answers, the filler left out."""
    filler: Tensor
    """(v,): share of fillers among the answers where this symbol stands."""

    def __call__(self, x: Tensor, **_: Any) -> Tensor:
        """(b, t) symbols to (b, t, v) log-probabilities."""
        values, filler = self.values.to(x.device), self.filler.to(x.device)
        rows = torch.arange(len(x), device=x.device)
        seen = values.new_zeros(len(x), len(values))
        places = []
        for symbols in x.long().unbind(1):
            seen[rows, symbols] = values[symbols]
            due = 1 - filler[symbols]
            shares = seen * (due / seen.sum(1).clamp(min=1))[:, None]
            shares[:, 0] = filler[symbols]
            places.append(shares.clamp(min=LEAST).log())
        return torch.stack(places, 1)


class ShownBefore(Floor):
    """Counts of answers."""

    title = "any value shown before"
    limit = 20_000

    def fit(
        self,
        batch: Batch,
        schema: Schema,
        generator: Generator,  # noqa: ARG002
    ) -> Mapping[str, Scorer]:
        """Count in `x` and `y` (n, t), -1 where nothing is asked; InputError where nothing is."""
        x, y = (batch[name].long().flatten() for name in ("x", "y"))
        asked = y >= 0
        if not asked.any():
            raise InputError("a floor for recall needs training rows", why="nothing is asked")
        size = 1 + int(torch.stack([x.max(), y.max()]).max())
        size = max(size, *(getattr(c, "vocabulary", 0) for c in schema.columns.values()))
        counts = torch.bincount(x[asked], minlength=size)
        fillers = torch.bincount(x[asked & (y == 0)], minlength=size)
        values = torch.bincount(y[asked], minlength=size) > 0
        values[0] = False
        return {"net": Shown(values, fillers / counts.clamp(min=1))}


floor = ShownBefore()
"""What the registry finds here."""
