"""What the floors for tables share: the table of a schema, and where its cells lie.

Dimensions: n rows, w width of a row.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from netwright.specs import Categorical, Continuous, Schema, Table


def find_table(schema: Schema) -> Table | None:
    """The table of a schema, where it has one."""
    return next((c for c in schema.columns.values() if isinstance(c, Table)), None)


def table_of(schema: Schema) -> Table:
    """The table of a schema that `refusal` has let pass."""
    table = find_table(schema)
    assert table is not None, "the schema was not asked by `refuses`"
    return table


def refusal(schema: Schema) -> str | None:
    """Why a floor that makes rows does not stand here; None where there is a table."""
    if find_table(schema) is None:
        return "this floor makes rows of a table, and these data hold none"
    return None


def blocks_of(table: Table) -> Sequence[slice]:
    """Where the cell of each column lies in a row."""
    found, start = [], 0
    for column in table.columns:
        found.append(slice(start, start + column.width))
        start += column.width
    return found


def choice_of(column: Continuous | Categorical, cells: Tensor) -> Tensor:
    """(n, width) cells of a column to the choice of each, (n,); of a number all modes are 0.

    Of a number the choices are: an ordinary one, each special value, empty. Of words: each word,
    empty.
    """
    if isinstance(column, Categorical):
        return cells.argmax(1)
    if column.choices == 1:
        return torch.zeros(len(cells), dtype=torch.long, device=cells.device)
    return (cells[:, 1:].argmax(1) - len(column.modes) + 1).clamp(min=0)
