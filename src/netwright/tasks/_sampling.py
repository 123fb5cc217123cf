"""Training by sampling: rows are drawn so that rare words are seen, and the word is told.

For each row of a batch a column of words is chosen, a word of it by the logarithm of its count, and
a row that holds it; both players are told which (Xu et al. 2019, section 4.3).
Dimensions: b batch, n rows, w width of a row, q places of all columns of words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from netwright.specs import Categorical, Table


@dataclass(frozen=True)
class Words:
    """Where the columns of words lie, in a row and in a condition."""

    slices: Sequence[slice]
    """In a row, (w,)."""
    shares: Sequence[Tensor]
    """Of each choice in the training part, (k,)."""

    @property
    def width(self) -> int:
        """Q."""
        return sum(len(s) for s in self.shares)

    def condition(self, column: Tensor, choice: Tensor) -> Tensor:
        """(b,) numbers of columns and of choices to (b, q), one place on."""
        starts = torch.tensor([0, *(len(s) for s in self.shares)]).cumsum(0)
        asked = torch.zeros(len(column), self.width)
        return asked.scatter_(1, (starts[column] + choice)[:, None], 1.0)

    def drawn(self, count: int, generator: Generator) -> Tensor:
        """Conditions (count, q) as often as the training part has them."""
        column = torch.randint(len(self.shares), (count,), generator=generator)
        choice = torch.zeros(count, dtype=torch.long)
        for number, shares in enumerate(self.shares):
            here = (column == number).nonzero().flatten()
            if len(here):
                drawn = torch.multinomial(shares, len(here), replacement=True, generator=generator)
                choice[here] = drawn
        return self.condition(column, choice)


@dataclass(frozen=True)
class Rows:
    """The rows of the training part by the word that they hold."""

    order: Sequence[Tensor]
    """Of each column of words: row numbers (n,), those with the same choice together."""
    counts: Sequence[Tensor]
    """Rows of each choice, (k,)."""

    def drawn(self, count: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """(count,) row numbers, and the column and choice that each was drawn for."""
        column = torch.randint(len(self.order), (count,), generator=generator)
        choice, row = torch.zeros_like(column), torch.zeros_like(column)
        for number, (order, counts) in enumerate(zip(self.order, self.counts, strict=True)):
            here = (column == number).nonzero().flatten()
            if not len(here):
                continue
            weights = counts.double().log1p()
            drawn = torch.multinomial(weights, len(here), replacement=True, generator=generator)
            starts = counts.cumsum(0) - counts
            inside = torch.rand(len(here), generator=generator, dtype=torch.double) * counts[drawn]
            choice[here] = drawn
            row[here] = order[starts[drawn] + inside.long()]
        return row, column, choice


def words_of(table: Table) -> Words:
    """The columns of words of a table, those with shares."""
    slices, shares, at = [], [], 0
    for column in table.columns:
        if isinstance(column, Categorical) and column.shares and column.choices > 1:
            slices.append(slice(at, at + column.width))
            shares.append(torch.tensor(column.shares, dtype=torch.double))
        at += column.width
    return Words(slices, shares)


def rows_by_word(encoded: Tensor, words: Words) -> Rows:
    """Sort the rows (n, w) of a training part by each column of words."""
    order, counts = [], []
    for place in words.slices:
        index = encoded[:, place].argmax(1).cpu()
        order.append(torch.argsort(index, stable=True))
        counts.append(torch.bincount(index, minlength=place.stop - place.start))
    return Rows(order, counts)
