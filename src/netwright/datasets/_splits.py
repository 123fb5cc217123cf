"""Splits of labelled pictures: equal samples in one part, fingerprint, statistics.

Our own splits are drawn by hashing: samples are ranked by a hash of their bytes, keyed by the seed.
So a split depends on the samples and the seed alone, not on their order in the file nor on any
library's random numbers, and equal samples have equal ranks.
Dimensions: n samples, c channels, h height, w width.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from netwright.datasets.base import Data, Tensors
from netwright.errors import InputError
from netwright.specs import Image, Labels, Pictures, Schema

Share = Annotated[int, Field(strict=True, ge=1)] | Annotated[float, Field(gt=0, lt=1)]
"""Part of a set: a number of samples, or a share between 0 and 1."""

PIECE = 1_000
"""Samples whose sums are taken at once; bounds the memory of `statistics`."""


def size_of(share: Share, total: int, what: str = "validation") -> int:
    """How many of `total` samples `share` is: at least one; InputError if none would be left."""
    size = max(1, round(share * total)) if isinstance(share, float) else share
    if size >= total:
        raise InputError(
            f"{what} of {share} takes all of the {total:,} training images",
            do=f"{what}=0.1, a tenth of them" if size > 1 else "more of them",
        )
    return size


def digests(column: Tensor) -> list[bytes]:
    """One digest for each sample of `column` (n, ...); equal samples, and no others, share it."""
    rows = column.contiguous().reshape(len(column), -1).numpy()
    return [hashlib.blake2b(row, digest_size=16).digest() for row in rows]


def stratified(labels: Tensor, marks: Sequence[bytes], size: int, seed: int) -> Tensor:
    """Which samples to hold out, (n,) of bool: `size` of them, in proportion to the classes.

    Equal samples (equal `marks`) stay together and count to the class of the first. Where such a
    group does not fit, the next class gets its places; what is left at the end stays empty.
    """
    classes, members = labels.tolist(), dict[bytes, list[int]]()
    for place, mark in enumerate(marks):
        members.setdefault(mark, []).append(place)
    key = seed.to_bytes(16, "big", signed=True)
    groups: dict[int, list[list[int]]] = {}
    for mark in sorted(members, key=lambda m: hashlib.blake2b(m, key=key).digest()):
        groups.setdefault(classes[members[mark][0]], []).append(members[mark])
    quotas = _quotas({c: sum(map(len, found)) for c, found in groups.items()}, size)
    held = torch.zeros(len(classes), dtype=torch.bool)
    left = 0
    for label, found in sorted(groups.items()):
        left += quotas[label]
        for group in found:
            if len(group) <= left:
                held[group] = True
                left -= len(group)
    return _held(held)


def _held(held: Tensor) -> Tensor:
    """`held` (n,) of bool; InputError where one of its two parts is empty."""
    if held.all() or not held.any():
        raise InputError(
            f"no part can be cut from these {len(held):,} images",
            why="equal images stay in one part, and too few of these differ",
        )
    return held


def _quotas(counts: Mapping[int, int], size: int) -> dict[int, int]:
    """`size` in proportion to `counts`, by largest remainders, so that the sum is exact."""
    total = sum(counts.values())
    quotas = {c: size * n // total for c, n in counts.items()}
    left = size - sum(quotas.values())
    for c in sorted(counts, key=lambda c: (-(size * counts[c] % total), c))[:left]:
        quotas[c] += 1
    return quotas


def together(marks: Sequence[bytes], held: Tensor) -> Tensor:
    """`held` (n,) of bool, changed so that equal samples go where the first of them goes."""
    first: dict[bytes, bool] = {}
    whole = [first.setdefault(mark, keep) for mark, keep in zip(marks, held.tolist(), strict=True)]
    return _held(torch.tensor(whole, dtype=torch.bool))


def doubles(training: Iterable[bytes], test: Sequence[bytes]) -> tuple[str, ...]:
    """A sentence about test samples that lie in the training set too; none, no sentence."""
    known = set(training)
    found = sum(mark in known for mark in test)
    if not found:
        return ()
    verb = "equals" if found == 1 else "equal"
    return (
        f"{found:,} of the {len(test):,} test images {verb} a training image; "
        "the official split is kept",
    )


def statistics(pixels: Tensor, top: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation per channel of (n, c, h, w) integers, on the scale of 0 to 1.

    The sums are integers, so that neither threads nor order can change a bit of them. The
    deviation of a channel without any is 1, for it is divided by.
    """
    sums = torch.zeros(2, pixels.shape[1], dtype=torch.int64)
    for piece in pixels.split(PIECE):
        values = piece.to(torch.int32)
        sums[0] += values.sum((0, 2, 3))
        sums[1] += values.square().sum((0, 2, 3))
    count = pixels.numel() // pixels.shape[1]
    first, second = sums.tolist()
    mean = tuple(s / (count * top) for s in first)
    spread = (count * q - s * s for s, q in zip(first, second, strict=True))
    return mean, tuple(sqrt(v) / (count * top) or 1.0 for v in spread)


def fingerprint(parts: Mapping[str, Tensors]) -> str:
    """Sha256 over every sample's bytes, in order, part by part, with names, types and shapes."""
    sha = hashlib.sha256()
    for part, tensors in parts.items():
        for name, column in tensors.columns.items():
            sha.update(f"{part}/{name}/{column.dtype}/{tuple(column.shape)}\n".encode())
            sha.update(column.contiguous().numpy().data)
    return sha.hexdigest()


def labelled(
    parts: Mapping[str, tuple[Tensor, Tensor]],
    names: tuple[str, ...],
    *,
    top: int,
    fit: Literal["exact", "crop", "ink"],
    notes: tuple[str, ...],
) -> Data:
    """The data set of `parts`: pictures (n, c, h, w) of uint8, and labels (n,) below `names`."""
    made = {
        part: Tensors({"image": pixels.contiguous(), "label": labels.to(torch.int64)})
        for part, (pixels, labels) in parts.items()
    }
    pixels = made["train"].columns["image"]
    mean, deviation = statistics(pixels, top)
    form = Image(*pixels.shape[1:])
    image = Pictures(form=form, mean=mean, deviation=deviation, top=top, fit=fit)
    schema = Schema(columns={"image": image, "label": Labels(names=names)})
    return Data(schema, made, fingerprint(made), notes)
