"""Language the whole way: own files are compared, generated from, answered for, and resumed."""

import random
from pathlib import Path

import pytest

from commands import measured, stopped_after, trail
from netwright import face
from netwright.compare import contest
from netwright.train.run import RunView

CHINESE = ("春天来了小河边开满了花。", "孩子们在桥上看船。", "老人说今年的雨真好。")
FAMILIES = ("cnn", "rnn", "transformer", "self_attention")
QUIET = {"threads": 1, "quiet": True}


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(contest, "measure_runs", measured)
    draw = random.Random(0)
    lines = [draw.choice(CHINESE) for _ in range(300)]
    Path("novel.txt").write_text("\n".join(lines) + "\n", "gbk")
    Path("text.yaml").write_text("batch: 4\ndata: {length: 16}\n", "utf-8")
    good, bad = ("fine", "great", "lovely"), ("poor", "awful", "dull")
    rows = [
        f'"{draw.choice(words)} film number {n}",{label}'
        for n in range(60)
        for label, words in (("good", good), ("bad", bad))
    ]
    Path("rows.csv").write_text("\n".join(["review,stars", *rows]) + "\n", "utf-8")
    Path("table.yaml").write_text("batch: 8\ndata: {minimum: 1}\n", "utf-8")


def test_a_chinese_text_is_compared_over_all_families_and_goes_on() -> None:
    found = face.compare(
        "text-generation",
        data="novel.txt",
        recipe=Path("text.yaml"),
        candidates=",".join(f"{f}/tiny" for f in FAMILIES),
        budget="3steps",
        seeds=2,
        out=Path("contest"),
        **QUIET,
    )
    rows = found.verdict.candidates
    assert [r.status for r in rows] == ["done"] * 4
    assert found.verdict.figure == "nats_per_character"
    assert found.verdict.floors[0].title == "Kneser-Ney n-gram"
    assert found.verdict.floors[0].estimate.value < min(r.estimate.value for r in rows)
    page = Path("contest/report.html").read_text("utf-8")
    assert "Kneser-Ney" in page
    *pieces, whole = face.generate("contest", {"prompt": ["春天"], "length": 12}, seed=1)
    assert len(whole.value["text"]) == 12
    assert "".join(str(p.value["piece"]) for p in pieces) == "春天" + str(whole.value["text"])
    (answer,) = face.predict("contest", [Path("novel.txt")])
    assert answer.value["nats_per_character"] > 0


def test_a_table_is_compared_by_the_columns_that_are_named() -> None:
    found = face.compare(
        "text-classification",
        data="rows.csv",
        columns="text=review,label=stars",
        recipe=Path("table.yaml"),
        candidates="rnn/tiny,cnn/text",
        budget="20steps",
        seeds=2,
        out=Path("contest"),
        **QUIET,
    )
    assert [r.status for r in found.verdict.candidates] == ["done"] * 2
    assert {f.title for f in found.verdict.floors if f.estimate} == {
        "TF-IDF + logistic regression",
        "TF-IDF + linear SVM",
        "naive Bayes, uni- and bigrams",
    }
    assert "--columns text=review,label=stars" in found.verdict.command
    Path("new.txt").write_text("a great lovely book\nan awful dull film\n", "utf-8")
    answers = list(face.predict("contest", [Path("new.txt")]))
    assert [a.name for a in answers] == ["new.txt:1", "new.txt:2"]
    assert {a.value["class"] for a in answers} <= {"good", "bad"}


def _train(out: str, words: dict[str, object]) -> Path:
    face.train(budget="6steps", out=Path(out), **words, **QUIET)
    return Path(out)


@pytest.mark.parametrize(
    "words",
    [
        {"target": "text", "data": "novel.txt", "structure": "rnn/tiny"},
        {"target": "text", "data": "novel.txt", "structure": "transformer/tiny"},
        {"target": "text-classification", "data": "rows.csv", "structure": "rnn/tiny"},
    ],
    ids=["streams with a carried state", "windows", "length buckets"],
)
def test_a_training_that_is_cut_at_every_step_ends_as_one_that_was_not(
    words: dict[str, object],
) -> None:
    text = words["target"] == "text"
    words = words | {"recipe": Path("text.yaml" if text else "table.yaml")}
    whole = trail(_train("whole", words))
    for cut in range(1, 6):
        with stopped_after(cut):
            _train(f"cut-{cut}", words)
        assert RunView.open(Path(f"cut-{cut}")).status()["state"] != "finished"
        face.resume(f"cut-{cut}", **QUIET)
        assert trail(Path(f"cut-{cut}")) == whole
