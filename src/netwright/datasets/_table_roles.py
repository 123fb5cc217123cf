"""What a user says of the columns of a whole table: `--columns label=income,drop=id+note`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, cast, get_args

from netwright.errors import InputError, nearest, shown, unknown

Role = Literal["label", "drop", "category", "number"]
ROLES: tuple[Role, ...] = get_args(Role)
EXAMPLE = "--columns label=income,drop=id,category=zip"

Asked = Mapping[Role, tuple[str, ...]]
"""Roles to names or numbers of columns, from 0; only those that were asked for."""


def asked(columns: str) -> Asked:
    """`label=income,drop=id+note` taken apart; InputError if it is written otherwise."""
    found: dict[Role, tuple[str, ...]] = {}
    for piece in filter(str.strip, columns.split(",")):
        key, sign, names = (p.strip() for p in piece.partition("="))
        if sign and key not in ROLES:
            raise unknown("role of a column", key, ROLES, do=EXAMPLE)
        role = cast("Role", key)
        wanted = tuple(name.strip() for name in names.split("+"))
        if not sign or not all(wanted) or key in found or (key == "label" and len(wanted) > 1):
            raise InputError(
                f"'{shown(columns)}' does not say what the columns are",
                why="each role stands once, before columns joined by +; label takes one",
                do=EXAMPLE,
            )
        found[role] = wanted
    return found


def by_name(wanted: Asked) -> bool:
    """Whether a column is asked for by its name, so that there must be a header."""
    return any(not name.isdecimal() for names in wanted.values() for name in names)


def placed(wanted: Asked, names: Sequence[str], file: Path | str = "") -> dict[int, Role]:
    """The role of each column that one was asked for; InputError if it is not there, or has two."""
    found: dict[int, Role] = {}
    for role, columns in wanted.items():
        for name in columns:
            place = _place(name, names, file)
            if found.setdefault(place, role) != role:
                raise InputError(
                    f"the column '{shown(names[place])}' cannot be {found[place]} and {role} "
                    "at once",
                    do=EXAMPLE,
                    file=file,
                )
    return found


def _place(name: str, names: Sequence[str], file: Path | str) -> int:
    if name in names:
        return names.index(name)
    if name.isdecimal() and len(name) < 9 and int(name) < len(names):
        return int(name)
    raise InputError(
        f"no column '{shown(name)}'",
        why=f"there are {', '.join(map(shown, names))}",
        near=nearest(name, names),
        do=EXAMPLE,
        file=file,
    )
