"""Options that several verbs share, and how results are printed."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Subparsers = Any  # argparse keeps the type of add_subparsers() private


def command(verbs: Subparsers, name: str, about: str, examples: str) -> argparse.ArgumentParser:
    """A verb's parser with its examples under the help."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=about,
        description=about[0].upper() + about[1:] + ".",
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser


def add_target(parser: argparse.ArgumentParser) -> None:
    """TARGET and `--data`."""
    parser.add_argument("target", metavar="TARGET", help="a task or a data set; see netwright list")
    parser.add_argument("--data", metavar="NAME|PATH", help="a data set by name, or your own files")
    parser.add_argument(
        "--columns", metavar="C", help="which column of a table is what: text=sentence,label=label"
    )


def add_execution(parser: argparse.ArgumentParser) -> None:
    """How it is run, beside the recipe."""
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, metavar="N", help="processor threads (default: all)")
    parser.add_argument("--compile", action="store_true", help="torch.compile the networks")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")


def add_training(parser: argparse.ArgumentParser, budget: str) -> None:
    """What decides a training, beside its structure."""
    parser.add_argument(
        "--recipe", type=Path, metavar="FILE", help="YAML fields that replace the defaults"
    )
    parser.add_argument(
        "--budget",
        default=budget,
        metavar="B",
        help=f"of each training: 30s, 5m, 1000steps, 10epochs, 1e12flop (default: {budget})",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="the run folder (default: under runs/)"
    )
    add_saving(parser)


def add_saving(parser: argparse.ArgumentParser) -> None:
    """How much of a training a power cut may cost."""
    parser.add_argument(
        "--save-every",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="time between two checkpoints (default: 300)",
    )


def execution(arguments: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of the public face that `add_execution` read."""
    return {
        "device": arguments.device,
        "threads": arguments.threads,
        "compile": arguments.compile,
        "quiet": arguments.quiet,
    }


def emit(arguments: argparse.Namespace, document: Mapping[str, Any], text: str) -> None:
    """Print the JSON document, or the text for people."""
    if arguments.json:
        print(json.dumps(document, sort_keys=True, default=str))
    else:
        print(text)


def next_step(arguments: argparse.Namespace, text: str) -> None:
    """The last line: what to do next."""
    if not arguments.json:
        print(f"next: {text}")
        sys.stdout.flush()
