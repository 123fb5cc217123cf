"""`netwright evaluate`: judge a finished run on the test part, once."""

import argparse
from pathlib import Path

from netwright.cli.common import (
    Subparsers,
    add_execution,
    command,
    emit,
    execution,
    next_step,
)


def add(verbs: Subparsers) -> None:
    """Add the verb."""
    parser = command(
        verbs,
        "evaluate",
        "judge a finished run on the test part, once",
        "netwright evaluate runs/digits-cnn-small",
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="the run folder")
    add_execution(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Evaluate and print the figures."""
    from netwright import face

    result = face.evaluate(arguments.run_folder, **execution(arguments))
    emit(arguments, result.document(), result.text())
    next_step(arguments, f"netwright report {result.folder}, or {result.use}")
