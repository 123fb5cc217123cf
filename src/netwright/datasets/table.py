"""Table: whole rows of numbers and categories, of an own file or bundled with scikit-learn.

A CSV, TSV, JSON lines or Parquet file, one row a sample. What each column is, is found by its cells
and told: numbers become mixtures of bells (`netwright.rows`); words, and few different whole
numbers, become categories; empty cells and numbers that many rows share are choices of their own.
The split is drawn by hashing, stratified by the label; equal rows lie in one part.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, cast, final

from pydantic import Field

from netwright.datasets import _splits
from netwright.datasets._table_delimited import Header
from netwright.datasets._table_kinds import Cells, Known, look
from netwright.datasets._table_parts import LEAST, Origin, assemble
from netwright.datasets._table_reading import is_table, read_rows, read_whole
from netwright.datasets._table_roles import asked, by_name, placed
from netwright.datasets._table_rows import Table as Read
from netwright.datasets.base import Data, Dataset, Quarantined
from netwright.errors import InputError
from netwright.specs import Batch, Frozen, Schema

Bundled = Literal["iris", "wine", "breast-cancer", "diabetes"]
LISTED = 3


class TableConfig(Frozen):
    """Where the rows come from, what the columns are, and how the rows are split."""

    path: Path | None = None
    """An own file; where there is one, `name` says nothing."""
    name: Bundled = "breast-cancer"
    """A table bundled with scikit-learn."""
    columns: str = ""
    """`label=income,drop=id+note,category=zip,number=grade`, by name or number from 0."""
    header: Header = "auto"
    """Whether the first row of a CSV or TSV names the columns."""
    delimiter: str = "auto"
    """`auto`, `comma`, `tab`, `semicolon`, `bar` or the character itself."""
    modes: int = Field(default=5, ge=1, le=50)
    """Bells of a column of numbers, at most."""
    validation: _splits.Share = 0.1
    """Number or share of all rows."""
    test: _splits.Share = 0.2
    """Number or share of all rows."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the split, and of the bell that each number is given to."""


@final
class TableSet(Dataset):
    """Rows of a table."""

    Config = TableConfig
    task = "tabular-generation"
    files = "a CSV, TSV, JSONL or Parquet file of numbers and categories"

    def open(self, config: Frozen) -> Data:
        """Read, look what the columns are, split and encode.

        InputError names file, row, column, the reason and what to do.
        """
        config = cast("TableConfig", config)
        wanted = asked(config.columns)
        bad: Sequence[Quarantined] = ()
        if config.path is None:
            cells = _bundled(config.name)
        else:
            read = read_whole(
                config.path,
                header=config.header,
                delimiter=config.delimiter,
                sure=by_name(wanted),
            )
            bad = _bad(read)
            cells = Cells(
                read.names,
                list(zip(*(row for _, row in read.rows), strict=True)),
                [place for place, _ in read.rows],
                read.file,
                read.unit,
            )
        if len(cells.places) < LEAST:
            raise InputError(
                f"there are {len(cells.places):,} rows, and {LEAST} are the least",
                do="add rows",
                file=cells.file,
            )
        known = look(cells, placed(wanted, cells.names, cells.file))
        origin = Origin(cells.file, known.notes, bad, known.fixed, known.order)
        return assemble(known.kinds, known.cells, _target(known), config, origin)

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Rows of tables with the same columns, in any order; others beside them are left out."""
        return read_rows(schema, inputs)

    def fits(self, path: Path) -> bool:
        """Whether `path` is a table by its suffix."""
        return is_table(path)


def _target(known: Known) -> str | None:
    """The label that was asked for, else the last column where it is a category, else None."""
    last = known.kinds[-1]
    return known.label or (last.name if last.words else None)


def _bad(read: Read) -> Sequence[Quarantined]:
    """The rows that are left out; InputError where more than 1 % are bad."""
    total = len(read.rows) + len(read.bad)
    if 100 * len(read.bad) > total:
        raise InputError(
            f"{len(read.bad):,} of {total:,} rows cannot be used, and 1 % may be bad",
            why="; ".join(f"{read.unit} {n}: {why}" for n, why in read.bad[:LISTED]),
            do="repair or remove them",
            file=read.file,
            line=read.bad[0][0] if read.unit == "line" else None,
        )
    return [Quarantined(read.file.name, f"{read.unit} {n}", why) for n, why in read.bad]


def _bundled(name: Bundled) -> Cells:
    """A table of scikit-learn as if it had been read; its target is the last column."""
    from sklearn import datasets

    load, target = {
        "iris": (datasets.load_iris, "species"),
        "wine": (datasets.load_wine, "cultivar"),
        "breast-cancer": (datasets.load_breast_cancer, "diagnosis"),
        "diabetes": (partial(datasets.load_diabetes, scaled=False), "progression"),
    }[name]
    bunch = load()
    columns = [[f"{value:.12g}" for value in column] for column in bunch.data.T.tolist()]
    if name == "diabetes":
        columns.append([f"{value:.12g}" for value in bunch.target.tolist()])
    else:
        columns.append([str(bunch.target_names[i]) for i in bunch.target.tolist()])
    names = [str(feature) for feature in bunch.feature_names]
    return Cells([*names, target], columns, range(1, len(columns[0]) + 1))


dataset = TableSet()
