import gzip
import os
import random
from pathlib import Path

import pytest

from netwright.datasets._bounded import FREE, opened
from netwright.errors import InputError, MachineError


def test_a_plain_and_a_packed_file_read_alike(tmp_path: Path) -> None:
    content = random.Random(0).randbytes(2_500_000)
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "packed").write_bytes(gzip.compress(content))
    for name, packed in (("plain", False), ("packed", True)):
        with opened(tmp_path / name, tmp_path) as source:
            assert source.packed is packed
            assert source.take(3) == content[:3]
            assert source.take(10**9) == content[3:]
            assert source.read(1) == b""


def test_a_plain_file_knows_how_much_is_left(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"12345")
    with opened(tmp_path / "plain", tmp_path) as source:
        source.take(2)
        assert source.left == 3


def test_a_bomb_stops_at_its_limit(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(8 * FREE)))
    with pytest.raises(InputError) as caught, opened(bomb, tmp_path) as source:
        source.take(8 * FREE)
    assert caught.value.code == 2
    assert str(caught.value) == (
        f"{bomb}: the file unpacks to more than 200 times its size: "
        "so small a file that grows so much is made to fill the memory"
        "\ntry: expansion=2000, if you trust it"
    )
    with opened(bomb, tmp_path, expansion=2000) as source:
        assert len(source.take(9 * FREE)) == 8 * FREE


def test_a_short_file_may_pack_well(tmp_path: Path) -> None:
    (tmp_path / "zeros.gz").write_bytes(gzip.compress(bytes(500_000)))
    with opened(tmp_path / "zeros.gz", tmp_path) as source:
        assert len(source.take(10**6)) == 500_000


def test_no_more_than_the_most_is_read(tmp_path: Path) -> None:
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(os.urandom(5000)))
    with pytest.raises(InputError) as caught, opened(packed, tmp_path, most=1000) as source:
        source.take(5000)
    assert str(caught.value) == f"{packed}: the file holds more than 1,000 bytes"


@pytest.mark.parametrize("damage", ["cut", "flipped", "tail"])
def test_damaged_gzip_is_refused(tmp_path: Path, damage: str) -> None:
    raw = bytearray(gzip.compress(bytes(range(256)) * 10))
    if damage == "cut":
        del raw[-12:]
    elif damage == "flipped":
        raw[-6] ^= 1
    else:
        raw += b"more"
    file = tmp_path / "x.gz"
    file.write_bytes(raw)
    with pytest.raises(InputError) as caught, opened(file, tmp_path) as source:
        source.take(10**6)
    assert caught.value.code == 2
    assert str(caught.value) == (
        f"{file}: the file cannot be unpacked: its gzip data is damaged or cut short"
        "\ntry: get the file again"
    )


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside").write_bytes(b"x")
    (root / "inside").write_bytes(b"y")
    (root / "bad").symlink_to(tmp_path / "outside")
    (root / "good").symlink_to(root / "inside")
    with opened(root / "good", root) as source:
        assert source.read() == b"y"
    with pytest.raises(InputError) as caught, opened(root / "bad", root):
        pass
    assert str(caught.value) == (
        f"{root / 'bad'}: the file is a link that leads out of the folder given"
        "\ntry: give the folder in which the file itself lies"
    )


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        path = tmp_path / name
        with pytest.raises(InputError) as caught, opened(path, tmp_path):
            pass
        assert str(caught.value) == (
            f"{path}: a folder, pipe or device stands where a file is read"
        )


def test_a_file_that_is_not_there_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"), opened(tmp_path / "x", tmp_path):
        pass


def test_a_file_that_cannot_be_opened_is_the_machines_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    file = tmp_path / "x"
    file.write_bytes(b"x")
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(MachineError) as caught, opened(file, tmp_path):
        pass
    assert caught.value.code == 3
    assert str(caught.value) == f"{file}: the file cannot be read: Permission denied"


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"12345")

    def changed() -> None:
        with opened(file, tmp_path) as source:
            source.take(2)
            file.write_bytes(b"123456")

    with pytest.raises(InputError) as caught:
        changed()
    assert str(caught.value) == (
        f"{file}: the file changed while it was read\ntry: try again when it is written"
    )
