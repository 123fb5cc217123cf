"""What a task exhibits, made ready for a page: pictures, sounds, tables, maps, curves and text.

A run folder may come from anybody: every count is capped, every shape is checked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from netwright.errors import DamagedError, shown
from netwright.report.charts import FORMATS, Chart
from netwright.report.curves import Curve, curves
from netwright.report.palette import Ink
from netwright.report.pictures import SHEET, Shot, heat, photograph, sheet
from netwright.report.sounds import CLIPS, Clip, clips
from netwright.tasks.base import Exhibit

EXHIBITS = 12
LINES, CHARACTERS = 40, 600
ROWS, COLUMNS = 40, 12
SQUARE = 20
"""Rows and columns up to which a map with names is shown in numbers."""
LEVELS = 9
"""Depths of colour of such a map: classes `h0` to `h9`."""


@dataclass(frozen=True)
class Room:
    """What the exhibits of one net may take of a page."""

    pictures: int = 24
    """Pictures with captions of one exhibit."""
    tiles: int = 144
    """Pictures of one sheet."""
    sounds: int = CLIPS
    """Sounds of one exhibit."""
    bytes: int = 480_000
    """Of all sheets and sounds together."""


PLENTY = Room()
"""Of a page that is about one net."""
BEST = Room(bytes=300_000)
"""Of the best net among others."""
FEW = Room(pictures=8, tiles=16, sounds=3, bytes=60_000)
"""Of nets that are not the best one."""
SHARES = {"picture": 1, "sound": 3}
"""How the bytes are divided among the exhibits."""


@dataclass(frozen=True)
class Square:
    """One place of a map."""

    text: str
    level: int


@dataclass(frozen=True)
class Piece:
    """One exhibit on the page; what it has not is empty."""

    kind: str
    """Of the exhibit, or `heat` for a map without names, `sheet` for pictures without captions."""
    title: str
    shots: Sequence[Shot] = ()
    clips: Sequence[Clip] = ()
    lines: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[tuple[str, Sequence[str]]] = ()
    squares: Sequence[tuple[str, Sequence[Square]]] = ()
    charts: Sequence[Chart] = ()
    left_out: int = 0
    """How many pictures, sounds, lines or rows are not shown."""


def pieces(exhibits: Sequence[Exhibit], room: Room = PLENTY) -> list[Piece]:
    """The exhibits of one run; DamagedError where one is not of its kind."""
    kept = exhibits[:EXHIBITS]
    unit = room.bytes // max(1, sum(SHARES.get(e.kind, 0) for e in kept))
    return [_piece(exhibit, room, unit * SHARES.get(exhibit.kind, 0)) for exhibit in kept]


def _piece(exhibit: Exhibit, room: Room, most: int) -> Piece:
    makers = {
        "picture": lambda: _pictures(exhibit, room, most),
        "sound": lambda: _sounds(exhibit, room, most),
        "text": lambda: _text(exhibit),
        "table": lambda: _table(exhibit),
        "map": lambda: _map(exhibit),
        "curve": lambda: _curve(exhibit),
    }
    if exhibit.kind not in makers:
        return Piece("text", exhibit.title, lines=(f"a {shown(exhibit.kind)}: see the run folder",))
    try:
        return makers[exhibit.kind]()
    except (KeyError, ValueError, IndexError, RuntimeError, TypeError) as error:
        raise DamagedError(
            f"the exhibit '{shown(exhibit.title)}' is no {exhibit.kind}", why=shown(error)
        ) from error


def _pictures(exhibit: Exhibit, room: Room, most: int) -> Piece:
    tensor = exhibit.tensors["pictures"]
    n, _, _, _ = tensor.shape
    captions = exhibit.strings.get("captions", ())
    if n > 1 and not any(captions):
        columns = min(room.tiles, _count(exhibit, "columns")) or None
        # whole lines, so that what belongs together is not cut apart
        kept = min(n, room.tiles - room.tiles % (columns or 1))
        shot = sheet(tensor[:kept], columns, most=min(SHEET, most))
        return Piece("sheet", exhibit.title, shots=(shot,), left_out=n - kept)
    named = (*captions, *[""] * n)
    shots = [photograph(p, c) for p, c in zip(tensor[: room.pictures], named, strict=False)]
    return Piece("picture", exhibit.title, shots=shots, left_out=n - len(shots))


def _sounds(exhibit: Exhibit, room: Room, most: int) -> Piece:
    tensor = exhibit.tensors["sound"]
    captions = exhibit.strings.get("captions", ())
    rate = int(exhibit.strings["rate"][0])
    made = clips(tensor, rate, captions, most=room.sounds, room=most)
    return Piece("sound", exhibit.title, clips=made, left_out=len(tensor) - len(made))


def _count(exhibit: Exhibit, name: str) -> int:
    """A number that the exhibit says; 0 if it does not."""
    (value,) = exhibit.strings.get(name, ("0",))
    if int(value) < 0:
        raise ValueError(f"{name} below 0")
    return int(value)


def _text(exhibit: Exhibit) -> Piece:
    lines = exhibit.strings["lines"]
    kept = [t if len(t) <= CHARACTERS else t[: CHARACTERS - 1] + "…" for t in lines[:LINES]]
    return Piece("text", exhibit.title, lines=kept, left_out=len(lines) - len(kept))


def _table(exhibit: Exhibit) -> Piece:
    cells = exhibit.tensors["cells"].double()
    height, wide = cells.shape
    names = exhibit.strings.get("rows", tuple(map(str, range(height))))
    columns = exhibit.strings.get("columns", tuple(map(str, range(wide))))
    texts = [_numbers(cells[:ROWS, j]) for j in range(min(wide, COLUMNS))]
    rows = [(names[i], [column[i] for column in texts]) for i in range(min(height, ROWS))]
    return Piece(
        "table", exhibit.title, columns=columns[:COLUMNS], rows=rows, left_out=height - len(rows)
    )


def _map(exhibit: Exhibit) -> Piece:
    values = exhibit.tensors["map"].double().nan_to_num(0.0)
    height, wide = values.shape
    rows, columns = exhibit.strings.get("rows"), exhibit.strings.get("columns")
    if rows is None or columns is None or max(height, wide) > SQUARE:
        return Piece("heat", exhibit.title, shots=(heat(values),))
    depths = (values.clamp(min=0) / values.max().clamp(min=1e-12)).sqrt()
    squares = []
    for name, line, deep in zip(rows, values, depths, strict=True):
        made = [
            Square(text if float(v) else "", round(LEVELS * float(depth)))
            for v, depth, text in zip(line, deep, _numbers(line), strict=True)
        ]
        squares.append((name, made))
    if len(columns) != wide:
        raise ValueError("as many names as columns")
    return Piece("map", exhibit.title, columns=columns, squares=squares)


def _curve(exhibit: Exhibit) -> Piece:
    x, y = (exhibit.tensors[k].double().flatten().tolist() for k in ("x", "y"))
    pairs = [p for p in zip(x, y, strict=True) if all(map(math.isfinite, p))]
    if not pairs:
        return Piece("text", exhibit.title, lines=("there is no finite value",))
    pairs = pairs[:: max(1, len(pairs) // 400)]
    curve = Curve(exhibit.title, Ink(0), [p[0] for p in pairs], [p[1] for p in pairs])
    made = [curves([curve], figure="", unit="", x_title="", form=form) for form in FORMATS]
    return Piece("curve", exhibit.title, charts=made)


def _numbers(column: Tensor) -> list[str]:
    """Whole numbers as such, else three decimals, the same for all."""
    whole = bool((column == column.round()).all())
    return [f"{v:,.0f}" if whole else f"{v:.3f}" for v in column.tolist()]
