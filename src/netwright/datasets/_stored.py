"""Decoded pictures of a folder as parts of a data set; shared by folders with and without classes.

Dimensions: n samples.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from netwright.datasets import _splits
from netwright.datasets._cache import Decoded, Mapped, Store
from netwright.datasets._folder import Sample, Scan
from netwright.datasets._pictures import Limits
from netwright.datasets.base import Tensors
from netwright.errors import shown
from netwright.specs import Part


def parts_of(
    found: Scan,
    kept: Sequence[Sample],
    store: Store,
    labels: Tensor,
    places: Mapping[str, Tensor],
    limits: Limits,
) -> dict[str, Part]:
    """The parts, mapped where the pictures were kept, else decoded for each batch."""
    made: dict[str, Part] = {}
    for part, rows in places.items():
        if store.pixels is not None:
            made[part] = Mapped(store.pixels, rows, labels[rows])
        else:
            own = [kept[row] for row in rows.tolist()]
            made[part] = Decoded(found.root, own, labels[rows], store.form, limits)
    return made


def fingerprint_of(store: Store, labels: Tensor, places: Mapping[str, Tensor]) -> str:
    """Over the digest of every sample, in order, so that it needs no second decoding."""
    marks = torch.frombuffer(bytearray(b"".join(store.marks)), dtype=torch.uint8)
    marks = marks.reshape(len(store.marks), -1)
    f = store.form
    form = Tensors({"form": torch.tensor([f.channels, f.height, f.width])})
    parts = {
        part: Tensors({"image": marks[rows], "label": labels[rows]})
        for part, rows in places.items()
    }
    return _splits.fingerprint({"schema": form, **parts})


def first_of(names: Sequence[str]) -> str:
    """Three of the names, and how many there are."""
    more = f", ... ({len(names):,} in all)" if len(names) > 3 else ""
    return ", ".join(map(shown, names[:3])) + more
