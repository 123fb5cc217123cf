"""`netwright report`: the HTML page of a run or a comparison, made anew."""

import argparse
from pathlib import Path

from netwright.cli.common import Subparsers, command, emit, next_step


def add(verbs: Subparsers) -> None:
    """Add the verb."""
    parser = command(
        verbs,
        "report",
        "make the HTML page of a run or a comparison",
        "netwright report runs/digits-cnn-small",
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="a run or a comparison")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the page and say where it is."""
    from netwright import face

    path = face.report(arguments.run_folder)
    emit(arguments, {"report": str(path)}, f"report: {path}")
    next_step(arguments, "open it in a browser")
