"""What floors of generation share: numbers out of noise, samples by class, raw answers.

All that such a floor draws is a function of the noise that it is given, row by row: the same row
gives the same sample, up to rounding, whatever else is in its batch.
Dimensions: b batch, m numbers of noise, q numbers that are wanted, n samples, k classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from netwright.errors import InputError
from netwright.specs import Labels, Schema

BOUND = 0.999
"""What bounded samples are held within, so that their raw answer is finite."""
STEP, FIRST, SECOND = (
    c - 2**64 for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
"""Constants of SplitMix64, as signed numbers."""


def raw(x: Tensor) -> Tensor:
    """Samples in [-1, 1] as a generator's raw output, of which the task takes the tanh."""
    return x.clamp(-BOUND, BOUND).atanh().float()


def uniforms(z: Tensor, count: int) -> Tensor:
    """(b, m) standard normal numbers to (b, count) uniform ones in [0, 1], double precision.

    The normal distribution function of the entries of a row; where these are too few, further ones
    are made of the hash of the row.
    """
    own = torch.special.ndtr(z[:, :count].double())
    return own if count <= z.shape[1] else torch.cat([own, _hashed(z, count - z.shape[1])], 1)


def normals(z: Tensor, count: int) -> Tensor:
    """(b, m) standard normal numbers to (b, count): cut, or continued by the hash of each row."""
    own = z[:, :count].double()
    if count <= z.shape[1]:
        return own
    return torch.cat([own, torch.special.ndtri(_hashed(z, count - z.shape[1]))], 1)


def index_below(u: Tensor, count: Tensor | int) -> Tensor:
    """floor(u count), for u in [0, 1] never `count` itself."""
    last = torch.as_tensor(count, device=u.device) - 1
    return torch.minimum((u * count).long(), last)


def _hashed(z: Tensor, count: int) -> Tensor:
    """(b, count) uniform numbers in (0, 1): SplitMix64 (Steele et al. 2014), keyed by each row."""
    bits = z.detach().float().contiguous().view(torch.int32).long()
    place = torch.arange(1, z.shape[1] + 1, device=z.device)
    key = _mixed(_mixed(bits) + place * STEP).sum(1, keepdim=True)
    steps = torch.arange(1, count + 1, device=z.device) * STEP
    high = _shifted(_mixed(key + steps), 11)  # the 53 bits that a double holds
    return ((high.double() + 0.5) * 2**-53).clamp(max=1 - 2**-53)


def _mixed(x: Tensor) -> Tensor:
    """The finalizer of SplitMix64; 64-bit integers wrap around."""
    x = (x ^ _shifted(x, 30)) * FIRST
    x = (x ^ _shifted(x, 27)) * SECOND
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, places: int) -> Tensor:
    """Shift to the right, filled with zeros."""
    return (x >> places) & ((1 << (64 - places)) - 1)


@dataclass(frozen=True)
class ByClass:
    """Samples by their class."""

    order: Tensor
    """(n,) sample numbers, those of one class together."""
    starts: Tensor
    """(k,): where each class begins in `order`; 0 for one without a sample."""
    sizes: Tensor
    """(k,): how many samples it has; n for one without a sample, which is drawn from all."""

    def drawn(self, u: Tensor, condition: Tensor | None) -> Tensor:
        """(b,) sample numbers for (b,) uniform numbers, of the classes asked for or of all."""
        if condition is None:
            return self.order[index_below(u, len(self.order))]
        asked = condition.to(self.order.device)
        return self.order[self.starts[asked] + index_below(u, self.sizes[asked])]


def by_class(y: Tensor, classes: int) -> ByClass:
    """Sort (n,) labels, which lie below `classes`."""
    sizes = torch.bincount(y, minlength=classes)
    starts = sizes.cumsum(0) - sizes
    none = sizes == 0
    return ByClass(
        torch.argsort(y, stable=True), starts.masked_fill(none, 0), sizes.masked_fill(none, len(y))
    )


def classes_in(batch: Mapping[str, Tensor], schema: Schema) -> tuple[Tensor, int]:
    """(n,) labels of a batch and the number of classes; one class where the data have no labels."""
    column = next((c for c in schema.columns.values() if isinstance(c, Labels)), None)
    if column is None or "y" not in batch:
        return batch["x"].new_zeros(len(batch["x"]), dtype=torch.long), 1
    return batch["y"].long(), len(column.names)


def samples_of(batch: Mapping[str, Tensor], least: int = 1) -> Tensor:
    """The samples of a batch, detached; InputError where they are fewer than `least`."""
    x = batch["x"].detach()
    if len(x) < least:
        raise InputError(
            f"this floor needs {least} training samples or more", why=f"there are {len(x)}"
        )
    return x
