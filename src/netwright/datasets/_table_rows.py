"""Tables read into rows of strings: CSV, TSV, JSON lines, Parquet, lines that begin with a label.

A row that cannot be read is told with its line, not skipped; what breaks the whole file (an open
quote, a NUL, a doubled header) is an InputError. Parquet takes pyarrow, which is imported here
only when it is needed.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from netwright.datasets._bounded import opened
from netwright.datasets._reading import read_text
from netwright.datasets._table_delimited import DELIMITERS, Bad, Header, Row, read_delimited
from netwright.errors import InputError, shown

Form = Literal["comma", "tab", "json", "parquet", "lines"]
FORMS: Mapping[str, Form] = {
    ".csv": "comma",
    ".tsv": "tab",
    ".jsonl": "json",
    ".parquet": "parquet",
    ".label": "lines",
    ".txt": "lines",
}
"""Suffix, before `.gz`, to form; `.label` is what the TREC questions are published as."""
EXPANSION = 64
"""By how much a Parquet file may grow."""
THRIFT = {"thrift_string_size_limit": 16 << 20, "thrift_container_size_limit": 1_000_000}
"""Limits on what the head of a Parquet file may claim."""
LABELLED = re.compile(r"(?:__label__(?P<plain>\S+)|(?P<coarse>[^\s:]+):\S*)\s+(?P<text>.*)")
"""`LABEL:sub text`, of which the coarse label is kept (TREC), and `__label__LABEL text`."""
NAMES = 1_000
"""Columns of a table of JSON lines, at most."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a file holds."""

    file: Path
    names: tuple[str, ...]
    """Of the columns; their numbers from 0 where the file has no header."""
    named: bool
    """Whether the names are the file's own."""
    rows: Sequence[Row]
    bad: Sequence[Bad]
    unit: Literal["line", "row"] = "line"
    """What the number of a row counts."""


def form_of(path: Path) -> Form | None:
    """The form of a file by its suffix, `.gz` or not."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    return FORMS.get(suffixes[-1]) if suffixes else None


def read_table(
    path: Path,
    root: Path | None = None,
    *,
    header: Header = "auto",
    delimiter: str = "auto",
    known: Sequence[str] = (),
    sure: bool = False,
) -> Table:
    """All rows of a file.

    Arguments:
        path: the file; its suffix says the form.
        root: the folder that the file must lie in after its links are followed; None: anywhere.
        header: whether the first row of a CSV or TSV names the columns; `auto` looks.
        delimiter: `auto`, `comma`, `tab`, `semicolon`, `bar` or the character itself.
        known: lower-case names of columns, by which a header is known.
        sure: whether the user named columns, so that there must be a header.

    Raises:
        InputError: no such form or delimiter, an empty file, a doubled or missing name of a column,
            a NUL, a quote that is never closed, a field of more than 16 MiB, a damaged file.
    """
    form = form_of(path)
    if form is None:
        raise InputError(
            "the form of this file is not known",
            why=f"{', '.join(FORMS)} are read, each also with .gz",
            file=path,
        )
    if form == "parquet":
        table = _parquet(path, root)
    else:
        text = read_text(path, root)
        if not text.strip():
            raise InputError("the file is empty", do="give a file with rows", file=path)
        if form == "json":
            table = _json_lines(path, text)
        elif form == "lines":
            table = _label_lines(path, text)
        else:
            names, named, rows, bad = read_delimited(
                path,
                text,
                DELIMITERS[form],
                header=header,
                delimiter=delimiter,
                known=known,
                sure=sure,
            )
            table = Table(path, names, named, rows, bad)
    _names_once(table)
    if not table.rows and not table.bad:
        raise InputError(
            "there is no row beneath the header", do="give a file with rows", file=path
        )
    return table


def _names_once(table: Table) -> None:
    """InputError where a name of a column is empty or stands twice."""
    for name, count in Counter(table.names).items():
        if count > 1:
            raise InputError(
                f"the column '{shown(name)}' is there {count} times",
                do="give each column a name of its own",
                file=table.file,
                line=1,
            )


def _label_lines(file: Path, text: str) -> Table:
    good: list[Row] = []
    bad: list[Bad] = []
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        found = LABELLED.fullmatch(content.strip())
        if found is None:
            bad.append((line, "the line does not begin with `LABEL:sub ` or `__label__LABEL `"))
        else:
            good.append((line, (found["plain"] or found["coarse"], found["text"])))
    return Table(file, ("label", "text"), True, good, bad)


def _json_lines(file: Path, text: str) -> Table:
    found: list[tuple[int, dict[str, Any]]] = []
    bad: list[Bad] = []
    names: dict[str, None] = {}
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            value = json.loads(content, object_pairs_hook=_once, parse_constant=_no_constant)
        except RecursionError:
            bad.append((line, "the JSON is nested too deep"))
        except json.JSONDecodeError as error:
            bad.append((line, f"no JSON: {error.msg} in column {error.colno}"))
        except ValueError as error:
            bad.append((line, f"no JSON: {error}"))
        else:
            if isinstance(value, dict):
                found.append((line, value))
                names.update(dict.fromkeys(value))
                if len(names) > NAMES:
                    raise InputError(
                        f"there are more than {NAMES:,} different keys",
                        why="every key is a column",
                        file=file,
                        line=line,
                    )
            else:
                bad.append((line, "the line is no JSON object"))
    rows = [(line, tuple(_plain(value.get(n)) for n in names)) for line, value in found]
    return Table(file, tuple(names), True, rows, bad)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        name = next(n for n, count in Counter(n for n, _ in pairs).items() if count > 1)
        raise ValueError(f"the key '{shown(name)}' stands twice")
    return made


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _plain(value: object) -> str | None:
    """A string, number or truth value as a string; None for everything else."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if math.isnan(value):
            return None  # how a missing number is often spelt in Parquet
        case float() if value.is_integer():
            return str(int(value))  # a column of whole numbers with a gap becomes one of floats
        case int() | float():
            return str(value)
        case _:
            return None


def _parquet(file: Path, root: Path | None) -> Table:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(
            "Parquet files cannot be read",
            why="pyarrow is not installed",
            do="pip install netwright[tables]",
            file=file,
        ) from error
    with opened(file, root or file.resolve().parent) as source:
        data = source.take(source.left + 1)
    try:
        found = parquet.ParquetFile(pa.BufferReader(bytes(data)), **THRIFT)
        head = found.metadata
        size = sum(head.row_group(i).total_byte_size for i in range(head.num_row_groups))
        if size > EXPANSION * max(len(data), 1 << 20):
            raise InputError(f"the file unpacks to more than {EXPANSION} times its size", file=file)
        kinds = [(field.name, field.type) for field in found.schema_arrow]
        names = tuple(name for name, kind in kinds if _is_plain(pa.types, kind))
        table = found.read(columns=list(names)) if names else None
        columns = [table.column(i).to_pylist() for i in range(len(names))] if table else []
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(
            "the Parquet file cannot be read",
            why=str(error).partition("\n")[0],
            do="get or write the file again",
            file=file,
        ) from error
    rows = [
        (number, tuple(map(_plain, values)))
        for number, values in enumerate(zip(*columns, strict=True), 1)
    ]
    return Table(file, names, True, rows, [], "row")


def _is_plain(types: Any, kind: Any) -> bool:
    """Whether a column holds strings, numbers or truth values; the others are left out."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    checks = (types.is_string, types.is_large_string, types.is_integer, types.is_floating)
    return any(check(kind) for check in (*checks, types.is_boolean))
