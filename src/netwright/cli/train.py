"""`netwright train`: one training."""

import argparse

from netwright.cli.common import (
    Subparsers,
    add_execution,
    add_target,
    add_training,
    command,
    emit,
    execution,
    next_step,
)


def add(verbs: Subparsers) -> None:
    """Add the verb."""
    parser = command(
        verbs,
        "train",
        "train one structure on one data set",
        "netwright train digits --structure cnn/small --budget 10s\n"
        "netwright train image-classification --data photos/ --structure transformer/small\n"
        "netwright train image-generation --data photos/ --budget 10m\n"
        "netwright train tabular-generation --data rows.csv --columns label=kind --budget 2m\n"
        "netwright train idx --data fashion/ --structure cnn/base --recipe mine.yaml --budget 10m",
    )
    add_target(parser)
    parser.add_argument(
        "--structure", metavar="S", help="family/preset (default: the task's, mostly cnn/small)"
    )
    add_training(parser, "30s")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of everything random (default: 0)"
    )
    add_execution(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Train and print what the validation part says."""
    from netwright import face

    result = face.train(
        arguments.target,
        structure=arguments.structure,
        data=arguments.data,
        columns=arguments.columns,
        recipe=arguments.recipe,
        budget=arguments.budget,
        seed=arguments.seed,
        out=arguments.out,
        save_every=arguments.save_every,
        **execution(arguments),
    )
    emit(arguments, result.document(), result.text())
    next_step(arguments, f"netwright evaluate {result.folder}")
