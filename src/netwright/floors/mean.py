"""Mean: the same numbers for every sample, those that the training samples have on average.

Of all constants it has the least squared error, the variance of the target.
Dimensions: n samples, k numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Generator, Tensor

from netwright.errors import InputError
from netwright.floors.base import Floor
from netwright.specs import Batch, Schema, Scorer


@dataclass(frozen=True)
class Constant:
    """Numbers that are said whatever is asked."""

    numbers: Tensor
    """(k,)."""

    def __call__(self, x: Tensor, **_: Any) -> Tensor:
        """(n, ...) to (n, k)."""
        return self.numbers.to(x.device).expand(len(x), -1)


class Mean(Floor):
    """One mean for each number."""

    title = "training mean"
    limit = 1_000_000

    def fit(
        self,
        batch: Batch,
        schema: Schema,  # noqa: ARG002
        generator: Generator,  # noqa: ARG002
    ) -> Mapping[str, Scorer]:
        """The mean of `y` (n, k); InputError where there is none."""
        if len(batch["y"]) == 0:
            raise InputError("a mean needs training samples", why="there are none")
        return {"net": Constant(batch["y"].double().mean(0).float())}


floor = Mean()
"""What the registry finds here."""
