"""Names to modules: the folder is the registry, entry points add to it.

Listing imports nothing; loading imports one module. A module in `netwright.models` holds one public
`structure`, in `.tasks` one `task`, in `.datasets` one `dataset`, in `.floors` one `floor`. A third
party adds one by an entry point `netwright.models: name = package.module`. The only module that
imports by name.
"""

import ast
import importlib
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from netwright.errors import InputError, unknown

Room = Literal["models", "tasks", "datasets", "floors"]
OBJECT: dict[Room, str] = {
    "models": "structure",
    "tasks": "task",
    "datasets": "dataset",
    "floors": "floor",
}
"""The one public name that a module of each room holds."""


def spelled(room: Room, name: str) -> str:
    """The official spelling of `name`: structures with `_`, everything else with `-`."""
    return name.replace("-", "_") if room == "models" else name.replace("_", "-")


def names(room: Room) -> tuple[str, ...]:
    """Names on offer, sorted; imports none of them."""
    return tuple(sorted({*_built_in(room), *_plugins(room)}))


def load(room: Room, name: str) -> Any:
    """The `structure`, `task`, `dataset` or `floor` called `name`; an unknown one is an error."""
    name = spelled(room, name)
    if name in _built_in(room):
        module = importlib.import_module(f"netwright.{room}.{name.replace('-', '_')}")
    elif name in (plugins := _plugins(room)):
        module = importlib.import_module(plugins[name].value)
    else:
        raise unknown(OBJECT[room], name, names(room), do="netwright list")
    found = getattr(module, OBJECT[room], None)
    if found is None:
        raise InputError(
            f"the {OBJECT[room]} '{name}' cannot be used",
            why=f"its module {module.__name__} holds no `{OBJECT[room]}`",
        )
    return found


def installed(room: Room, name: str) -> Any | None:
    """As `load`; None where it is not on offer here, or cannot be used."""
    try:
        return load(room, name)
    except InputError:
        return None


def origin(room: Room, name: str) -> str:
    """`netwright`, or the distribution and version that an entry point came from."""
    name = spelled(room, name)
    if name in _built_in(room) or name not in (plugins := _plugins(room)):
        return "netwright"
    made = plugins[name].dist
    return f"{made.name} {made.version}" if made else plugins[name].value


def about(room: Room, name: str) -> str:
    """The first line of the module's docstring, read without importing it."""
    name = spelled(room, name)
    if name in _built_in(room):
        source: Path | None = _folder(room) / f"{name.replace('-', '_')}.py"
    else:
        try:
            spec = find_spec(_plugins(room)[name].value)
        except ImportError:
            spec = None
        source = Path(spec.origin) if spec and spec.origin else None
    if source is None or source.suffix != ".py":
        return ""
    text = ast.get_docstring(ast.parse(source.read_text("utf-8"))) or ""
    return text.partition("\n")[0]


def _folder(room: Room) -> Path:
    return Path(__file__).parent / room


@cache
def _built_in(room: Room) -> frozenset[str]:
    found = (m.name for m in pkgutil.iter_modules([str(_folder(room))]))
    return frozenset(spelled(room, n) for n in found if n[0] != "_" and n != "base")


def _plugins(room: Room) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"netwright.{room}"):
        name = spelled(room, point.name)
        if name in _built_in(room) or name in found:
            made = point.dist.name if point.dist else point.value
            raise InputError(
                f"the {OBJECT[room]} '{name}' is offered twice",
                why=f"{made} offers a name that is taken",
                do=f"pip uninstall {made}",
            )
        found[name] = point
    return found
