"""Python library: modules of Python's own standard library, as a text. Works offline.

The sources are read as text, never run or imported. Split by file: the first ones train, and no
file lies in two parts. Texts and figures differ a little between versions of Python; a note names
the version.
"""

import platform
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast, final

from pydantic import Field

from netwright.datasets import _streams
from netwright.datasets._documents import Document
from netwright.datasets._reading import read_text
from netwright.datasets._streams import CodecName, Coding
from netwright.datasets.base import Data, Dataset
from netwright.errors import InputError
from netwright.specs import Batch, Frozen, Schema

MODULES = {
    "train": (
        *("argparse", "ast", "asyncio/tasks", "base64", "bdb", "calendar", "collections/__init__"),
        *("contextlib", "csv", "dataclasses", "enum", "fractions", "functools", "getopt"),
        *("heapq", "http/client", "json/decoder", "json/encoder", "logging/__init__"),
        *(
            "mimetypes",
            "optparse",
            "os",
            "pickle",
            "pprint",
            "random",
            "selectors",
            "shlex",
            "shutil",
        ),
        *("smtplib", "socket", "string", "tempfile", "threading", "timeit", "tokenize"),
        *("traceback", "weakref"),
    ),
    "validation": ("copy", "fnmatch", "queue", "textwrap", "uuid"),
    "test": ("cmd", "gettext", "plistlib", "sched"),
}
"""Those that every Python from 3.11 to 3.13 has, written in Python."""


class PythonLibraryConfig(Frozen):
    """What a symbol is."""

    codec: CodecName = "auto"
    """What a symbol is. `auto`: a character, where at most 4,096 differ in the training part and
    the others hold no further one; else a byte."""
    lower: bool = _streams.LOWER
    """Whether upper case is lost; words only."""
    minimum: int = Field(default=_streams.MINIMUM, ge=1)
    """Times that a word must occur in training; rarer ones become `<unk>`."""
    most: int = Field(default=_streams.MOST, ge=2)
    """Words that are kept, the most frequent ones."""
    vocabulary: int = Field(default=_streams.VOCABULARY, ge=256, le=1 << 20)
    """Symbols of `codec: bpe` at most, 256 bytes included."""
    length: int = Field(default=128, ge=2)
    """Symbols that a network reads at once."""


@final
class PythonLibrary(Dataset):
    """The sources that come with Python."""

    Config = PythonLibraryConfig
    task = "text-generation"

    def open(self, config: Frozen) -> Data:
        """Read and encode; InputError where Python came without its sources."""
        config = cast("PythonLibraryConfig", config)
        root = Path(sysconfig.get_path("stdlib"))
        absent: list[str] = []
        parts = {part: list(_documents(root, names, absent)) for part, names in MODULES.items()}
        if empty := [part for part, documents in parts.items() if not documents]:
            raise InputError(
                f"no module of the {empty[0]} part is there",
                why="this Python came without the sources of its standard library",
                do="use a Python with them, or own text by --data PATH",
                file=root,
            )
        notes = [f"sources of Python {platform.python_version()}"]
        if absent:
            notes.append(f"modules that are not there: {', '.join(absent)}")
        coding = Coding(
            length=config.length,
            codec=config.codec,
            lower=config.lower,
            minimum=config.minimum,
            most=config.most,
            vocabulary=config.vocabulary,
        )
        return _streams.stream_data(parts, coding, file=root, notes=notes)

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Foreign texts by file, `text` (1, n)."""
        return _streams.read_streams(schema, inputs)


def _documents(root: Path, names: Sequence[str], absent: list[str]) -> Iterator[Document]:
    """The modules that are there; the others are added to `absent`."""
    for name in names:
        file = root / f"{name}.py"
        if file.is_file() and file.stat().st_size:
            yield Document(read_text(file), str(file))
        else:
            absent.append(name)


dataset = PythonLibrary()
