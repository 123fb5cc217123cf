"""`netwright generate`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from commands import Say
from netwright import face
from netwright.tasks.base import Answer


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
