"""`netwright evaluate`."""

import shutil
from pathlib import Path

import pytest

from commands import TINY, Say, flip, pictures, reseal, snapshot
from netwright.train import work
from netwright.train.run import RunView


def test_a_run_is_judged_once_and_the_second_time_gives_what_was_found(
    say: Say, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = say.well("evaluate", run)
    assert first.out.startswith("test (360 samples): accuracy ")
    assert first.last == "next: netwright report run, or netwright predict run FILE"
    before = snapshot(run)

    def fails(*_: object) -> None:
        raise AssertionError("judged twice")

    monkeypatch.setattr(work, "judge", fails)
    assert say.well("evaluate", run) == first
    after = snapshot(run)
    assert before.pop("README.md")[2] == after.pop("README.md")[2]
    assert before == after


def test_the_document_holds_the_figures_of_the_test_part(say: Say, run: Path) -> None:
    document = say.well("evaluate", run, "--json").document
    assert (document["part"], document["state"]) == ("test", "finished")
    assert document["figures"] == RunView.open(run).result()
    assert document["figures"]["accuracy"]["n"] == 360
    assert RunView.open(run).rows()["accuracy/rows"].shape == (360, 1)


def test_evaluating_changes_no_weight_and_gives_the_same_on_another_copy(
    say: Say, run: Path
) -> None:
    shutil.copytree(run, "copy")
    before = snapshot(run / "checkpoints")
    assert (
        say.well("evaluate", run).out.splitlines()[0]
        == (say.well("evaluate", "copy").out.splitlines()[0])
    )
    assert snapshot(run / "checkpoints") == before


def test_an_unfinished_run_is_refused_with_what_to_do(say: Say, run: Path) -> None:
    (run / "status.json").write_text('{"spent":{},"state":"stopped","step":3}\n', "utf-8")
    before = snapshot(run)
    for words in (["evaluate", run], ["predict", run, run]):
        said = say.refused("run: the run is not finished: it is stopped at step 3", *words)
        assert said.err.endswith("try: netwright resume run\n")
    assert snapshot(run) == before


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("run.json", "run/run.json: does not match its own sha256"),
        ("data.json", "data.json: does not match its own sha256"),
        ("checkpoints/step-000000000008/weights.safetensors", "run: the last checkpoint is damag"),
        ("checkpoints/step-000000000008/trainer.safetensors", "run: the last checkpoint is damag"),
        ("checkpoints/step-000000000008/state.json", "run: the last checkpoint is damaged"),
        ("checkpoints/step-000000000008/manifest.json", "run: the last checkpoint is damaged"),
    ],
)
def test_a_damaged_run_is_refused_and_an_older_checkpoint_is_never_taken_for_the_last(
    say: Say, run: Path, name: str, sentence: str
) -> None:
    flip(run / name)
    before = snapshot(run)
    said = say.refused(sentence, "evaluate", run, code=4)
    assert said.out == ""
    if name.startswith("checkpoints"):
        assert "step-000000000008 is damaged: " in said.err
        assert "try: netwright resume run, which trains what is lost again\n" in said.err
    assert snapshot(run) == before


@pytest.mark.parametrize("name", ["result.json", "rows.safetensors"])
def test_a_damaged_result_is_refused(say: Say, run: Path, name: str) -> None:
    say.well("evaluate", run)
    flip(run / name)
    said = say.refused(f"{name}: does not match its ", "evaluate", run, "--json", code=4)
    assert said.document["error"]["kind"] == "damaged"


def test_a_run_on_other_data_is_not_judged(say: Say, tmp_path: Path) -> None:
    pictures(tmp_path / "photos")
    Path("r.yaml").write_text("batch: 4\ndata: {size: 8}", "utf-8")
    words = ("train", "image-classification", "--data", "photos", *TINY, "--recipe", "r.yaml")
    say.well(*words, "--out", "run", "-q")
    shutil.copy("photos/dog/00.png", "photos/cat/00.png")
    say.refused("run: the data is not what this run was trained on", "evaluate", "run")
    shutil.rmtree("photos")
    say.refused("photos: there is no such folder", "evaluate", "run")
    assert not Path("run/result.json").exists()


def test_what_is_no_run_is_refused(say: Say, run: Path) -> None:
    assert "; nearest is 'run'" in say.refused("rn: there is no such run", "evaluate", "rn").err
    reseal(run / "run.json", schema=99)
    said = say.refused("run/run.json: was made by a newer netwright", "evaluate", run)
    assert said.err.endswith("try: pip install --upgrade netwright\n")
