"""`netwright resume`."""

import shutil
from pathlib import Path

from commands import TINY, Say, flip, reseal, snapshot, trail
from netwright.train.run import RunView


def test_a_finished_run_is_left_as_it_is(say: Say, run: Path) -> None:
    before = snapshot(run)
    said = say.well("resume", run)
    assert said.out.startswith("validation (180 samples): accuracy ")
    assert said.last == "next: netwright evaluate run"
    after = snapshot(run)
    assert before.pop("README.md")[2] == after.pop("README.md")[2]
    assert before == after
    assert say.well("resume", run, "--json").document["state"] == "finished"


def test_a_damaged_last_checkpoint_is_told_and_trained_again_to_the_same_bits(
    say: Say, run: Path
) -> None:
    whole = trail(run)
    flip(run / "checkpoints/step-000000000008/weights.safetensors")
    said = say.well("resume", run)
    lines = said.err.splitlines()
    assert lines[0] == "exact"
    assert lines[1].startswith("netwright: step-000000000008 is damaged: weights.safetensors: ")
    assert lines[1].endswith("; going on from step 0")
    assert trail(run) == whole
    assert (run / "checkpoints" / "damaged-step-000000000008").is_dir()


def test_what_differs_from_the_first_time_is_named(say: Say, run: Path) -> None:
    flip(run / "checkpoints/step-000000000008/manifest.json")
    reseal(run / "run.json", determinism={**RunView.open(run).determinism, "torch": "1.0"})
    said = say.well("resume", run)
    assert said.err.startswith("not exact: torch ")
    assert ", were 1.0\n" in said.err


def test_without_a_good_checkpoint_nothing_starts_from_zero(say: Say, run: Path) -> None:
    for step in (0, 8):
        flip(run / f"checkpoints/step-{step:012}/state.json")
    for _ in range(2):
        said = say.refused("no good checkpoint is left", "resume", run, "-q", code=4)
        assert said.out == ""


def test_a_run_that_was_stopped_while_it_was_made_starts(say: Say, run: Path) -> None:
    whole = trail(run)
    for name in ("checkpoints/step-000000000000", "checkpoints/step-000000000008", "exhibits"):
        shutil.rmtree(run / name)
    for name in ("metrics.jsonl", "status.json", "cost.json", "data.json"):
        (run / name).unlink()
    say.well("resume", run, "-q")
    assert trail(run) == whole


def test_changed_data_is_refused(say: Say, run: Path) -> None:
    flip(run / "checkpoints/step-000000000008/manifest.json")
    reseal(run / "data.json", fingerprint="0" * 64)
    say.refused("the data is not what this run was trained on", "resume", run, "-q")


def test_what_cannot_be_resumed_is_refused_in_one_sentence(say: Say, run: Path) -> None:
    said = say.refused("rum: there is no such run", "resume", "rum")
    assert "; nearest is 'run'" in said.err
    Path("empty").mkdir()
    say.refused("empty: is not a run folder: it holds no run.json", "resume", "empty")
    reseal(run / "run.json", schema=99)
    before = snapshot(run)
    say.refused("run/run.json: was made by a newer netwright", "resume", run)
    assert snapshot(run) == before
    flip(run / "run.json")
    say.refused("run/run.json: does not match its own sha256", "resume", run, code=4)


def test_the_threads_of_the_first_time_are_kept(say: Say, run: Path) -> None:
    flip(run / "checkpoints/step-000000000008/manifest.json")
    assert TINY[-2:] == ("--threads", "1")
    assert say.well("resume", run).err.startswith("exact\n")
    flip(run / "checkpoints/step-000000000008/manifest.json")
    assert say.well("resume", run, "--threads", "2").err.startswith(
        "not exact: threads 2, were 1\n"
    )
