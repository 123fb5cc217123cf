"""`netwright predict`: use a trained network on own files."""

import argparse
from pathlib import Path

from netwright.cli.common import Subparsers, command, emit, next_step


def add(verbs: Subparsers) -> None:
    """Add the verb."""
    parser = command(
        verbs,
        "predict",
        "use a trained network on your own files",
        "netwright predict runs/digits-cnn-small photo.png\n"
        "netwright predict runs/photos-cnn-small folder/ --json",
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="the run folder")
    parser.add_argument("inputs", metavar="FILE", type=Path, nargs="+", help="files or folders")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print class and probability of every file."""
    from netwright import face

    answers = list(face.predict(arguments.run_folder, arguments.inputs, device=arguments.device))
    width = max((len(a.name) for a in answers), default=0)
    lines = [f"{a.name:<{width}}  {face.in_words(a)}" for a in answers]
    document = {"answers": [{"name": a.name, **a.value} for a in answers]}
    emit(arguments, document, "\n".join(lines))
    next_step(arguments, f"netwright report {arguments.run_folder}")
