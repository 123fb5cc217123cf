"""Docstrings: which package of the standard library a docstring is from. Works offline.

The sources that come with Python are parsed, never run or imported. Each docstring of a module,
class, function or method with at least four words is one text, its package the label. A docstring
may name its own package, which makes such a text easy: nothing is taken out, so that the texts are
what people wrote. Texts and figures differ a little between versions of Python; a note names the
version.
"""

import ast
import platform
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast, final

from pydantic import Field

from netwright.datasets import _splits
from netwright.datasets._labelled import CodecName, Sample, assemble, read_texts
from netwright.datasets.base import Data, Dataset
from netwright.errors import InputError
from netwright.specs import Batch, Frozen, Schema

PACKAGES = (
    *("asyncio", "email", "http", "importlib", "logging"),
    *("multiprocessing", "unittest", "urllib", "xml"),
)
"""Those with about a hundred docstrings or more in every Python from 3.11 to 3.13."""
LEAST = 4
"""Words of a docstring."""
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class DocstringsConfig(Frozen):
    """How the docstrings are split and read."""

    validation: _splits.Share = 0.15
    """Number or share of all texts."""
    test: _splits.Share = 0.15
    """Number or share of all texts."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the split."""
    codec: CodecName = "words"
    """What a symbol is."""
    lower: bool = True
    """Whether upper case is lost; words only."""
    minimum: int = Field(default=2, ge=1)
    """Times that a word must occur in training; rarer ones become `<unk>`."""
    most: int = Field(default=30_000, ge=1)
    """Words that are kept, the most frequent ones."""
    length: int = Field(default=128, ge=2)
    """Symbols after which a text is cut."""


@final
class Docstrings(Dataset):
    """Docstrings of the standard library by their package."""

    Config = DocstringsConfig
    task = "text-classification"

    def open(self, config: Frozen) -> Data:
        """Parse and split; InputError where Python came without its sources."""
        root = Path(sysconfig.get_path("stdlib"))
        samples = [sample for name in PACKAGES for sample in _package(root, name)]
        note = f"docstrings of Python {platform.python_version()}; some name their own package"
        return assemble({"train": samples}, cast("DocstringsConfig", config), notes=[note])

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Lines of text files and rows of tables, split into words as in training."""
        return read_texts(schema, inputs)


def _package(root: Path, name: str) -> Iterator[Sample]:
    """The docstrings of a package, files in order of their names; its own tests are no part."""
    files = [
        file
        for file in sorted((root / name).rglob("*.py"))
        if not {"test", "tests"} & set(file.relative_to(root).parts)
    ]
    if not files:
        raise InputError(
            f"the sources of the package '{name}' are not there",
            why="this Python came without the sources of its standard library",
            do="use a Python with them, or own texts by --data FILE.csv",
            file=root / name,
        )
    for file in files:
        place = file.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, Documented):
                text = ast.get_docstring(node) or ""
                if len(text.split()) >= LEAST:
                    yield Sample(text, name, place, getattr(node, "lineno", 1))


dataset = Docstrings()
