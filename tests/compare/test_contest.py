"""The contest: goes on where it stopped, by two at once too; failed cells stay visible."""

from pathlib import Path
from typing import Any

import pytest

from commands import flip, measured, snapshot
from netwright import files
from netwright.compare import contest
from netwright.compare.contest import ContestResult, hold
from netwright.errors import (
    BusyError,
    DamagedError,
    InputError,
    MachineError,
    OutOfMemoryError,
    StoppedError,
)
from netwright.train import work
from netwright.train.machine import Options
from netwright.train.progress import Progress
from netwright.train.run import Run, RunView

TWO = "mlp/tiny,mlp/small"


@pytest.fixture(autouse=True)
def _measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contest, "measure_runs", measured)


def held(out: Path, **options: Any) -> ContestResult:
    said = {
        "candidates": TWO,
        "data": None,
        "recipe": None,
        "budget": "3steps",
        "seeds": 2,
        "axis": "forward_flops",
        "out": out,
        "options": Options(threads=1),
        "progress": Progress(quiet=True),
    }
    return hold("digits", **(said | options))


def numbers(result: ContestResult) -> tuple[object, ...]:
    """All of a verdict that no clock decides."""
    v = result.verdict
    rows = [(r.name, r.status, r.estimate, r.values, r.failing, r.tied_with) for r in v.candidates]
    return rows, [(f.name, f.status, f.estimate) for f in v.floors], v.pairs


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """The verdict of a contest that nothing disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contest, "measure_runs", measured)
        return numbers(held(tmp_path_factory.mktemp("whole") / "contest"))


def fail_at(patch: pytest.MonkeyPatch, number: int, error: BaseException) -> list[int]:
    """The cell of that number, counted from 1 in the order of training, fails."""
    begin, begun = work.begin, [0]

    def fails(*words, **options):
        begun[0] += 1
        if begun[0] == number:
            raise error
        return begin(*words, **options)

    patch.setattr(work, "begin", fails)
    return begun


def test_every_cell_is_a_judged_run_and_the_verdict_names_its_hash(tmp_path: Path) -> None:
    found = held(tmp_path / "contest")
    cells = [c for row in found.verdict.candidates for c in row.cells]
    assert [c.seed for c in cells] == [0, 1, 0, 1]
    for cell in cells:
        view = RunView.open(found.folder / cell.folder)
        assert view.evaluated()
        assert view.seed == cell.seed
        assert cell.sha256 == files.sha256(view.folder / "result.json")
    assert found.best_run in {found.folder / c.folder for c in cells}
    assert found.code == 0
    assert found.verdict.machine.endswith(str(RunView.open(found.best_run).determinism["torch"]))
    assert [row["name"] for row in found.rows()][:2] == ["mlp/tiny", "mlp/small"]
    assert found.document()["folder"] == str(found.folder)


def test_all_candidates_of_a_seed_come_before_the_next_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[tuple[str | None, int]] = []
    begin = work.begin

    def watched(recipe, *rest, **options):
        order.append((recipe.roles["net"].preset, recipe.seed))
        return begin(recipe, *rest, **options)

    monkeypatch.setattr(work, "begin", watched)
    held(tmp_path / "contest")
    assert order == [("tiny", 0), ("small", 0), ("tiny", 1), ("small", 1)]


@pytest.mark.parametrize("number", [1, 3, 4])
def test_a_stopped_contest_goes_on_and_gives_the_same_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: tuple[object, ...], number: int
) -> None:
    folder = tmp_path / "contest"
    with monkeypatch.context() as patch:
        fail_at(patch, number, StoppedError("stopped and saved at step 2", number=15, do="x"))
        with pytest.raises(StoppedError) as raised:
            held(folder)
    assert raised.value.code == 143
    assert raised.value.do == "the same command again goes on"
    done = {p: snapshot(p) for p in (folder / "cells").iterdir() if (p / "result.json").exists()}
    assert len(done) == number - 1
    with monkeypatch.context() as patch:
        begun = fail_at(patch, 0, AssertionError())
        assert numbers(held(folder)) == whole
    assert begun == [4 - len(done)]
    for path, before in done.items():
        after = snapshot(path)
        assert before.pop("cost.json")  # it is measured when all are trained
        assert after.pop("cost.json")
        assert before == after


def test_a_cell_that_fails_is_trained_again_and_the_rest_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: tuple[object, ...]
) -> None:
    folder = tmp_path / "contest"
    with monkeypatch.context() as patch:
        fail_at(patch, 2, OutOfMemoryError("out of memory"))
        found = held(folder, seeds=3)
    rows = {r.name: r for r in found.verdict.candidates}
    assert [c.status for c in rows["mlp/small"].cells] == ["failed", "done", "done"]
    assert rows["mlp/small"].cells[0].reason == "out of memory"
    assert rows["mlp/small"].status == "done"
    assert len(rows["mlp/small"].values) == 2
    assert found.best_run is not None
    assert (found.best_run / "result.json").exists()  # never the failed cell
    with monkeypatch.context() as patch:
        begun = fail_at(patch, 0, AssertionError())
        again = held(folder, seeds=3)
    assert begun == [1]
    assert all(c.status == "done" for r in again.verdict.candidates for c in r.cells)


def test_a_cell_that_another_process_trains_is_left_to_it(
    tmp_path: Path, whole: tuple[object, ...]
) -> None:
    folder = tmp_path / "contest"
    first = held(folder)
    cell = next(folder.glob("cells/*"))
    (cell / "result.json").unlink()
    (cell / "status.json").unlink()
    with Run.own(cell), pytest.raises(BusyError, match="another process is training 1 cells"):
        held(folder)
    assert numbers(held(folder)) == numbers(first) == whole


def test_what_a_kill_while_the_folder_was_made_leaves_is_gone_on_with(
    tmp_path: Path, whole: tuple[object, ...]
) -> None:
    folder = tmp_path / "contest"
    (folder / "cells").mkdir(parents=True)
    (folder / ".tmp-plan.json-0").write_bytes(b"half")
    assert numbers(held(folder)) == whole


def test_another_plan_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "contest"
    held(folder, seeds=1)
    before = snapshot(folder)
    for other in ({"budget": "4steps"}, {"seeds": 2}, {"axis": "latency"}, {"candidates": TWO[:8]}):
        with pytest.raises(InputError, match="holds a contest with another plan"):
            held(folder, **({"seeds": 1} | other))
    assert snapshot(folder) == before
    flip(folder / "plan.json")
    with pytest.raises(DamagedError, match=r"plan\.json: does not match its own sha256"):
        held(folder, seeds=1)


def test_what_cannot_be_measured_is_told_and_stays_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MachineError("the run could not be measured", why="no memory")

    monkeypatch.setattr(contest, "measure_runs", fails)
    found = held(tmp_path / "contest", seeds=1, candidates="mlp/tiny", progress=Progress())
    assert "netwright: the run could not be measured: no memory" in capsys.readouterr().err
    (row,) = found.verdict.candidates
    assert (row.status, row.costs["latency"]) == ("done", None)


def test_the_frontiers_axis_is_the_one_that_is_named(tmp_path: Path) -> None:
    found = held(tmp_path / "contest", axis="parameters", seeds=1)
    assert found.verdict.cost == "parameters"
    assert found.verdict.command.endswith("--seeds 1 --cost parameters --threads 1")
    with pytest.raises(InputError) as raised:
        held(tmp_path / "other", axis="latncy")
    assert raised.value.sentence.startswith("no cost axis 'latncy': there are energy, forward")
    assert raised.value.near == "latency"
    assert not (tmp_path / "other").exists()  # told before anything is trained


def test_no_path_of_this_machine_is_in_the_verdict(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine.yaml", tmp_path / "other.yaml"
    mine.write_text("batch: 32", "utf-8")
    other.write_text("batch: 16", "utf-8")
    found = held(
        tmp_path / "contest", recipe=mine, seeds=1, candidates=f"mlp/tiny,mlp/tiny@{other}"
    )
    assert "--candidates mlp/tiny,mlp/tiny@other.yaml --recipe mine.yaml" in found.verdict.command
    assert str(tmp_path) not in found.verdict.text()


def test_a_full_disk_is_no_candidates_fault_and_ends_the_contest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_at(patch, 2, MachineError("the disk is full"))
        with pytest.raises(MachineError, match="the disk is full"):
            held(tmp_path / "contest")
    assert held(tmp_path / "contest").code == 0
