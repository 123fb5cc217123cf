"""`netwright resume`: go on where a training stopped."""

import argparse
from pathlib import Path

from netwright.cli.common import (
    Subparsers,
    add_execution,
    add_saving,
    command,
    emit,
    execution,
    next_step,
)


def add(verbs: Subparsers) -> None:
    """Add the verb."""
    parser = command(
        verbs,
        "resume",
        "go on where a training stopped, bit for bit",
        "netwright resume runs/digits-cnn-small",
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="the run folder")
    add_saving(parser)
    add_execution(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Resume and print what the validation part says."""
    from netwright import face

    result = face.resume(
        arguments.run_folder, save_every=arguments.save_every, **execution(arguments)
    )
    emit(arguments, result.document(), result.text())
    next_step(arguments, f"netwright evaluate {result.folder}")
