"""A training from its first to its last round, on a clock that is moved by hand."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from commands import After, trail
from netwright import files
from netwright.errors import DamagedError, DivergedError, MachineError, StoppedError
from netwright.train import session, work
from netwright.train.budget import Budget, Clocks
from netwright.train.checkpoint import Loaded
from netwright.train.machine import Options
from netwright.train.progress import Progress
from netwright.train.recipe import Named, Recipe, resolve
from netwright.train.run import Run, RunView
from netwright.train.stop import Stop

DIGITS = Named(name="digits")
OPTIONS = Options(threads=1)
QUIET = Progress(quiet=True)


def recipe(budget: str = "8steps", **over: object) -> Recipe:
    return resolve(
        "image-classification",
        DIGITS,
        {"net": "mlp/tiny"},
        budget=Budget.parse(budget),
        over={"precision": "fp32", **over},
    )


def begin(
    folder: Path, budget: str = "8steps", save_every: float = 300.0, **over: object
) -> RunView:
    options = OPTIONS.model_copy(update={"save_every": save_every})
    return work.begin(recipe(budget, **over), folder, options, QUIET)


def steps(view: RunView, event: str) -> list[int]:
    return [e["step"] for e in view.events() if e["event"] == event]


def hours(view: RunView) -> float:
    return float(view.status()["spent"]["training"])


def stop_after(patch: pytest.MonkeyPatch, rounds: int) -> None:
    @contextmanager
    def listening() -> Iterator[Stop]:
        yield After(rounds)

    patch.setattr(work, "listening", listening)


def tick(patch: pytest.MonkeyPatch, seconds: float = 0.1) -> None:
    """Every look at the clock takes `seconds`, so that a round of training costs as much."""
    now = [0.0]

    def look() -> float:
        now[0] += seconds
        return now[0]

    patch.setattr(work, "Clocks", lambda: Clocks(now=look))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never disturbed."""
    return begin(tmp_path_factory.mktemp("whole") / "run").folder


# ---------------------------------------------------------------- logging, judging, saving


def test_what_is_due_is_written_and_the_first_and_last_step_are_saved(whole: Path) -> None:
    view = RunView.open(whole)
    assert steps(view, "save") == [0, 8]
    assert [e["event"] for e in view.events()] == ["start", "save", "save", "end"]
    lines = view.metrics()
    assert [line["round"] for line in lines if "turns" in line] == list(range(1, 9))
    assert [line["round"] for line in lines if "validation" in line] == list(range(1, 9))
    assert not any("seconds" in line for line in lines)
    assert view.status() == {"state": "finished", "step": 8, "spent": view.status()["spent"]}
    state = view.load().state
    values = [line["validation"]["accuracy"] for line in lines if "validation" in line]
    assert state["best"]["value"] == max(values)
    assert state["last"]["accuracy"]["value"] == values[-1]


@pytest.mark.parametrize(("lines", "evaluations", "save_every"), [(1, 1, 0.0), (3, 0.1, 300.0)])
def test_how_often_one_looks_changes_no_weight(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines, evaluations, save_every
) -> None:
    monkeypatch.setattr(session, "LINES", lines)
    monkeypatch.setattr(session, "EVALUATIONS", evaluations)
    begin(tmp_path / "run", save_every=save_every)
    assert trail(tmp_path / "run")[:2] == trail(whole)[:2]


def test_the_periodic_save_is_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tick(monkeypatch)
    view = begin(tmp_path / "run", "20steps", save_every=2.0)
    saved = steps(view, "save")
    assert saved[0] == 0
    assert saved[-1] == 20
    assert 3 < len(saved) < 15
    assert view.checkpoints().steps() == saved[-2:]


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("rounds", [0, 3, 7])
def test_a_signal_saves_and_the_resumed_run_ends_in_the_same_bits(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_after(patch, rounds)
        with pytest.raises(StoppedError) as raised:
            begin(folder)
    assert raised.value.code == 143
    assert raised.value.what == f"stopped and saved at step {rounds + 1}"
    assert raised.value.do == f"netwright resume {folder}"
    view = RunView.open(folder)
    assert (view.status()["state"], view.status()["step"]) == ("stopped", rounds + 1)
    assert steps(view, "signal") == [rounds + 1]
    work.resume(folder, OPTIONS, QUIET)
    assert trail(folder) == trail(whole)
    assert view.status()["state"] == "finished"


def test_a_run_is_stopped_and_resumed_after_every_round(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_after(patch, 0)
        for _ in range(8):
            with pytest.raises(StoppedError):
                begin(folder)
    begin(folder)
    assert trail(folder) == trail(whole)
    assert steps(RunView.open(folder), "resume") == list(range(1, 9))


# ---------------------------------------------------------------- budgets in seconds


def test_an_interrupted_budget_in_seconds_is_charged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        tick(patch)
        stop_after(patch, 6)
        with pytest.raises(StoppedError):
            begin(folder, "2s")
    assert hours(RunView.open(folder)) == pytest.approx(0.7)
    with monkeypatch.context() as patch:
        tick(patch)
        work.resume(folder, OPTIONS, QUIET)
    cost = RunView.open(folder).cost()
    assert cost["seconds"] == pytest.approx(0.1 * cost["steps"])
    assert 1.9 <= cost["seconds"] <= 2.05
    assert abs(cost["overshoot"]) <= 0.05


def test_work_that_a_kill_lost_is_not_charged_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"

    class KillError(BaseException):
        pass

    with monkeypatch.context() as patch:
        tick(patch)
        stop_after(patch, 6)
        patch.setattr(
            session.Session, "_stop", lambda self, number: (_ for _ in ()).throw(KillError)
        )
        with pytest.raises(KillError):
            begin(folder, "2s")
    with monkeypatch.context() as patch:
        tick(patch)
        work.resume(folder, OPTIONS, QUIET)
    cost = RunView.open(folder).cost()
    assert cost["seconds"] == pytest.approx(0.1 * cost["steps"])
    assert steps(RunView.open(folder), "resume") == [0]


def test_the_recorded_horizons_repeat_a_budget_in_seconds_without_a_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        tick(patch)
        timed = begin(tmp_path / "timed", "2s")
    cost = timed.cost()
    made = recipe("2s")
    made = made.model_copy(
        update={
            "budget": Budget(seconds=2, horizons=tuple((a, b) for a, b in cost["horizons"])),
        }
    )
    again = work.begin(made, tmp_path / "again", OPTIONS, QUIET)
    assert again.cost()["steps"] == cost["steps"]
    assert trail(again.folder)[:2] == trail(timed.folder)[:2]


# ---------------------------------------------------------------- a full disk


def full(patch: pytest.MonkeyPatch, *steps: int, times: int = 1) -> None:
    """The disk is full when a checkpoint of one of these steps is written, `times` times each."""
    create, left = files.Layer.create, dict.fromkeys(steps, times)

    def fails(self: files.Layer, path: Path) -> int:
        for step in left:
            if path.parent.name == f".tmp-step-{step:012d}" and left[step]:
                left[step] -= 1
                raise OSError(errno.ENOSPC, "full")
        return create(self, path)

    patch.setattr(files.Layer, "create", fails)


def test_a_save_that_fails_once_is_told_and_training_goes_on(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full(monkeypatch, 4)
    options = OPTIONS.model_copy(update={"save_every": 0.0})
    view = work.begin(recipe(), tmp_path / "run", options, Progress("a run"))
    said = capsys.readouterr().err
    assert "checkpoints/.tmp-step-000000000004/" in said
    assert "cannot be written: the disk is full" in said
    assert steps(view, "save failed") == [4]
    assert steps(view, "save") == [0, 1, 2, 3, 5, 6, 7, 8, 8]
    assert trail(view.folder) == trail(whole)


def test_two_failures_in_a_row_end_the_run_and_it_can_go_on(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        full(patch, 4, 5)
        with pytest.raises(MachineError, match="the newest good checkpoint is step-000000000003"):
            begin(folder, save_every=0.0)
    view = RunView.open(folder)
    assert view.status()["state"] == "running"
    assert view.checkpoints().steps() == [2, 3]
    begin(folder)
    assert steps(view, "resume") == [3]
    assert trail(folder) == trail(whole)


def test_the_last_step_is_tried_again_and_a_run_without_it_is_not_called_finished(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        full(patch, 8)
        assert trail(begin(tmp_path / "once").folder) == trail(whole)
    with monkeypatch.context() as patch:
        full(patch, 8, times=99)
        with pytest.raises(MachineError, match="two saves in a row failed"):
            begin(tmp_path / "for ever")
    view = RunView.open(tmp_path / "for ever")
    assert view.status()["state"] == "running"
    begin(tmp_path / "for ever")
    assert trail(tmp_path / "for ever") == trail(whole)


def test_a_stopped_run_says_saved_only_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        full(patch, 3)
        with pytest.raises(StoppedError, match="saved at step 3"):
            begin(tmp_path / "once")
        assert RunView.open(tmp_path / "once").load().step == 3
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        full(patch, 3, times=99)
        with pytest.raises(MachineError):
            begin(tmp_path / "for ever")


# ---------------------------------------------------------------- divergence


def test_a_training_that_diverges_is_stopped_and_marked(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="numbers that are not finite") as raised:
        begin(tmp_path / "run", "60steps", roles={"net": {"learning_rate": 1e38}})
    assert "a lower learning rate" in raised.value.do
    view = RunView.open(tmp_path / "run")
    assert view.status()["state"] == "failed"
    assert view.load().step == 0
    assert int(raised.value.why.split()[0]) > session.SHARE * session.MANY


@pytest.mark.parametrize("key", ["horizons", "corrected", "spent", "best", "last", "counters"])
def test_a_checkpoint_that_does_not_say_how_far_it_is_is_damage(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    shutil.copytree(whole, tmp_path / "run")
    monkeypatch.setattr(work, "complete", lambda view: False)
    resume = Run.resume

    def lacking(run: Run) -> Loaded | None:
        loaded = resume(run)
        assert loaded is not None
        return replace(loaded, state={k: v for k, v in loaded.state.items() if k != key})

    monkeypatch.setattr(Run, "resume", lacking)
    with pytest.raises(DamagedError, match=r"state\.json: does not say how far the training was"):
        work.resume(tmp_path / "run", OPTIONS, QUIET)
