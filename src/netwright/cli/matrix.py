"""`netwright matrix`: which structure serves which task, and why the others do not."""

import argparse

from netwright.cli.common import Subparsers, command, emit, next_step


def add(verbs: Subparsers) -> None:
    """Add the verb."""
    parser = command(
        verbs,
        "matrix",
        "which structure serves which task, and why not",
        "netwright matrix\nnetwright matrix image-classification --data digits",
    )
    parser.add_argument("target", metavar="TARGET", nargs="?", help="a task or a data set")
    parser.add_argument("--data", metavar="NAME|PATH", help="a data set by name, or your own files")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the table and the sentences of the refusals."""
    from netwright import face

    table = face.matrix(arguments.target, data=arguments.data)
    emit(arguments, table.document(), table.text())
    next_step(arguments, "netwright compare TARGET --budget 10s")
