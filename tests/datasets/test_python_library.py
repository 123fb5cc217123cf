"""The Python library: offline, split by file, and what is missing is named."""

import platform
import sysconfig
from pathlib import Path

import pytest
import torch

from netwright.codecs import Words
from netwright.datasets.base import Data
from netwright.datasets.python_library import MODULES, PythonLibraryConfig, dataset
from netwright.errors import InputError
from netwright.specs import Text


@pytest.fixture(scope="module")
def data() -> Data:
    return dataset.open(PythonLibraryConfig())


def text_of(data: Data) -> Text:
    column = data.schema.columns["text"]
    assert isinstance(column, Text)
    return column


def spoken(data: Data, part: str) -> str:
    symbols = data.parts[part].gather(torch.arange(len(data.parts[part])))["text"]
    return text_of(data).codec.decode(symbols.tolist())


def source(names: tuple[str, ...]) -> str:
    root = Path(sysconfig.get_path("stdlib"))
    return "".join((root / f"{name}.py").read_text("utf-8") for name in names)


def test_every_module_is_there_and_in_one_part() -> None:
    names = [name for part in MODULES.values() for name in part]
    assert len(names) == len(set(names))
    assert 40 <= len(names) <= 50


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_parts_are_the_sources_of_their_files(data: Data, part: str) -> None:
    assert spoken(data, part) == source(MODULES[part])


def test_it_is_of_a_size_to_learn_from(data: Data) -> None:
    sizes = {part: len(p) for part, p in data.parts.items()}
    assert 1_200_000 < sizes["train"] < 1_600_000
    assert all(50_000 < sizes[part] < 100_000 for part in ("validation", "test"))


def test_symbols_are_characters_and_the_version_is_told(data: Data) -> None:
    assert text_of(data).codec.kind == "characters"
    assert text_of(data).length == 128
    assert text_of(data).start == text_of(data).codec.encode("\n")[0]
    assert data.notes == (f"sources of Python {platform.python_version()}",)


def test_held_out_parts_have_a_hundred_blocks(data: Data) -> None:
    for part in ("validation", "test"):
        count = len(data.parts[part])
        units = data.parts[part].gather(torch.arange(count))["document"]
        assert len(units.unique()) == 100
        assert bool((units.diff() >= 0).all())


def test_words_are_another_choice() -> None:
    column = text_of(dataset.open(PythonLibraryConfig(codec="words", most=500)))
    assert isinstance(column.codec, Words)
    assert column.codec.size == 502


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of a few short modules, in place of Python's own."""
    for name in ("argparse", "json/decoder", "textwrap", "cmd"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"# {name}: cmd textwrap\n" * 20, "utf-8")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    return tmp_path


def test_modules_that_are_missing_are_named(library: Path) -> None:
    data = dataset.open(PythonLibraryConfig())
    assert spoken(data, "train").count("\n") == 40
    assert "ast, asyncio/tasks" in data.notes[1]
    assert data.notes[1].endswith("plistlib, sched")
    assert "argparse" not in data.notes[1]


def test_a_python_without_sources_is_refused(library: Path) -> None:
    (library / "cmd.py").unlink()
    with pytest.raises(InputError, match="no module of the test part is there") as caught:
        dataset.open(PythonLibraryConfig())
    assert "--data PATH" in caught.value.do


def test_foreign_text_is_read_as_its_symbols(data: Data, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("def f():\n", "utf-8")
    ((name, batch),) = dataset.read(data.schema, [path])
    assert name == str(path)
    assert text_of(data).codec.decode(batch["text"][0].tolist()) == "def f():\n"
