"""What the cells of a table say: empty, a number and its digits, a date, a word."""

import re
from collections.abc import Iterable

MISSING = frozenset({"", "?", "na", "n/a", "<na>", "nan", "null"})
"""How an empty cell is written, in lower case."""
NUMBER = re.compile(
    r"[-+]?(?:\d+\.?(?P<part>\d*)|\.(?P<only>\d+))(?:[eE](?P<power>[-+]?\d{1,9}))?", re.ASCII
)
ENDLESS = re.compile(r"[-+]?inf(?:inity)?", re.IGNORECASE | re.ASCII)
CODE = re.compile(r"[-+]?0\d+", re.ASCII)
"""A zero before other digits: a zip code or the like, whose zeros a number would lose."""
COMMA = re.compile(r"[-+]?\d+,\d+", re.ASCII)
WHOLE = re.compile(r"([-+]?\d{1,300})(?:\.0*)?", re.ASCII)
DAY = r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2}))"
TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[-+]\d{2}:?\d{2})?"
DATE = re.compile(rf"{DAY}(?:[T ]{TIME})?|{TIME}", re.ASCII)
DIGITS = 9
"""Digits behind the point, at most; with more, numbers are taken as a float holds them."""
EXACT = 2**53
"""Below this a float holds every whole number."""


def cleaned(cell: str | None) -> str | None:
    """A cell without spaces around it, None where it is empty."""
    cell = (cell or "").strip()
    return None if cell.lower() in MISSING else cell


def number(cell: str) -> float | None:
    """The number that a cell holds, which may be infinite; None where it holds none."""
    return float(cell) if NUMBER.fullmatch(cell) or ENDLESS.fullmatch(cell) else None


def plain(cell: str) -> int | float | str:
    """A cell as a number where a float holds it; a code such as 007 stays text."""
    value = None if CODE.fullmatch(cell) else number(cell)
    if value is None or not abs(value) < EXACT:
        return cell
    return int(whole_word(cell)) if WHOLE.fullmatch(cell) else value


def whole_word(cell: str) -> str:
    """A whole number as it is written shortest (`07.0` is `7`); another cell as it is."""
    found = WHOLE.fullmatch(cell)
    return str(int(found[1])) if found else cell


def decimals(cells: Iterable[str], largest: float) -> int | None:
    """Digits behind the point of cells that hold finite numbers up to `largest`.

    None: more than can be told.
    """
    most = 0
    for cell in cells:
        found = NUMBER.fullmatch(cell)
        if found is None:
            continue
        part = (found["part"] or found["only"] or "").rstrip("0")
        most = max(most, len(part) - int(found["power"] or 0))
        if most > DIGITS:
            return None
    return most if largest * 10**most < EXACT else None
