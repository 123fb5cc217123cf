import re

import pytest
import yaml

from netwright.errors import escaped
from netwright.report.card import _use, card, text, write_card
from netwright.train.view import RunView
from reports import SWIFT, Words, write_run


def header(source):
    _, block, _ = re.split(r"^---$", source, maxsplit=2, flags=re.MULTILINE)
    return yaml.safe_load(block)


def test_the_header_is_the_hubs(run_folder):
    said = header(card(RunView.open(run_folder)))
    assert said["tags"] == ["netwright", "cnn"]
    assert said["metrics"] == ["accuracy", "log_loss"]
    (model,) = said["model-index"]
    assert model["name"] == "cnn/small"
    (result,) = model["results"]
    assert result["task"] == {"type": "image-classification"}
    assert result["dataset"] == {"name": "pets", "type": "pets", "split": "test"}
    assert result["metrics"][0] == {"type": "accuracy", "name": "accuracy", "value": 0.9}


def test_the_card_says_what_a_user_needs(run_folder):
    path = write_card(RunView.open(run_folder))
    assert path == run_folder / "README.md"
    source = path.read_text("utf-8")
    heads = re.findall(r"^## (.*)$", source, re.MULTILINE)
    assert heads == [
        "Intended use",
        "Figures",
        "Data",
        "Cost",
        "How to apply it",
        "Limits",
        "How it was made",
    ]
    for words in (
        "# cnn/small for image-classification on pets",
        "one of 3 labels: cat, dog, owl",
        "| accuracy | 90.0 % | higher | 40 |",
        "100 train, 20 validation, 40 test",
        "`" + "f" * 64 + "`",
        "the split is shuffled",
        "330 MB",
        "netwright predict pets-cnn FILE",
        "--budget 3s --seed 0",
        "| torch | 2.13.0 |",
    ):
        assert words in source, words
    assert str(run_folder.parent) not in source


def test_a_run_that_was_not_judged_or_measured_has_a_card(tmp_path):
    folder = write_run(tmp_path / "r", evaluated=False)
    (folder / "cost.json").unlink()
    source = card(RunView.open(folder))
    assert "The run was not judged yet." in source
    assert "Nothing was measured." in source
    assert "model-index" not in header(source)


def test_a_figure_that_is_no_number_leaves_the_header_readable(tmp_path):
    from netwright.train.run import Run

    folder = write_run(tmp_path / "r", evaluated=False)
    said = {"unit": "", "higher": True, "n": 3}
    with Run.own(folder, layer=SWIFT) as run:
        run.result({k: {"value": float(k), **said} for k in ("nan", "inf", "-inf")}, {})
    values = [
        m["value"]
        for m in header(card(RunView.open(folder)))["model-index"][0]["results"][0]["metrics"]
    ]
    assert sorted(map(str, values)) == ["-inf", "inf", "nan"]


@pytest.mark.parametrize(
    "word",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](https://example.org/x.png)",
        "`code` ``` fence",
        "a | b |\n| --- |",
        "x\n---\ny: z",
        "# heading",
        "1. one",
        "- item",
        "**bold** _it_ ~~s~~ $x$",
        '": {a: b}, "',
        "&lt;b&gt;",
        "\u202egnp.exe",
        "!!python/object:x",
    ],
)
def test_foreign_words_are_words_in_header_and_text(tmp_path, word):
    source = card(RunView.open(write_run(tmp_path / "r", Words.all(word))))
    said = header(source)
    assert said["model-index"][0]["results"][0]["dataset"]["name"] == escaped(word)
    body = source.split("\n---\n", 2)[-1]
    fenced = re.sub(r"```(sh|python)\n.*?\n```", "", body, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)[<>\[\]!]", fenced.replace("<br>", ""))
    assert len(re.findall(r"^```", body, re.MULTILINE)) == 6
    assert not [c for c in source if c != "\n" and escaped(c) != c]
    rows = [line for line in fenced.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {3, 5}


def test_signs_are_escaped_only_where_they_would_be_read():
    assert text("97.2 %") == "97.2 %"
    assert text("1. one") == "1\\. one"
    assert text("- item") == "\\- item"
    assert text("2.13.0+cpu") == "2.13.0+cpu"
    assert text("a_b") == "a\\_b"


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("image-classification", ("netwright predict r FILE", 'netwright.predict("r", ["FILE"])')),
        ("image-generation", ("netwright generate r --count", 'netwright.generate("r", {})')),
    ],
)
def test_a_generator_is_asked_and_a_classifier_is_given(task: str, words: tuple[str, ...]) -> None:
    assert all(said in _use("r", task) for said in words)
