"""Documents: texts and where they stand, cut by line or position, dealt to parts; text files."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from netwright.datasets._reading import place_of
from netwright.datasets.base import PARTS
from netwright.errors import InputError

SUFFIXES = (".txt", ".md", ".text")
"""Of text files, before `.gz`."""
FILES = 1_000_000


@dataclass(frozen=True, slots=True)
class Document:
    """A text, and where it stands in a file."""

    text: str
    file: str
    line: int = 1
    column: int = 1

    def place(self, at: int) -> tuple[int, int]:
        """Line and column in the file of the character at `at`."""
        line, column = place_of(self.text, at)
        return self.line + line - 1, column + (self.column - 1 if line == 1 else 0)

    def lines(self) -> Iterator["Document"]:
        """Each line that holds a text; those that hold none go with the one before."""
        begin, line = 0, self.line
        for match in re.finditer(r"\n(?=[^\S\n]*\S)", self.text):
            yield Document(self.text[begin : match.end()], self.file, line)
            line += self.text.count("\n", begin, match.end())
            begin = match.end()
        yield Document(self.text[begin:], self.file, line)


def cut(documents: Iterable[Document], places: Iterable[int]) -> Iterator[Document]:
    """The same text with a cut at each place, which counts characters from the beginning."""
    wanted, begin = sorted(places, reverse=True), 0
    for document in documents:
        rest = document
        while wanted and wanted[-1] < begin + len(rest.text):
            at = wanted.pop() - begin
            if at > 0:
                yield replace(rest, text=rest.text[:at])
                line, column = rest.place(at)
                rest, begin = Document(rest.text[at:], rest.file, line, column), begin + at
        yield rest
        begin += len(rest.text)


def ends(characters: int, validation: float, test: float) -> dict[str, int]:
    """Where each part ends, by shares of the characters; training first, test last."""
    last = characters - round(test * characters)
    return {
        "train": last - round(validation * characters),
        "validation": last,
        "test": characters,
    }


def dealt(documents: Iterable[Document], until: Mapping[str, int]) -> dict[str, list[Document]]:
    """Each document in the part in which it begins."""
    parts: dict[str, list[Document]] = {part: [] for part in until}
    begin = 0
    for document in documents:
        part = next((part for part, end in until.items() if begin < end), PARTS[-1])
        parts[part].append(document)
        begin += len(document.text)
    return parts


def is_text(path: Path) -> bool:
    """Whether it is a text by its name, packed or not."""
    name = path.name.lower().removesuffix(".gz")
    return name.endswith(SUFFIXES) and name[0] != "."


def text_files(folder: Path) -> list[Path]:
    """The text files below a folder, sorted by name; InputError if there is none."""
    found: list[Path] = []
    for file in folder.rglob("*"):
        if is_text(file) and file.is_file() and not _hidden(file.relative_to(folder)):
            found.append(file)
            if len(found) > FILES:
                raise InputError(f"the folder holds more than {FILES:,} files", file=folder)
    if not found:
        raise InputError(
            "the folder holds no text",
            why=f"{', '.join(SUFFIXES)} are read, packed by gzip or not",
            do="name a file, or rename its files to .txt",
            file=folder,
        )
    return sorted(found, key=lambda file: file.relative_to(folder).as_posix())


def _hidden(path: Path) -> bool:
    return any(part[0] == "." for part in path.parts)
