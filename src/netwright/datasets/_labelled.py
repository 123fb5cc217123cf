"""Labelled texts made into a data set: parts, codec, symbols; and foreign texts read the same way.

What a codec reads is made of a text here alone, so that training and `predict` cannot differ.
Dimensions: n texts, t symbols of the longest, rounded up to a multiple of 8.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, cast

import torch
from torch import Tensor

from netwright.codecs import AnyCodec, Bytes, Characters, Words
from netwright.datasets import _splits
from netwright.datasets._reading import read_text
from netwright.datasets._table_columns import KNOWN, asked, pick
from netwright.datasets._table_rows import form_of, read_table
from netwright.datasets.base import PARTS, Data, Quarantined, Ragged, Tensors, ragged
from netwright.errors import InputError, nearest, shown
from netwright.specs import Batch, Labels, Schema, Text

CodecName = Literal["words", "characters", "bytes"]
UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Kana and Chinese characters, which are written without spaces: each counts as a word."""
WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+|[^\w\s]")
LEAST = 20
"""Texts of a training part."""
EMPTY = 0
"""The symbol that stands for a text without any; among words it is `<unk>`."""
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """A text, its label, and where it stands."""

    text: str
    label: str
    file: str = ""
    line: int | None = None


class Options(Protocol):
    """What the configuration of a data set of labelled texts says."""

    @property
    def validation(self) -> _splits.Share: ...
    @property
    def test(self) -> _splits.Share: ...
    @property
    def seed(self) -> int: ...
    @property
    def codec(self) -> CodecName: ...
    @property
    def lower(self) -> bool: ...
    @property
    def minimum(self) -> int: ...
    @property
    def most(self) -> int: ...
    @property
    def length(self) -> int: ...


def words(text: str, *, lower: bool) -> str:
    """Words, numbers and single signs between single spaces."""
    return " ".join(WORD.findall(text.lower() if lower else text))


def encode(text: str, codec: AnyCodec, length: int) -> tuple[list[int], bool]:
    """The first `length` symbols of a text, at least one, and whether there were more.

    Characters that the codec does not know are left out.
    """
    if isinstance(codec, Words):
        text = words(text, lower=codec.lower)
    return _encode_prepared(text, codec, length)


def _encode_prepared(text: str, codec: AnyCodec, length: int) -> tuple[list[int], bool]:
    if isinstance(codec, Characters):
        known = set(codec.symbols)
        text = "".join(c for c in text if c in known)
    symbols = codec.encode(text) or [EMPTY]
    return symbols[:length], len(symbols) > length


def assemble(
    official: Mapping[str, Sequence[Sample]],
    options: Options,
    *,
    file: Path | str = "",
    notes: Iterable[str] = (),
    quarantine: Sequence[Quarantined] = (),
) -> Data:
    """The data set of `train` and the other official parts; those missing are cut from `train`.

    A share is one of the samples of `train`. The codec comes from what is left to train on.

    Raises:
        InputError: fewer than 20 texts, one class, a label that is not among those of `train`, no
            text of a class left to train on.
    """
    names = _names(official["train"], file)
    _all_known(official, names)
    index = {name: i for i, name in enumerate(names)}
    if options.codec == "words":
        official = {
            part: [replace(s, text=words(s.text, lower=options.lower)) for s in samples]
            for part, samples in official.items()
        }
    parts = _cut(official, index, options, file)
    codec = _codec([s.text for s in parts["train"]], options)
    column = Text(codec=codec, length=options.length, start=None)
    schema = Schema(columns={"text": column, "label": Labels(names=names)})
    made: dict[str, Ragged] = {}
    long = 0
    for part in PARTS:
        coded = [_encode_prepared(s.text, codec, options.length) for s in parts[part]]
        long += sum(more for _, more in coded)
        labels = torch.tensor([index[s.label] for s in parts[part]], dtype=torch.long)
        made[part] = ragged("text", [symbols for symbols, _ in coded], {"label": labels})
    total = sum(map(len, parts.values()))
    told = [*notes, *_doubles(official), *_conflicts(parts)]
    told += _absent(parts, names)
    if long:
        unit = {"words": "words and signs"}.get(options.codec, options.codec)
        told.append(f"{long:,} of {total:,} texts were cut after {options.length:,} {unit}")
    return Data(
        schema=schema,
        parts=made,
        fingerprint=_fingerprint(schema, made),
        notes=tuple(told),
        quarantine=tuple(quarantine),
        found=total + len(quarantine),
    )


def _names(samples: Sequence[Sample], file: Path | str) -> tuple[str, ...]:
    """The labels of the training part: by number where all are numbers, else by name."""
    if len(samples) < LEAST:
        raise InputError(
            f"there are {len(samples):,} texts with a label to train on, and {LEAST} are the least",
            do="add rows",
            file=file,
        )
    names = sorted({s.label for s in samples})
    if len(names) < 2:
        raise InputError(
            f"there is only one class, '{shown(names[0])}'",
            why="to tell classes apart takes two",
            do="name the right column by --columns label=...",
            file=file,
        )
    if all(re.fullmatch(r"-?\d{1,18}", name, re.ASCII) for name in names):
        names.sort(key=lambda name: (int(name), name))
    return tuple(names)


def _all_known(official: Mapping[str, Sequence[Sample]], names: tuple[str, ...]) -> None:
    known = set(names)
    for part, samples in official.items():
        for sample in samples:
            if sample.label not in known:
                raise InputError(
                    f"label '{shown(sample.label)}' of the {part} part is not in the training part",
                    why=f"it has {len(names)} classes",
                    near=nearest(sample.label, names),
                    do="correct the row, or add rows of this class to the training part",
                    file=sample.file,
                    line=sample.line,
                )


def _cut(
    official: Mapping[str, Sequence[Sample]],
    index: Mapping[str, int],
    options: Options,
    file: Path | str,
) -> dict[str, Sequence[Sample]]:
    """All parts; test is cut first, both stratified, equal texts in one part."""
    total = len(official["train"])
    parts, rest = dict(official), list(official["train"])
    sizes: dict[str, int] = {}
    for part, share in (("test", options.test), ("validation", options.validation)):
        if part not in official:
            sizes[part] = max(1, round(share * total)) if isinstance(share, float) else share
    if sum(sizes.values()) >= total:
        raise InputError(
            f"{' and '.join(sizes)} take all of the {total:,} texts",
            do="validation=0.1 test=0.2",
            file=file,
        )
    for part, size in sizes.items():
        held = _held(rest, index, size, options, part, file)
        parts[part] = [s for s, keep in zip(rest, held, strict=True) if keep]
        rest = [s for s, keep in zip(rest, held, strict=True) if not keep]
    left = {s.label for s in rest}
    for name in index:
        if name not in left:
            raise InputError(
                f"class '{shown(name)}' has no text left to train on",
                why="all of its texts went to the other parts; equal ones stay together",
                do="add rows, or hold out fewer by test=0.1 validation=0.1",
                file=file,
            )
    return {"train": rest, "validation": parts["validation"], "test": parts["test"]}


def _held(
    samples: Sequence[Sample],
    index: Mapping[str, int],
    size: int,
    options: Options,
    part: str,
    file: Path | str,
) -> list[bool]:
    """Which samples to hold out. Classes of fewer than three different texts stay to train on."""
    marks = [hashlib.blake2b(s.text.encode(), digest_size=16).digest() for s in samples]
    different: dict[str, set[bytes]] = defaultdict(set)
    for sample, mark in zip(samples, marks, strict=True):
        different[sample.label].add(mark)
    rare = {mark for found in different.values() if len(found) < 3 for mark in found}
    places = [i for i, mark in enumerate(marks) if mark not in rare]
    labels = torch.tensor([index[samples[i].label] for i in places], dtype=torch.long)
    held = [False] * len(samples)
    try:
        drawn = _splits.stratified(labels, [marks[i] for i in places], size, options.seed)
    except InputError as error:
        raise InputError(
            f"no {part} part can be cut from these {len(samples):,} texts",
            why="equal texts stay in one part, and too few of these differ",
            do="add rows",
            file=file,
        ) from error
    for i, keep in zip(places, drawn.tolist(), strict=True):
        held[i] = keep
    return held


def _codec(texts: Sequence[str], options: Options) -> AnyCodec:
    match options.codec:
        case "characters":
            return Characters.of("".join(set().union(*texts)) or " ")
        case "bytes":
            return Bytes()
        case "words":
            return Words.of(texts, lower=options.lower, minimum=options.minimum, most=options.most)


def _doubles(official: Mapping[str, Sequence[Sample]]) -> Iterator[str]:
    known = {s.text for s in official["train"]}
    for part in ("validation", "test"):
        samples = official.get(part, ())
        if found := sum(s.text in known for s in samples):
            verb = "equals" if found == 1 else "equal"
            yield (
                f"{found:,} of the {len(samples):,} {part} texts {verb} a training text; "
                "the official split is kept"
            )


def _conflicts(parts: Mapping[str, Sequence[Sample]]) -> Iterator[str]:
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for samples in parts.values():
        for sample in samples:
            labels[sample.text][sample.label] += 1
    if found := sum(counts.total() for counts in labels.values() if len(counts) > 1):
        yield f"{found:,} texts are there with more than one label"


def _absent(parts: Mapping[str, Sequence[Sample]], names: Sequence[str]) -> Iterator[str]:
    for part in ("validation", "test"):
        there = {s.label for s in parts[part]}
        absent = [name for name in names if name not in there]
        if absent:
            more = f", ... ({len(absent):,} in all)" if len(absent) > SHOWN else ""
            listed = ", ".join(map(shown, absent[:SHOWN])) + more
            yield f"classes without a text in the {part} part: {listed}"


def _fingerprint(schema: Schema, parts: Mapping[str, Ragged]) -> str:
    """Over the schema, which holds the words, and the symbols of every text."""
    head = torch.frombuffer(bytearray(schema.model_dump_json().encode()), dtype=torch.uint8)
    columns: dict[str, Tensors] = {"schema": Tensors({"schema": head})}
    for part, texts in parts.items():
        own: dict[str, Tensor] = {"text": texts.flat, "lengths": texts.lengths}
        columns[part] = Tensors({**own, **texts.columns})
    return _splits.fingerprint(columns)


def read_texts(schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
    """Foreign texts: the lines of text files and the rows of tables, each named `file:line`.

    Each batch holds `text` (1, t) and `lengths` (1,). Of a folder, the files whose form is known.
    InputError where one cannot be read or holds no text.
    """
    column = cast("Text", schema.columns["text"])
    for file, root in _files(inputs):
        for line, text in _lines(file, root):
            symbols, _ = encode(text, column.codec, column.length)
            yield f"{file}:{line}", ragged("text", [symbols], {}).gather(torch.tensor([0]))


def _files(inputs: Sequence[Path]) -> Iterator[tuple[Path, Path | None]]:
    """Each file, and the folder that was given and that it must lie in."""
    for path in inputs:
        if not path.is_dir():
            yield path, None
            continue
        found = sorted(file for file in path.rglob("*") if file.is_file() and form_of(file))
        if not found:
            raise InputError(
                "the folder holds no text", why=".txt, .csv, .tsv, .jsonl are read", file=path
            )
        yield from ((file, path) for file in found)


def _lines(file: Path, root: Path | None) -> Iterator[tuple[int, str]]:
    """Line and text of every line that is not empty, or of every row."""
    if form_of(file) not in {"comma", "tab", "json", "parquet"}:
        lines = read_text(file, root).split("\n")
        found = [(n, t) for n, t in enumerate(lines, 1) if t.strip()]
        if not found:
            raise InputError("the file holds no text", do="write a text on each line", file=file)
        yield from found
        return
    table = read_table(file, root, known=KNOWN)
    if table.bad:
        line, reason = table.bad[0]
        raise InputError("the row cannot be read", why=reason, file=file, line=line)
    places = pick(table, asked(""), labelled=False).texts
    for line, values in table.rows:
        yield line, join(values, places)


def join(values: Sequence[str | None], places: Sequence[int]) -> str:
    """The texts of a row in one."""
    return " ".join(value for place in places if (value := values[place]))
