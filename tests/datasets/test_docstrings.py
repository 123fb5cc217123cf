"""Docstrings of the standard library: what is in it, and that it is the same every time."""

import sysconfig
from pathlib import Path
from typing import cast

import pytest
import torch

from netwright.datasets.base import Data, Ragged
from netwright.datasets.docstrings import PACKAGES, DocstringsConfig, dataset
from netwright.errors import InputError
from netwright.specs import Labels, Text


@pytest.fixture(scope="module")
def data() -> Data:
    return dataset.open(DocstringsConfig())


def test_each_package_is_a_class_with_enough_texts(data: Data) -> None:
    assert cast("Labels", data.schema.columns["label"]).names == tuple(sorted(PACKAGES))
    parts = [cast("Ragged", p) for p in data.parts.values()]
    counts = sum(torch.bincount(p.columns["label"], minlength=len(PACKAGES)) for p in parts)
    assert int(torch.as_tensor(counts).min()) >= 90
    assert 1_900 <= sum(map(len, parts)) <= 4_000


def test_the_split_is_70_15_15(data: Data) -> None:
    total = sum(map(len, data.parts.values()))
    assert len(data.parts["validation"]) == len(data.parts["test"]) == round(0.15 * total)


def test_a_text_is_a_docstring_in_words(data: Data) -> None:
    part = cast("Ragged", data.parts["train"])
    codec = cast("Text", data.schema.columns["text"]).codec
    text = codec.decode(part.flat[: int(part.lengths[0])].tolist())
    assert text == text.lower()
    assert len(text.split()) >= 4


def test_the_note_names_the_python(data: Data) -> None:
    assert any(note.startswith("docstrings of Python 3.") for note in data.notes)


def test_lines_of_a_file_can_be_classified(data: Data, tmp_path: Path) -> None:
    file = tmp_path / "in.txt"
    file.write_text("Return the transport of the loop.\n", "utf-8")
    ((name, batch),) = dataset.read(data.schema, [file])
    assert name == f"{file}:1"
    assert batch["lengths"].tolist() == [7]


def test_sources_in_a_folder_of_tests_are_no_part_and_nothing_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in PACKAGES:
        folder = tmp_path / package / "tests"
        folder.mkdir(parents=True)
        (folder / "a.py").write_text('"""These are words of a test."""\n', "utf-8")
        lines = [f'def f{i}():\n    """One of {package} is {i}."""\n' for i in range(8)]
        lines.append('def g():\n    """Too short."""\nraise SystemExit\n')
        (tmp_path / package / "m.py").write_text("".join(lines), "utf-8")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    assert sum(map(len, dataset.open(DocstringsConfig()).parts.values())) == 8 * len(PACKAGES)


def test_a_python_without_sources_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(InputError, match="without the sources"):
        dataset.open(DocstringsConfig())
