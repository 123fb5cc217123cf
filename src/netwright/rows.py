"""Rows of a table as numbers, and back: mode-specific normalisation and one-hot choices.

Source: Xu et al. 2019, "Modeling Tabular Data using Conditional GAN", section 4.2: a number becomes
a = (x - mean) / (4 deviation) of one bell of a mixture, drawn from its posterior, and a one-hot of
the bell; Zhao et al. 2021, "CTAB-GAN", section 3.2: special values and empty cells are further
choices beside the bells. A cell is laid out as `a` (numbers only), then its choices in order:
modes, special values, empty; or words, empty. Where a number has but one choice, only `a` is there.
Raw scores become choices by the Gumbel-softmax (Jang et al. 2016, equation 2).
Dimensions: n rows, w width of a row, m modes, c choices of all cells, k choices of the widest cell.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from netwright.errors import InputError, nearest, shown
from netwright.specs import Categorical, Continuous, Table

Columns = Mapping[str, NDArray[Any]]
"""Cells by column, (n,): floats, NaN where empty; or an object array of words, None where empty."""

SPAN = 4.0
"""Deviations of a mode from its middle to where `a` is 1."""
SURE = 20.0
"""What a raw score is at most, either way, where `invert` makes it: noise cannot turn a choice."""
EDGE = 1 - 1e-6
"""The largest `a` that `invert` tells apart from a larger one."""
LEAST = 1e-20
"""Below this an exponential draw has no logarithm in single precision."""


def encode(table: Table, columns: Columns, generator: Generator | None = None) -> Tensor:
    """Rows as floats, (n, w); a number's mode is drawn, or its most probable without `generator`.

    Raises:
        InputError: a column is not there; a cell is empty where none may be, is an unknown word, or
            no finite number.
    """
    blocks: list[NDArray[np.float32]] = []
    for column in table.columns:
        if column.name not in columns:
            raise InputError(
                f"no column '{shown(column.name)}'",
                near=nearest(column.name, columns),
                do=f"give the columns {', '.join(shown(c.name) for c in table.columns)}",
            )
        cells = columns[column.name]
        if isinstance(column, Continuous):
            blocks.append(_encode_numbers(column, cells, generator))
        else:
            blocks.append(_one_hot(_index_of_words(column, cells), column.choices))
    return torch.from_numpy(np.concatenate(blocks, axis=1))


def decode(table: Table, encoded: Tensor) -> Columns:
    """Cells of encoded rows (n, w), always legal: the best choice, in range, rounded."""
    rows = np.nan_to_num(encoded.detach().cpu().to(torch.float64).numpy())
    found: dict[str, NDArray[Any]] = {}
    for column, start in _starts(table):
        block = rows[:, start : start + column.width]
        if isinstance(column, Continuous):
            found[column.name] = _decode_numbers(column, block)
        else:
            words = np.array([*column.values, *[None] * column.missing], dtype=object)
            found[column.name] = words[block.argmax(1)]
    return found


def activate(
    table: Table, raw: Tensor, generator: Generator | None = None, temperature: float = 0.2
) -> Tensor:
    """A generator's raw output (n, w) brought into the encoded space, differentiably.

    tanh for every `a`; softmax((raw + noise) / temperature) over the choices of each cell, where
    `noise` is Gumbel's, drawn on the CPU by `generator`, and 0 without one.
    """
    places = _places(table, raw.device)
    numbers = raw.index_select(1, places.numbers).tanh()
    if places.choices is None:
        return numbers
    scores = raw.index_select(1, places.choices)
    if generator is not None:
        drawn = torch.empty(scores.shape, dtype=torch.float32)
        noise = -drawn.exponential_(generator=generator).clamp_min_(LEAST).log_()
        scores = scores + noise.to(raw.device, scores.dtype)
    nothing = scores.new_full((len(scores), 1), -torch.inf)
    wide = torch.cat([scores / temperature, nothing], 1).index_select(1, places.padded)
    chosen = wide.unflatten(1, (-1, places.widest)).softmax(2).flatten(1)
    return torch.cat([numbers, chosen], 1).index_select(1, places.back)


def invert(table: Table, encoded: Tensor) -> Tensor:
    """Raw output (n, w) that `activate` brings back to `encoded`, whatever its noise."""
    places = _places(table, encoded.device)
    raw = (2 * encoded - 1) * SURE
    if len(places.numbers):
        numbers = encoded.index_select(1, places.numbers).clamp(-EDGE, EDGE).atanh()
        raw = raw.index_copy(1, places.numbers, numbers)
    return raw


def hard(table: Table, encoded: Tensor) -> Tensor:
    """The same rows with each choice one-hot: the largest of its places."""
    made = encoded.clone()
    for _, place in choices(table):
        block = encoded[:, place]
        made[:, place] = torch.zeros_like(block).scatter_(1, block.argmax(1, keepdim=True), 1.0)
    return made


def choices(table: Table) -> Sequence[tuple[str, slice]]:
    """Name of the column and place in the row of each one-hot block, in order."""
    found: list[tuple[str, slice]] = []
    for column, start in _starts(table):
        begin = start + isinstance(column, Continuous)
        if begin < start + column.width:
            found.append((column.name, slice(begin, start + column.width)))
    return found


def records(table: Table, columns: Columns) -> list[list[object]]:
    """Plain cells, row by row, in the order of `table.names`: int, float, str or None.

    Categories of whole numbers alone are whole numbers again.
    """
    cells: list[list[object]] = []
    known, fixed = {column.name: column for column in table.columns}, dict(table.fixed)
    count = len(columns[table.columns[0].name])
    for name in table.names:
        if name not in known:
            cells.append([fixed[name]] * count)
            continue
        column = known[name]
        values = columns[column.name].tolist()
        if isinstance(column, Categorical) and column.whole:
            cells.append([None if value is None else int(value) for value in values])
        elif isinstance(column, Categorical):
            cells.append(values)
        else:
            cells.append([_plain(value, column.decimals) for value in values])
    return [list(row) for row in zip(*cells, strict=True)]


def _plain(value: float, decimals: int | None) -> int | float | None:
    if value != value:  # NaN: empty  # noqa: PLR0124
        return None
    if decimals is None:
        return value
    return round(value) if decimals == 0 else round(value, decimals)


def _starts(table: Table) -> Iterator[tuple[Continuous | Categorical, int]]:
    """Each column, and where its cell begins in a row."""
    start = 0
    for column in table.columns:
        yield column, start
        start += column.width


def _one_hot(index: NDArray[np.intp], count: int) -> NDArray[np.float32]:
    return np.eye(count, dtype=np.float32)[index]


def _index_of_words(column: Categorical, cells: NDArray[Any]) -> NDArray[np.intp]:
    """(n,) numbers of the choices; InputError for a word that is none of them."""
    known: dict[str | None, int] = {value: i for i, value in enumerate(column.values)}
    if column.missing:
        known[None] = len(column.values)
    found = [known.get(cell, -1) for cell in cells.tolist()]
    if -1 in found:
        cell = cells[found.index(-1)]
        raise (
            _empty(column.name)
            if cell is None
            else InputError(
                f"column '{shown(column.name)}' knows no '{shown(cell)}'",
                why=f"it holds one of {len(column.values)} words",
                near=nearest(str(cell), column.values),
                do="leave the row out, or train on rows that hold it",
            )
        )
    return np.array(found, dtype=np.intp)


def _empty(name: str) -> InputError:
    return InputError(
        f"column '{shown(name)}' is empty in a row",
        why="no cell of it was when its form was learnt",
        do="fill the cell, or leave the row out",
    )


def _encode_numbers(
    column: Continuous, cells: NDArray[Any], generator: Generator | None
) -> NDArray[np.float32]:
    """(n, width) of one column of numbers."""
    x = np.asarray(cells, dtype=np.float64)
    gaps = np.isnan(x)
    if gaps.any() and not column.missing:
        raise _empty(column.name)
    if np.isinf(x).any():
        raise InputError(
            f"column '{shown(column.name)}' holds an infinity", do="leave the row out, or empty it"
        )
    x = np.where(gaps, column.modes[0].mean, x)
    mode = _modes_of(column, x, generator)
    mean = np.array([m.mean for m in column.modes])[mode]
    deviation = np.array([m.deviation for m in column.modes])[mode]
    a = np.clip((x - mean) / (SPAN * deviation), -1, 1)
    choice = mode
    for place, value in enumerate(column.special, len(column.modes)):
        choice = np.where(x == value, place, choice)
    choice = np.where(gaps, column.choices - 1, choice)  # empty comes last
    if column.missing or column.special:
        a = np.where(choice < len(column.modes), a, 0)
    a = a.astype(np.float32)[:, None]
    return np.concatenate([a, _one_hot(choice, column.choices)], 1) if column.choices > 1 else a


def _modes_of(
    column: Continuous, x: NDArray[np.float64], generator: Generator | None
) -> NDArray[np.intp]:
    """(n,) modes: drawn from p(mode | x) by inverting its cumulative sum, or the most probable."""
    mean, deviation, share = (
        np.array([getattr(m, key) for m in column.modes]) for key in ("mean", "deviation", "share")
    )
    z = (x[:, None] - mean) / deviation  # (n, m)
    scores = np.log(share) - np.log(deviation) - 0.5 * z**2
    if generator is None or len(mean) == 1:
        best: NDArray[np.intp] = scores.argmax(1)
        return best
    posterior = np.exp(scores - scores.max(1, keepdims=True))
    cumulative = posterior.cumsum(1)
    drawn = torch.rand(len(x), 1, generator=generator, dtype=torch.float64).numpy()
    index: NDArray[np.intp] = (cumulative <= drawn * cumulative[:, -1:]).sum(1)
    return np.minimum(index, len(mean) - 1)


def _decode_numbers(column: Continuous, block: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) numbers of one column's cells (n, width)."""
    modes, special = len(column.modes), np.array(column.special, dtype=np.float64)
    choice = block[:, 1:].argmax(1) if column.choices > 1 else np.zeros(len(block), np.intp)
    mode = np.minimum(choice, modes - 1)
    mean = np.array([m.mean for m in column.modes])[mode]
    deviation = np.array([m.deviation for m in column.modes])[mode]
    x: NDArray[np.float64] = np.clip(block[:, 0], -1, 1) * SPAN * deviation + mean
    x = np.clip(x, column.low, column.high)
    if column.decimals is not None:
        x = x.round(column.decimals) + 0.0  # no minus zero
    if len(special):
        place = np.clip(choice - modes, 0, len(special) - 1)
        x = np.where((choice >= modes) & (choice < modes + len(special)), special[place], x)
    if column.missing:
        x = np.where(choice == column.choices - 1, np.nan, x)
    return x


@dataclass(frozen=True)
class _Places:
    """Where the pieces of a row lie, as tensors on one device."""

    numbers: Tensor
    """Places of every `a`."""
    choices: Tensor | None
    """(c,) places of all choices; None: there are none."""
    padded: Tensor
    """Cells x k numbers of choices, flat; c, where a cell has fewer than k."""
    widest: int
    """k."""
    back: Tensor
    """(w,) where each place of a row lies in all `a`, then cells x k."""


@lru_cache(maxsize=32)
def _places(table: Table, device: torch.device) -> _Places:
    blocks = [place for _, place in choices(table)]
    places = [i for block in blocks for i in range(block.start, block.stop)]
    chosen = set(places)
    numbers = [i for i in range(table.form.features) if i not in chosen]
    widest = max((b.stop - b.start for b in blocks), default=0)
    padded: list[int] = []
    back = {place: i for i, place in enumerate(numbers)}
    begin = 0
    for row, block in enumerate(blocks):
        size = block.stop - block.start
        padded += [*range(begin, begin + size), *[len(places)] * (widest - size)]
        back |= {block.start + i: len(numbers) + row * widest + i for i in range(size)}
        begin += size
    with torch.inference_mode(mode=False):  # they are kept, and a later call may need gradients
        return _Places(
            numbers=torch.tensor(numbers, dtype=torch.long, device=device),
            choices=torch.tensor(places, dtype=torch.long, device=device) if places else None,
            padded=torch.tensor(padded, dtype=torch.long, device=device),
            widest=widest,
            back=torch.tensor([back[i] for i in range(len(back))], dtype=torch.long, device=device),
        )
