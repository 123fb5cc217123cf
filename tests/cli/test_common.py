"""What commands share: options, the JSON document, the last line."""

import argparse
import json
from pathlib import Path

import pytest

from commands import Say
from netwright.cli.common import (
    add_execution,
    add_saving,
    add_target,
    add_training,
    command,
    emit,
    execution,
    next_step,
)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    verb = command(made.add_subparsers(), "do", "do a thing", "netwright do this\nnetwright do")
    add_target(verb)
    add_training(verb, "30s")
    add_execution(verb)
    return made


def test_a_command_has_its_examples_under_the_help() -> None:
    made = argparse.ArgumentParser()
    verb = command(made.add_subparsers(), "do", "do a thing", "netwright do this\nnetwright do")
    said = verb.format_help()
    assert "Do a thing." in said
    assert said.endswith("examples:\n  netwright do this\n  netwright do\n")


def test_the_options_of_a_training_have_their_defaults() -> None:
    read = parser().parse_args(["do", "digits"])
    assert (read.target, read.data, read.recipe, read.out) == ("digits", None, None, None)
    assert (read.budget, read.save_every, read.json, read.debug) == ("30s", 300.0, False, False)
    assert execution(read) == {
        "device": "auto",
        "threads": None,
        "compile": False,
        "quiet": False,
    }


def test_the_options_of_a_training_are_read() -> None:
    words = "do t --data d --recipe r --budget 5m --out o --save-every 9 --device cpu --threads 2"
    read = parser().parse_args([*words.split(), "--compile", "-q", "--json"])
    assert (read.data, read.recipe, read.out) == ("d", Path("r"), Path("o"))
    assert (read.budget, read.save_every, read.json) == ("5m", 9.0, True)
    assert execution(read) == {"device": "cpu", "threads": 2, "compile": True, "quiet": True}


def test_a_command_may_take_the_saving_alone() -> None:
    made = argparse.ArgumentParser()
    add_saving(made)
    assert made.parse_args(["--save-every", "0.5"]).save_every == 0.5


def test_text_and_next_step_are_for_people_and_one_document_for_machines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for as_json in (False, True):
        arguments = argparse.Namespace(json=as_json)
        emit(arguments, {"path": Path("a"), "b": 1}, "text")
        next_step(arguments, "netwright list")
        out = capsys.readouterr().out
        if as_json:
            assert json.loads(out) == {"path": "a", "b": 1}
        else:
            assert out == "text\nnext: netwright list\n"


def test_every_command_says_what_is_next(say: Say, run: Path) -> None:
    for words in (
        ["list"],
        ["matrix", "digits"],
        ["resume", run],
        ["evaluate", run],
        ["report", run],
    ):
        said = say.well(*words)
        assert said.last.startswith("next: ")
        assert say.well(*words, "--json").document
