"""CSV and TSV taken apart: the delimiter, whether quotes enclose fields, whether there is a header.

A row that breaks the rules is told with its line. An open quote breaks the whole file.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from netwright.errors import InputError, shown

Header = Literal["auto", "yes", "no"]
DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "bar": "|"}
FIELD = 16 << 20
"""Characters of one field."""
LOOKED = 50
"""Lines looked at to tell the delimiter."""
WORD_OF_HEADER = re.compile(r"[^\W\d][\w-]*(?: [\w-]+)?")

Row = tuple[int, tuple[str | None, ...]]
"""Line, and a value for each column; None where there is none."""
Bad = tuple[int, str]
"""Line of a row that cannot be read, and the reason."""


def read_delimited(
    file: Path,
    text: str,
    own: str,
    *,
    header: Header,
    delimiter: str,
    known: Sequence[str],
    sure: bool,
) -> tuple[tuple[str, ...], bool, list[Row], list[Bad]]:
    """Names of the columns, whether they are the file's own, rows, and those that are none.

    `own` is the delimiter that the suffix stands for; the others are as in `read_table`.
    """
    separator = _separator(text, own, delimiter)
    quoted = separator != "\t" or _quoted(text, separator, file)
    rows, bad = _parsed(text, separator, quoted=quoted, file=file)
    named = header == "yes" or (
        header == "auto" and bool(rows) and (sure or _is_header(rows, known))
    )
    if named and rows:
        names = tuple(name.strip() for name in rows[0][1])
        rows = rows[1:]
    else:
        width = Counter(len(f) for _, f in rows).most_common(1)[0][0] if rows else 0
        names = tuple(map(str, range(width)))
    good: list[Row] = []
    for line, fields in rows:
        if len(fields) == len(names):
            good.append((line, tuple(fields)))
        else:
            many = "field" if len(fields) == 1 else "fields"
            bad.append((line, f"{len(fields)} {many} where {len(names)} belong"))
    return names, named, good, sorted(bad)


@contextmanager
def _wide_fields() -> Iterator[None]:
    """The csv module's limit, which all of a process shares, raised and put back."""
    before = csv.field_size_limit(FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _parsed(
    text: str, separator: str, *, quoted: bool, file: Path, most: int | None = None
) -> tuple[list[tuple[int, list[str]]], list[Bad]]:
    """Rows with the line on which each begins, and those that break the rules of quoting."""
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(
        io.StringIO(text, newline="\n"), delimiter=separator, quoting=quoting, strict=True
    )
    rows: list[tuple[int, list[str]]] = []
    bad: list[Bad] = []
    with _wide_fields():
        while most is None or len(rows) + len(bad) < most:
            line = reader.line_num + 1
            try:
                fields = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                if "unexpected end" in str(error):
                    raise InputError(
                        "a quote is opened here and never closed",
                        do='close it, or double a quote within a quoted field: ""',
                        file=file,
                        line=line,
                    ) from error
                if "limit" in str(error):
                    raise InputError(
                        f"a field holds more than {FIELD:,} characters", file=file, line=line
                    ) from error
                bad.append((line, "a quote within a quoted field is not doubled"))
                continue
            if len(fields) > 1 or (fields and fields[0].strip()):
                rows.append((line, fields))
    return rows, bad


def _separator(text: str, own: str, delimiter: str) -> str:
    """The delimiter that was asked for, or the first that gives equal rows of two or more."""
    if delimiter != "auto":
        found = DELIMITERS.get(delimiter, delimiter)
        if len(found) != 1 or found in {'"', "\n", " "}:
            raise InputError(
                f"'{shown(delimiter)}' is no delimiter",
                why=f"auto, {', '.join(DELIMITERS)} or one character",
            )
        return found
    head = "\n".join(text.split("\n", LOOKED)[:LOOKED])
    for candidate in (own, *(d for d in DELIMITERS.values() if d != own)):
        try:
            rows, bad = _parsed(head, candidate, quoted=candidate != "\t", file=Path())
        except InputError:  # the head may end within a quoted field
            continue
        widths = {len(fields) for _, fields in rows}
        if not bad and len(widths) == 1 and widths.pop() > 1:
            return candidate
    return own


def _quoted(text: str, separator: str, file: Path) -> bool:
    """Whether quotes in a tab-separated file enclose fields, or are text as in GLUE.

    They enclose where reading them so leaves fewer odd rows; or as many, out of the same lines.
    """
    if not re.search(rf'(?:^|{re.escape(separator)})"', text, re.MULTILINE):
        return False
    try:
        rows, bad = _parsed(text, separator, quoted=True, file=file)
    except InputError:
        return False
    plain, _ = _parsed(text, separator, quoted=False, file=file)
    with_quotes, without = _odd(rows) + len(bad), _odd(plain)
    return with_quotes < without or (with_quotes == without and len(rows) + len(bad) == len(plain))


def _odd(rows: Sequence[tuple[int, list[str]]]) -> int:
    """How many rows have another number of fields than the first."""
    return sum(len(fields) != len(rows[0][1]) for _, fields in rows)


def _is_header(rows: Sequence[tuple[int, list[str]]], known: Sequence[str]) -> bool:
    """Whether the first row names the columns: by a known name, or because it is unlike the rest.

    A value that comes again in its column is a value, not a name.
    """
    first, width = rows[0][1], len(rows[0][1])
    rest = [fields for _, fields in rows[1:] if len(fields) == width]
    again = [any(fields[i] == name for fields in rest) for i, name in enumerate(first)]
    if any(n.strip().lower() in known and not a for n, a in zip(first, again, strict=True)):
        return True
    if any(again) or not all(WORD_OF_HEADER.fullmatch(name.strip()) for name in first):
        return False
    kinds = [len({fields[i] for fields in rest}) for i in range(width)]
    return bool(rest) and any(2 * kind <= len(rest) for kind in kinds)
