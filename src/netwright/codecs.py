"""Codecs: text to symbols and back, saved with a run as plain data. Imports no torch.

`decode(encode(text)) == text` wherever the codec says that it is `exact`; what it never saw is an
InputError, or `<unk>` where it has one. Any symbols can be decoded: where they end within a
character, it becomes U+FFFD.
Dimensions: n symbols of one text.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from netwright._byte_pairs import Merge, Merges, learn, symbols_of
from netwright._frozen import Frozen
from netwright.errors import InputError, shown

if TYPE_CHECKING:
    import numpy as np

UNKNOWN, END = "<unk>", "<eos>"
"""A word that was too rare, and the end of a line."""


class Codec(Frozen):
    """What all codecs do."""

    @property
    def size(self) -> int:
        """Number of symbols."""
        raise NotImplementedError

    @property
    def exact(self) -> bool:
        """Whether what is encoded is decoded to the same text."""
        return True

    def encode(self, text: str) -> list[int]:
        """The symbols of a text, each below `size`."""
        raise NotImplementedError

    def decode(self, symbols: Sequence[int]) -> str:
        """The text of symbols."""
        raise NotImplementedError

    @property
    def pieces(self) -> Sequence[bytes]:
        """What each symbol stands for, in UTF-8; may be a part of a character."""
        raise NotImplementedError

    def lengths(self, symbols: Sequence[int]) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """(n, 3): characters, bytes and words that begin in each symbol of a text.

        What figures divide by: the sums are the text's own counts, however it is cut. Words are
        what white space parts, so that the symbols must stand in the order of the text.
        """
        import numpy as np

        said = [self.pieces[i] for i in symbols]
        data = b"".join(said)
        sizes = np.fromiter(map(len, said), np.int64, len(said))
        ends = np.cumsum(sizes)
        found = np.empty((len(said), 3))
        found[:, 1] = sizes
        for column, begins in ((0, data.translate(BEGINS)), (2, _words(data))):
            counted = np.concatenate([[0], np.cumsum(np.frombuffer(begins, np.uint8), dtype=int)])
            found[:, column] = counted[ends] - counted[ends - sizes]
        return found


class Characters(Codec):
    """One symbol a character; a character that is not in `symbols` is an InputError."""

    kind: Literal["characters"] = "characters"
    symbols: str
    """Every character that occurs, in the order of its code point."""

    @classmethod
    def of(cls, text: str) -> "Characters":
        """The codec of all characters in a text."""
        return cls(symbols="".join(sorted(set(text))))

    @property
    def size(self) -> int:
        """Number of characters."""
        return len(self.symbols)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {c: i for i, c in enumerate(self.symbols)}

    def encode(self, text: str) -> list[int]:
        """The place of each character among the symbols."""
        try:
            return list(map(self._index.__getitem__, text))
        except KeyError as error:
            raise _never_seen(str(error.args[0]), text) from None

    def decode(self, symbols: Sequence[int]) -> str:
        """The characters."""
        return "".join([self.symbols[i] for i in symbols])

    @cached_property
    def pieces(self) -> Sequence[bytes]:
        """Each character; a lone surrogate in three bytes."""
        return [c.encode(errors="surrogatepass") for c in self.symbols]


class Bytes(Codec):
    """One symbol a byte of UTF-8: 256 symbols, nothing that it cannot say."""

    kind: Literal["bytes"] = "bytes"

    @property
    def size(self) -> int:
        """256."""
        return 256

    def encode(self, text: str) -> list[int]:
        """The bytes; InputError for half of a surrogate pair, which UTF-8 cannot say."""
        return list(_utf8(text))

    def decode(self, symbols: Sequence[int]) -> str:
        """The text; bytes that are no UTF-8 become U+FFFD."""
        return bytes(list(symbols)).decode(errors="replace")

    @cached_property
    def pieces(self) -> Sequence[bytes]:
        """Each byte."""
        return [bytes([i]) for i in range(256)]


class Words(Codec):
    """One symbol a word between white space; rare ones are `<unk>`, each line ends in `<eos>`."""

    kind: Literal["words"] = "words"
    words: tuple[str, ...]
    """Symbol i is word i."""
    lower: bool = False
    """Whether upper case is lost."""

    @classmethod
    def of(
        cls, lines: Iterable[str], *, lower: bool = False, minimum: int = 1, most: int | None = None
    ) -> "Words":
        """Words that occur at least `minimum` times, the `most` frequent of them; ties by name."""
        counts: Counter[str] = Counter()
        for line in lines:
            counts.update((line.lower() if lower else line).split())
        for special in (UNKNOWN, END):
            counts.pop(special, None)
        kept = sorted((w for w, n in counts.items() if n >= minimum), key=lambda w: (-counts[w], w))
        return cls(words=(UNKNOWN, END, *kept[:most]), lower=lower)

    @property
    def size(self) -> int:
        """Number of words, `<unk>` and `<eos>` included."""
        return len(self.words)

    @property
    def exact(self) -> bool:
        """White space and rare words are lost."""
        return False

    @cached_property
    def _index(self) -> dict[str, int]:
        return {w: i for i, w in enumerate(self.words)}

    def encode(self, text: str) -> list[int]:
        """Words, and the end after each line that ends."""
        text = text.lower() if self.lower else text
        unknown, end, found = self._index[UNKNOWN], self._index[END], []
        lines = text.split("\n")
        for number, line in enumerate(lines):
            found += [self._index.get(word, unknown) for word in line.split()]
            if number < len(lines) - 1:
                found.append(end)
        return found

    def decode(self, symbols: Sequence[int]) -> str:
        """Words between single spaces, a line for each end."""
        lines: list[list[str]] = [[]]
        for i in symbols:
            if self.words[i] == END:
                lines.append([])
            else:
                lines[-1].append(self.words[i])
        return "\n".join(" ".join(line) for line in lines)

    @cached_property
    def pieces(self) -> Sequence[bytes]:
        """Each word and the space behind it; a line's end."""
        return [b"\n" if w == END else w.encode(errors="surrogatepass") + b" " for w in self.words]

    def lengths(self, symbols: Sequence[int]) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """(n, 3): every symbol is a word, the end of a line too, as perplexities count them."""
        import numpy as np

        table = np.array([(len(p.decode(errors="surrogatepass")), len(p), 1) for p in self.pieces])
        return table.astype(np.float64)[np.asarray(symbols, dtype=np.int64)]


class BytePairs(Codec):
    """Frequent neighbours among bytes joined to one symbol: any text, exactly. See `_byte_pairs`.

    Learning takes the extra `bpe`; a learned one does not.
    """

    kind: Literal["bpe"] = "bpe"
    merges: tuple[Merge, ...]
    """Symbols that are joined, in this order. The first 256 symbols are the bytes, and each merge
    makes the next one, but where its bytes are a symbol already."""

    @field_validator("merges")
    @classmethod
    def _possible(cls, merges: tuple[Merge, ...]) -> tuple[Merge, ...]:
        symbols_of(merges)
        return merges

    @classmethod
    def of(cls, texts: Iterable[str], vocabulary: int) -> "BytePairs":
        """Merges that give at most `vocabulary` symbols; InputError without the extra."""
        return cls(merges=learn(texts, vocabulary))

    @cached_property
    def _merges(self) -> Merges:
        return Merges(self.merges)

    @property
    def pieces(self) -> Sequence[bytes]:
        """Each byte, then what each merge makes."""
        return self._merges.symbols

    @property
    def size(self) -> int:
        """Bytes and merges."""
        return len(self.pieces)

    def encode(self, text: str) -> list[int]:
        """The symbols; InputError for half of a surrogate pair, which UTF-8 cannot say."""
        _utf8(text)
        return self._merges.encode(text)

    def decode(self, symbols: Sequence[int]) -> str:
        """The text; bytes that are no UTF-8 become U+FFFD."""
        return b"".join([self.pieces[i] for i in symbols]).decode(errors="replace")


AnyCodec = Annotated[Characters | Bytes | Words | BytePairs, Field(discriminator="kind")]


BEGINS = bytes(byte & 0xC0 != 0x80 for byte in range(256))
"""1 for the bytes of UTF-8 with which a character begins."""


@cache
def _spaces() -> re.Pattern[bytes]:
    """White space, as UTF-8: what `str.split` splits at."""
    spaces = [chr(c).encode() for c in range(0x3001) if chr(c).isspace()]
    return re.compile(b"(?:" + b"|".join(map(re.escape, spaces)) + b")+")


def _words(data: bytes) -> bytearray:
    """1 at each byte of UTF-8 with which a word begins."""
    found = bytearray(len(data) + 1)
    found[0] = not _spaces().match(data)
    for space in _spaces().finditer(data):
        found[space.end()] = 1
    return found[:-1]


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        line, column = _place(text, error.start)
        raise InputError(
            f"the character '{shown(text[error.start])}' is half of one",
            why=f"it is in line {line}, column {column}",
            do="leave it out",
        ) from error


def _never_seen(character: str, text: str) -> InputError:
    line, column = _place(text, text.index(character))
    return InputError(
        f"the character '{shown(character)}' never occurred in training",
        why=f"it is in line {line}, column {column}",
        do="leave it out, or train again with --recipe FILE that says data: {codec: bytes}",
    )


def _place(text: str, at: int) -> tuple[int, int]:
    """Line and column, both from 1."""
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
