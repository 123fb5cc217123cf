"""Kneser-Ney: how likely a symbol is after the few before it, by counting; see `nn/ngram.py`.

The order is the one under which the last tenth of the training text is likeliest when the rest is
counted; then all of it is counted.
Dimensions: b batch, t places, n symbols of a stream, V symbols of the vocabulary.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from netwright.floors.base import Floor
from netwright.nn import ngram
from netwright.nn.ngram import KneserNey
from netwright.specs import Batch, Schema, Scorer, Text


@dataclass(frozen=True)
class Counted:
    """An n-gram model that answers like a network, and is asked faster for its `nats`."""

    model: KneserNey
    device: torch.device
    """Where its training text lay; it computes on the CPU."""

    def __call__(self, x: Tensor, **_: Any) -> Tensor:
        """(b, t) symbols to (b, t, V) log-probabilities of what follows each; for small batches."""
        rows = [torch.from_numpy(self.model.following(row.cpu().numpy())).log() for row in x]
        return torch.stack(rows).float().to(x.device)

    def nats(self, symbols: Tensor, start: int | None = None) -> Tensor:
        """(n,): -log p of each symbol of a stream, on its device, whose first follows `start`."""
        before = ngram.NOTHING if start is None else np.array([start])
        return torch.from_numpy(self.model.nats(symbols.cpu().numpy(), before)).to(symbols.device)


class KneserNeyFloor(Floor):
    """Counts of n-grams, smoothed."""

    title = "Kneser-Ney n-gram"
    limit = ngram.LIMIT

    def fit(
        self,
        batch: Batch,
        schema: Schema,
        generator: Generator,  # noqa: ARG002
    ) -> Mapping[str, Scorer]:
        """Count `x`, (n,) symbols of one stream."""
        column = _text(schema)
        assert column is not None, "the schema was not asked by `refuses`"
        symbols = batch["x"].cpu().numpy()
        if column.start is not None:
            symbols = np.concatenate([[column.start], symbols])
        model = ngram.fit(symbols, column.codec.size)
        return {"net": Counted(model, batch["x"].device)}

    def refuses(self, schema: Schema) -> str | None:
        """Where there is no text to count."""
        return None if _text(schema) else "n-grams are counted in text, and these data hold none"


def _text(schema: Schema) -> Text | None:
    return next((c for c in schema.columns.values() if isinstance(c, Text)), None)


floor = KneserNeyFloor()
"""What the registry finds here."""
