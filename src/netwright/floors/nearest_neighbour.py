"""Nearest neighbour: the label of the training sample at the least Euclidean distance.

Source: Cover & Hart 1967.
Dimensions: n training samples, m samples, d numbers of a sample, k classes.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor

from netwright.errors import InputError
from netwright.floors._scores import classes_of
from netwright.floors.base import Floor
from netwright.specs import Batch, Schema, Scorer

DISTANCES = 2**24
"""Distances held at once: 64 MiB."""


class Nearest:
    """Training samples, sorted by class, that answer like a network, on their own device."""

    def __init__(self, x: Tensor, y: Tensor, count: int) -> None:
        self.device = x.device
        rows = x.flatten(1).float()
        self.middle = rows.mean(0)  # distances from near the origin lose fewer digits
        self.rows = (rows - self.middle)[y.argsort(stable=True)]
        self.lengths = self.rows.square().sum(1)
        self.sizes = torch.bincount(y, minlength=count).tolist()

    def __call__(self, x: Tensor, **_: Any) -> Tensor:
        """(m, ...) to (m, k): minus the distance to the nearest sample of each class.

        In chunks, so that never more than `DISTANCES` are held. A class without a sample stands 1
        below the farthest.
        """
        rows = x.flatten(1).to(self.rows) - self.middle
        chunks = rows.split(max(1, DISTANCES // len(self.rows)))
        scores = torch.cat([self._scores(chunk) for chunk in chunks])
        return scores.to(x.device)

    def _scores(self, rows: Tensor) -> Tensor:
        """From |a - b|^2 = |a|^2 + |b|^2 - 2 a b; |a|^2 is added last, to fewer numbers."""
        part = torch.addmm(self.lengths, rows, self.rows.T, alpha=-2)
        far = part.amax(1)
        least = [p.amin(1) if p.shape[1] else far for p in part.split(self.sizes, 1)]
        squares = torch.stack(least, 1) + rows.square().sum(1, keepdim=True)
        scores = -squares.clamp(min=0).sqrt()
        unseen = torch.tensor([size == 0 for size in self.sizes], device=scores.device)
        return scores - unseen.to(scores.dtype)


class NearestNeighbour(Floor):
    """One neighbour, all training samples up to `limit`; nothing is fitted."""

    title = "nearest neighbour"
    limit = 60_000

    def fit(
        self,
        batch: Batch,
        schema: Schema,
        generator: Generator,  # noqa: ARG002
    ) -> Mapping[str, Scorer]:
        """Keep the samples; InputError where there are none."""
        if len(batch["y"]) == 0:
            raise InputError("a nearest neighbour needs training samples", why="there are none")
        return {"net": Nearest(batch["x"], batch["y"], classes_of(schema))}


floor = NearestNeighbour()
"""What the registry finds here."""
