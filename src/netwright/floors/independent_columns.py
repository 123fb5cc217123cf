"""Independent columns: every cell is that of a training row of its own.

Each column has exactly its own distribution, empty cells and special values included, and tells
nothing of the others. A word that is asked for beside the noise is not heeded: words are asked for
as often as the training rows hold them.
Dimensions: n rows, w width of a row, b batch, m numbers of noise, q columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from netwright import rows
from netwright.floors._draws import index_below, samples_of, uniforms
from netwright.floors._tables import blocks_of, refusal, table_of
from netwright.floors.base import Floor
from netwright.specs import Batch, Schema, Scorer, Table


@dataclass(frozen=True)
class Cells:
    """Cells of training rows that answer like a generator of rows."""

    table: Table
    encoded: Tensor
    """(n, w)."""

    @property
    def device(self) -> torch.device:
        """Where the training rows lie."""
        return self.encoded.device

    def __call__(self, x: Tensor, **_: Any) -> Tensor:
        """(b, m) noise to (b, w), raw."""
        blocks = blocks_of(self.table)
        chosen = index_below(uniforms(x.to(self.device), len(blocks)), len(self.encoded))
        cells = [self.encoded[chosen[:, i], block] for i, block in enumerate(blocks)]
        return rows.invert(self.table, torch.cat(cells, 1)).to(x.device)


class IndependentColumns(Floor):
    """Marginal distributions, and nothing else."""

    title = "independent columns"

    def fit(
        self,
        batch: Batch,
        schema: Schema,
        generator: Generator,  # noqa: ARG002
    ) -> Mapping[str, Scorer]:
        """Keep `x` (n, w), encoded rows."""
        return {"generator": Cells(table_of(schema), samples_of(batch))}

    def refuses(self, schema: Schema) -> str | None:
        """Where there is no table."""
        return refusal(schema)


floor = IndependentColumns()
"""What the registry finds here."""
