"""Gaussian on principal components: x = mean + sum of sqrt(lambda_i) z_i v_i, i = 1 ... k.

v_i is the i-th principal direction of the training pictures and lambda_i their variance along it;
k is the least of the numbers of noise, the samples less one, the numbers of a picture, and `KEPT`.
What varies along further directions is left out, and `left_out` says how much that is. Each class
has a Gaussian of its own; where none is asked for, or it has no picture, one of all pictures.
Source: Tipping & Bishop 1999, section 3, without the noise outside of the components.
Dimensions: n samples, d numbers of a picture, b batch, m numbers of noise, k components.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from netwright.floors._draws import classes_in, raw, samples_of
from netwright.floors.base import Floor
from netwright.specs import Batch, Pictures, Schema, Scorer

KEPT = 512
"""Components that are kept at most."""


@dataclass(frozen=True)
class Bell:
    """One Gaussian."""

    mean: Tensor
    """(d,)."""
    axes: Tensor
    """(k, d): sqrt(lambda_i) v_i, the widest first."""
    variance: float
    """Of all d numbers together, left-out directions included."""

    def drawn(self, z: Tensor) -> Tensor:
        """(b, m) noise to (b, d)."""
        k = min(z.shape[1], len(self.axes))
        return torch.addmm(self.mean, z[:, :k].to(self.axes), self.axes[:k])

    def left_out(self, noise: int) -> float:
        """Share of the variance that `noise` numbers do not reach."""
        reached = float(self.axes[:noise].square().sum())
        return max(0.0, 1 - reached / self.variance) if self.variance > 0 else 0.0


@dataclass(frozen=True)
class Gaussians:
    """Gaussians that answer like a generator of pictures."""

    shape: tuple[int, ...]
    """(c, h, w)."""
    whole: Bell
    classes: Sequence[Bell]
    """One for each class; `whole` for one without a picture."""
    device: torch.device

    def __call__(self, x: Tensor, *, condition: Tensor | None = None, **_: Any) -> Tensor:
        """(b, m) noise to (b, c, h, w), raw; of the classes (b,) that `condition` names."""
        if condition is None:
            return raw(self.whole.drawn(x)).view(-1, *self.shape).to(x.device)
        found = self.whole.mean.new_empty(len(x), math.prod(self.shape))
        for label in condition.unique().tolist():
            rows = (condition == label).nonzero().flatten()
            found[rows.to(found.device)] = self.classes[label].drawn(x[rows])
        return raw(found).view(-1, *self.shape).to(x.device)

    def left_out(self, noise: int) -> float:
        """Share of the variance that `noise` numbers do not reach, mean of the classes."""
        return sum(bell.left_out(noise) for bell in self.classes) / len(self.classes)


class PcaGaussian(Floor):
    """Pictures as blurs of their kind: means, and the ways in which most of them differ."""

    title = "Gaussian on principal components"

    def fit(
        self,
        batch: Batch,
        schema: Schema,
        generator: Generator,  # noqa: ARG002
    ) -> Mapping[str, Scorer]:
        """Fit to `x` (n, c, h, w) in [-1, 1], by `y` where there are labels."""
        x = samples_of(batch)
        y, count = classes_in(batch, schema)
        rows = x.flatten(1).float()
        whole = bell_of(rows)
        bells = [bell_of(rows[y == k]) if bool((y == k).any()) else whole for k in range(count)]
        shape = tuple(x.shape[1:])
        return {"generator": Gaussians(shape, whole, bells if count > 1 else [whole], x.device)}

    def refuses(self, schema: Schema) -> str | None:
        """Where there are no pictures."""
        if any(isinstance(c, Pictures) for c in schema.columns.values()):
            return None
        return "these Gaussians are drawn as pictures, and these data hold none"


def bell_of(rows: Tensor) -> Bell:
    """The Gaussian of (n, d) samples, from the smaller of two matrices, (d, d) or (n, n).

    With X the centred rows over sqrt(n - 1), the eigenvectors v of X'X have as sqrt(lambda) v also
    X'u for those, u, of XX'.
    """
    mean = rows.mean(0)
    centred = (rows - mean) / math.sqrt(max(1, len(rows) - 1))
    k = min(len(rows) - 1, rows.shape[1], KEPT)
    variance = float(centred.double().square().sum())
    if k == 0:
        return Bell(mean, centred[:0], variance)
    if rows.shape[1] <= len(rows):
        values, vectors = torch.linalg.eigh(centred.T @ centred)
        axes = (vectors * values.clamp(min=0).sqrt())[:, -k:].T
    else:
        _, vectors = torch.linalg.eigh(centred @ centred.T)
        axes = vectors[:, -k:].T @ centred
    return Bell(mean, axes.flip(0), variance)


floor = PcaGaussian()
"""What the registry finds here."""
