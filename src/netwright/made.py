"""What was made as files: pictures as PNG, sounds as WAV, rows as CSV or Parquet.

Dimensions: n pictures or sounds, c channels, h height, w width, t samples.
"""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from netwright import files
from netwright.errors import InputError, nearest, shown
from netwright.pictures import drawn, png, sheet
from netwright.sounds import wav
from netwright.tasks.base import Answer, Exhibit

FORMS = ("csv", "parquet")
"""Of rows."""
SHEET = "sheet.png"
"""All pictures on one."""
TILES = 400
"""Pictures of the contact sheet at most."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet read a text as a formula; such a text begins with ' in a CSV file."""


@dataclass
class _Sheet:
    """The first pictures of one size."""

    pictures: list[Tensor] = field(default_factory=list)

    def add(self, pictures: Tensor) -> None:
        """(n, c, h, w)."""
        for picture in pictures[: TILES - len(self.pictures)]:
            if not self.pictures or picture.shape == self.pictures[0].shape:
                self.pictures.append(picture.detach().cpu())


def write(answers: Iterable[Answer], folder: Path, form: str | None = None) -> list[Path]:
    """Write what answers made into a new or empty folder, each file whole; give the files.

    A picture is `NAME.png`, several of one answer `NAME-000.png` and so on, and beside more than
    one there is `sheet.png`; a sound is `NAME.wav`; rows are `NAME.csv`, or `NAME.parquet`. Nothing
    is drawn from `answers` before the folder is found to be free, and it is made with its first
    file.

    Args:
        answers: pictures, sounds and `Answer.value` with `columns` and `rows`, of plain cells.
        folder: where.
        form: of rows, one of `FORMS`; CSV where it is not said.

    Raises:
        InputError: the folder holds something; an answer is none of these; `form` is unknown, is
            asked of what has no rows, or takes an extra that is not installed. MachineError.
    """
    _need_form(form)
    _need_free(folder)
    written: dict[str, Path] = {}
    tiles = _Sheet()
    for answer in answers:
        for name, data in _files(answer, form, tiles):
            _put(written, folder, name, data)
    if len(tiles.pictures) > 1:
        _put(written, folder, SHEET, png(sheet(torch.stack(tiles.pictures))))
    return list(written.values())


def makes_files(answer: Answer) -> bool:
    """Whether an answer is something to be written rather than to be printed."""
    return answer.made is not None or "rows" in answer.value


def _files(answer: Answer, form: str | None, tiles: _Sheet) -> Iterator[tuple[str, bytes]]:
    name = re.sub(r"[^\w.-]|^\.", "-", answer.name) or "made"
    if "rows" in answer.value:
        yield _rows(name, answer.value, form or "csv")
        return
    kind = answer.made.kind if answer.made is not None else ""
    if answer.made is None or kind not in ("picture", "sound"):
        raise InputError("this is nothing to be kept in files", do="leave --out away")
    if form is not None:
        raise InputError(
            f"a {kind} cannot be written as {shown(form)}", why="that is a form of rows"
        )
    if kind == "picture":
        tiles.add(answer.made.tensors["pictures"])
    for number, data in enumerate(made := _encoded(answer.made)):
        beside = f"-{number:03}" if len(made) > 1 else ""
        yield f"{name}{beside}.{'png' if kind == 'picture' else 'wav'}", data


def _encoded(made: Exhibit) -> list[bytes]:
    """The n pictures or sounds of an exhibit."""
    if made.kind == "picture":
        return [png(drawn(picture)) for picture in made.tensors["pictures"]]
    rate = int(made.strings["rate"][0])
    return [wav(sound, rate) for sound in made.tensors["sound"]]


def _rows(name: str, value: Mapping[str, Any], form: str) -> tuple[str, bytes]:
    columns, rows = [str(c) for c in value["columns"]], value["rows"]
    if form == "parquet":
        return f"{name}.parquet", _parquet(columns, rows)
    text = "".join(_line(cells) for cells in (columns, *rows))
    return f"{name}.csv", text.encode("utf-8", "backslashreplace")


def _line(cells: Sequence[object]) -> str:
    # an empty line would be no row
    return (",".join(map(_cell, cells)) or '""') + "\n"


def _cell(cell: object) -> str:
    """A cell as it stands in a CSV file (RFC 4180, with line feeds); None is empty."""
    text = "" if cell is None else str(cell)
    if isinstance(cell, str) and text.startswith(FORMULA) and not _number(text):
        text = f"'{text}"
    if any(sign in text for sign in ',"\r\n'):
        doubled = text.replace('"', '""')
        return f'"{doubled}"'
    return text


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parquet(columns: list[str], rows: list[list[Any]]) -> bytes:
    arrow, parquet = _arrow()
    arrays = []
    for place in range(len(columns)):
        cells = [row[place] for row in rows]
        if len({isinstance(c, str) for c in cells if c is not None}) > 1:
            cells = [None if c is None else str(c) for c in cells]
        arrays.append(arrow.array(cells))
    buffer = io.BytesIO()
    parquet.write_table(arrow.table(arrays, names=columns), buffer)
    return buffer.getvalue()


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(
            "Parquet cannot be written here",
            why="pyarrow is not installed",
            do="pip install netwright[tables]",
        ) from error
    return pa, parquet


def _need_form(form: str | None) -> None:
    if form is not None and form not in FORMS:
        raise InputError(
            f"no form '{shown(form)}'",
            why=f"there are {', '.join(FORMS)}",
            near=nearest(form, FORMS),
        )
    if form == "parquet":
        _arrow()


def _need_free(folder: Path) -> None:
    with files.told(folder, "cannot be read"):
        if folder.is_dir():
            if any(folder.iterdir()):
                raise InputError(
                    "holds files already",
                    why="what is made goes into a folder of its own",
                    do="another folder: --out",
                    file=shown(folder),
                )
        elif folder.exists() or folder.is_symlink():
            raise InputError("is no folder", do="another name: --out", file=shown(folder))


def _put(written: dict[str, Path], folder: Path, name: str, data: bytes) -> None:
    if name.casefold() in written:
        raise InputError(f"two things are called {shown(name)}", file=shown(folder))
    if not folder.exists():
        files.make_folder(folder)
    written[name.casefold()] = folder / name
    files.replace(folder / name, data)
