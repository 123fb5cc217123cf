"""`netwright compare`."""

import json
from pathlib import Path

import pytest

from commands import Say, flip, reseal, snapshot
from netwright.compare import contest, floors
from netwright.compare.verdict import Verdict
from netwright.errors import DivergedError
from netwright.train import work
from netwright.train.run import RunView

WORDS = "--candidates mlp/tiny,mlp/small --seeds 2 --budget 5steps --threads 1"
PAIR = WORDS.split()


def test_a_contest_gives_a_table_a_verdict_a_report_and_the_next_step(say: Say) -> None:
    said = say.well("compare", "digits", *PAIR)
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("digits-")
    assert "mlp/tiny" in said.out
    assert "floor: nearest neighbour" in said.out
    assert f"\nreport: {folder}/report.html\n" in said.out
    assert said.last.startswith(f"next: netwright predict {folder}/cells/")
    verdict = Verdict.read((folder / "verdict.json").read_text("utf-8"))
    assert [len(row.values) for row in verdict.candidates] == [2, 2]
    assert verdict.verdict in said.out
    assert verdict.command == (
        "netwright compare digits --candidates mlp/tiny,mlp/small --budget 5steps --seeds 2 "
        "--threads 1"
    )
    for number in range(1, 5):
        assert f"[{number}/4] mlp/" in said.err
    # the same command goes on where nothing is left to do
    before = snapshot(folder / "cells")
    again = say.well("compare", "digits", *PAIR, "--json")
    assert again.document["folder"] == str(folder)
    assert snapshot(folder / "cells") == before
    assert list(Path("runs").iterdir()) == [folder]


def test_the_next_step_of_a_contest_can_be_taken(say: Say, held: Path) -> None:
    said = say.well("compare", "digits", *PAIR, "--out", held, "-q")
    run = Path(said.last.removeprefix("next: netwright predict ").removesuffix(" FILE"))
    assert RunView.open(run).evaluated()


def test_the_document_is_the_verdict(say: Say, held: Path) -> None:
    document = say.well("compare", "digits", *PAIR, "--out", held, "-q", "--json").document
    assert document.pop("folder") == "contest"
    assert document == json.loads((held / "verdict.json").read_text("utf-8"))
    assert document["cost"] == "forward_flops"
    assert document["machine"].endswith(f"torch {RunView.open(cell(held)).determinism['torch']}")


def cell(held: Path) -> Path:
    return next((held / "cells").iterdir())


def test_a_finished_cell_is_never_trained_again(
    say: Say, held: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, plan = snapshot(held / "cells"), (held / "plan.json").read_bytes()

    def fails(*_: object, **__: object) -> None:
        raise AssertionError("trained, fitted or measured again")

    monkeypatch.setattr(work, "begin", fails)
    monkeypatch.setattr(work, "judge", fails)
    monkeypatch.setattr(contest, "measure_runs", fails)
    monkeypatch.setattr(floors, "fit", fails)
    (held / "verdict.json").unlink()
    (held / "report.html").unlink()
    say.well("compare", "digits", *PAIR, "--out", held)
    assert snapshot(held / "cells") == before
    assert (held / "plan.json").read_bytes() == plan
    assert (held / "verdict.json").exists()
    assert (held / "report.html").exists()


def test_a_candidate_that_fails_stays_visible_with_its_reason(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = work.begin

    def fails(recipe, *rest, **options):
        if recipe.roles["net"].preset == "small":
            raise DivergedError("training diverged at step 3", why="made up")
        return begin(recipe, *rest, **options)

    monkeypatch.setattr(work, "begin", fails)
    said = say.well("compare", "digits", *PAIR, "--out", "contest")
    assert "failed: training diverged at step 3: made up" in " ".join(said.out.split())
    verdict = Verdict.read(Path("contest/verdict.json").read_text("utf-8"))
    rows = {row.name: row for row in verdict.candidates}
    assert (rows["mlp/tiny"].status, rows["mlp/small"].status) == ("done", "failed")
    assert [c.reason for c in rows["mlp/small"].cells] == [
        "training diverged at step 3: made up"
    ] * 2
    assert verdict.applied in {cell.folder for cell in rows["mlp/tiny"].cells}
    assert said.last.startswith(f"next: netwright predict contest/{verdict.applied}")
    # once the fault is gone, the same command trains what is missing and nothing else
    done = {c.folder: snapshot(Path("contest") / c.folder) for c in rows["mlp/tiny"].cells}
    monkeypatch.setattr(work, "begin", begin)
    say.well("compare", "digits", *PAIR, "--out", "contest", "-q")
    verdict = Verdict.read(Path("contest/verdict.json").read_text("utf-8"))
    assert [row.status for row in verdict.candidates] == ["done", "done"]
    assert done == {name: snapshot(Path("contest") / name) for name in done}


def test_where_every_network_fails_the_code_is_that_of_the_first(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise DivergedError("training diverged at step 3")

    monkeypatch.setattr(work, "begin", fails)
    said = say("compare", "digits", *PAIR, "--out", "contest", "-q")
    assert said.code == 6
    assert "No verdict: no network finished." in said.out
    assert "98.9 +0.7 -1.7 %" in said.out  # the floors stand all the same, in their unit
    assert said.last == "next: netwright matrix"


def test_a_candidate_that_does_not_fit_is_refused_beside_the_others(say: Say) -> None:
    words = ("--candidates", "mlp/tiny,cnn/classic", "--seeds", "2", "--budget", "2steps")
    document = say.well("compare", "digits", *words, "--threads", "1", "-q", "--json").document
    rows = {row["name"]: row for row in document["candidates"]}
    assert rows["mlp/tiny"]["status"] == "done"
    assert rows["cnn/classic"]["status"] == "refused"
    assert "needs at least 18 x 18" in rows["cnn/classic"]["reason"]


@pytest.mark.parametrize(
    ("words", "sentence", "near"),
    [
        (["digist"], "no task or data set 'digist'", "digits"),
        (["digits", "--seeds", "0"], "cannot train 0 seeds", ""),
        (["digits", "--seeds", "-1"], "cannot train -1 seeds", ""),
        (["digits", "--cost", "latncy"], "no cost 'latncy': there are forward_flops,", "latency"),
        (["digits", "--candidates", "mlp/tiny,mlp/tiny"], "'mlp/tiny' is named twice", ""),
        (["digits", "--candidates", ","], "no candidates", ""),
        (["digits", "--candidates", "mlp/tinny"], "no preset of mlp 'tinny'", "tiny"),
        (["digits", "--candidates", "mpl/tiny"], "no structure 'mpl'", "mlp"),
        (["digits", "--candidates", "mlp/tiny@no.yaml"], "no.yaml: cannot read the recipe", ""),
        (["digits", "--candidates", "cnn/classic"], "no candidate fits digits: cnn/classic: ", ""),
        (["digits", "--candidates", "x=mlp/tiny"], "no role of image-classification 'x'", ""),
        (["digits", "--budget", "1hour"], "no budget unit 'hour' in '1hour'", "hours"),
        (["digits", "--threads", "0"], "cannot run on 0 threads", ""),
    ],
)
def test_a_wrong_word_is_refused_and_nothing_is_written(
    say: Say, words: list[str], sentence: str, near: str
) -> None:
    target, *rest = words
    said = say.refused(sentence, "compare", target, *PAIR, *rest)
    assert (f"; nearest is '{near}'" in said.err) == bool(near)
    assert not Path("runs").exists()


def test_a_folder_that_holds_something_else_is_left_as_it_is(say: Say, held: Path) -> None:
    Path("thesis").mkdir()
    Path("thesis/a.tex").write_text("all of it", "utf-8")
    before = snapshot(Path())
    for place in ("thesis", "thesis/a.tex"):
        words = ("compare", "digits", *PAIR, "--out", place)
        say.refused(f"{place}: holds something else", *words)
    words = ("compare", "digits", *PAIR, "--budget", "6steps", "--out", held)
    say.refused("contest: holds a contest with another plan", *words)
    assert snapshot(Path()) == before


def test_a_damaged_plan_is_refused(say: Say, held: Path) -> None:
    flip(held / "plan.json")
    words = ("compare", "digits", *PAIR, "--out", held)
    say.refused("contest/plan.json: does not match its own sha256", *words, code=4)


def test_a_damaged_result_fails_its_cell_and_is_not_taken(say: Say, held: Path) -> None:
    flip(cell(held) / "result.json")
    said = say.well("compare", "digits", *PAIR, "--out", held, "-q", "--json")
    cells = [c for row in said.document["candidates"] for c in row["cells"]]
    (bad,) = (c for c in cells if c["status"] == "failed")
    assert bad["id"] == cell(held).name
    assert bad["reason"] == "result.json: does not match its own sha256"


def test_a_cell_of_a_newer_version_is_not_taken(say: Say, held: Path) -> None:
    reseal(cell(held) / "run.json", schema=99)
    said = say.well("compare", "digits", *PAIR, "--out", held, "-q", "--json")
    (reason,) = {
        c["reason"] for r in said.document["candidates"] for c in r["cells"] if c["reason"]
    }
    assert "was made by a newer netwright" in reason
