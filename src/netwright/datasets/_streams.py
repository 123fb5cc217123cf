"""Texts made into streams of symbols: codec, parts, units of the intervals; and foreign texts.

One sample is one symbol. Parts are cut by position, so that no window lies in two of them.
Dimensions: n symbols of a part.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor

from netwright.codecs import END, AnyCodec, BytePairs, Bytes, Characters, Words
from netwright.datasets import _splits
from netwright.datasets._documents import Document, text_files
from netwright.datasets._reading import read_text
from netwright.datasets.base import PARTS, Data, Tensors
from netwright.errors import InputError, shown
from netwright.specs import Batch, Schema, Text

CodecName = Literal["auto", "characters", "bytes", "words", "bpe"]
LOWER, MINIMUM, MOST, VOCABULARY = False, 2, 30_000, 2_048
"""Defaults of what a `Coding` says of words and of byte pairs."""
ALL = 1 << 31
"""As many words as there are."""
DISTINCT = 4_096
"""Characters that may differ where `auto` takes characters."""
UNITS, FEWEST = 100, 20
"""Blocks of a part without documents of its own; documents that make blocks needless."""
PIECE = 1 << 20
"""Characters that are encoded at once, so that memory follows the symbols and not their lists."""
BREAK = re.compile(r"(?<=\S)\n(?=\S)")
"""Where a text may be cut and encoded piece by piece: to no codec does it make a difference."""


@dataclass(frozen=True, slots=True)
class Coding:
    """What a symbol is."""

    length: int
    codec: CodecName = "auto"
    lower: bool = LOWER
    minimum: int = MINIMUM
    most: int = MOST
    vocabulary: int = VOCABULARY


def stream_data(
    parts: Mapping[str, Sequence[Document]],
    coding: Coding,
    *,
    file: Path,
    notes: Iterable[str] = (),
) -> Data:
    """The data set of three parts, `text` and `document` of each symbol; codec by the first.

    `file` is where they come from, for what is refused. `document` counts the units of paired
    intervals: the documents of a part that has at least 20, else up to 100 equal blocks, each a
    window long or longer.

    Raises:
        InputError: a part without more than `coding.length` symbols; one symbol or one word only; a
            character outside training that `codec: characters` does not know, with its place; an
            option that says nothing about the codec.
    """
    _meant(coding)
    codec, note = _codec(parts, coding)
    found = {part: _encoded(documents, codec) for part, documents in parts.items()}
    _long_enough({part: len(text) for part, (text, _) in found.items()}, codec, coding.length, file)
    _varied(found["train"][0], codec, coding, file)
    made = {
        part: Tensors({"text": text, "document": _units(counts, coding.length)})
        for part, (text, counts) in found.items()
    }
    column = Text(codec=codec, length=coding.length, start=_start(codec))
    schema = Schema(columns={"text": column})
    said = torch.frombuffer(bytearray(schema.model_dump_json().encode()), dtype=torch.uint8)
    mark = _splits.fingerprint({"schema": Tensors({"schema": said}), **made})
    return Data(schema, made, mark, (*notes, note) if note else tuple(notes))


def _meant(coding: Coding) -> None:
    unused = {"words": {"vocabulary"}, "bpe": {"lower", "minimum", "most"}}
    every = {"lower": LOWER, "minimum": MINIMUM, "most": MOST, "vocabulary": VOCABULARY}
    for name, default in every.items():
        if getattr(coding, name) != default and name in unused.get(coding.codec, every):
            other = "bpe" if name == "vocabulary" else "words"
            raise InputError(
                f"{name}={getattr(coding, name)} says nothing about codec={coding.codec}",
                do=f"codec={other}, or leave {name} out",
            )


def _codec(parts: Mapping[str, Sequence[Document]], coding: Coding) -> tuple[AnyCodec, str]:
    """The codec, and a sentence where `auto` took bytes."""
    train = [piece for d in parts["train"] for piece in _pieces(d.text)]
    match coding.codec:
        case "words":
            return Words.of(train, lower=coding.lower, minimum=coding.minimum, most=coding.most), ""
        case "bpe":
            return BytePairs.of(train, coding.vocabulary), ""
        case "bytes":
            return Bytes(), ""
    seen = set().union(*map(set, train))
    error = _unseen((d for part in PARTS[1:] for d in parts[part]), seen)
    if coding.codec == "characters":
        if error:
            raise error
    elif len(seen) > DISTINCT:
        most = f"more than {DISTINCT:,} that codec: auto takes"
        return (
            Bytes(),
            f"the symbols are bytes: the training part has {len(seen):,} characters, {most}",
        )
    elif error:
        return Bytes(), f"the symbols are bytes: {error.sentence}"
    return Characters.of("".join(seen)), ""


def _unseen(documents: Iterable[Document], known: set[str]) -> InputError | None:
    """The error about the first character that is not known, if there is one."""
    for document in documents:
        if new := set(document.text) - known:
            at = min(map(document.text.index, new))
            line, column = document.place(at)
            return InputError(
                f"the character '{shown(document.text[at])}' never occurs in training",
                do="codec: bytes, which knows all characters; or remove it",
                file=document.file,
                line=line,
                column=column,
            )
    return None


def _pieces(text: str) -> Iterator[str]:
    begin = 0
    while len(text) - begin > PIECE and (match := BREAK.search(text, begin + PIECE)):
        yield text[begin : match.end()]
        begin = match.end()
    yield text[begin:]


def _symbols(text: str, codec: AnyCodec) -> list["np.ndarray[tuple[int], np.dtype[np.int32]]"]:
    return [np.array(codec.encode(piece), dtype=np.int32) for piece in _pieces(text)]


def _encoded(documents: Sequence[Document], codec: AnyCodec) -> tuple[Tensor, Tensor]:
    """The symbols (n,) of all documents, and how many each has."""
    found, counts = [], []
    for document in documents:
        rows = _symbols(document.text, codec)
        found += rows
        counts.append(sum(map(len, rows)))
    whole = np.concatenate(found) if found else np.zeros(0, dtype=np.int32)
    return torch.from_numpy(whole), torch.tensor(counts, dtype=torch.int64)


def _units(counts: Tensor, length: int) -> Tensor:
    """(n,): the unit of each symbol."""
    if len(counts) >= FEWEST:
        return torch.arange(len(counts), dtype=torch.int32).repeat_interleave(counts)
    number = int(counts.sum())
    blocks = min(UNITS, max(FEWEST, number // length), number)
    return (torch.arange(number) * blocks // number).to(torch.int32)


def _start(codec: AnyCodec) -> int | None:
    """The symbol that stands before the first one."""
    match codec:
        case Words():
            return codec.words.index(END)
        case Characters():
            return codec.symbols.index("\n") if "\n" in codec.symbols else None
        case _:
            return ord("\n")


def _long_enough(counts: Mapping[str, int], codec: AnyCodec, length: int, file: Path) -> None:
    part = min(counts, key=lambda part: counts[part])
    if counts[part] > length:
        return
    unit = {"bpe": "byte pairs"}.get(codec.kind, codec.kind)
    train, *others = (f"{count:,} in {name}" for name, count in counts.items())
    listed = ", ".join((train.replace(" ", f" {unit} ", 1), *others))
    most = counts[part] - 1
    raise InputError(
        f"the {part} part is not longer than a window of length={length:,}",
        why=f"there are {listed}",
        do=f"length={1 << most.bit_length() - 1}, or more text" if most >= 2 else "more text",
        file=file,
    )


def _varied(train: Tensor, codec: AnyCodec, coding: Coding, file: Path) -> None:
    """InputError where there is nothing to learn."""
    kinds = train.unique()
    if isinstance(codec, Words) and codec.size <= 3:
        words = f"only one word, '{shown(codec.words[-1])}'" if codec.size == 3 else "no word"
        raise InputError(
            f"the training part holds {words} at least {coding.minimum:,} times",
            why="to tell words apart takes two",
            do="minimum=1, codec=characters or more text",
            file=file,
        )
    if len(kinds) < 2:
        raise InputError(
            f"the training part holds one symbol only, '{shown(codec.decode(kinds.tolist()))}'",
            why="to tell symbols apart takes two",
            do="give another text",
            file=file,
        )


def read_streams(schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
    """Foreign texts by file, `text` (1, n); of a folder, its text files in order of their names.

    Raises: InputError where one cannot be read, or holds a character that the codec never saw.
    """
    codec = cast("Text", schema.columns["text"]).codec
    for path in inputs:
        root = path if path.is_dir() else None
        for file in text_files(path) if root else (path,):
            text = read_text(file, root)
            known = set(codec.symbols) if isinstance(codec, Characters) else set(text)
            if error := _unseen([Document(text, str(file))], known):
                raise error
            symbols = np.concatenate(_symbols(text, codec))
            if not len(symbols):
                raise InputError("the file holds no word", do="give a text", file=file)
            yield str(file), {"text": torch.from_numpy(symbols)[None]}
