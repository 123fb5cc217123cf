"""What is made is written as PNG, WAV, CSV and Parquet, and nothing else is touched."""

import csv
import io
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from netwright import made
from netwright.errors import InputError
from netwright.made import makes_files, write
from netwright.tasks.base import Answer, Exhibit


def picture(name: str, count: int = 1, channels: int = 1, value: float = 0.5) -> Answer:
    pictures = torch.full((count, channels, 6, 5), value)
    return Answer(name, {}, made=Exhibit("picture", name, {"pictures": pictures}))


def sound(name: str, count: int = 1) -> Answer:
    sounds = torch.linspace(-1, 0.5, 100).expand(count, 100)
    return Answer(name, {}, made=Exhibit("sound", name, {"sound": sounds}, {"rate": ("8000",)}))


def rows(*cells: list[object], columns: tuple[str, ...] = ("a", "b")) -> Answer:
    return Answer("rows", {"columns": list(columns), "rows": list(cells)})


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())))


def read_csv(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))


def test_pictures_are_written_one_by_one_and_on_a_sheet(tmp_path: Path) -> None:
    written = write([picture("00000"), picture("00001", channels=1)], tmp_path / "new" / "out")
    folder = tmp_path / "new" / "out"
    assert [p.relative_to(folder).as_posix() for p in written] == [
        "00000.png",
        "00001.png",
        "sheet.png",
    ]
    assert names(folder) == ["00000.png", "00001.png", "sheet.png"]
    assert pixels(folder / "00000.png").tolist() == [[128] * 5] * 6
    assert pixels(folder / "sheet.png").shape == (6, 11, 2)


def test_one_picture_has_no_sheet_and_several_of_one_answer_are_numbered(tmp_path: Path) -> None:
    write([picture("one", channels=3)], tmp_path / "a")
    assert names(tmp_path / "a") == ["one.png"]
    assert pixels(tmp_path / "a" / "one.png").shape == (6, 5, 3)
    write([picture("many", count=3)], tmp_path / "b")
    assert names(tmp_path / "b") == ["many-000.png", "many-001.png", "many-002.png", "sheet.png"]


def test_a_sheet_holds_only_so_many_pictures_of_one_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made, "TILES", 4)
    write([picture("a", count=3), picture("c", channels=3), picture("b", count=3)], tmp_path)
    assert pixels(tmp_path / "sheet.png").shape == (13, 11, 2)


def test_sounds_are_written_as_16_bits(tmp_path: Path) -> None:
    write([sound("s"), sound("t", 2)], tmp_path)
    assert names(tmp_path) == ["s.wav", "t-000.wav", "t-001.wav"]
    with wave.open(str(tmp_path / "s.wav")) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnframes()) == (8000, 2, 100)
        found = np.frombuffer(file.readframes(100), "<i2")
    assert (found[0], found[-1]) == (-32_768, 16_384)


def test_rows_are_one_file_with_empty_cells_left_empty(tmp_path: Path) -> None:
    (path,) = write([rows([1, "x"], [None, 'so, "it"\nis'], [2.5, None])], tmp_path)
    assert path.name == "rows.csv"
    assert read_csv(path) == [["a", "b"], ["1", "x"], ["", 'so, "it"\nis'], ["2.5", ""]]


CELLS = st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=9), st.text())
def test_rows_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[object, object]], name: str
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    (path,) = write([rows(*map(list, cells), columns=(name, "b"))], folder)

    def read(text: str, cell: object) -> object:
        if cell is None:
            return text or None
        if isinstance(cell, str):
            return text if text == cell else text.removeprefix("'")
        return type(cell)(text)

    found = read_csv(path)
    wanted = [(name, "b"), *cells]
    assert [tuple(map(read, a, b)) for a, b in zip(found, wanted, strict=True)] == wanted


def test_a_row_of_one_empty_cell_is_a_row(tmp_path: Path) -> None:
    (path,) = write([rows([None], [1], columns=("a",))], tmp_path)
    assert path.read_text() == 'a\n""\n1\n'


@pytest.mark.parametrize("word", ["=1+1", "+cmd", "-x", "@SUM(A1)", "\tx", "\r=1"])
def test_what_a_spreadsheet_would_run_becomes_a_text(tmp_path: Path, word: str) -> None:
    (path,) = write([rows([word, "-1.5"], [-2, "plain"], columns=(word, "b"))], tmp_path)
    found = read_csv(path)
    assert found[0][0] == found[1][0] == f"'{word}"
    assert (found[1][1], found[2]) == ("-1.5", ["-2", "plain"])


def test_parquet_keeps_kinds_and_empty_cells(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    cells = ([1, "x", 0.5, 1], [None, None, 2, "y"], [3, "=z", None, None])
    (path,) = write([rows(*cells, columns=("i", "w", "f", "mixed"))], tmp_path, "parquet")
    assert path.name == "rows.parquet"
    assert parquet.read_table(path).to_pydict() == {
        "i": [1, None, 3],
        "w": ["x", None, "=z"],
        "f": [0.5, 2.0, None],
        "mixed": ["1", "y", None],
    }


def test_parquet_without_pyarrow_names_what_to_install_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match="pyarrow is not installed") as told:
        write(never(), tmp_path / "out", "parquet")
    assert told.value.do == "pip install netwright[tables]"
    assert not (tmp_path / "out").exists()


def never() -> Iterator[Answer]:
    """Answers that nobody should ask for."""
    raise AssertionError
    yield


def test_a_folder_that_holds_something_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds files already") as told:
        write(never(), tmp_path)
    assert told.value.do == "another folder: --out"
    with pytest.raises(InputError, match="no folder"):
        write(never(), tmp_path / "notes.txt")
    assert names(tmp_path) == ["notes.txt"]


def test_an_answer_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    def refused() -> Iterator[Answer]:
        raise InputError("no class 'x'")
        yield

    with pytest.raises(InputError, match="no class"):
        write(refused(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_has_no_file_is_refused(tmp_path: Path) -> None:
    odd = Answer("m", {}, made=Exhibit("map", "m", {"map": torch.eye(2)}))
    for answer in (Answer("1", {"text": "so"}), odd):
        with pytest.raises(InputError, match="nothing to be kept in files"):
            write([answer], tmp_path)
    for answer in (picture("p"), sound("s")):
        with pytest.raises(InputError, match="a form of rows"):
            write([answer], tmp_path, "csv")
    with pytest.raises(InputError, match="nearest is 'parquet'"):
        write([rows([1, 2])], tmp_path, "parket")
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["../../out", "/etc/x", "a/b", "..", ".hidden", "", "a\x00b", "é"])
def test_no_name_leaves_the_folder(tmp_path: Path, name: str) -> None:
    (path,) = write([sound(name)], tmp_path / "out")
    assert path.parent == tmp_path / "out"
    assert path.is_file()
    assert names(tmp_path) == ["out"]
    assert not path.name.startswith(".")


def test_two_things_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two things are called"):
        write([sound("a"), sound("A")], tmp_path)


def test_what_is_kept_in_files_is_told_from_what_is_printed() -> None:
    assert makes_files(picture("p"))
    assert makes_files(rows([1, 2]))
    assert not makes_files(Answer("1", {"text": "so"}))
