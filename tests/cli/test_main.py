"""The parser, the help of every command, and errors as one sentence and an exit code."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from commands import TINY, Say
from netwright import face
from netwright.cli import main as cli
from netwright.cli.main import VERBS
from netwright.errors import (
    BusyError,
    DamagedError,
    DivergedError,
    InputError,
    MachineError,
    NetwrightError,
    StoppedError,
)

NAMES = [module.__name__.rpartition(".")[2].replace("listing", "list") for module in VERBS]


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_every_command_has_examples_that_it_takes(say: Say, name: str) -> None:
    said = say.well(name, "--help")
    _, _, examples = said.out.partition("examples:\n")
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    assert lines
    parser = cli.build_parser()
    for line in lines:
        words = shlex.split(line)
        assert words[:2] == ["netwright", name]
        parser.parse_args(words[1:])


def test_the_help_lists_every_command_and_the_exit_codes(say: Say) -> None:
    said = say.well("--help")
    assert all(f"\n    {name} " in said.out for name in NAMES)
    assert "examples:" in said.out
    assert "exit codes: 0 done, 1 a bug, 2 your input" in said.out
    assert say.well("--version").out.startswith("netwright ")


@pytest.mark.parametrize("words", [["--help"], ["list"], ["train", "--help"], ["trian"]])
def test_what_needs_no_network_imports_no_torch(words: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom netwright.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        check=False,
        capture_output=True,
        cwd=tmp_path,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_an_unknown_command_gets_the_nearest(say: Say) -> None:
    said = say.refused("no command 'trian': there are compare, train, ", "trian", "digits")
    assert "; nearest is 'train'" in said.err
    assert said.err.endswith("try: netwright --help\n")
    assert said.out == ""


def test_usage_errors_are_one_sentence(say: Say) -> None:
    say.refused("the following arguments are required: COMMAND")
    say.refused("the following arguments are required: TARGET", "train")
    say.refused("unrecognized arguments: --nope", "list", "--nope")
    say.refused("argument --threads: invalid int value: 'x'", "train", "digits", "--threads", "x")
    said = say.refused("no device 'gpu': there are auto", "train", "digits", "--device", "gpu")
    assert said.err.endswith("try: netwright train --help\n")
    # an option is never guessed from its beginning
    say.refused("unrecognized arguments: --budg", "train", "digits", "--budg", "3steps")


ERRORS = [
    (InputError("wrong", file="a.csv", line=3, column=4, near="b", do="c"), 2, "input"),
    (MachineError("full"), 3, "machine"),
    (DamagedError("broken"), 4, "damaged"),
    (BusyError("busy"), 5, "busy"),
    (DivergedError("diverged"), 6, "diverged"),
    (StoppedError("stopped", number=15), 143, "stopped"),
    (StoppedError("stopped", number=2), 130, "stopped"),
]


@pytest.mark.parametrize(("error", "code", "kind"), ERRORS)
def test_every_kind_of_error_has_its_exit_code_and_its_document(
    say: Say, monkeypatch: pytest.MonkeyPatch, error: NetwrightError, code: int, kind: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(face, "matrix", fails)
    plain = say("matrix")
    assert (plain.code, plain.out) == (code, "")
    assert plain.err == f"netwright: {error}\n"
    said = say("matrix", "--json")
    assert said.code == code
    assert said.out.count("\n") == 1
    told = said.document["error"]
    assert (told["code"], told["kind"], told["what"]) == (code, kind, error.what)
    assert {"why", "nearest", "do", "file", "line", "column"} <= told.keys()


def test_a_bug_is_told_in_one_sentence_and_kept_in_a_file(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("the sky\x1b fell")

    monkeypatch.setattr(face, "matrix", fails)
    said = say.refused("this is a bug of netwright: RuntimeError: the sky", "matrix", code=1)
    assert "\x1b" not in said.err
    (crash,) = Path(os.environ["NETWRIGHT_CACHE"]).glob("crash-*.txt")
    assert str(crash) in said.err
    assert "Traceback" in crash.read_text("utf-8")
    assert say("matrix", "--json").document["error"]["kind"] == "bug"
    with pytest.raises(RuntimeError):
        cli.main(["matrix", "--debug"])


def test_debug_shows_where_a_refusal_came_from(say: Say) -> None:
    said = say("matrix", "nope", "--debug")
    assert said.code == 2
    assert said.err.startswith("Traceback")
    assert said.err.splitlines()[-2].startswith("netwright: no task or data set 'nope'")


def test_memory_and_the_keyboard_have_their_codes(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, code in ((MemoryError(), 3), (KeyboardInterrupt(), 130)):

        def fails(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(face, "matrix", fails)
        assert say("matrix").code == code


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    code = "import sys\nfrom netwright.cli.main import main\nsys.exit(main(['list']))"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_refusal_with_json_is_one_document(say: Say) -> None:
    said = say("train", "digits", *TINY, "--structure", "cnn/smal", "--json")
    assert said.code == 2
    assert said.out.count("\n") == 1
    assert json.loads(said.out)["error"]["nearest"] == "small"
    assert not Path("runs").exists()
