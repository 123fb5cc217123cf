"""The same in Python: functions that give plain values."""

from pathlib import Path

import pytest

from commands import digit, measured, trail
from netwright import face
from netwright.compare import contest
from netwright.errors import InputError
from netwright.tasks.base import Answer
from netwright.train.run import RunView


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(contest, "measure_runs", measured)


def train(**options: object) -> face.RunResult:
    said = {"structure": "mlp/tiny", "budget": "4steps", "threads": 1, "quiet": True}
    return face.train("digits", **(said | options))  # type: ignore[arg-type]


def test_a_run_is_trained_judged_and_applied() -> None:
    trained = train()
    assert (trained.folder, trained.state) == (Path("runs/digits-mlp-tiny"), "finished")
    assert trained.part == "validation"
    judged = face.evaluate(trained.folder, threads=1)
    assert judged.part == "test"
    assert judged.cost == trained.cost
    (answer,) = face.predict(trained.folder, [digit(Path("one.png"))])
    assert answer.value["class"] in "0123456789"
    assert face.in_words(answer).endswith(" %")
    assert face.report(trained.folder) == trained.folder / "report.html"
    assert face.resume(trained.folder, quiet=True).figures == judged.figures


def test_every_result_prints_makes_rows_and_shows_in_a_notebook() -> None:
    found = [
        train(),
        face.cost("digits", structure="mlp/tiny", budget="4steps", threads=1),
        face.matrix("digits"),
        face.compare(
            "digits",
            candidates="mlp/tiny",
            budget="2steps",
            seeds=2,
            threads=1,
            quiet=True,
        ),
    ]
    for result in found:
        assert result.text()
        assert result.document()
        rows = result.rows()
        assert rows
        page = result._repr_html_()
        assert page.count("<tr>") == 1 + len(rows)
        assert "<script" not in page


def test_two_roles_and_a_seed_go_into_the_name_and_the_recipe() -> None:
    trained = train(structure="net=mlp/tiny", seed=3)
    assert trained.folder.name == "digits-net-mlp-tiny"
    assert RunView.open(trained.folder).seed == 3
    assert RunView.open(trained.folder).spec["recipe"]["seed"] == 3


def test_saving_more_often_changes_nothing_but_the_checkpoints() -> None:
    often = train(save_every=0, out=Path("often"))
    rarely = train(out=Path("rarely"))
    assert trail(often.folder) == trail(rarely.folder)
    steps = [e["step"] for e in RunView.open(often.folder).events() if e["event"] == "save"]
    assert steps[:5] == [0, 1, 2, 3, 4]


def test_a_loaded_run_stands_in_evaluation_mode() -> None:
    loaded = face.load(train().folder)
    for net in loaded.nets.values():
        assert not net.training  # type: ignore[attr-defined]
        assert not any(p.requires_grad for p in net.parameters())  # type: ignore[attr-defined]


def test_a_missing_file_is_told_before_anything_is_loaded() -> None:
    with pytest.raises(InputError, match=r"x\.png: there is no such file"):
        next(face.predict("nowhere", ["x.png"]))


def test_an_answer_without_a_class_is_told_by_its_values() -> None:
    assert face.in_words(Answer("a", {"text": "b\x1b", "n": 3})) == "text b\\x1b, n 3"
    assert face.in_words(Answer("a", {"class": "cat"}, words="cat  50.0 %")) == "cat  50.0 %"


def test_a_contest_is_applied_by_its_chosen_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = face.compare(
        "digits", candidates="mlp/tiny,mlp/small", budget="5steps", seeds=2, threads=1, quiet=True
    )
    assert face.applied_run(found.folder) == found.best_run
    row = next((r for r in found.verdict.candidates if r.chosen), found.verdict.candidates[0])
    views = [RunView.open(found.folder / cell.folder) for cell in row.cells]
    held = [v.load().state["last"]["accuracy"]["value"] for v in views]
    assert found.best_run == views[held.index(max(held))].folder
    assert face.load(found.folder).data == "digits"
