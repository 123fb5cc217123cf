"""Whole tables read: with or without a header, and foreign rows read as in training."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from netwright import rows
from netwright.datasets._table_cells import cleaned, number, whole_word
from netwright.datasets._table_delimited import Header
from netwright.datasets._table_rows import Table as Read
from netwright.datasets._table_rows import form_of, read_table
from netwright.errors import InputError, nearest, shown
from netwright.specs import Batch, Categorical, Schema, Table

FORMS = ("comma", "tab", "json", "parquet")


def is_table(path: Path) -> bool:
    """Whether a file is a table by its suffix, packed or not."""
    return form_of(path) in FORMS and path.is_file()


def read_whole(path: Path, *, header: Header, delimiter: str, sure: bool) -> Read:
    """All rows of a file; `sure` where columns were named, so that there must be a header.

    Raises:
        InputError: no such file, no table, or one that cannot be read.
    """
    if not path.is_file():
        raise InputError(
            "there is no such file" if not path.exists() else "this is no file",
            do="name a CSV, TSV, JSONL or Parquet file",
            file=path,
        )
    if form_of(path) not in FORMS:
        raise InputError(
            "the form of this file is not known",
            why=".csv, .tsv, .jsonl and .parquet are read",
            file=path,
        )
    if header == "auto" and form_of(path) in {"comma", "tab"}:
        bare = read_table(path, header="no", delimiter=delimiter)
        header = "yes" if sure or _names_stand_first(bare) else "no"
    return read_table(path, header=header, delimiter=delimiter)


def _names_stand_first(table: Read) -> bool:
    """Whether the first row names the columns: words above numbers, or words that never return."""
    if not table.rows or (table.bad and table.bad[0][0] < table.rows[0][0]):
        return True  # another number of fields than the rows beneath it
    first = [cleaned(cell) for cell in table.rows[0][1]]
    if not any(first) or any(cell is not None and number(cell) is not None for cell in first):
        return False
    beneath = [row for _, row in table.rows[1:]]
    for place in range(len(first)):
        cells = [cell for row in beneath if (cell := cleaned(row[place])) is not None]
        if cells and sum(number(cell) is not None for cell in cells) > len(cells) / 2:
            return True
    return not any(row[i] == name for row in beneath for i, name in enumerate(table.rows[0][1]))


def read_rows(schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
    """Foreign rows, each named `file:line`, as a batch of `row` (1, w); of a folder, its tables.

    InputError where a column is not there, or a cell holds what none did in training.
    """
    table = cast("Table", schema.columns["row"])
    for path in inputs:
        files = sorted(f for f in path.rglob("*") if is_table(f)) if path.is_dir() else [path]
        if not files:
            raise InputError(
                "the folder holds no table", why=".csv, .tsv, .jsonl, .parquet are read", file=path
            )
        for file in files:
            yield from _rows_of(table, file)


def _rows_of(table: Table, file: Path) -> Iterator[tuple[str, Batch]]:
    numbered = all(column.name.isdecimal() for column in table.columns)
    read = read_whole(file, header="no" if numbered else "yes", delimiter="auto", sure=True)
    if read.bad:
        line, reason = read.bad[0]
        raise InputError("the row cannot be read", why=reason, file=file, line=line)
    places: dict[str, int] = {}
    for column in table.columns:
        if column.name not in read.names:
            raise InputError(
                f"no column '{shown(column.name)}'",
                why=f"there are {', '.join(map(shown, read.names))}",
                near=nearest(column.name, read.names),
                do="give the columns that were trained on",
                file=file,
            )
        places[column.name] = read.names.index(column.name)
    for line, cells in read.rows:
        try:
            row = rows.encode(table, _parsed(table, cells, places))
        except InputError as error:
            raise InputError(
                error.what, why=error.why, near=error.near, do=error.do, file=file, line=line
            ) from error
        yield f"{file}:{line}", {"row": row}


def _parsed(
    table: Table, cells: Sequence[str | None], places: Mapping[str, int]
) -> dict[str, NDArray[Any]]:
    """One row as `rows.encode` takes it."""
    found: dict[str, NDArray[Any]] = {}
    for column in table.columns:
        cell = cleaned(cells[places[column.name]])
        if isinstance(column, Categorical):
            word = cell if cell is None or cell in column.values else whole_word(cell)
            found[column.name] = np.array([word], dtype=object)
            continue
        value = np.nan if cell is None else number(cell)
        if value is None:
            raise InputError(
                f"column '{shown(column.name)}' holds numbers, but here '{shown(cell)}'",
                do="correct the cell, or leave the row out",
            )
        found[column.name] = np.array([value])
    return found
