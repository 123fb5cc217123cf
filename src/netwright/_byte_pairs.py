"""Byte pairs: text cut into pieces, pairs of neighbours learned by frequency, and joined again.

Source: Sennrich, Haddow and Birch 2016 (1508.07909), section 3.2, on bytes as Radford et al. 2019
(GPT-2), section 2.2, and with that paper's cut into pieces. Learned by the `tokenizers` library,
which only learning needs.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeAlias

from netwright.errors import InputError

Merge: TypeAlias = tuple[int, int]
"""Two symbols that are joined to a new one."""
LONGEST = 64
"""Characters of a piece, so that a line without spaces costs no square of its length."""
PIECE = re.compile(
    r"'(?:[sdmt]|ll|ve|re)"
    rf"| ?[^\W\d_]{{1,{LONGEST}}}| ?\d{{1,{LONGEST}}}| ?(?:[^\s\w]|_){{1,{LONGEST}}}"
    rf"|\s{{1,{LONGEST}}}(?!\S)|\s{{1,{LONGEST}}}"
)
"""Pieces that together are the text; no pair is joined across two of them."""
PRINTABLE = (*range(33, 127), *range(161, 173), *range(174, 256))
LETTERS = {byte: chr(byte) for byte in PRINTABLE} | {
    byte: chr(256 + i) for i, byte in enumerate(b for b in range(256) if b not in PRINTABLE)
}
"""A character that can be seen for each byte: how `tokenizers` is given bytes."""
VALUES = {letter: byte for byte, letter in LETTERS.items()}


def learn(texts: Iterable[str], size: int) -> tuple[Merge, ...]:
    """The merges that make at most `size` symbols out of the 256 bytes, most frequent pair first.

    A pair must occur twice. Raises: InputError where `tokenizers` is not installed.
    """
    try:
        from tokenizers import Tokenizer, models, trainers
    except ImportError as error:
        raise InputError(
            "byte pairs cannot be learned",
            why="the package tokenizers is not installed",
            do="pip install netwright[bpe]",
        ) from error
    tokenizer = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        show_progress=False,
        initial_alphabet=sorted(VALUES),
    )
    with _one_thread():
        tokenizer.train_from_iterator(_seen(texts), trainer)
    return tuple(_merges(_pairs(tokenizer.to_str())))


def _seen(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for piece in PIECE.findall(text):
            yield "".join([LETTERS[byte] for byte in piece.encode()])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Learning takes no more cores than were asked for, and no later fork is warned of."""
    name = "TOKENIZERS_PARALLELISM"
    before = os.environ.get(name)
    os.environ[name] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _pairs(document: str) -> Iterator[tuple[bytes, bytes]]:
    import json

    for pair in json.loads(document)["model"]["merges"]:
        left, right = pair.split(" ") if isinstance(pair, str) else pair
        yield bytes(VALUES[c] for c in left), bytes(VALUES[c] for c in right)


def _merges(pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[Merge]:
    index = {bytes([byte]): byte for byte in range(256)}
    for left, right in pairs:
        yield index[left], index[right]
        index.setdefault(left + right, len(index))


def symbols_of(merges: Sequence[Merge]) -> list[bytes]:
    """What each symbol stands for: the bytes, then what each merge makes, if it is new.

    Raises: ValueError for a merge of symbols that are not there yet.
    """
    found = [bytes([byte]) for byte in range(256)]
    known = set(found)
    for left, right in merges:
        if not (0 <= left < len(found) and 0 <= right < len(found)):
            raise ValueError(f"{left} and {right} cannot be joined before they are there")
        if (made := found[left] + found[right]) not in known:
            found.append(made)
            known.add(made)
    return found


class Merges:
    """Merges, ready to be applied."""

    def __init__(self, merges: Sequence[Merge]) -> None:
        self.symbols = symbols_of(merges)
        index = {said: i for i, said in enumerate(self.symbols)}
        self._made = [index[self.symbols[left] + self.symbols[right]] for left, right in merges]
        self._place: dict[Merge, int] = {}
        for place, merge in enumerate(merges):
            self._place.setdefault(merge, place)

    def encode(self, text: str) -> list[int]:
        """The symbols of a text without lone surrogates."""
        known: dict[str, list[int]] = {}  # a text has few different pieces
        found: list[int] = []
        for piece in PIECE.findall(text):
            row = known.get(piece)
            if row is None:
                row = known[piece] = self._joined(piece)
            found += row
        return found

    def _joined(self, piece: str) -> list[int]:
        """The earliest merge that is possible, leftmost first, until there is none."""
        row, none = list(piece.encode()), len(self._made)
        place = self._place
        places = [place.get(pair, none) for pair in pairwise(row)]
        while places and (first := min(places)) < none:
            at = places.index(first)
            row[at : at + 2] = [self._made[first]]
            del places[at]
            if at:
                places[at - 1] = place.get((row[at - 1], row[at]), none)
            if at < len(places):
                places[at] = place.get((row[at], row[at + 1]), none)
        return row
