"""What the columns of a table are: numbers or words, found by their cells or asked for.

Of columns that are empty or hold one value nothing is learned, which is told. A column that no
generator of rows can learn (free text, dates, thousands of categories, infinities) is refused with
what would help.
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netwright.datasets._table_cells import (
    CODE,
    COMMA,
    DATE,
    cleaned,
    decimals,
    number,
    plain,
    whole_word,
)
from netwright.datasets._table_roles import EXAMPLE, Role
from netwright.errors import InputError, shown

WORDS = 100
"""Different words of a category, at most."""
COUNTED = 10
"""A column of whole numbers with as few different ones, or fewer, is a category."""
MOST = 0.9
"""Share of the cells from which on a column is what they are."""
LARGEST = 1e100
"""Numbers beyond this have no square that a float holds."""
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """What one column is."""

    name: str
    words: tuple[str, ...] = ()
    """Of a category, in order; empty: the column holds numbers."""
    decimals: int | None = None
    """Digits behind the point of its numbers; None: as many as a float has."""
    missing: bool = False
    """Whether cells are empty."""


@dataclass(frozen=True, slots=True)
class Cells:
    """A table as it was read: cells by column, and where its rows stand."""

    names: Sequence[str]
    columns: Sequence[Sequence[str | None]]
    places: Sequence[int]
    """The number of each row, for a sentence."""
    file: Path | str = ""
    unit: Literal["line", "row"] = "row"

    def wrong(self, what: str, row: int, *, why: str = "", do: str = "") -> InputError:
        """The error about a cell of a row."""
        place = self.places[row]
        if self.unit == "line":
            return InputError(what, why=why, do=do, file=self.file, line=place)
        return InputError(f"{what} in row {place:,}", why=why, do=do, file=self.file)


@dataclass(frozen=True, slots=True)
class Known:
    """The columns that are kept, their cells, and what is told."""

    kinds: Sequence[Kind]
    cells: Mapping[str, NDArray[Any]]
    """As `netwright.rows.Columns`."""
    label: str | None
    notes: Sequence[str]
    fixed: Mapping[str, int | float | str | None]
    order: Sequence[str]
    """All columns that a made row has, as `netwright.specs.Table`."""


@dataclass(slots=True)
class _Found:
    """What is being found out."""

    kinds: list[Kind] = field(default_factory=list)
    cells: dict[str, NDArray[Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    counted: list[str] = field(default_factory=list)
    fixed: dict[str, int | float | str | None] = field(default_factory=dict)


def look(table: Cells, roles: Mapping[int, Role]) -> Known:
    """What the columns of a table are; InputError names file, row, column and what to do."""
    found, label, refused = _Found(), None, dict[int, InputError]()
    for place, (name, raw) in enumerate(zip(table.names, table.columns, strict=True)):
        role = roles.get(place)
        cells = [cleaned(cell) for cell in raw]
        try:
            if role == "drop" or _constant(table, name, role, cells, found):
                continue
            _column(table, name, role, cells, found)
        except InputError as error:
            refused[place] = error
        label = name if role == "label" else label
    if refused:
        raise _refused(table, roles, refused)
    if not found.kinds:
        raise InputError(
            "no column is left", why="; ".join(found.notes), do=EXAMPLE, file=table.file
        )
    if found.counted:
        found.notes.append(
            f"taken as categories, for they hold few whole numbers: {_listed(found.counted)}"
        )
    if gaps := [kind.name for kind in found.kinds if kind.missing]:
        found.notes.append(f"cells are empty in the columns {_listed(gaps)}")
    kept = {*found.fixed, *found.cells}
    order = [name for name in table.names if name in kept]
    return Known(found.kinds, found.cells, label, found.notes, found.fixed, order)


def _refused(
    table: Cells, roles: Mapping[int, Role], refused: Mapping[int, InputError]
) -> InputError:
    """What is wrong with columns: the one error, or of several what and how to leave them out."""
    if len(refused) == 1:
        return next(iter(refused.values()))
    said = [e.what + (f" (line {e.line:,})" if e.line else "") for e in refused.values()]
    more = [f"and {len(said) - SHOWN:,} more"] if len(said) > SHOWN else []
    asked: dict[str, list[str]] = {}
    for place, role in {**roles, **dict.fromkeys(refused, "drop")}.items():
        asked.setdefault(role, []).append(_asked_for(table.names[place], place))
    columns = ",".join(f"{role}={'+'.join(names)}" for role, names in asked.items())
    return InputError(
        f"{len(refused):,} columns cannot be learned from",
        why="; ".join([*said[:SHOWN], *more]),
        do=f"correct them, or leave them out: --columns {shlex.quote(columns)}",
        file=table.file,
    )


def _asked_for(name: str, place: int) -> str:
    """How `--columns` names a column: by its number where its name would be taken apart."""
    plainly = name and name == name.strip() and name.isprintable() and not set("+,=") & set(name)
    return name if plainly else str(place)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(map(shown, names[:SHOWN])) + more


def _constant(
    table: Cells, name: str, role: Role | None, cells: Sequence[str | None], found: _Found
) -> bool:
    """Whether there is nothing to learn in a column, which is told; InputError if it is the label.

    With a name it is fixed, and comes back in made rows.
    """
    values = set(cells)
    if name and len(values) > 1:
        return False
    reason = ("holds one value" if any(values) else "is empty") if name else "has no name"
    if role == "label":
        raise InputError(
            f"the label '{shown(name)}' {reason}",
            why="a label tells rows apart",
            do="name another one: --columns label=...",
            file=table.file,
        )
    if not name:
        found.notes.append(f"column '' {reason} and was left out")
        return True
    (value,) = values
    found.fixed[name] = None if value is None else plain(value)
    found.notes.append(f"column '{shown(name)}' {reason}, which every made row has again")
    return True


def _column(
    table: Cells, name: str, role: Role | None, cells: Sequence[str | None], found: _Found
) -> None:
    there = [cell for cell in cells if cell is not None]
    missing = len(there) < len(cells)
    numbers = None if role in {"category", "label"} else _numbers(table, name, role, cells)
    if numbers is not None:
        if role == "number" or not _few(numbers):
            largest = float(np.nanmax(np.abs(numbers)))
            found.kinds.append(Kind(name, (), decimals(there, largest), missing))
            found.cells[name] = numbers
            if _numbers_rows(numbers):
                found.notes.append(
                    f"column '{shown(name)}' numbers the rows, and is learned like any other; "
                    f"--columns drop={shown(name)} leaves it out"
                )
            if code := next(filter(CODE.fullmatch, there), None):
                found.notes.append(
                    f"column '{shown(name)}' is numbers: zeros as in {code} are lost"
                )
            return
        found.counted.append(name)
    whole = numbers is not None or (role == "label" and all(map(_is_whole, there)))
    words = [cell if cell is None or not whole else whole_word(cell) for cell in cells]
    different = {word for word in words if word is not None}
    if role is None and numbers is None:
        _no_dates(table, name, cells, different)
    if len(different) > WORDS:
        raise _too_many(table, name, role, cells, len(different))
    found.kinds.append(Kind(name, _ordered(table, name, words, different), None, missing))
    found.cells[name] = np.array([*words, None], dtype=object)[:-1]


def _numbers(
    table: Cells, name: str, role: Role | None, cells: Sequence[str | None]
) -> NDArray[np.float64] | None:
    """(n,) numbers, NaN where empty; None where the column holds others too."""
    codes = role is None and any(cell is not None and CODE.fullmatch(cell) for cell in cells)
    if codes:
        return None
    found: list[float] = []
    for row, cell in enumerate(cells):
        value = np.nan if cell is None else number(cell)
        if value is None:
            if role == "number":
                raise table.wrong(
                    f"column '{shown(name)}' holds no number but '{shown(cell)}'",
                    row,
                    do=f"correct the cell, or --columns category={shown(name)}",
                )
            return None
        found.append(value)
    numbers = np.array(found, dtype=np.float64)
    far = np.flatnonzero(np.abs(numbers) > LARGEST)
    if len(far):
        row = int(far[0])
        what = "an infinity" if np.isinf(numbers[row]) else "a number too large to square"
        raise table.wrong(
            f"column '{shown(name)}' holds {what}",
            row,
            do=f"correct or empty the cell, or --columns drop={shown(name)}",
        )
    return numbers


def _few(numbers: NDArray[np.float64]) -> bool:
    """Whether there are few different numbers, all whole."""
    different = np.unique(numbers[~np.isnan(numbers)])
    return len(different) <= COUNTED and bool((different == np.floor(different)).all())


def _numbers_rows(numbers: NDArray[np.float64]) -> bool:
    """Whether each row's number is one more than that of the row before."""
    return len(numbers) > COUNTED and bool((np.diff(numbers) == 1).all())


def _is_whole(cell: str) -> bool:
    value = number(cell)
    return value is not None and value.is_integer() and not CODE.fullmatch(cell)


def _no_dates(table: Cells, name: str, cells: Iterable[str | None], different: set[str]) -> None:
    """InputError where the column holds dates or times, or numbers with a comma."""
    for pattern, what, do in (
        (DATE, "dates or times", "make them numbers (days since the first one)"),
        (COMMA, "numbers with a comma", "write them with a point"),
    ):
        if sum(pattern.fullmatch(word) is not None for word in different) >= MOST * len(different):
            first = next(row for row, cell in enumerate(cells) if cell is not None)
            raise table.wrong(
                f"column '{shown(name)}' holds {what}",
                first,
                do=f"{do}, or --columns drop={shown(name)}",
            )


def _too_many(
    table: Cells, name: str, role: Role | None, cells: Sequence[str | None], different: int
) -> InputError:
    """Why a column of so many different words is none that can be learnt."""
    there = [cell for cell in cells if cell is not None]
    drop = f"--columns drop={shown(name)}"
    if sum(number(cell) is not None for cell in there) >= MOST * len(there):
        if role in {"category", "label"} or all(number(cell) is not None for cell in there):
            return InputError(
                f"column '{shown(name)}' holds {different:,} different numbers",
                why=f"a category has at most {WORDS}",
                do=f"--columns number={shown(name)}, or group them, or {drop}",
                file=table.file,
            )
        row = next(i for i, c in enumerate(cells) if c is not None and number(c) is None)
        return table.wrong(
            f"column '{shown(name)}' holds numbers, but '{shown(cells[row])}'",
            row,
            why="an empty cell is written as nothing, NA, NaN or ?",
            do=f"correct or empty the cell, or {drop}",
        )
    if 2 * different > len(there):
        return InputError(
            f"column '{shown(name)}' holds free text or names",
            why=f"{different:,} of {len(there):,} cells differ",
            do=drop,
            file=table.file,
        )
    return InputError(
        f"column '{shown(name)}' holds {different:,} different words",
        why=f"a category has at most {WORDS}",
        do=f"group the rare ones, or {drop}",
        file=table.file,
    )


def _ordered(
    table: Cells, name: str, words: Sequence[str | None], different: set[str]
) -> tuple[str, ...]:
    """The words of a category: by number where all are whole numbers, else by name."""
    for word in different:
        if any("\ud800" <= c <= "\udfff" for c in word):
            row = words.index(word)
            raise table.wrong(f"half of a surrogate pair stands in column '{shown(name)}'", row)
    ordered = sorted(different)
    if all(whole_word(word) == word and number(word) is not None for word in ordered):
        ordered.sort(key=int)
    return tuple(ordered)
