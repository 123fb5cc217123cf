"""Penn Treebank: Mikolov's Wall Street Journal text of 10,000 words, in its official parts.

Source: Marcus, Santorini and Marcinkiewicz 1993; prepared by Mikolov et al. 2010 (lower case,
numbers as `N`, rare words as `<unk>`), sections 0-20, 21-22 and 23-24. With an `<eos>` for each
line, one of the 10,000 words, the parts have 929,589, 73,760 and 82,430 words; perplexities count
it. Lines follow each other as in the newspaper, so that a state may be carried across them. The
text is licensed: it is not downloaded, but read where it lies.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast, final

from pydantic import Field

from netwright.datasets import _streams
from netwright.datasets._documents import Document
from netwright.datasets._reading import read_text
from netwright.datasets._streams import Coding
from netwright.datasets.base import Data, Dataset
from netwright.errors import InputError
from netwright.specs import Batch, Frozen, Schema

FILES = {"train": "ptb.train.txt", "validation": "ptb.valid.txt", "test": "ptb.test.txt"}
"""Each may be packed, with `.gz` behind its name."""
COUNTS = {"train": 929_589, "validation": 73_760, "test": 82_430}
"""Words of the official files, `<eos>` included."""
LINES = 50
"""Of a block, the unit of paired intervals."""


class PennTreebankConfig(Frozen):
    """Where the files lie."""

    path: Path
    """Folder of ptb.train.txt, ptb.valid.txt and ptb.test.txt, or of the same packed by gzip."""
    length: int = Field(default=64, ge=2)
    """Words that a network reads at once."""


@final
class PennTreebank(Dataset):
    """Words of a newspaper."""

    Config = PennTreebankConfig
    task = "text-generation"

    def open(self, config: Frozen) -> Data:
        """Read and encode; InputError names the file that is missing or cannot be read."""
        config = cast("PennTreebankConfig", config)
        files = {part: _found(config.path, name) for part, name in FILES.items()}
        parts = {part: _blocks(file, config.path) for part, file in files.items()}
        coding = Coding(length=config.length, codec="words", minimum=1, most=_streams.ALL)
        data = _streams.stream_data(parts, coding, file=config.path)
        counts = {part: len(stream) for part, stream in data.parts.items()}
        if counts == COUNTS:
            return data
        listed = ", ".join(f"{count:,}" for count in counts.values())
        note = f"these are not the official files: they hold {listed} words, not "
        note += ", ".join(f"{count:,}" for count in COUNTS.values())
        return Data(data.schema, data.parts, data.fingerprint, (*data.notes, note))

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Foreign texts by file, `text` (1, n); words that are not known are `<unk>`."""
        return _streams.read_streams(schema, inputs)

    def fits(self, path: Path) -> bool:
        """Whether all three files lie in the folder."""
        return path.is_dir() and all(_candidate(path, name) for name in FILES.values())


def _candidate(folder: Path, name: str) -> Path | None:
    both = (folder / name, folder / f"{name}.gz")
    return next((file for file in both if file.is_file()), None)


def _found(folder: Path, name: str) -> Path:
    if file := _candidate(folder, name):
        return file
    wanted = f"the folder of {', '.join(FILES.values())}"
    if not folder.is_dir():
        there = "this is a file" if folder.exists() else "there is no such folder"
        raise InputError(there, why=f"{wanted} is read", do="path=FOLDER", file=folder)
    raise InputError(
        f"{name} is not in this folder",
        why="nor is it there packed as .gz",
        do=f"give {wanted}",
        file=folder,
    )


def _blocks(file: Path, root: Path) -> list[Document]:
    lines = read_text(file, root).removesuffix("\n").split("\n")
    starts = range(0, len(lines), LINES)
    return [Document("\n".join(lines[i : i + LINES]) + "\n", str(file), line=i + 1) for i in starts]


dataset = PennTreebank()
