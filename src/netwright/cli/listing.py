"""`netwright list`: what there is, read from names and docstrings; imports no torch."""

import argparse

from netwright import registry
from netwright.cli.common import Subparsers, command, emit, next_step
from netwright.registry import Room

ROOMS: tuple[tuple[str, Room], ...] = (
    ("structures", "models"),
    ("tasks", "tasks"),
    ("data sets", "datasets"),
    ("floors", "floors"),
)


def add(verbs: Subparsers) -> None:
    """Add the verb."""
    parser = command(
        verbs,
        "list",
        "what there is: structures, tasks, data sets, floors",
        "netwright list\nnetwright list --json",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print every name with its first line."""
    found = {
        title: {name: registry.about(room, name) for name in registry.names(room)}
        for title, room in ROOMS
    }
    blocks = []
    for title, names in found.items():
        width = max((len(n) for n in names), default=0)
        lines = [f"  {name:<{width}}  {about}" for name, about in names.items()]
        blocks.append("\n".join([title, *lines]))
    emit(
        arguments,
        {title.replace(" ", "_"): names for title, names in found.items()},
        "\n\n".join(blocks),
    )
    next_step(arguments, "netwright matrix, to see which structure serves which task")
