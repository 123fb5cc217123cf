"""Columns of a schema by name and kind."""

from typing import TypeVar

from netwright.errors import InputError
from netwright.specs import Frozen, Schema

Kind = TypeVar("Kind", bound=Frozen)


def column(schema: Schema, name: str, kind: type[Kind], why: str) -> Kind:
    """The column called `name`; InputError, with `why`, if there is none or it is of other kind."""
    found = schema.columns.get(name)
    if isinstance(found, kind):
        return found
    wanted = kind.__name__.lower()
    raise InputError(
        f"these data hold no column '{name}' of {wanted}", why=why, do="netwright list"
    )
