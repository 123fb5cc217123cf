"""`netwright generate`: let a trained network make texts, pictures, sounds or rows."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.cli.common import Subparsers, command, emit, next_step
from netwright.errors import InputError, escaped, shown

if TYPE_CHECKING:
    from netwright.tasks.base import Answer


def add(verbs: Subparsers) -> None:
    """Add the verb."""
    parser = command(
        verbs,
        "generate",
        "let a trained network make something new",
        'netwright generate runs/text-rnn-small --prompt "Once upon" --length 300\n'
        'netwright generate runs/text-rnn-small --prompt "A" --prompt "B" --top-p 0.9 --seed 3\n'
        'netwright generate runs/text-transformer-small --prompt "x =" --precision int8\n'
        "netwright generate RUN --count 64 --class 3 --class 7 --out digits\n"
        "netwright generate RUN --interpolate --truncation 0.7 --out between\n"
        "netwright generate runs/table-mlp-small --count 1000 --out rows --form parquet",
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
    made = parser.add_argument_group("pictures, sounds and rows")
    made.add_argument("--count", type=int, metavar="N", help="how many (default: 16)")
    made.add_argument(
        "--class",
        dest="classes",
        action="append",
        metavar="NAME_OR_NUMBER",
        help="of this class; several are taken in turn (default: all)",
    )
    made.add_argument(
        "--truncation",
        type=float,
        metavar="T",
        help="above 0, up to 1; less is more typical and less varied (default: 1, or the recipe's)",
    )
    made.add_argument(
        "--interpolate",
        action="store_true",
        default=None,
        help="all the way from one noise to another",
    )
    made.add_argument(
        "--out", type=Path, metavar="FOLDER", help="a new folder for what is made, needed for files"
    )
    made.add_argument(
        "--form", choices=("csv", "parquet"), help="of the file of rows (default: csv)"
    )
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
    "count",
    "classes",
    "truncation",
    "interpolate",
)
"""Options that the task is told of, where they are given."""


def run(arguments: argparse.Namespace) -> None:
    """Print what is made, texts as they come, or write it into files."""
    from netwright import face

    if arguments.form is not None and arguments.out is None:
        raise InputError("--form is said of a file", do="--out FOLDER")
    asked: dict[str, Any] = {
        name: value for name in ASKED if (value := getattr(arguments, name)) is not None
    }
    coming = face.generate(
        arguments.run_folder,
        asked,
        seed=arguments.seed,
        precision=arguments.precision,
        device=arguments.device,
    )
    if arguments.out is None:
        _print(arguments, coming)
    else:
        _write(arguments, coming)
    next_step(arguments, f"netwright report {arguments.run_folder}")


def _print(arguments: argparse.Namespace, coming: "Iterable[Answer]") -> None:
    from netwright import face
    from netwright.made import makes_files

    answers, streamed = [], False
    for answer in coming:
        if "piece" not in answer.value:
            if not arguments.json and makes_files(answer):
                raise InputError(
                    "what this run makes is kept in files",
                    why="a terminal shows no pictures, sounds or rows",
                    do="--out FOLDER",
                )
            answers.append(answer)
        elif not arguments.json:
            streamed = True
            print(escaped(str(answer.value["piece"])), end="", flush=True)
    text = "" if streamed else "\n\n".join(face.in_words(a) for a in answers)
    emit(arguments, {"answers": [{"name": a.name, **a.value} for a in answers]}, text)


def _write(arguments: argparse.Namespace, coming: "Iterable[Answer]") -> None:
    from netwright import face
    from netwright.made import SHEET

    told: list[dict[str, Any]] = []

    def seen() -> "Iterator[Answer]":
        for answer in coming:
            told.append(
                {"name": answer.name} | {k: answer.value[k] for k in answer.value if k != "rows"}
            )
            yield answer

    written = face.write_made(seen(), arguments.out, arguments.form)
    sheet = [path for path in written if path.name == SHEET]
    many = len(written) - len(sheet)
    lines = [f"{many} file{'' if many == 1 else 's'} in {shown(arguments.out)}"]
    if len(written) == 1:
        lines = [f"written: {shown(written[0])}"]
    lines += [f"all on one sheet: {shown(path)}" for path in sheet]
    document = {"answers": told, "files": [str(path) for path in written]}
    emit(arguments, document, "\n".join(lines))
