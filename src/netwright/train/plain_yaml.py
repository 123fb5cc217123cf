"""YAML as plain data: the safe loader, and no tags, anchors, aliases or doubled keys."""

from pathlib import Path
from typing import Any

import yaml

from netwright.errors import InputError, shown

LIMIT = 1 << 20
"""Bytes of a file at most."""


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping from a file, safely: no tags, anchors or aliases; InputError says where."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(
            "cannot read the recipe", why=error.strerror or str(error), file=path
        ) from None
    return parse_yaml(raw, str(path))


def parse_yaml(raw: bytes, name: str) -> dict[str, Any]:
    """`read_yaml` of bytes; `name` is what errors call them."""
    if len(raw) > LIMIT:
        raise InputError("the recipe is over 1 MiB", file=name)
    try:
        text = raw.decode("utf-8-sig")
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise _refused(name, event, "anchors and aliases are not read")
            if (tag := getattr(event, "tag", None)) is not None and not isinstance(
                event, yaml.DocumentStartEvent
            ):
                raise _refused(name, event, f"the tag '{shown(tag)}' is not read")
        found = yaml.load(text, Loader=_Strict)  # noqa: S506 - a SafeLoader that refuses doubles
    except UnicodeDecodeError as error:
        raise InputError("the recipe is not UTF-8", why=f"byte {error.start}", file=name) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise InputError(
            f"cannot read this YAML: {shown(error.problem)}",
            file=name,
            line=mark.line + 1 if mark else None,
            column=mark.column + 1 if mark else None,
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"cannot read this YAML: {shown(error)}", file=name) from None
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(k, str) for k in found):
        raise InputError("a recipe is a mapping of names to values", file=name)
    return found


class _Strict(yaml.SafeLoader):
    """Refuses doubled keys, which the safe loader lets the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            found = self.construct_object(key_node, deep=True)
            if isinstance(found, str) and found in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{found}' stands twice", key_node.start_mark
                )
            if isinstance(found, str):
                seen.add(found)
        return super().construct_mapping(node, deep)


def _refused(name: str, event: yaml.Event, why: str) -> InputError:
    mark = event.start_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
    return InputError(why, file=name, line=line, column=column)
