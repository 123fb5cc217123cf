"""JSON in one canonical form, read strictly; `files` offers these names.

The same value always gives the same bytes, so that a document can carry its own hash, and what is
read back is what was written: no key twice, no bare NaN, no bottomless nesting.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from netwright.errors import DamagedError, InputError

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
"""What `dumps` writes."""
DEPTH = 32
"""Nesting of lists and objects that JSON may have."""


def dumps(value: JSON) -> bytes:
    """Canonical JSON, one line that ends in LF: the same value always gives the same bytes.

    Keys are sorted, floats are the shortest that read back equal; a non-finite one is written as
    "nan", "inf" or "-inf", which `number` reads, and an integer beyond 53 bits as its digits, which
    `int` reads. Raises TypeError for other types and ValueError over 32 levels: our own mistakes.
    """
    text = json.dumps(
        _plain(value, 0),
        allow_nan=False,
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=True,
    )
    return text.encode("utf-8", "backslashreplace") + b"\n"  # a lone surrogate as its escape


def _plain(value: JSON, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _paired(value)
    if isinstance(value, int):
        return value if abs(value) <= 1 << 53 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(float(value))
    if depth == DEPTH:
        raise ValueError(f"JSON is nested at most {DEPTH} levels deep")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("the keys of a JSON object are strings")
        return {_paired(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_plain(item, depth + 1) for item in value]
    raise TypeError(f"{type(value).__name__} is not JSON")


def _paired(text: str) -> str:
    """`text` with two surrogates that make a pair as the one character that they mean."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def number(value: str | float) -> float:
    """The float that `dumps` wrote as itself or as a string; ValueError if it is none."""
    return float(value)


def loads(data: bytes, name: str, line: int | None = None) -> Any:
    """The value of strict JSON; `name`, and `line` in a file of lines, stand in what is raised.

    Raises DamagedError, with the place: not UTF-8 or not JSON, a key twice, a bare or overflowing
    number that is not finite, more than 32 levels.
    """
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_once,
            parse_constant=_bare,
            parse_float=_finite,
        )
        if _depth(value) > DEPTH:
            raise ValueError(f"it is nested more than {DEPTH} levels deep")
    except (ValueError, RecursionError) as error:
        why, column = str(error), None
        if isinstance(error, json.JSONDecodeError):
            why, line, column = error.msg, line or error.lineno, error.colno
        raise DamagedError(
            "is not the JSON that netwright writes", why=why, file=name, line=line, column=column
        ) from error
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _bare(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError("a number is too large")
    return value


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [v for v in level if isinstance(v, dict | list)]:
        depth += 1
        level = [i for v in level for i in (v.values() if isinstance(v, dict) else v)]
    return depth


def seal(document: Mapping[str, JSON]) -> bytes:
    """`document` as JSON that carries its own hash under `sha256`."""
    return dumps({**document, "sha256": hashlib.sha256(dumps(document)).hexdigest()})


def unseal(data: bytes, name: str) -> dict[str, Any]:
    """What `seal` was given; DamagedError for any changed byte."""
    value = loads(data, name)
    if isinstance(value, dict):
        value.pop("sha256", None)
        if seal(value) == data:
            return value
    raise DamagedError("does not match its own sha256", file=name)


def readable(document: Mapping[str, Any], format: str, schema: int, name: str) -> None:  # noqa: A002
    """Check the kind and age of a document of ours, which `name` tells.

    Raises: DamagedError if it is of another kind; InputError if it is newer than this netwright.
    """
    if document.get("format") != format or not isinstance(document.get("schema"), int):
        raise DamagedError(f"is not a {format}", file=name)
    if document["schema"] > schema:
        raise InputError(
            "was made by a newer netwright",
            why=f"its schema is {document['schema']}, and this one reads up to {schema}",
            do="pip install --upgrade netwright",
            file=name,
        )


def parse_lines(data: bytes, name: str) -> list[dict[str, Any]]:
    """The objects in a log; a torn last line is left out, for its writer may still be at it.

    Raises DamagedError, with the line's number, for any other line that is no JSON object.
    """
    found = []
    for index, line in enumerate(data.split(b"\n")[:-1], 1):
        value = loads(line, name, index)
        if not isinstance(value, dict):
            raise DamagedError("is no JSON object", file=name, line=index)
        found.append(value)
    return found
