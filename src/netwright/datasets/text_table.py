"""Text table: own labelled texts in CSV, TSV, JSON lines or Parquet, one text a row.

Either one file and a seeded split of our own, stratified, in which equal texts lie in one part; or
a folder with official parts (`train.csv`, `dev.csv` or `val.csv`, `test.csv`; a further word behind
`-`, `_` or `.` is allowed), which are kept as they are and whose doubles are told; a missing one is
cut from the training part. Every file may be packed by gzip. `.label` and `.txt` files hold lines
of `LABEL:sub text`, as the TREC questions do.

Texts are lower-cased and split into words and signs; rare words become `<unk>`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, cast, final

from pydantic import Field

from netwright.datasets import _splits
from netwright.datasets._labelled import CodecName, Sample, assemble, join, read_texts
from netwright.datasets._table_columns import KNOWN, Asked, Columns, again, asked, by_name, pick
from netwright.datasets._table_rows import FORMS, Table, form_of, read_table
from netwright.datasets.base import Data, Dataset, Quarantined
from netwright.errors import InputError, shown
from netwright.specs import Batch, Frozen, Schema

PARTS = {
    "train": "train",
    "training": "train",
    "dev": "validation",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""Beginnings of file names, in lower case, to the part that they hold."""
LAYOUT = "PATH/train.csv beside PATH/dev.csv and PATH/test.csv"
LISTED = 3


class TextTableConfig(Frozen):
    """Where the texts lie, and how they are read and split."""

    path: Path
    """A file, or a folder with a file for each part."""
    columns: str = ""
    """`text=title+description,label=class`, by name or number from 0; empty: found by name."""
    header: Literal["auto", "yes", "no"] = "auto"
    """Whether the first row of a CSV or TSV names the columns."""
    delimiter: str = "auto"
    """`auto`, `comma`, `tab`, `semicolon`, `bar` or the character itself."""
    validation: _splits.Share = 0.1
    """Number or share of the training file's texts, where there is no official part."""
    test: _splits.Share = 0.2
    """Number or share of the training file's texts, where there is no official part."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the split."""
    codec: CodecName = "words"
    """What a symbol is."""
    lower: bool = True
    """Whether upper case is lost; words only."""
    minimum: int = Field(default=2, ge=1)
    """Times that a word must occur in training; rarer ones become `<unk>`."""
    most: int = Field(default=30_000, ge=1)
    """Words that are kept, the most frequent ones."""
    length: int = Field(default=128, ge=2)
    """Symbols after which a text is cut."""


@final
class TextTable(Dataset):
    """Labelled texts in a table."""

    Config = TextTableConfig
    task = "text-classification"
    files = "a CSV, TSV, JSONL or Parquet file with a column of texts and one of labels"

    def open(self, config: Frozen) -> Data:
        """Read, check, split and encode; InputError names file, line, column and the reason."""
        config = cast("TextTableConfig", config)
        wanted, header = asked(config.columns), config.header
        files, note = _files(config.path)
        root = config.path if config.path.is_dir() else None
        official: dict[str, Sequence[Sample]] = {}
        quarantine: list[Quarantined] = []
        notes = [note] if note else []
        for part, file in files.items():
            table = read_table(
                file,
                root,
                header=header,
                delimiter=config.delimiter,
                known=KNOWN,
                sure=by_name(wanted),
            )
            columns = _columns(table, wanted, part)
            if part == "train" and header == "auto" and not any(wanted.values()):
                _no_header(table, columns)
            if part == "train":
                wanted, header = again(table, columns), "yes" if table.named else "no"
                notes += [columns.note] if columns.note else []
            official[part], bad = _samples(table, columns)
            _few(table, bad, part)
            quarantine += (Quarantined(file.name, f"{table.unit} {n}", why) for n, why in bad)
        return assemble(official, config, file=files["train"], notes=notes, quarantine=quarantine)

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Lines of text files and rows of tables, split into words as in training."""
        return read_texts(schema, inputs)

    def fits(self, path: Path) -> bool:
        """Whether `path` is a table by its suffix, or a folder that holds one."""
        if path.is_dir():
            return any(_is_table(file) for file in path.iterdir())
        return _is_table(path)


def _is_table(path: Path) -> bool:
    form = form_of(path)
    return form is not None and (form != "lines" or ".label" in path.suffixes) and path.is_file()


def _files(path: Path) -> tuple[Mapping[str, Path], str]:
    """The file of each part, training first, and a sentence about files that were left out."""
    if not path.is_dir():
        if not path.exists():
            raise InputError("there is no such file or folder", file=path)
        return {"train": path}, ""
    found = sorted(f for f in path.iterdir() if f.is_file() and form_of(f) and f.name[0] != ".")
    parts: dict[str, Path] = {}
    others: list[Path] = []
    for file in found:
        part = PARTS.get(re.split(r"[-_.]", file.name.lower())[0])
        if part is None:
            others.append(file)
        elif part in parts:
            raise InputError(
                f"the {part} part is there twice",
                why=f"as {shown(parts[part].name)} and {shown(file.name)}",
                do=f"lay the files out as {LAYOUT}",
                file=path,
            )
        else:
            parts[part] = file
    tables = [file for file in others if _is_table(file)]
    if not parts and len(tables) == 1:
        return {"train": tables[0]}, ""
    if "train" not in parts:
        there = ", ".join(shown(file.name) for file in found[:LISTED])
        raise InputError(
            "no file of this folder holds the training part",
            why=f"there are {there}" if there else f"{', '.join(FORMS)} are read",
            do=f"lay the files out as {LAYOUT}",
            file=path,
        )
    note = "files that are no part and were left out: "
    note += ", ".join(shown(file.name) for file in tables[:LISTED])
    order = [part for part in ("train", "validation", "test") if part in parts]
    return {part: parts[part] for part in order}, note if tables else ""


def _columns(table: Table, wanted: Asked, part: str) -> Columns:
    """`pick`, which for an official part can say what else would help."""
    try:
        return pick(table, wanted)
    except InputError as error:
        if part == "train":
            raise
        do = f"{error.do}; or take the file away, and a {part} part is cut from the training part"
        raise InputError(
            error.what,
            why=error.why,
            near=error.near,
            do=do,
            file=error.file,
            line=error.line,
        ) from error


def _no_header(table: Table, columns: Columns) -> None:
    """InputError where the first row, taken for a sample, looks like a header of unknown names."""
    if table.named or columns.label is None or not table.rows:
        return
    first, *rest = [(values[columns.label] or "").strip() for _, values in table.rows]
    if first not in rest:
        names = [shown(value or "") for value in table.rows[0][1]]
        text = "+".join(names[i] for i in columns.texts)
        raise InputError(
            "the first row may be a header",
            why=f"its label '{shown(first)}' stands in no other row",
            do=f"--columns text={text},label={shown(first)}, or `header: no` in a recipe",
            file=table.file,
            line=1 if table.unit == "line" else None,
        )


def _samples(table: Table, columns: Columns) -> tuple[list[Sample], list[tuple[int, str]]]:
    """Texts with a label, and line and reason of the rows that are none."""
    label = cast("int", columns.label)
    good: list[Sample] = []
    bad = list(table.bad)
    file = str(table.file)
    for line, values in table.rows:
        name = (values[label] or "").strip()
        text = join(values, columns.texts)
        if not name:
            bad.append((line, f"column '{shown(table.names[label])}' holds no label"))
        elif all(values[place] is None for place in columns.texts):
            first = shown(table.names[columns.texts[0]])
            bad.append((line, f"column '{first}' holds no text"))
        elif not _is_unicode(text + name):
            bad.append((line, "half of a surrogate pair stands in the row"))
        else:
            good.append(Sample(text, name, file, line))
    return good, sorted(bad)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _few(table: Table, bad: Sequence[tuple[int, str]], part: str) -> None:
    """InputError where more than 1 % of the rows are bad, or any of an official part."""
    total = len(table.rows) + len(table.bad)
    if not bad or (part == "train" and 100 * len(bad) <= total):
        return
    allowed = "1 % may be bad" if part == "train" else f"a {part} part stays whole"
    raise InputError(
        f"{len(bad):,} of {total:,} rows cannot be used, and {allowed}",
        why="; ".join(f"{table.unit} {n}: {why}" for n, why in bad[:LISTED]),
        do="repair or remove them",
        file=table.file,
        line=bad[0][0] if table.unit == "line" else None,
    )


dataset = TextTable()
