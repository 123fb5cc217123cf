"""The parser, and the one place where errors become a sentence and an exit code."""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

from netwright import __version__
from netwright.cli import (
    compare,
    cost,
    evaluate,
    generate,
    listing,
    matrix,
    predict,
    report,
    resume,
    train,
)
from netwright.errors import InputError, MachineError, NetwrightError, nearest, shown

VERBS = (compare, train, resume, evaluate, predict, generate, report, cost, matrix, listing)
EPILOG = """\
examples:
  netwright compare digits --budget 3s
  netwright compare image-classification --data photos/ --budget 5m
  netwright train digits --structure cnn/small
  netwright predict runs/digits-cnn-small photo.png

exit codes: 0 done, 1 a bug, 2 your input, 3 the machine, 4 a damaged run, 5 busy, 6 diverged,
129, 130 and 143 stopped by a signal after saving"""


class Parser(argparse.ArgumentParser):
    """argparse with one-sentence errors and the nearest right word."""

    def error(self, message: str) -> NoReturn:
        """Raise the usage error instead of printing the usage."""
        raise InputError(shown(message), do=f"{self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = [str(c) for c in action.choices]
            what = "command" if isinstance(action, argparse._SubParsersAction) else action.dest
            raise InputError(
                f"no {what} '{shown(value)}'",
                why=f"there are {', '.join(names)}",
                near=nearest(str(value), names),
                do=f"{self.prog} --help",
            )


def build_parser() -> Parser:
    """The whole command line; imports no torch."""
    parser = Parser(
        prog="netwright",
        description="Which neural-network structure gives the most quality for the compute, here?",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"netwright {__version__}")
    verbs = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    for verb in VERBS:
        verb.add(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code; `--debug` shows tracebacks."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json, debug = "--json" in words, "--debug" in words
    try:
        arguments = build_parser().parse_args(words)
        code = int(arguments.run(arguments) or 0)
        sys.stdout.flush()
    except NetwrightError as error:
        if debug:
            traceback.print_exc()
        return _tell(error, as_json=as_json)
    except BrokenPipeError:
        # whoever read our output has gone; nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except MemoryError:
        return _tell(MachineError("out of memory", do="a smaller batch"), as_json=as_json)
    except Exception as error:
        if debug:
            raise
        return _tell_bug(error, as_json=as_json)
    return code


def _tell(error: NetwrightError, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"error": error.document()}, sort_keys=True))
    print(f"netwright: {error}", file=sys.stderr)
    return error.code


def _tell_bug(error: Exception, *, as_json: bool) -> int:
    from netwright.files import write_crash

    where = write_crash(traceback.format_exc())
    bug = NetwrightError(
        f"this is a bug of netwright: {type(error).__name__}: {shown(error)}",
        do=f"report it with {where}" if where else "netwright --debug",
    )
    return _tell(bug, as_json=as_json)


if __name__ == "__main__":
    sys.exit(main())
