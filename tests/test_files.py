"""Files that are whole or not there, JSON that reads back, and one owner."""

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from faults import Crash, Disk, Failing, Recorded, Swift, crashes, failures
from netwright import files
from netwright.errors import BusyError, DamagedError, InputError, MachineError

SWIFT = Swift()
quick = settings(derandomize=True, deadline=None, max_examples=100)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---------------------------------------------------------------- whole or not there


def test_replace_binds_the_name_to_all_of_the_new_bytes(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    for data in (b"old", b"", os.urandom(10_000), np.arange(6.0).reshape(2, 3), np.zeros((0, 3))):
        files.replace(path, data)
        assert path.read_bytes() == bytes(data)
    assert names(tmp_path) == ["status.json"]


def judge(root: Path, crash: Crash) -> str:
    path = root / "status.json"
    number = int(path.read_bytes().split(b" ")[0] or -1) if path.exists() else -1
    whole = number < 0 or path.read_bytes() == status(number)
    lost = max(crash.acknowledged, default=-1) > number
    return "half" if not whole else "lost" if lost else ""


def status(number: int) -> bytes:
    return b"%d " % number * (30 + number)


def model(folder: Path, missing: str = "", until: str = "") -> tuple[int, list[str]]:
    """States of five replacements, and what is wrong with which."""
    disk, layer = Disk(folder), Recorded(missing)
    for number in range(5):
        files.replace(folder / "status.json", status(number), layer)
        layer.tell(number)
    return failures(crashes(layer.ops, disk, torn=30), folder, judge, until)


def test_no_crash_shows_half_a_replaced_file_or_loses_it(tmp_path: Path) -> None:
    count, wrong = model(tmp_path)
    assert wrong == []
    assert count > 900


@pytest.mark.parametrize(
    ("missing", "seen"),
    [
        ("file sync", "half"),
        ("no buffer", "half"),
        ("parent sync", "lost"),
        ("atomic rename", "lost"),
    ],
)
def test_the_model_sees_what_replace_leaves_out(tmp_path: Path, missing: str, seen: str) -> None:
    assert model(tmp_path, missing, seen)[1]


WHY = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than the system allows",
    errno.EIO: "the disk failed",
    errno.EACCES: "there is no permission",
    0: "the disk is full",
}


@pytest.mark.parametrize("code", WHY)
def test_an_operation_that_fails_is_told_and_the_old_file_stays(tmp_path: Path, code: int) -> None:
    path = tmp_path / "status.json"
    files.replace(path, b"old", SWIFT)
    for number in range(1, 6):  # create, write, sync, rename, sync folder
        with pytest.raises(MachineError) as raised:
            files.replace(path, b"new bytes", Failing(number, code))
        assert WHY[code] in raised.value.sentence
        assert str(tmp_path) in raised.value.sentence
        assert "\n" not in raised.value.sentence
        assert raised.value.code == 3
        assert path.read_bytes() == (b"new bytes" if number == 5 else b"old")
        assert names(tmp_path) == ["status.json"]


@pytest.mark.parametrize(("number", "kind"), [(3, files.UnsyncedError), (5, files.UnsyncedError)])
def test_a_failed_sync_says_that_what_was_written_counts_as_lost(
    tmp_path: Path, number: int, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match="could not be brought to the disk"):
        files.replace(tmp_path / "a", b"a", Failing(number, errno.EIO))


def test_other_errors_of_the_system_are_ours_and_pass(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.replace(tmp_path / "no" / "where", b"")


def test_what_is_written_once_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    files.write_new(path, b"first")
    with pytest.raises(FileExistsError):
        files.write_new(path, b"second")
    assert path.read_bytes() == b"first"


def test_create_follows_no_link_and_takes_no_name_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "link", b"")
    assert not (tmp_path / "target").exists()


def test_publish_renames_a_folder_but_never_onto_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / ".tmp-a").mkdir()
    (tmp_path / "a").mkdir()
    with pytest.raises(FileExistsError):
        files.publish(tmp_path / ".tmp-a", tmp_path / "a")
    (tmp_path / "a").rmdir()
    files.publish(tmp_path / ".tmp-a", tmp_path / "a")
    assert names(tmp_path) == ["a"]


def test_remove_takes_links_and_never_what_they_point_at(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "old" / "deep").mkdir(parents=True)
    (tmp_path / "old" / "deep" / "link").symlink_to(tmp_path / "precious")
    files.remove(tmp_path / "old")
    assert names(tmp_path) == ["precious"]


def test_folders_are_made_with_their_parents_and_only_once(tmp_path: Path) -> None:
    files.make_folder(tmp_path / "a" / "b" / "c")
    with pytest.raises(FileExistsError):
        files.make_folder(tmp_path / "a" / "b" / "c")
    with pytest.raises(MachineError, match="no permission"):
        files.make_folder(tmp_path / "d", Failing(1, errno.EACCES))


def test_a_file_system_that_cannot_sync_folders_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert files.sync_folder(tmp_path) is True

    def cannot(descriptor: int) -> None:
        raise OSError(errno.EINVAL, "invalid")

    monkeypatch.setattr(os, "fsync", cannot)
    assert files.sync_folder(tmp_path) is False


def test_read_refuses_what_is_no_regular_file_or_too_large(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    assert files.read(tmp_path / "file", 5) == b"12345"
    with pytest.raises(DamagedError, match="5 bytes, over the limit of 4"):
        files.read(tmp_path / "file", 4)
    for name in ("link", "pipe", "."):
        with pytest.raises(DamagedError, match="no regular file"):
            files.read(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "none")


def test_the_trace_of_a_bug_goes_to_the_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path / "new"))
    paths = [files.write_crash("trace \udc80"), files.write_crash("other")]
    assert paths[0] is not None
    assert paths[0].read_text() == "trace \\udc80"
    assert len(set(paths)) == 2
    (tmp_path / "file").touch()
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path / "file"))
    assert files.write_crash("nowhere to write it") is None


# ---------------------------------------------------------------- JSON

texts = st.text(st.characters(), max_size=20)
leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts
numbers = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    leaves | numbers, lambda v: st.lists(v, max_size=4) | st.dictionaries(texts, v, max_size=4)
)


@quick
@given(values)
@example({"\ud83d\ude00": "\udc80", "": [[], {}, -0.0, 5e-324, 1.7976931348623157e308]})
def test_what_is_written_reads_back_equal(value: Any) -> None:
    data = files.dumps(value)
    back = files.loads(data, "x")
    assert files.dumps(back) == data
    assert back == json.loads(json.dumps(value))
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1


@quick
@given(st.dictionaries(texts, leaves, max_size=6), st.randoms(use_true_random=False))
def test_equal_values_give_equal_bytes_whatever_their_order(value: Any, rng: Any) -> None:
    shuffled = list(value.items())
    rng.shuffle(shuffled)
    assert files.dumps(dict(shuffled)) == files.dumps(value)


@quick
@given(st.floats())
def test_every_float_comes_back_by_number(value: float) -> None:
    back = files.number(files.loads(files.dumps(value), "x"))
    assert back == value or (math.isnan(back) and math.isnan(value))
    assert math.copysign(1, back) == math.copysign(1, value) or math.isnan(value)


@pytest.mark.parametrize("value", [2**53 + 1, -(2**64), 2**200])
def test_integers_beyond_53_bits_are_written_as_digits(value: int) -> None:
    assert files.loads(files.dumps(value), "x") == str(value)


@pytest.mark.parametrize("value", [{1: 2}, b"", {1, 2}, object(), np.float32(1)])
def test_what_is_not_json_is_our_mistake(value: Any) -> None:
    with pytest.raises(TypeError):
        files.dumps(value)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_nesting_ends_at_32_levels() -> None:
    assert files.loads(files.dumps(nested(32)), "x") == nested(32)
    with pytest.raises(ValueError, match="32"):
        files.dumps(nested(33))
    for levels in (33, 100_000):
        with pytest.raises(DamagedError):
            files.loads(b"[" * levels + b"]" * levels, "x")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"a":1,"a":1}', "a key stands twice"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[1e999]", "too large"),
        (b"[\n1,]", "x:2:"),
        (b"\xff", "utf-8"),
        (b"", "x:1:1: "),
        (b"1 2", "Extra data"),
        (b"9" * 5000, "4300"),
        (b"\xef\xbb\xbf1", "BOM"),
    ],
)
def test_json_that_we_never_write_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(DamagedError, match="is not the JSON that netwright writes") as raised:
        files.loads(data, "x")
    assert says in raised.value.sentence


@settings(quick, max_examples=300)
@given(st.binary(max_size=40) | st.text('[]{}",:0123456789.eE+-\\untrfalsNI ', max_size=30))
def test_any_bytes_are_read_as_the_library_does_or_refused(data: bytes | str) -> None:
    data = data.encode() if isinstance(data, str) else data
    try:
        value = files.loads(data, "x")
    except DamagedError:
        return
    assert value == json.loads(data.decode())


@quick
@given(st.dictionaries(texts.filter("sha256".__ne__), values, max_size=4), st.data())
def test_a_sealed_document_opens_and_any_changed_byte_is_seen(value: Any, data: Any) -> None:
    sealed = files.seal(value)
    assert files.unseal(sealed, "x") == files.loads(files.dumps(value), "x")
    bad = bytearray(sealed)
    bad[data.draw(st.integers(0, len(bad) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for damaged in (bytes(bad), sealed[: data.draw(st.integers(0, len(sealed) - 1))], sealed * 2):
        with pytest.raises(DamagedError):
            files.unseal(damaged, "x")


def test_a_newer_document_is_not_damaged_but_newer() -> None:
    files.readable({"format": "f", "schema": 1}, "f", 1, "x")
    with pytest.raises(InputError, match="made by a newer netwright"):
        files.readable({"format": "f", "schema": 2}, "f", 1, "x")
    for other in ({}, {"format": "g", "schema": 1}, {"format": "f", "schema": "2"}):
        with pytest.raises(DamagedError, match="is not a f"):
            files.readable(other, "f", 1, "x")


def test_lines_are_read_without_a_torn_last_one_and_a_bad_one_is_named() -> None:
    assert files.parse_lines(b'{"n":0}\n{"n":1}\n{"n"', "x") == [{"n": 0}, {"n": 1}]
    assert files.parse_lines(b"", "x") == []
    for bad in (b'{"n":0}\n{"n\n{"n":2}\n', b'{"n":0}\n\n', b'{"n":0}\n[]\n'):
        with pytest.raises(DamagedError) as raised:
            files.parse_lines(bad, "x.jsonl")
        assert raised.value.line == 2
        assert "x.jsonl:2" in raised.value.sentence


# ---------------------------------------------------------------- one owner

OWNER = """
import os, sys
from pathlib import Path
from netwright.files import Lock
lock = Lock(Path(sys.argv[1]))
if "orphan" in sys.argv and os.fork() == 0:
    sys.stdin.read()  # lives on, as a data worker may, until the test lets it go
    os._exit(0)
print("owned", flush=True)
if "orphan" in sys.argv:
    os.kill(os.getpid(), 9)
sys.stdin.read()
"""


def owner(folder: Path, *how: str) -> "subprocess.Popen[bytes]":
    """Another process that has taken the lock."""
    command = [sys.executable, "-W", "ignore", "-c", OWNER, str(folder), *how]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"owned\n"
    return other


def end(other: "subprocess.Popen[bytes]") -> None:
    for pipe in (other.stdin, other.stdout):
        assert pipe is not None
        pipe.close()
    other.wait()


def test_a_second_process_is_refused_and_told_who_the_owner_is(tmp_path: Path) -> None:
    other = owner(tmp_path)
    with pytest.raises(BusyError, match=f"is in use by process {other.pid}") as raised:
        files.Lock(tmp_path)
    assert raised.value.code == 5
    (tmp_path / "owner.json").write_bytes(b"{broken")
    with pytest.raises(BusyError, match="another process"):
        files.Lock(tmp_path)
    other.kill()
    end(other)
    files.Lock(tmp_path).release()


def test_a_dead_owner_does_not_block_even_when_its_worker_lives_on(tmp_path: Path) -> None:
    other = owner(tmp_path, "orphan")
    assert other.wait() == -9
    lock = files.Lock(tmp_path)
    end(other)
    lock.release()


def test_the_same_process_is_refused_and_keeps_its_lock(tmp_path: Path) -> None:
    lock = files.Lock(tmp_path)
    with pytest.raises(BusyError, match="already open in this process"):
        files.Lock(tmp_path)
    code = (
        f"from pathlib import Path; from netwright.files import Lock; Lock(Path({str(tmp_path)!r}))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert b"BusyError" in other.stderr
    lock.release()
    lock.release()
    files.Lock(tmp_path).release()


def test_a_lock_that_cannot_be_told_of_is_given_back(tmp_path: Path) -> None:
    class Locked(Failing):
        def lock(self, descriptor: int) -> None:
            self._count()

    for number, code in ((1, errno.EACCES), (2, errno.ENOLCK), (3, errno.ENOSPC)):
        with pytest.raises(MachineError):
            files.Lock(tmp_path, Locked(number, code))
    files.Lock(tmp_path).release()
