"""Checkpoints under modelled crashes, real kills, damage and failing disks."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from faults import Crash, Disk, Failing, Recorded, Swift, crashes, failures
from netwright import files
from netwright.errors import DamagedError, DivergedError, InputError, MachineError, NetwrightError
from netwright.train import checkpoint, manifest
from netwright.train.checkpoint import Checkpoints

SWIFT = Swift()
RUN = "0123456789abcdef"


def content(step: int) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
    """What is saved after `step` rounds: small, and different at every step."""
    weights = {"net/weight": torch.full((12, 16), step + 0.5), "net/bias": torch.arange(2.0) + step}
    trainer = {"optimizer/net/0/exp_avg": torch.full((3, 4), step * 2.0)}
    return weights, trainer, {"round": step, "spent": step / 3}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(
        a[n].dtype == b[n].dtype and torch.equal(a[n], b[n]) for n in a
    )


def holds(loaded: checkpoint.Loaded, step: int) -> bool:
    """Whether a checkpoint holds exactly what was saved at that step."""
    weights, trainer, state = content(step)
    return (
        loaded.step == step
        and same(loaded.weights, weights)
        and same(loaded.trainer, trainer)
        and loaded.state == state
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (made := tmp_path / "checkpoints").mkdir()
    return made


def saved(folder: Path, *steps: int) -> Checkpoints:
    """Checkpoints in which those steps were saved."""
    checkpoints = Checkpoints(folder, RUN, layer=SWIFT)
    for step in steps:
        assert checkpoints.save(step, *content(step)) is None
    return checkpoints


def again(folder: Path) -> Checkpoints:
    """As a new process would open it."""
    return Checkpoints(folder, RUN, layer=SWIFT)


def newest(checkpoints: Checkpoints) -> checkpoint.Loaded:
    """The newest, which has to be there."""
    loaded = checkpoints.load_newest()
    assert loaded is not None
    return loaded


# ---------------------------------------------------------------- what comes back


def test_what_was_saved_comes_back_bit_by_bit(folder: Path) -> None:
    saved(folder, 0, 7)
    loaded = newest(again(folder))
    assert holds(loaded, 7)
    assert loaded.damaged == []


def test_nothing_saved_is_none_and_no_folder_is_an_error(folder: Path) -> None:
    assert again(folder).load_newest() is None
    with pytest.raises(InputError, match="no such folder"):
        again(folder / "other").load_newest()


DTYPES = [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.int64]


@pytest.mark.parametrize("dtype", [*DTYPES, torch.bool, torch.complex64, torch.uint8], ids=str)
def test_every_dtype_and_shape_comes_back(folder: Path, dtype: torch.dtype) -> None:
    weights = {
        "scalar": torch.ones((), dtype=dtype),
        "empty": torch.empty(0, 3).to(dtype),
        "also empty": torch.empty(0, 3).to(dtype),
        "turned": torch.tensor([[0.0, 1, 2], [1, 0, 1]]).to(dtype).T,
        "row": torch.ones(3, 2).to(dtype)[1],
        "spread": torch.ones(1, dtype=dtype).expand(4),
    }
    assert again(folder).save(1, weights, {}, {}) is None
    loaded = newest(again(folder))
    assert list(loaded.weights) == sorted(weights)
    for name, tensor in weights.items():
        assert loaded.weights[name].dtype == dtype
        assert loaded.weights[name].shape == tensor.shape
        torch.testing.assert_close(loaded.weights[name], tensor.contiguous(), rtol=0, atol=0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_tensors_on_a_gpu_are_saved_from_there(folder: Path) -> None:
    weights = {n: t.cuda() for n, t in content(1)[0].items()}
    weights["tied"] = weights["net/bias"]
    assert again(folder).save(1, weights, {}, {}) is None
    loaded = newest(again(folder))
    assert same(loaded.weights, {n: t.cpu() for n, t in weights.items()})
    assert loaded.weights["tied"].data_ptr() == loaded.weights["net/bias"].data_ptr()


def test_tied_tensors_are_written_once_and_are_one_again(folder: Path) -> None:
    table = torch.randn(50, 8)
    weights = {
        "net/stem": table,
        "net/head": table,
        "net/part": table[:2],
        "net/flat": table.view(-1),
    }
    assert again(folder).save(1, weights, {}, {}) is None
    loaded = newest(again(folder))
    assert loaded.weights["net/stem"].data_ptr() == loaded.weights["net/head"].data_ptr()
    assert loaded.weights["net/part"].data_ptr() != loaded.weights["net/head"].data_ptr()
    assert same(loaded.weights, weights)
    document = json.loads((again(folder).path(1) / "manifest.json").read_bytes())
    assert document["files"]["weights.safetensors"]["aliases"] == {"net/stem": "net/head"}


def test_the_hashes_that_were_given_come_back(folder: Path) -> None:
    again(folder).save(1, *content(1), hashes={"data": "abc"})
    assert newest(again(folder)).hashes == {"data": "abc"}


def test_a_weight_that_is_not_finite_is_never_saved(folder: Path) -> None:
    checkpoints = saved(folder, 1)
    weights, trainer, state = content(2)
    for bad in (torch.tensor([1.0, torch.inf]), torch.tensor(torch.nan, dtype=torch.float8_e4m3fn)):
        with pytest.raises(DivergedError, match=r"'net/bias' is not finite after step 2.*000001"):
            checkpoints.save(2, {**weights, "net/bias": bad}, trainer, state)
    assert checkpoints.steps() == [1]


def test_a_step_that_is_saved_stays_as_it_is(folder: Path) -> None:
    checkpoints = saved(folder, 1)
    assert checkpoints.save(1, *content(9)) is None
    assert holds(newest(again(folder)), 1)


def test_a_saved_step_that_was_damaged_is_saved_anew(folder: Path) -> None:
    (saved(folder, 1).path(1) / "state.json").write_bytes(b"{}")
    assert again(folder).save(1, *content(1)) is None
    assert holds(newest(again(folder)), 1)


def test_an_older_step_is_not_saved_beside_a_newer_one(folder: Path) -> None:
    with pytest.raises(ValueError, match="load_newest comes first"):
        saved(folder, 5).save(4, *content(4))


def test_a_reader_writes_nothing(folder: Path) -> None:
    (saved(folder, 1, 2).path(2) / "state.json").write_bytes(b"{}")
    reader = Checkpoints(folder, RUN, owner=False, layer=Failing(1, errno.EACCES, forever=True))
    assert holds(newest(reader), 1)
    assert reader.steps() == [1, 2]
    with pytest.raises(ValueError, match="reader"):
        reader.save(3, *content(3))


# ---------------------------------------------------------------- retention


def test_the_newest_two_and_the_pinned_stay(folder: Path) -> None:
    checkpoints = saved(folder, 0, 1)
    for step in (2, 3, 4):
        checkpoints.save(step, *content(step), pinned=(1,))
    assert checkpoints.steps() == [1, 3, 4]
    assert {path.name[:5] for path in folder.iterdir()} == {"step-"}


def test_a_damaged_one_does_not_count_as_one_of_the_two(folder: Path) -> None:
    saved(folder, 1, 2)
    (again(folder).path(2) / "trainer.safetensors").write_bytes(b"")
    checkpoints = again(folder)
    checkpoints.save(3, *content(3))
    assert checkpoints.steps() == [1, 3]
    assert (folder / "damaged-step-000000000002").is_dir()
    assert "trainer.safetensors: has 0 bytes" in checkpoints.damaged[0]


def test_leftovers_of_a_kill_are_swept(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    for name in (".tmp-step-000000000003", ".del-step-000000000001"):
        (folder / name / "deep").mkdir(parents=True)
        (folder / name / "deep" / "link").symlink_to(outside)
    saved(folder, 2, 3)
    assert sorted(path.name[-1] for path in folder.iterdir()) == ["2", "3"]
    assert (outside / "precious").exists()


# ---------------------------------------------------------------- modelled crashes


def record(folder: Path, missing: str = "") -> Recorded:
    """Save seven steps; what the layer does is written down."""
    layer = Recorded(missing)
    checkpoints = Checkpoints(folder, RUN, layer=layer)
    for step in range(1, 8):
        layer.begin(step)
        assert checkpoints.save(step, *content(step)) is None
        layer.tell(step)
    return layer


def judge(root: Path, crash: Crash) -> str:
    """What is wrong with a state after a crash, in words."""
    sure = max(crash.acknowledged, default=None)
    try:
        loaded = again(root).load_newest()
    except NetwrightError as error:
        return f"lost: refused, {error.sentence}"
    if loaded is None:
        return "" if sure is None else f"lost: {sure} was acknowledged, and nothing is there"
    if sure is not None and loaded.step < sure:
        return f"lost: {sure} was acknowledged, and {loaded.step} is the newest"
    if loaded.step not in crash.begun or not holds(loaded, loaded.step):
        return f"wrong: what is used is not what was saved at {loaded.step}"
    return f"half: {loaded.damaged[0]}" if loaded.damaged else ""


def model(
    folder: Path, missing: str = "", *, torn: int = 9, until: str = ""
) -> tuple[int, list[str]]:
    """States of a recorded run of saves, and what is wrong with which."""
    disk = Disk(folder)
    return failures(crashes(record(folder, missing).ops, disk, torn=torn), folder, judge, until)


def test_no_crash_loses_what_was_acknowledged_or_shows_half_of_it(folder: Path) -> None:
    count, wrong = model(folder, torn=40)
    assert wrong == []
    assert count > 7000


MISSING = ["file sync", "folder sync", "parent sync", "atomic rename", "no buffer"]


@pytest.mark.parametrize("missing", MISSING)
def test_the_model_sees_what_is_missing(folder: Path, missing: str) -> None:
    _, wrong = model(folder, missing, until="half" if missing == "atomic rename" else "lost")
    assert wrong
    assert not any("wrong" in sentence for sentence in wrong), "the hashes still see it"


def test_the_model_sees_that_no_hash_is_checked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "check_hash", lambda *_: None)
    _, wrong = model(folder, "file sync", until="wrong")
    assert any("wrong" in sentence for sentence in wrong)


def test_the_model_sees_that_older_ones_go_before_the_new_one_is_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Checkpoints._write_verified

    def too_early(self: Checkpoints, step: int, content: Any) -> None:
        for old in self.steps():
            self._discard(old)
        write(self, step, content)

    monkeypatch.setattr(Checkpoints, "_write_verified", too_early)
    _, wrong = model(folder, until="lost")
    assert wrong


# ---------------------------------------------------------------- damage


def refused(folder: Path, name: str, data: bytes) -> str:
    """How a checkpoint with a changed file is refused; what is wrong in <>, if it is not."""
    path = folder / "step-000000000002" / name
    good = path.read_bytes()
    path.write_bytes(data)
    try:
        loaded = Checkpoints(folder, RUN, owner=False, layer=SWIFT).load_newest()
    except NetwrightError as error:
        return f"<{error}>"
    finally:
        path.write_bytes(good)
    if loaded is None or not loaded.damaged:
        return "<used>"
    return loaded.damaged[0] if holds(loaded, 1) else "<wrong>"


def changed(folder: Path) -> Iterator[tuple[str, bytes, str]]:
    """File, changed bytes, and what the refusal has to say."""
    for path in sorted((folder / "step-000000000002").iterdir()):
        good, name = path.read_bytes(), path.name
        own = name == "manifest.json"
        says = "manifest.json" if own else f"{name}: does not match its sha256 in the manifest"
        for place in range(0, len(good), 1 if len(good) < 100 else 7):
            bad = bytearray(good)
            bad[place] ^= 1 << place % 8
            yield name, bytes(bad), says
        for length in range(0, len(good), 1 if len(good) < 100 else 19):
            short = f"{name}: has {length} bytes and should have {len(good)}"
            yield name, good[:length], "manifest.json" if own else short
        longer = f"{name}: has {len(good) + 1} bytes and should have {len(good)}"
        yield name, good + b"\0", "manifest.json" if own else longer
        middle = len(good) // 2
        yield name, good[middle:] + good[:middle], says
        yield name, bytes(len(good)), says


def test_every_changed_byte_is_refused_in_a_sentence_and_the_older_one_is_used(
    folder: Path,
) -> None:
    saved(folder, 1, 2)
    cases = list(changed(folder))
    wrong = [(n, says) for n, data, says in cases if says not in refused(folder, n, data)]
    assert wrong == []
    assert len(cases) > 400


def test_without_the_check_of_sizes_or_hashes_the_damage_test_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(folder, 1, 2)
    cases = [case for case in changed(folder) if case[0] != "manifest.json"]
    for check in ("check_size", "check_hash"):
        with monkeypatch.context() as patch:
            patch.setattr(manifest, check, lambda *_: None)
            some = (
                cases[::9] if check == "check_hash" else [c for c in cases if " has " in c[2]][::9]
            )
            assert any(says not in refused(folder, n, data) for n, data, says in some)


def remove(path: Path) -> None:
    (path / "state.json").unlink()


def add(path: Path) -> None:
    (path / "extra").touch()


def link(path: Path) -> None:
    (path / "state.json").rename(path.parent / "state.json")
    (path / "state.json").symlink_to(path.parent / "state.json")


def pipe(path: Path) -> None:
    (path / "manifest.json").unlink()
    os.mkfifo(path / "manifest.json")


def a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.touch()


def other_step(path: Path) -> None:
    shutil.rmtree(path)
    shutil.copytree(path.parent / "step-000000000001", path)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (remove, "state.json: is missing"),
        (add, "extra: does not belong here"),
        (link, "state.json"),
        (pipe, "is no regular file"),
        (a_file, "is no folder"),
        (other_step, "is of step 1"),
        (shutil.rmtree, ""),
    ],
)
def test_other_damage_is_refused_too(
    folder: Path, damage: Callable[[Path], None], says: str
) -> None:
    path = saved(folder, 1, 2).path(2)
    damage(path)
    loaded = newest(again(folder))
    assert holds(loaded, 1)
    assert [says in sentence for sentence in loaded.damaged] == [True] * bool(says)
    assert (folder / "damaged-step-000000000002").exists() == bool(says)


def test_with_no_good_one_left_it_never_starts_from_zero(folder: Path) -> None:
    (saved(folder, 1).path(1) / "state.json").unlink()
    for _ in range(2):
        with pytest.raises(DamagedError, match="no good checkpoint is left") as raised:
            again(folder).load_newest()
        assert raised.value.code == 4


def forged(folder: Path, **fields: object) -> Path:
    """A newest checkpoint whose manifest says something else and is sealed again."""
    path = saved(folder, 1, 2).path(2)
    document = files.unseal((path / "manifest.json").read_bytes(), "")
    (path / "manifest.json").write_bytes(files.seal({**document, **fields}))  # type: ignore[dict-item]
    return path


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"schema": 2}, "made by a newer netwright: its schema is 2"),
        ({"run": "fedcba9876543210"}, "belongs to another run"),
    ],
)
def test_newer_and_foreign_ones_are_errors_and_no_reason_to_fall_back(
    folder: Path, fields: dict[str, object], says: str
) -> None:
    path = forged(folder, **fields)
    with pytest.raises(InputError, match=says):
        again(folder).load_newest()
    assert path.exists()


@pytest.mark.parametrize(
    "fields", [{"files": {}}, {"files": 3}, {"format": "other"}, {"schema": "1"}, {"step": 3}]
)
def test_a_manifest_that_was_forged_is_damage(folder: Path, fields: dict[str, object]) -> None:
    forged(folder, **fields)
    assert holds(newest(again(folder)), 1)


def test_tensors_that_the_manifest_does_not_list_are_refused(folder: Path) -> None:
    path = saved(folder, 1, 2).path(2)
    document = files.unseal((path / "manifest.json").read_bytes(), "")
    del document["files"]["weights.safetensors"]["tensors"]["net/bias"]
    (path / "manifest.json").write_bytes(files.seal(document))
    assert "other tensors than the manifest" in newest(again(folder)).damaged[0]


def test_a_folder_that_may_not_be_read_is_the_machine_s_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(folder, 1, 2)

    def forbidden(*_: object) -> bytes:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(files, "read", forbidden)
    with pytest.raises(MachineError, match="no permission"):
        again(folder).load_newest()


def test_a_reader_follows_when_the_owner_retires_what_it_reads(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = saved(folder, 1)
    read = manifest.read

    def overtaken(path: Path, step: int, run: str) -> manifest.Manifest:
        if step == 1:
            for later in (2, 3):
                owner.save(later, *content(later))
        return read(path, step, run)

    reader = Checkpoints(folder, RUN, owner=False, layer=SWIFT)
    with monkeypatch.context() as patch:
        patch.setattr(manifest, "read", overtaken)
        loaded = reader.load_newest()
    assert loaded is not None
    assert holds(loaded, 3)
    assert loaded.damaged == []


# ---------------------------------------------------------------- failing disks


def steps_of(folder: Path) -> int:
    """Operations of the save of step 3 after 1 and 2."""
    saved(folder, 1, 2)
    layer = Recorded()
    Checkpoints(folder, RUN, layer=layer).save(3, *content(3))
    return len([op for op in layer.ops if op[0] != "close"])


CODES = [errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT, errno.EACCES, 0]


@pytest.mark.parametrize("code", CODES, ids=lambda c: errno.errorcode.get(c, "short write"))
def test_an_operation_that_fails_costs_at_most_the_newest_save(tmp_path: Path, code: int) -> None:
    (count_in := tmp_path / "count").mkdir()
    failed = 0
    for number in range(1, steps_of(count_in) + 1):
        (folder := tmp_path / str(number)).mkdir()
        saved(folder, 1, 2)
        layer = Failing(number, code)
        checkpoints = Checkpoints(folder, RUN, layer=layer)
        try:
            error = checkpoints.save(3, *content(3))
        except MachineError as raised:
            assert code == errno.EACCES
            error = raised
        assert layer.failed
        failed += error is not None
        assert holds(newest(again(folder)), 2 if error else 3)
        assert checkpoints.save(4, *content(4)) is None
        assert holds(newest(again(folder)), 4)
    assert failed > 5


def test_a_failed_sync_is_written_anew_once(folder: Path) -> None:
    saved(folder, 1)
    layer = Failing(4, errno.EIO)  # mkdir, create, write, sync
    assert Checkpoints(folder, RUN, layer=layer).save(2, *content(2)) is None
    assert layer.failed
    assert holds(newest(again(folder)), 2)


def test_two_failures_in_a_row_stop_the_run_and_name_the_newest_good_one(tmp_path: Path) -> None:
    (folder := tmp_path / "checkpoints").mkdir()
    (tmp_path / ".run").mkdir()
    (reserve := tmp_path / ".run" / "reserve").write_bytes(b"0")
    saved(folder, 1)
    layer = Failing(0, errno.ENOSPC)
    checkpoints = Checkpoints(folder, RUN, layer=layer)
    assert checkpoints.load_newest() is not None

    def one_failure(step: int) -> MachineError | None:
        layer.left = 2
        return checkpoints.save(step, *content(step))

    first = one_failure(2)
    assert first is not None
    assert "the disk is full" in first.sentence
    assert not reserve.exists()
    assert [path.name for path in folder.iterdir()] == ["step-000000000001"]
    layer.left = 0
    assert checkpoints.save(3, *content(3)) is None, "and one that succeeds starts the count anew"
    assert one_failure(4) is not None
    with pytest.raises(MachineError, match="newest good checkpoint is step-000000000003") as raised:
        one_failure(5)
    assert raised.value.code == 3
    assert holds(newest(again(folder)), 3)


def test_a_save_that_reads_back_changed_is_not_acknowledged(folder: Path) -> None:
    class Rotten(Swift):
        def rename(self, old: Path, new: Path) -> None:
            super().rename(old, new)
            if new.name.startswith("step-"):
                (new / "state.json").write_bytes(b"{}")

    saved(folder, 1)
    error = Checkpoints(folder, RUN, layer=Rotten()).save(2, *content(2))
    assert error is not None
    assert "reads back changed" in error.sentence
    assert holds(newest(again(folder)), 1)


def test_a_run_that_could_never_save_does_not_start(folder: Path) -> None:
    class Small(Swift):
        def free(self, folder: Path) -> int:
            return 64 << 20

    with pytest.raises(MachineError, match="free disk are needed"):
        Checkpoints(folder, RUN, layer=Small()).save(0, *content(0))


# ---------------------------------------------------------------- for real, in another process

SCRIPT = """
import json, os, resource, sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
import torch
from faults import Killing
from test_checkpoint import RUN, again, content, holds
from netwright.train.checkpoint import Checkpoints

def kill_at(number):
    folder = Path(sys.argv[3], str(number))
    folder.mkdir()
    read, write = os.pipe()
    if not os.fork():
        checkpoints = Checkpoints(folder, RUN, layer=Killing(number))
        for step in (1, 2, 3):
            checkpoints.save(step, *content(step))
            os.write(write, bytes([step]))
        os._exit(0)
    os.close(write)
    said = b""
    while more := os.read(read, 9):
        said += more
    killed = os.wait()[1] == 9
    loaded = again(folder).load_newest()
    step = loaded.step if loaded else 0
    good = loaded is None or holds(loaded, step) and not loaded.damaged
    return [max(said, default=0) <= step and good, killed]

def limit():
    folder = Path(sys.argv[3], "limit")
    folder.mkdir()
    checkpoints = again(folder)
    checkpoints.save(1, *content(1))
    weights, trainer, state = content(2)
    large = dict(weights, large=torch.zeros(100_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    error = checkpoints.save(2, large, trainer, state)
    names = sorted(path.name for path in folder.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    after = checkpoints.save(3, large, trainer, state)
    return [str(error), names, str(after), checkpoints.steps()]

kills = []
while not kills or kills[-1][1]:
    kills.append(kill_at(len(kills) + 1))
print(json.dumps({"kills": kills, "limit": limit()}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What happened in a process of its own, which is killed in many places."""
    pytest.importorskip("resource", reason="no limits and no forks here")
    here = Path(__file__)
    folders = [here.parents[1], here.parent, tmp_path_factory.mktemp("killed")]
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, *map(str, folders)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=250)
    return json.loads(done.stdout)


def test_a_process_killed_at_each_operation_loses_nothing(told: Any) -> None:
    assert all(good for good, _ in told["kills"])
    assert len(told["kills"]) > 50


def test_a_real_limit_on_file_size_costs_one_save(told: Any) -> None:
    error, names, after, steps = told["limit"]
    assert "larger than the system allows" in error
    assert (names, after, steps) == (["step-000000000001"], "None", [1, 3])
