"""Real processes, killed, stopped and met by others; what they leave goes on to the same bits.

A process kills itself in the middle of its n-th operation on a file, so that every place where a
kill can fall is named by a number; the soak tries many more of them.
"""

import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import snapshot, trail
from forks import Forks
from netwright.train.run import RunView

WORDS = "train digits --structure mlp/tiny --budget 8steps --threads 1 --save-every 0 -q --out run"
TRAIN = tuple(WORDS.split())
CONTEST = "compare digits --candidates mlp/tiny,mlp/small --seeds 2 --budget 3steps --threads 1"
COMPARE = (*CONTEST.split(), "-q", "--out", "contest")
MIDDLE = 200
"""An operation of `TRAIN` between its third and its sixth step."""

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks(tmp_path_factory.mktemp("forks")) as server:
        yield server


@pytest.fixture(scope="module")
def whole(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """How many operations a training takes, and what it gives undisturbed."""
    folder = tmp_path_factory.mktemp("whole")
    return forks.count(*TRAIN, cwd=folder), folder / "run"


@pytest.fixture(scope="module")
def contest(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """How many operations a contest takes, and what it gives undisturbed."""
    folder = tmp_path_factory.mktemp("held")
    return forks.count(*COMPARE, cwd=folder), folder / "contest"


def saved(run: Path) -> int:
    """The newest step that was acknowledged."""
    if not (run / "run.json").exists():
        return 0
    return max((e["step"] for e in RunView.open(run).events() if e["event"] == "save"), default=0)


# ---------------------------------------------------------------- kill -9 of a training


def killed(forks: Forks, whole: tuple[int, Path], cwd: Path, at: int) -> None:
    """Kill a training in operation `at`, and give the same command again."""
    place = f"operation {at} of {whole[0]}"
    assert forks.run(*TRAIN, cwd=cwd, at=at).code == -signal.SIGKILL, place
    sure = saved(cwd / "run")
    again = forks.run(*TRAIN, cwd=cwd)
    assert again.code == 0, (place, again.err)
    assert trail(cwd / "run") == trail(whole[1]), place
    view = RunView.open(cwd / "run")
    assert view.status()["state"] == "finished"
    resumed = [e["step"] for e in view.events() if e["event"] == "resume"]
    assert all(step >= sure for step in resumed), (place, resumed, sure)
    for old in ("run.json", "data.json", "metrics.jsonl", "cost.json", "README.md"):
        assert (cwd / "run" / old).exists(), place
    left = {
        p.name.rpartition("-")[0] for p in (cwd / "run").rglob(".tmp-*") if ".run" not in p.parts
    }
    assert left <= {".tmp-README.md"}, place  # the card is no owner's; the next owner sweeps it


@pytest.mark.parametrize("part", range(8))
def test_a_training_killed_anywhere_goes_on_to_the_same_bits(
    forks: Forks, whole: tuple[int, Path], tmp_path: Path, part: int
) -> None:
    size = whole[0] / 8
    killed(
        forks,
        whole,
        tmp_path,
        random.Random(part).randrange(int(part * size), int((part + 1) * size)),
    )


def test_a_training_killed_again_and_again_ends_in_the_same_bits(
    forks: Forks, whole: tuple[int, Path], tmp_path: Path
) -> None:
    rng, kills = random.Random(1), 0
    while (ended := forks.run(*TRAIN, cwd=tmp_path, at=rng.randrange(60, 140))).code:
        assert ended.code == -signal.SIGKILL, ended.err
        kills += 1
        assert kills < 20
    assert kills > 2
    assert trail(tmp_path / "run") == trail(whole[1])


@pytest.mark.soak
def test_a_training_killed_at_each_operation(
    forks: Forks, whole: tuple[int, Path], tmp_path: Path
) -> None:
    for at in range(whole[0]):
        (tmp_path / str(at)).mkdir()
        killed(forks, whole, tmp_path / str(at), at)


def test_an_evaluation_killed_anywhere_gives_the_same_result(
    forks: Forks, whole: tuple[int, Path], tmp_path: Path
) -> None:
    assert forks.run(*TRAIN, cwd=tmp_path).code == 0
    found = []
    for at in (3, 8, 11, 14, 10**6):
        result = tmp_path / "run" / "result.json"
        ended = forks.run("evaluate", "run", "--json", "--threads", 1, cwd=tmp_path, at=at)
        assert ended.code in (0, -signal.SIGKILL), ended.err
        if result.exists():
            found.append(result.read_bytes())
    assert json.loads(ended.out)["part"] == "test"
    assert len(set(found)) == 1  # written once, and whole
    assert trail(tmp_path / "run") == trail(whole[1])


# ---------------------------------------------------------------- kill -9 of a contest


def numbers(folder: Path) -> object:
    """All of a verdict that no clock decides and no run's random id is in."""
    said = json.loads((folder / "verdict.json").read_text("utf-8"))
    rows = [
        (r["name"], r["status"], r["estimate"], r["values"], r["failing"], r["chosen"])
        for r in said["candidates"]
    ]
    cells = [c["id"] for r in said["candidates"] for c in r["cells"]]
    floors = [(f["name"], f["status"], f["estimate"]) for f in said["floors"]]
    return rows, cells, floors, said["pairs"], said["n"], said["command"]


def done(folder: Path) -> dict[str, dict[str, tuple[int, int, bytes]]]:
    """Every finished cell of a contest, file by file, but for what is measured at the end."""
    found = {}
    for cell in folder.glob("cells/*"):
        if (cell / "result.json").exists():
            files = snapshot(cell).items()
            found[cell.name] = {k: v for k, v in files if "cost.json" not in k}
    return found


def contest_killed(forks: Forks, contest: tuple[int, Path], cwd: Path, at: int) -> None:
    """Kill a contest in operation `at`, and give the same command again."""
    place = f"operation {at} of {contest[0]}"
    assert forks.run(*COMPARE, cwd=cwd, at=at).code == -signal.SIGKILL, place
    before = done(cwd / "contest")
    again = forks.run(*COMPARE, cwd=cwd)
    assert again.code == 0, (place, again.err)
    after = done(cwd / "contest")
    assert before == {name: after[name] for name in before}, place
    assert numbers(cwd / "contest") == numbers(contest[1]), place
    assert (cwd / "contest" / "report.html").exists()


@pytest.mark.parametrize("part", range(5))
def test_a_contest_killed_anywhere_goes_on_and_touches_no_finished_cell(
    forks: Forks, contest: tuple[int, Path], tmp_path: Path, part: int
) -> None:
    at = [3, *(int(share * contest[0]) for share in (0.2, 0.5, 0.8, 0.97))][part]
    contest_killed(forks, contest, tmp_path, at)


@pytest.mark.soak
def test_a_contest_killed_at_many_operations(
    forks: Forks, contest: tuple[int, Path], tmp_path: Path
) -> None:
    for at in [*range(12), *range(12, contest[0], 23)]:
        (tmp_path / str(at)).mkdir()
        contest_killed(forks, contest, tmp_path / str(at), at)


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_saves_tells_how_to_go_on_and_loses_nothing(
    forks: Forks, whole: tuple[int, Path], tmp_path: Path, number: int, code: int
) -> None:
    process = forks.stopped(*TRAIN, cwd=tmp_path, at=MIDDLE)
    process.go_on(number)
    ended = process.wait()
    assert (ended.code, ended.out) == (code, "")
    step = RunView.open(tmp_path / "run").status()["step"]
    assert 2 < step < 8
    assert ended.err == (
        f"netwright: stopped and saved at step {step}\ntry: netwright resume run\n"
    )
    assert RunView.open(tmp_path / "run").status()["state"] == "stopped"
    assert forks.run("evaluate", "run", cwd=tmp_path).code == 2
    again = forks.run("resume", "run", cwd=tmp_path)
    assert again.code == 0
    assert again.err.startswith("exact\n")
    assert trail(tmp_path / "run") == trail(whole[1])
    events = RunView.open(tmp_path / "run").events()
    assert [e["step"] for e in events if e["event"] == "resume"] == [step]


def test_a_second_signal_leaves_at_once(
    forks: Forks, whole: tuple[int, Path], tmp_path: Path
) -> None:
    process = forks.stopped(*TRAIN, cwd=tmp_path, at=MIDDLE)
    sure = saved(tmp_path / "run")
    process.go_on(signal.SIGINT, signal.SIGTERM)  # both are there when it wakes
    ended = process.wait()
    assert (ended.code, ended.out, ended.err) == (143, "", "")
    assert saved(tmp_path / "run") == sure
    assert RunView.open(tmp_path / "run").status()["state"] == "running"
    assert forks.run(*TRAIN, cwd=tmp_path).code == 0
    assert trail(tmp_path / "run") == trail(whole[1])


def test_a_signal_stops_a_contest_and_the_same_command_goes_on(
    forks: Forks, contest: tuple[int, Path], tmp_path: Path
) -> None:
    process = forks.stopped(*COMPARE, cwd=tmp_path, at=contest[0] // 3)
    process.go_on(signal.SIGTERM)
    ended = process.wait()
    assert ended.code == 143
    assert ended.err.endswith("try: the same command again goes on\n")
    before = done(tmp_path / "contest")
    assert forks.run(*COMPARE, cwd=tmp_path).code == 0
    after = done(tmp_path / "contest")
    assert before == {name: after[name] for name in before}
    assert numbers(tmp_path / "contest") == numbers(contest[1])


# ---------------------------------------------------------------- two at once


def test_two_processes_never_write_one_run(
    forks: Forks, whole: tuple[int, Path], tmp_path: Path
) -> None:
    first = forks.stopped(*TRAIN, cwd=tmp_path, at=MIDDLE)
    before = snapshot(tmp_path / "run")
    for words in (TRAIN, ("resume", "run")):
        second = forks.run(*words, cwd=tmp_path)
        assert second.code == 5
        assert second.err == (
            f"netwright: run: is in use by process {first.pid}\ntry: wait until it has ended\n"
        )
    assert forks.run("evaluate", "run", cwd=tmp_path).code == 2
    assert snapshot(tmp_path / "run") == before
    first.go_on()
    assert first.wait().code == 0
    assert trail(tmp_path / "run") == trail(whole[1])


def test_two_contests_at_once_share_the_cells(
    forks: Forks, contest: tuple[int, Path], tmp_path: Path
) -> None:
    first = forks.stopped(*COMPARE, cwd=tmp_path, at=contest[0] // 10)
    second = forks.run(*COMPARE, cwd=tmp_path)
    assert second.code == 5
    assert "another process is training 1 cells of this contest" in second.err
    before = done(tmp_path / "contest")
    assert len(before) == 3
    first.go_on()
    assert first.wait().code == 0
    after = done(tmp_path / "contest")
    assert before == {name: after[name] for name in before}
    assert numbers(tmp_path / "contest") == numbers(contest[1])
