"""Logs that grow by whole lines and go back to a mark."""

import errno
from pathlib import Path

import pytest

from faults import Failing, Swift
from netwright.errors import DamagedError, MachineError
from netwright.train.log import EMPTY, Log, Mark

SWIFT = Swift()


def filled(path: Path, *numbers: int) -> Log:
    log = Log(path, SWIFT)
    for number in numbers:
        log.append({"n": number})
    return log


def test_lines_are_counted_and_hashed_across_openings(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = filled(path, 0, 1)
    assert (log.lines, log.length, log.torn) == (2, path.stat().st_size, 0)
    log.close()
    again = filled(path, 2)
    assert again.lines == 3
    assert again.after(again.mark()) == b""
    assert again.after(EMPTY) == path.read_bytes() == b'{"n":0}\n{"n":1}\n{"n":2}\n'


def test_a_torn_last_line_is_cut_off_when_the_log_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"n":0}\n{"n')
    log = filled(path, 1)
    assert log.torn == 3
    assert path.read_bytes() == b'{"n":0}\n{"n":1}\n'


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, 0])
def test_a_line_that_cannot_be_written_is_cut_back_to_whole_lines(
    tmp_path: Path, code: int
) -> None:
    path = tmp_path / "log"
    filled(path, 0).close()
    layer = Failing(2, code)  # extend, write
    log = Log(path, layer)
    with pytest.raises(MachineError, match="cannot be written"):
        log.append({"n": 1})
    assert path.read_bytes() == b'{"n":0}\n'
    layer.left = 0
    log.append({"n": 2})
    assert path.read_bytes() == b'{"n":0}\n{"n":2}\n'
    assert log.after(log.mark()) == b""


def test_rewinding_takes_away_the_lines_after_the_mark(tmp_path: Path) -> None:
    log = filled(tmp_path / "log", 0, 1)
    mark = log.mark()
    log.append({"n": 2})
    assert log.after(mark) == b'{"n":2}\n'
    log.rewind(mark)
    assert (log.mark(), log.lines) == (mark, 2)
    log.append({"n": 9})
    assert (tmp_path / "log").read_bytes() == b'{"n":0}\n{"n":1}\n{"n":9}\n'


@pytest.mark.parametrize(
    ("damaged", "says"),
    [
        (b'{"n":0}\n', "log: has 8 bytes, fewer than the checkpoint's 16"),
        (b'{"n":0}\n{"n:1}\n', "log:2:"),
        (b'{"n":0}\n{"n":7}\n', "log: was changed after the checkpoint recorded its sha256"),
        (b"", "log: has 0 bytes"),
    ],
)
def test_lines_before_the_mark_that_are_not_what_they_were_are_damage(
    tmp_path: Path, damaged: bytes, says: str
) -> None:
    mark = filled(tmp_path / "log", 0, 1).mark()
    (tmp_path / "log").write_bytes(damaged)
    with pytest.raises(DamagedError) as raised:
        Log(tmp_path / "log", SWIFT).rewind(mark)
    assert raised.value.sentence.startswith(says)
    assert raised.value.code == 4


def test_a_mark_beyond_the_end_is_damage(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="fewer than"):
        filled(tmp_path / "log", 0).rewind(Mark(1 << 40, ""))
