"""Text: own text, in one file or in a folder of files, cut into parts by position.

The beginning trains, what follows validates, the end tests: the two are cut off as shares of the
characters. So the parts are the same whatever a symbol is. Files are UTF-8, UTF-16 with a mark or
GBK, packed by gzip or not.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, cast, final

from pydantic import Field

from netwright.datasets import _streams
from netwright.datasets._bounded import EXPANSION, opened
from netwright.datasets._documents import Document, cut, dealt, ends, is_text, text_files
from netwright.datasets._reading import decoded, read_text
from netwright.datasets._streams import CodecName, Coding
from netwright.datasets.base import Data, Dataset
from netwright.errors import InputError, NetwrightError
from netwright.specs import Batch, Frozen, Schema

LOOKED = 4_096
"""Bytes of a file, or files of a folder, that are looked at to tell whether it is a text."""


class TextConfig(Frozen):
    """Where the text lies, what a symbol is, and how much of it is held out."""

    path: Path
    """A file, or a folder of .txt, .md or .text files, each a document, in order of names."""
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
    documents: Literal["stream", "lines"] = "stream"
    """What a document is: a file, which a cut may part; or a line, which none does."""
    validation: float = Field(default=0.05, gt=0, lt=1)
    """Share of the characters."""
    test: float = Field(default=0.05, gt=0, lt=1)
    """Share of the characters."""
    expansion: int = Field(default=EXPANSION, ge=1)
    """By how much a packed file may grow."""


@final
class TextFiles(Dataset):
    """Own text."""

    Config = TextConfig
    task = "text-generation"
    files = "a text file or a folder of them"

    def open(self, config: Frozen) -> Data:
        """Read, cut and encode; InputError names file, line, column and the reason."""
        config = cast("TextConfig", config)
        if config.validation + config.test >= 1:
            raise InputError(
                f"validation={config.validation} and test={config.test} take all of the text",
                do="validation=0.05 test=0.05",
            )
        documents, notes = _documents(config)
        total = sum(len(d.text) for d in documents)
        until = ends(total, config.validation, config.test)
        if config.documents == "lines":
            documents = [line for d in documents for line in d.lines()]
        else:
            documents = list(cut(documents, until.values()))
        coding = Coding(
            length=config.length,
            codec=config.codec,
            lower=config.lower,
            minimum=config.minimum,
            most=config.most,
            vocabulary=config.vocabulary,
        )
        parts = dealt(documents, until)
        return _streams.stream_data(parts, coding, file=config.path, notes=notes)

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Foreign texts by file, `text` (1, n)."""
        return _streams.read_streams(schema, inputs)

    def fits(self, path: Path) -> bool:
        """Whether it is a text by its name or its first bytes, or a folder that holds one."""
        if path.is_dir():
            return any(is_text(file) for file in islice(path.rglob("*"), LOOKED))
        return path.is_file() and (is_text(path) or _reads(path))


def _reads(path: Path) -> bool:
    try:
        with opened(path, path.resolve().parent) as source:
            head = bytes(source.take(LOOKED))
    except NetwrightError:
        return False
    # what is looked at may end within a character, of four bytes at most
    return any(_is_decoded(head[: len(head) - less], path) for less in range(4))


def _is_decoded(head: bytes, path: Path) -> bool:
    try:
        return bool(decoded(head, path).strip())
    except InputError:
        return False


def _documents(config: TextConfig) -> tuple[list[Document], list[str]]:
    """The file, or those of the folder, each with a line's end; and what was left out."""
    if not config.path.exists():
        raise InputError("there is no such file or folder", file=config.path)
    if not config.path.is_dir():
        text = read_text(config.path, expansion=config.expansion)
        return [_held(Document(text, str(config.path)))], []
    files = text_files(config.path)
    full = [file for file in files if file.stat().st_size]
    found = []
    for file in full:
        text = read_text(file, config.path, expansion=config.expansion)
        found.append(Document(text if text.endswith("\n") else f"{text}\n", str(file)))
    if not any(d.text.strip() for d in found):
        raise InputError("the files of this folder hold no text", file=config.path)
    empty = len(files) - len(full)
    return found, [f"empty files that were left out: {empty:,}"] if empty else []


def _held(document: Document) -> Document:
    if not document.text.strip():
        raise InputError("the file holds nothing but white space", file=document.file)
    return document


dataset = TextFiles()
