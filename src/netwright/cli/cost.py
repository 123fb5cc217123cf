"""`netwright cost`: what a training would cost, before any training."""

import argparse
import shlex
from pathlib import Path

from netwright.cli.common import (
    Subparsers,
    add_execution,
    add_target,
    command,
    emit,
    execution,
    next_step,
)


def add(verbs: Subparsers) -> None:
    """Add the verb."""
    parser = command(
        verbs,
        "cost",
        "predict what a training costs, by a few real steps",
        "netwright cost digits --structure cnn/small --budget 1000steps\n"
        "netwright cost cifar10 --data cifar10/ --structure transformer/base --budget 10m",
    )
    add_target(parser)
    parser.add_argument("--structure", metavar="S", help="family/preset (default: the task's)")
    parser.add_argument("--budget", default="30s", metavar="B", help="30s, 5m, 1000steps, ...")
    parser.add_argument(
        "--recipe", type=Path, metavar="FILE", help="YAML fields that replace the defaults"
    )
    add_execution(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the prediction."""
    from netwright import face

    found = face.cost(
        arguments.target,
        structure=arguments.structure,
        data=arguments.data,
        columns=arguments.columns,
        recipe=arguments.recipe,
        budget=arguments.budget,
        **execution(arguments),
    )
    emit(arguments, found.document(), found.text())
    words = ["netwright", "train", arguments.target]
    words += ["--structure", arguments.structure] if arguments.structure else []
    words += ["--data", arguments.data] if arguments.data else []
    words += ["--recipe", str(arguments.recipe)] if arguments.recipe else []
    next_step(arguments, shlex.join(words))
