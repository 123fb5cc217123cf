"""`netwright compare`: the contest of structures at one budget, and its verdict."""

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

AXES = ("forward_flops", "training_flops", "seconds", "parameters", "latency", "memory", "energy")


def add(verbs: Subparsers) -> None:
    """Add the verb."""
    parser = command(
        verbs,
        "compare",
        "which structure gives the most for the compute, at one budget",
        "netwright compare digits --budget 3s\n"
        "netwright compare image-classification --data photos/ --budget 5m\n"
        "netwright compare digits --candidates cnn/small,transformer/tiny@mine.yaml --seeds 5",
    )
    add_target(parser)
    parser.add_argument(
        "--candidates",
        metavar="C",
        help="family/preset[@recipe.yaml], joined by commas (default: one preset of each family)",
    )
    parser.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="trainings of each (default: 3)"
    )
    parser.add_argument(
        "--cost",
        choices=AXES,
        default="forward_flops",
        metavar="AXIS",
        help=f"cost axis of the frontier: {', '.join(AXES)} (default: forward_flops)",
    )
    add_training(parser, "30s")
    add_execution(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare, print the table and the verdict, and say where the report is."""
    from netwright import face

    found = face.compare(
        arguments.target,
        candidates=arguments.candidates,
        data=arguments.data,
        columns=arguments.columns,
        recipe=arguments.recipe,
        budget=arguments.budget,
        seeds=arguments.seeds,
        cost=arguments.cost,
        out=arguments.out,
        save_every=arguments.save_every,
        **execution(arguments),
    )
    emit(arguments, found.document(), found.text())
    if not arguments.json:
        print(f"report: {found.folder / 'report.html'}")
    next_step(arguments, found.use)
    return found.code
