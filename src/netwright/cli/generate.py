"""`netwright generate`: let a trained network make texts, pictures, sounds or rows."""

import argparse
from pathlib import Path
from typing import Any

from netwright.cli.common import Subparsers, command, emit, next_step
from netwright.errors import escaped


def add(verbs: Subparsers) -> None:
    """Add the verb."""
    parser = command(
        verbs,
        "generate",
        "let a trained network make something new",
        'netwright generate runs/text-rnn-small --prompt "Once upon" --length 300\n'
        'netwright generate runs/text-rnn-small --prompt "A" --prompt "B" --top-p 0.9 --seed 3\n'
        'netwright generate runs/text-transformer-small --prompt "x =" --precision int8',
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="the run folder")
    text = parser.add_argument_group("texts")
    text.add_argument("--prompt", action="append", metavar="TEXT", help="what to go on from")
    text.add_argument("--length", type=int, metavar="N", help="symbols at most (default: 200)")
    text.add_argument(
        "--temperature", type=float, metavar="T", help="0: always the likeliest (default: 0.8)"
    )
    text.add_argument("--top-k", type=int, metavar="K", help="only the K likeliest symbols")
    text.add_argument("--top-p", type=float, metavar="P", help="only the likeliest P of the mass")
    text.add_argument(
        "--min-p", type=float, metavar="P", help="only symbols above P of the likeliest"
    )
    text.add_argument(
        "--repetition-penalty", type=float, metavar="R", help="above 1: say nothing twice"
    )
    text.add_argument("--beams", type=int, metavar="N", help="search the best text with N beams")
    text.add_argument("--length-penalty", type=float, metavar="A", help="of beams: favour length")
    text.add_argument("--stop", action="append", metavar="TEXT", help="end where this appears")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn")
    parser.add_argument(
        "--precision",
        choices=("fp32", "int8"),
        default="fp32",
        help="of the weights; int8 is faster on a CPU",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.set_defaults(run=run)


ASKED = (
    "prompt",
    "length",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "beams",
    "length_penalty",
    "stop",
)
"""Options that the task is told of, where they are given."""


def run(arguments: argparse.Namespace) -> None:
    """Print what is made, texts as they come."""
    from netwright import face

    asked: dict[str, Any] = {
        name: value for name in ASKED if (value := getattr(arguments, name)) is not None
    }
    answers, streamed = [], False
    for answer in face.generate(
        arguments.run_folder,
        asked,
        seed=arguments.seed,
        precision=arguments.precision,
        device=arguments.device,
    ):
        if "piece" not in answer.value:
            answers.append(answer)
        elif not arguments.json:
            streamed = True
            print(escaped(str(answer.value["piece"])), end="", flush=True)
    shown = "" if streamed else "\n\n".join(face.in_words(a) for a in answers)
    emit(arguments, {"answers": [{"name": a.name, **a.value} for a in answers]}, shown)
    next_step(arguments, f"netwright report {arguments.run_folder}")
