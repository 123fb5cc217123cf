"""Text files read into strings: UTF-8, UTF-16 or GBK, packed or not, refused with the place.

A mark at the beginning decides; without one it is UTF-8, and only bytes that cannot be UTF-8 are
tried as GB18030 (which holds GBK), and taken for it where they read as Chinese. No other encoding
is guessed: a wrong guess would train a net on rubbish, and nothing would fail.
"""

import codecs
import re
from pathlib import Path

from netwright.datasets._bounded import EXPANSION, opened
from netwright.errors import InputError

MOST = 1 << 30
"""Bytes of a text file, unpacked."""
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
COMMON = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后"
    "作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只"
    "從這個們來國說時會對過發後裡種經麼學現當沒動還進樣開為於無與者此何曰"
)
"""The most frequent characters of Chinese, new and old: near half of any running text."""
CHINESE = re.compile(r"[\u3400-\u9fff]")
SIGNS = re.compile(r"[\u00b7\u2010-\u2027\u3000-\u303f\uff00-\uffef]")
"""The punctuation beside them."""
READ = 1 << 20
"""Characters that are looked at to tell whether a text is Chinese."""


def read_text(
    path: Path, root: Path | None = None, *, expansion: int = EXPANSION, most: int = MOST
) -> str:
    r"""The text of a file, unpacked where it is gzip; line ends become `\n`, a mark is taken off.

    `root` is the folder that the file must lie in after its links are followed; None: anywhere.

    Raises:
        InputError: no such file, no regular one, empty, larger than `most` bytes, grown to more
            than `expansion` times its size, not in an encoding above (with line and column), a NUL.
    """
    with opened(path, root or path.resolve().parent, expansion, most) as source:
        if not source.packed and path.stat().st_size > most:
            raise source.bomb()
        data = source.take(source.left + 1)
    if not data:
        raise InputError("the file is empty", do="give a file with text in it", file=path)
    return decoded(bytes(data), path)


def decoded(data: bytes, file: Path | str) -> str:
    r"""The text of the bytes of `file`, line ends as `\n`; InputError with line and column."""
    mark, encoding = next((m for m in MARKS if data.startswith(m[0])), (b"", "utf-8"))
    data = data.removeprefix(mark)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        chinese = "" if mark else _chinese(data)
        if not chinese:
            raise _undecodable(data, error, encoding, file, marked=bool(mark)) from error
        text = chinese
    text = _plain_ends(text)
    if (place := text.find("\0")) >= 0:
        raise _nul(text, place, file, data)
    return text


def place_of(text: str, at: int) -> tuple[int, int]:
    """Line and column, both from 1, of the character at `at`."""
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _chinese(data: bytes) -> str:
    """The text where the bytes are GB18030 and read as Chinese, else nothing.

    Accents of Latin-1 and Hangul of EUC-KR often decode too, but to rare characters.
    """
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        return ""
    seen = text[:READ] if len(text) > READ else text
    characters = CHINESE.findall(seen)
    foreign = sum(not c.isascii() for c in seen)
    common = sum(c in COMMON for c in characters)
    plain = len(characters) + len(SIGNS.findall(seen)) >= 0.9 * foreign
    return text if plain and common and common >= 0.15 * len(characters) else ""


def _undecodable(
    data: bytes, error: UnicodeDecodeError, encoding: str, file: Path | str, *, marked: bool
) -> InputError:
    before = _plain_ends(data[: error.start].decode(encoding, "replace"))
    line, column = place_of(before, len(before))
    if marked:
        why = "its mark says that it is"
    elif not before.isascii():
        why = "what stands before is UTF-8, so the file is damaged here or mixes encodings"
    elif sum(byte >= 0x80 for byte in data[:READ]) < 0.2 * len(data[:READ]):
        why = "single high bytes among letters are likely Latin-1 or Windows-1252"
    else:
        why = "its encoding is none of UTF-8, UTF-16 with a mark, GBK"
    name = encoding.removesuffix("-le").removesuffix("-be").upper()
    return InputError(
        f"the byte 0x{data[error.start]:02x} is no {name}",
        why=why,
        do="save the file as UTF-8 (iconv -f OLD -t UTF-8)",
        file=file,
        line=line,
        column=column,
    )


def _nul(text: str, place: int, file: Path | str, data: bytes) -> InputError:
    line, column = place_of(text, place)
    half = data.count(b"\0") > len(data) // 4
    why = "it is likely UTF-16 without a mark" if half else "a text holds none; this is other data"
    return InputError(
        "a NUL stands in the text",
        why=why,
        do="save the file as UTF-8" if half else "give a text file, or remove the NUL",
        file=file,
        line=line,
        column=column,
    )
