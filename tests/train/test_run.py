"""The run folder: made once, owned by one, continued exactly, refused in one sentence."""

import errno
import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from faults import Crash, Disk, Failing, Recorded, Swift, crashes, failures
from netwright import files
from netwright.errors import BusyError, DamagedError, InputError, MachineError, NetwrightError
from netwright.specs import Categorical, Schema, Table
from netwright.tasks.base import Exhibit
from netwright.train import run as run_module
from netwright.train.checkpoint import Loaded
from netwright.train.run import Run, RunView, continues, free_name

SWIFT = Swift()
SPEC = {"task": {"name": "made-up"}, "batch": 64, "rate": 1e-3}
SEED = 2**63 + 1


@pytest.fixture(autouse=True)
def small_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "RESERVE", 16)


def made(folder: Path) -> Run:
    return Run.create(folder, SPEC, seed=SEED, determinism={"threads": 1}, layer=SWIFT)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with made(tmp_path / "run") as run:
        yield run


def again(run: Run) -> Run:
    """As a new process would own it."""
    run.close()
    return Run.own(run.folder, SWIFT)


def trained(run: Run, *steps: int, layer: Recorded | None = None) -> None:
    """Two metric lines for each step, then its checkpoint."""
    for step in steps:
        run.metric({"step": step, "loss": 1 / step})
        run.metric({"step": step, "loss": 0.5 / step})
        if layer:
            layer.begin(step)
        assert run.save(step, *content(step)) is None
        if layer:
            layer.tell(step)


def content(step: int) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
    return {"net/weight": torch.full((3,), float(step))}, {}, {"round": step}


def step_of(loaded: Loaded | None) -> int:
    assert loaded is not None
    assert loaded.state == {"round": loaded.step}
    assert loaded.weights["net/weight"].tolist() == [float(loaded.step)] * 3
    return loaded.step


# ---------------------------------------------------------------- making and owning


def test_a_new_run_says_what_it_is(run: Run) -> None:
    view = RunView.open(run.folder)
    assert (view.id, view.spec, view.seed) == (run.id, SPEC, SEED)
    assert view.determinism == {"threads": 1}
    assert view.safe_against == "power loss"
    assert len(run.id) == 16
    assert (run.folder / ".run" / "reserve").stat().st_size == 16
    assert view.status() == {"state": "new", "step": 0, "spent": {}}


def test_two_runs_have_different_ids(tmp_path: Path) -> None:
    with made(tmp_path / "deep" / "a") as a, made(tmp_path / "deep" / "b") as b:
        assert a.id != b.id


def test_a_file_system_that_cannot_sync_folders_is_told(tmp_path: Path) -> None:
    class Weak(Swift):
        def sync_folder(self, folder: Path) -> bool:
            return False

    with Run.create(tmp_path / "run", SPEC, seed=1, layer=Weak()) as run:
        assert run.view.safe_against == "kill"


def test_what_is_there_is_not_made_again(tmp_path: Path, run: Run) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    for name in ("run", "other", "file"):
        with pytest.raises(InputError, match="is there already"):
            made(tmp_path / name)
    with pytest.raises(InputError, match="a part of it is a file"):
        made(tmp_path / "file" / "run")


def test_a_kill_while_a_run_is_made_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    for number in range(1, 40):
        folder = tmp_path / str(number)
        layer = Failing(number, errno.EIO, forever=True)
        with suppress(MachineError):
            Run.create(folder, SPEC, seed=1, layer=layer).close()
        if layer.failed and continues(folder, SPEC):
            Run.own(folder, SWIFT).close()
        elif layer.failed:
            made(folder).close()
        else:
            assert number > 20
            return
    pytest.fail("the making of a run never ended")


def test_one_run_has_one_owner_and_readers_take_no_lock(run: Run) -> None:
    with pytest.raises(BusyError, match="already open"):
        Run.own(run.folder)
    assert RunView.open(run.folder).id == run.id
    again(run).close()


def test_who_comes_second_to_make_a_run_is_refused(tmp_path: Path, run: Run) -> None:
    class Overtaken(Swift):
        def lock(self, descriptor: int) -> None:
            super().lock(descriptor)
            shutil.copy(run.folder / "run.json", tmp_path / "new" / "run.json")

    with pytest.raises(InputError, match="is there already"):
        Run.create(tmp_path / "new", SPEC, seed=1, layer=Overtaken())
    with Run.own(tmp_path / "new", SWIFT) as other:
        assert other.id == run.id


def test_a_failure_while_owning_gives_the_lock_back(run: Run) -> None:
    run.close()
    (run.folder / "events.jsonl").unlink()
    (run.folder / "events.jsonl").mkdir()
    with pytest.raises(DamagedError):
        Run.own(run.folder, SWIFT)
    (run.folder / "events.jsonl").rmdir()
    Run.own(run.folder, SWIFT).close()


def test_free_names_count_upwards(tmp_path: Path) -> None:
    assert free_name(tmp_path, "digits") == "digits"
    for name in ("digits", "digits-2"):
        (tmp_path / name).mkdir()
    assert free_name(tmp_path, "digits") == "digits-3"


def test_the_same_specification_continues_and_another_is_refused(tmp_path: Path, run: Run) -> None:
    assert continues(run.folder, dict(reversed(SPEC.items())))
    with pytest.raises(InputError) as raised:
        continues(run.folder, {**SPEC, "task": {"name": "other"}})
    assert "task.name is made-up there and other here" in raised.value.sentence
    (tmp_path / "empty").mkdir()
    for name in ("empty", "none"):
        assert not continues(tmp_path / name, SPEC)
    (tmp_path / "empty" / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds something else"):
        continues(tmp_path / "empty", SPEC)


# ---------------------------------------------------------------- what cannot be opened


def test_what_is_no_run_is_refused_in_one_sentence(tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").touch()
    for name, says in (
        ("rum", "there is no such run; nearest is 'run'"),
        ("file", "is no folder"),
        (".", "is not a run folder: it holds no run.json"),
    ):
        with pytest.raises(InputError) as raised:
            RunView.open(tmp_path / name)
        assert raised.value.sentence.endswith(says)


def test_any_changed_byte_of_run_json_is_damage(run: Run) -> None:
    path = run.folder / "run.json"
    good = path.read_bytes()
    for place in range(0, len(good), 5):
        bad = bytearray(good)
        bad[place] ^= 1
        path.write_bytes(bad)
        with pytest.raises(DamagedError, match=r"run\.json"):
            RunView.open(run.folder)


def test_a_newer_run_and_a_forged_one_are_refused(run: Run) -> None:
    path = run.folder / "run.json"
    document = files.unseal(path.read_bytes(), "")
    path.write_bytes(files.seal({**document, "schema": 2}))
    with pytest.raises(InputError, match="made by a newer netwright"):
        RunView.open(run.folder)
    for wrong in ({"format": "other"}, {"seed": "x"}, {"seed": None}):
        path.write_bytes(files.seal({**document, **wrong}))
        with pytest.raises(DamagedError):
            RunView.open(run.folder)


def test_what_is_not_there_yet_is_told(run: Run) -> None:
    view = run.view
    asked: list[tuple[Callable[[], object], str]] = [
        (view.result, "the run has no result.json: it is not evaluated"),
        (view.cost, "its cost is not measured"),
        (view.data, r"the run has no data\.json"),
        (view.load, "has saved no checkpoint yet"),
        (view.need_finished, "the run is not finished: it is new at step 0"),
    ]
    for ask, says in asked:
        with pytest.raises(InputError, match=says):
            ask()
    assert (view.metrics(), view.quarantine(), view.exhibit_steps()) == ([], [], [])


# ---------------------------------------------------------------- what is written


def test_everything_that_is_written_is_read_back(run: Run) -> None:
    view = run.view
    run.data({"fingerprint": "abc", "mean": [0.1]})
    run.quarantine([{"file": "a", "reason": "b"}])
    run.timing({"seconds": float("inf")})
    run.event("start", {"step": 0})
    run.status("finished", step=3, spent={"training": 1.5})
    run.cost({"latency": 0.1})
    run.page("README.md", "# card")
    assert view.data() == {"fingerprint": "abc", "mean": [0.1]}
    assert view.quarantine() == [{"file": "a", "reason": "b"}]
    assert view.timing() == [{"seconds": "inf"}]
    assert view.events() == [{"event": "start", "step": 0}]
    assert view.status() == {"state": "finished", "step": 3, "spent": {"training": 1.5}}
    assert view.cost() == {"latency": 0.1}
    assert (run.folder / "README.md").read_text() == "# card"
    view.need_finished()


def test_the_data_of_a_run_is_fixed(run: Run) -> None:
    for _ in range(2):
        run.data({"fingerprint": "abc"})
        run.quarantine([{"file": "a"}])
    with pytest.raises(InputError, match="not what this run was trained on"):
        run.data({"fingerprint": "abd"})
    with pytest.raises(InputError, match="written once"):
        run.quarantine([])


def test_a_schema_that_was_stored_before_a_field_was_added_is_the_same(run: Run) -> None:
    columns = (Categorical(name="kind", values=("a", "b")),)
    now = Schema(columns={"row": Table(columns=columns)}).model_dump(mode="json")
    before = deepcopy(now)
    for added in ("fixed", "order"):
        del before["columns"]["row"][added]
    run.data({"fingerprint": "abc", "schema": before})
    run.data({"fingerprint": "abc", "schema": now})
    now["columns"]["row"]["columns"][0]["values"] = ["a", "c"]
    with pytest.raises(InputError, match="not what this run was trained on"):
        run.data({"fingerprint": "abc", "schema": now})


def test_a_result_is_written_once_and_verified(run: Run) -> None:
    rows = {"accuracy": torch.tensor([[1.0], [0.0]])}
    run.result({"accuracy": {"value": 0.5}}, rows)
    view = RunView.open(run.folder)
    assert view.evaluated()
    assert view.result() == {"accuracy": {"value": 0.5}}
    assert torch.equal(view.rows()["accuracy"], rows["accuracy"])
    with pytest.raises(InputError, match="evaluated already"):
        run.result({}, {})
    with made(run.folder.with_name("other")) as other:
        shutil.copy(run.folder / "result.json", other.folder)
        with pytest.raises(DamagedError, match="of another run"):
            other.view.result()
    for name, ask in (("rows.safetensors", view.rows), ("result.json", view.result)):
        bad = bytearray((run.folder / name).read_bytes())
        bad[len(bad) // 2] ^= 1
        (run.folder / name).write_bytes(bad)
        with pytest.raises(DamagedError, match=name):
            ask()


def test_exhibits_are_kept_by_step_and_made_anew(run: Run) -> None:
    picture = Exhibit(
        "picture", "samples", {"pictures": torch.rand(2, 1, 4, 4)}, {"captions": ("a", "b")}
    )
    run.exhibits(5, [picture, Exhibit("text", "words", {}, {"lines": ("x",)})])
    run.exhibits(20, [])
    run.exhibits(5, [picture])
    view = run.view
    assert view.exhibit_steps() == [5, 20]
    (found,) = view.exhibits(5)
    assert (found.kind, found.title, found.strings) == ("picture", "samples", picture.strings)
    assert torch.equal(found.tensors["pictures"], picture.tensors["pictures"])
    (run.folder / "exhibits" / "step-000000000005" / "000.safetensors").write_bytes(b"")
    with pytest.raises(DamagedError, match=r"000\.json"):
        view.exhibits(5)


def test_a_lost_metric_line_is_named(run: Run) -> None:
    trained(run, 1, 2)
    assert [line["n"] for line in run.view.metrics()] == [0, 1, 2, 3]
    path = run.folder / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:1] + lines[2:]))
    with pytest.raises(DamagedError, match=r"metrics\.jsonl:2: a line is lost"):
        run.view.metrics()
    path.write_bytes(b"".join(lines) + b'{"n":4,')
    assert len(run.view.metrics()) == 4


# ---------------------------------------------------------------- resume


def test_a_run_without_a_checkpoint_starts_with_no_metric_lines(run: Run) -> None:
    run.metric({"loss": 1.0})
    run = again(run)
    assert run.resume() is None
    assert run.view.metrics() == []
    assert "1 metric lines" in run.told[0]
    run.close()


def test_metric_lines_after_the_checkpoint_move_to_a_tail(run: Run) -> None:
    trained(run, 1, 2)
    for round_ in (1, 2):
        run.metric({"step": 3, "loss": 0.1})
        path = run.folder / "metrics.jsonl"
        path.write_bytes(path.read_bytes() + b'{"n":5,"lo')
        run = again(run)
        assert step_of(run.resume()) == 2
        assert len(run.view.metrics()) == 4
        assert run.told == [
            "metrics.jsonl: a torn last line of 10 bytes was cut off",
            f"1 metric lines after the checkpoint are made anew: metrics.tail-{round_}.jsonl",
        ]
        tail = (run.folder / f"metrics.tail-{round_}.jsonl").read_bytes()
        assert json.loads(tail) == {"loss": 0.1, "n": 4, "step": 3}
    trained(run, 3)
    assert [line["n"] for line in run.view.metrics()] == list(range(6))
    run.close()


def test_a_damaged_newest_checkpoint_is_told_and_the_lines_go_back_with_it(run: Run) -> None:
    trained(run, 1, 2)
    (run.checkpoints.path(2) / "weights.safetensors").write_bytes(b"")
    run = again(run)
    assert step_of(run.resume()) == 1
    assert "weights.safetensors: has 0 bytes" in run.told[0]
    assert run.told[0].endswith("going on from step 1")
    assert len(run.view.metrics()) == 2
    assert [e["event"] for e in run.view.events()] == ["save", "save", "fallback", "resume"]
    run.close()


def test_metrics_that_are_shorter_than_the_checkpoint_says_are_damage(run: Run) -> None:
    trained(run, 1)
    path = run.folder / "metrics.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    run = again(run)
    with pytest.raises(DamagedError, match="fewer than"):
        run.resume()
    run.close()


def test_a_run_can_be_moved_while_nobody_owns_it(tmp_path: Path, run: Run) -> None:
    trained(run, 1)
    run.close()
    shutil.copytree(run.folder, tmp_path / "moved")
    with Run.own(tmp_path / "moved", SWIFT) as moved:
        assert step_of(moved.resume()) == 1
        assert moved.view.load().step == 1


def test_a_full_disk_is_told_and_the_run_goes_on(run: Run) -> None:
    trained(run, 1)
    run.close()
    layer = Failing(0, errno.ENOSPC)
    run = Run.own(run.folder, layer)
    run.resume()
    layer.left = 3  # sync of the metrics, mkdir, create
    failed = run.save(2, *content(2))
    assert failed is not None
    assert "the disk is full" in run.view.events()[-1]["why"]
    assert not (run.folder / ".run" / "reserve").exists()
    layer.left = 0
    trained(run, 3)
    assert step_of(again(run).resume()) == 3


# ---------------------------------------------------------------- modelled crashes


def judge(root: Path, crash: Crash) -> str:
    """What is wrong when a run is resumed from this state, in words."""
    sure = max(crash.acknowledged, default=0)
    try:
        with Run.own(root, SWIFT) as run:
            loaded = run.resume()
            step = step_of(loaded) if loaded else 0
            if step < sure or (loaded and loaded.damaged):
                return f"lost: {sure} was acknowledged, {step} found"
            lines = [line["step"] for line in run.view.metrics()]
            if lines != [s for s in range(1, step + 1) for _ in range(2)]:
                return f"wrong: metric lines of {lines} at step {step}"
            trained(run, step + 1)
    except NetwrightError as error:
        return f"lost: {error.sentence}"
    return ""


def model(folder: Path, missing: str = "", until: str = "") -> tuple[int, list[str]]:
    """States of a run of three steps, and what is wrong with which."""
    made(folder).close()
    disk, layer = Disk(folder), Recorded(missing)
    with Run.own(folder, layer) as run:
        trained(run, 1, 2, 3, layer=layer)
    return failures(crashes(layer.ops, disk, torn=2, seed=5), folder, judge, until)


def test_a_run_cut_anywhere_goes_on_with_the_very_metric_lines(tmp_path: Path) -> None:
    count, wrong = model(tmp_path / "run")
    assert wrong == []
    assert count > 300


def test_the_model_sees_that_the_metrics_are_not_synced_before_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netwright.train import log

    monkeypatch.setattr(log, "sync", lambda *_: None)
    _, wrong = model(tmp_path / "run", until="lost")
    assert any("fewer than" in sentence or "changed" in sentence for sentence in wrong)


def test_any_byte_of_the_metrics_that_changed_stops_the_resume(run: Run) -> None:
    trained(run, 1, 2)
    path, rng = run.folder / "metrics.jsonl", random.Random(0)
    good = path.read_bytes()
    for place in rng.sample(range(len(good)), 20):
        bad = bytearray(good)
        bad[place] ^= 1
        path.write_bytes(bad)
        run = again(run)
        with pytest.raises((DamagedError, MachineError), match=r"metrics\.jsonl"):
            run.resume()
    run.close()
