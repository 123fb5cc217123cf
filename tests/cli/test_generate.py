"""`netwright generate`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch

from commands import Say
from netwright import face
from netwright.tasks.base import Answer, Exhibit


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, object]]:
    """What the face was asked; it makes two pieces and a whole text for each prompt."""
    seen: list[Mapping[str, object]] = []

    def generate(folder: Path, wanted: Mapping[str, object], **how: object) -> Iterator[Answer]:
        seen.append({"folder": folder, **wanted, **how})
        prompts = wanted.get("prompt", [""])
        if len(prompts) == 1:
            yield Answer("1", {"piece": "so \x1b"})
            yield Answer("1", {"piece": "it\n"})
        for n, _ in enumerate(prompts, 1):
            yield Answer(str(n), {"text": f"text {n}"}, words=f"text {n}")

    monkeypatch.setattr(face, "generate", generate)
    return seen


def test_a_text_comes_in_pieces_made_safe_for_the_terminal(say: Say, asked) -> None:
    said = say.well("generate", "run", "--prompt", "so", "--top-p", "0.9", "--seed", "3")
    assert said.out.splitlines()[0] == "so \\x1bit"
    assert said.last == "next: netwright report run"
    assert asked == [
        {
            "folder": Path("run"),
            "prompt": ["so"],
            "top_p": 0.9,
            "seed": 3,
            "precision": "fp32",
            "device": "auto",
        }
    ]


def test_several_prompts_are_printed_when_they_are_whole(say: Say, asked) -> None:
    said = say.well("generate", "run", "--prompt", "a", "--prompt", "b")
    assert said.out.startswith("text 1\n\ntext 2\n")


def test_machines_get_whole_texts_alone(say: Say, asked) -> None:
    document = say.well("generate", "run", "--json").document
    assert document == {"answers": [{"name": "1", "text": "text 1"}]}


def test_a_run_that_generates_nothing_says_so(say: Say, run: Path) -> None:
    said = say("generate", run)
    assert said.code == 2
    assert "this task generates nothing" in said.err


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, object]]:
    """What the face was asked; it makes pictures, or rows where the run is called so."""
    seen: list[Mapping[str, object]] = []

    def generate(folder: Path, wanted: Mapping[str, object], **how: object) -> Iterator[Answer]:
        seen.append(wanted)
        if folder.name == "rows":
            yield Answer("rows", {"columns": ["a"], "rows": [[1], [None]]}, words="2 rows")
            return
        for i in range(3):
            made = Exhibit("picture", f"{i}", {"pictures": torch.zeros(1, 1, 4, 4)})
            yield Answer(f"{i:05}", {"class": "cat"}, words=f"{i} cat", made=made)

    monkeypatch.setattr(face, "generate", generate)
    return seen


def test_pictures_are_written_and_the_last_lines_say_where(say: Say, drawn) -> None:
    said = say.well("generate", "run", "--count", "3", "--out", "made")
    assert said.out.splitlines() == [
        "3 files in made",
        "all on one sheet: made/sheet.png",
        "next: netwright report run",
    ]
    assert len(list(Path("made").iterdir())) == 4
    assert drawn == [{"count": 3}]


def test_what_is_asked_of_samples_is_passed_on_where_it_is_given(say: Say, drawn) -> None:
    words = ("--class", "cat", "--class", "1", "--truncation", "0.7", "--interpolate")
    say.well("generate", "run", *words, "--out", "made")
    assert drawn == [{"classes": ["cat", "1"], "truncation": 0.7, "interpolate": True}]


def test_rows_are_written_as_csv_or_parquet(say: Say, drawn) -> None:
    said = say.well("generate", "rows", "--out", "a")
    assert said.out.splitlines()[0] == "written: a/rows.csv"
    assert Path("a/rows.csv").read_text() == 'a\n1\n""\n'
    pytest.importorskip("pyarrow")
    say.well("generate", "rows", "--out", "b", "--form", "parquet")
    assert Path("b/rows.parquet").is_file()


def test_machines_are_told_the_files(say: Say, drawn) -> None:
    document = say.well("generate", "run", "--out", "made", "--json").document
    assert document["files"][-1] == str(Path("made/sheet.png"))
    assert document["answers"][0] == {"name": "00000", "class": "cat"}
    document = say.well("generate", "rows", "--out", "rows", "--json").document
    assert document["answers"] == [{"name": "rows", "columns": ["a"]}]
    document = say.well("generate", "rows", "--json").document
    assert document["answers"] == [{"name": "rows", "columns": ["a"], "rows": [[1], [None]]}]


@pytest.mark.parametrize("name", ["run", "rows"])
def test_what_no_terminal_shows_asks_for_a_folder(say: Say, drawn, name) -> None:
    said = say.refused("kept in files", "generate", name)
    assert said.err.splitlines()[1] == "try: --out FOLDER"


def test_a_folder_that_is_taken_is_refused(say: Say, drawn) -> None:
    Path("made").mkdir()
    Path("made/mine").touch()
    said = say.refused("holds files already", "generate", "run", "--out", "made")
    assert said.err.splitlines()[1] == "try: another folder: --out"
    assert drawn == []


def test_texts_are_not_written_and_none_is_shown_then(say: Say, asked) -> None:
    said = say.refused("nothing to be kept in files", "generate", "run", "--out", "made")
    assert said.out == ""
    assert not Path("made").exists()


def test_a_form_is_of_a_file(say: Say, drawn) -> None:
    say.refused("--form is said of a file", "generate", "rows", "--form", "csv")
