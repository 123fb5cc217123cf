"""The words that all rooms share: forms, signature, plan, refusal, schema. Imports no torch.

A *form* says what one sample looks like, without a batch axis. A *signature* is the whole contract
between a task and a network. A *schema* says what the columns of a data set mean and how they are
read, so that a trained net can be applied where its data is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, Self

from pydantic import Field, model_validator

from netwright._frozen import Frozen as Frozen
from netwright.codecs import AnyCodec

if TYPE_CHECKING:
    from torch import Tensor

Positions = Literal["free", "aligned", "causal"]
"""How output places belong to input places: see the whole input; place for place; only the past."""
Layout = Literal["grid", "sequence", "vector"]
"""What a trunk reads: (b, channels, height, width), (b, places, width) or (b, width)."""
Scale = Literal["shrink", "keep", "grow"]
"""What a trunk may do to the number of places."""


@dataclass(frozen=True, slots=True)
class Image:
    """Pictures, or spectrograms: (channels, height, width)."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """Symbols: (length,) of integers below `vocabulary`; as an output, logits per position."""

    vocabulary: int
    length: int


@dataclass(frozen=True, slots=True)
class Frames:
    """Series: (length, features)."""

    features: int
    length: int


@dataclass(frozen=True, slots=True)
class Vector:
    """Numbers without an order: (features,)."""

    features: int


@dataclass(frozen=True, slots=True)
class Classes:
    """One label out of `count`; as an output, logits."""

    count: int


Form = Image | Tokens | Frames | Vector | Classes


@dataclass(frozen=True, slots=True)
class Signature:
    """What goes into a network and what comes out: all that a network knows of its task."""

    input: Form
    output: Form
    context: Form | None = None
    """A second input that the first may attend to (a source sentence)."""
    condition: Form | None = None
    """A label or a vector beside the input."""
    positions: Positions = "free"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a trunk may know of its task."""

    layout: Layout
    width: int
    """Features (or channels) of what it reads."""
    size: tuple[int, ...]
    """Places of what it reads: (height, width), (length,) or (); the longest, for a sequence."""
    positions: Positions
    scale: Scale
    memory: int | None = None
    """Width of the context that it may attend to; None where there is none."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A cell that makes no sense, and the sentence that says why. A value, not an exception."""

    reason: str


class Pictures(Frozen):
    """A column of pictures, stored as integers from 0 to `top`."""

    kind: Literal["pictures"] = "pictures"
    form: Image
    mean: tuple[float, ...]
    """Per channel, of the training part, on the scale of 0 to 1."""
    deviation: tuple[float, ...]
    top: int = 255
    fit: Literal["exact", "crop", "ink"] = "crop"
    """How a foreign picture is brought to `form`: refused if it differs; scaled and cropped in the
    middle; or drawn light on dark, centred in its box, as scanned digits are."""


class Labels(Frozen):
    """A column of labels; its integers index `names`."""

    kind: Literal["labels"] = "labels"
    names: tuple[str, ...]

    @property
    def form(self) -> Classes:
        """The form of one label."""
        return Classes(len(self.names))


class Text(Frozen):
    """A column of text, stored as the symbols of its codec."""

    kind: Literal["text"] = "text"
    codec: AnyCodec
    length: int = Field(ge=2)
    """Symbols that a network reads at once: a window of a stream, or the longest document."""
    start: int | None = None
    """The symbol that stands before the first one (the end of a line); None: there is none, and
    the first symbol of a part is not predicted."""

    @property
    def form(self) -> Tokens:
        """The form of one text."""
        return Tokens(self.codec.size, self.length)


class Symbols(Frozen):
    """A column of symbols without a text behind them; -1 where nothing is asked."""

    kind: Literal["symbols"] = "symbols"
    vocabulary: int = Field(ge=1)
    length: int = Field(ge=1)

    @property
    def form(self) -> Tokens:
        """The form of one row."""
        return Tokens(self.vocabulary, self.length)


class Series(Frozen):
    """A column of series, as floats on the scale that a network reads."""

    kind: Literal["series"] = "series"
    features: int = Field(ge=1)
    length: int = Field(ge=1)

    @property
    def form(self) -> Frames:
        """The form of one series."""
        return Frames(self.features, self.length)


class Numbers(Frozen):
    """A column of numbers, one for each name, as floats."""

    kind: Literal["numbers"] = "numbers"
    names: tuple[str, ...]

    @property
    def form(self) -> Vector:
        """The form of one row."""
        return Vector(len(self.names))


class Sound(Frozen):
    """A column of sounds of one channel, stored as 16-bit integers, full scale at 32,768."""

    kind: Literal["sound"] = "sound"
    rate: int = Field(ge=1)
    """Samples a second."""
    length: int = Field(ge=2)
    """Samples of each sound."""

    @property
    def form(self) -> Frames:
        """The form of one sound."""
        return Frames(1, self.length)


class Mode(Frozen):
    """One bell of a mixture: its share, its middle and its deviation."""

    share: float = Field(gt=0, le=1)
    mean: float
    deviation: float = Field(gt=0)


class Continuous(Frozen):
    """A column of a table that holds numbers.

    A cell becomes a = (x - mean) / (4 deviation) of one of the modes, and which mode that was (Xu
    et al. 2019, section 4.2); a special value or an empty cell is a choice of its own, beside the
    modes. Where there is but one choice, it takes no place.
    """

    kind: Literal["continuous"] = "continuous"
    name: str
    modes: tuple[Mode, ...] = Field(min_length=1)
    low: float
    high: float
    """The range of the training part; nothing outside of it is made."""
    decimals: int | None = Field(None, ge=0)
    """Digits behind the point in the source; 0: whole numbers; None: as many as a float has."""
    special: tuple[float, ...] = ()
    """Numbers that many cells share exactly (a mixed column), such as 0."""
    missing: bool = False
    """Whether a cell may be empty."""

    @property
    def choices(self) -> int:
        """Modes, special values, and empty."""
        return len(self.modes) + len(self.special) + self.missing

    @property
    def width(self) -> int:
        """Places of a cell: `a`, then one for each choice where there are several."""
        return 1 + (self.choices if self.choices > 1 else 0)


class Categorical(Frozen):
    """A column of a table that holds one of several words; empty is a choice of its own."""

    kind: Literal["categorical"] = "categorical"
    name: str
    values: tuple[str, ...] = Field(min_length=1)
    missing: bool = False
    shares: tuple[float, ...] = ()
    """How often each choice stands in the training part, empty last; (): not known."""

    @property
    def choices(self) -> int:
        """Values, and empty."""
        return len(self.values) + self.missing

    @property
    def width(self) -> int:
        """Places of a cell: one for each choice."""
        return self.choices

    @property
    def whole(self) -> bool:
        """Whether all values are whole numbers, as Python writes them, that 64 bits hold."""
        return all(
            value.removeprefix("-").isdecimal() and len(value) <= 18 and str(int(value)) == value
            for value in self.values
        )


class Table(Frozen):
    """Whole rows of a table, stored as `rows.encode` lays them out: floats, cell by cell."""

    kind: Literal["table"] = "table"
    columns: tuple[Annotated[Continuous | Categorical, Field(discriminator="kind")], ...] = Field(
        min_length=1
    )
    target: str | None = None
    """The categorical column that a classifier of rows is asked for."""
    centres: tuple[tuple[float, ...], ...] = ()
    """Of a made-up mixture, whose modes can be counted; in the units of the columns."""
    spread: float = 0.0
    """Deviation of each of its bells."""
    fixed: tuple[tuple[str, int | float | str | None], ...] = ()
    """Name and value of columns with one value, or none, in all rows: nothing is learned of them,
    and made rows have them again."""
    order: tuple[str, ...] = ()
    """Names of `columns` and `fixed` as the table has them; (): `columns`, and nothing is fixed."""

    @model_validator(mode="after")
    def _has_an_order(self) -> Self:
        names = [*(c.name for c in self.columns), *(name for name, _ in self.fixed)]
        if (self.order or self.fixed) and sorted(self.order) != sorted(names):
            raise ValueError("the order names other columns than there are")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Of all columns of a made row, in order."""
        return self.order or tuple(c.name for c in self.columns)

    @property
    def form(self) -> Vector:
        """The form of one row."""
        return Vector(sum(c.width for c in self.columns))


Column = Annotated[
    Pictures | Labels | Text | Symbols | Series | Numbers | Sound | Table,
    Field(discriminator="kind"),
]


class Schema(Frozen):
    """What the columns of a data set mean, and how they are read. Saved with every run."""

    columns: Mapping[str, Column]


Batch = dict[str, "Tensor"]
"""Columns by name, first axis the samples."""


class Part(Protocol):
    """One part of a data set, in memory or mapped: `len(part)` samples."""

    def __len__(self) -> int: ...
    def gather(self, index: "Tensor") -> Batch:
        """The samples at `index`, (n,) of integers, as they are stored; on `index`'s device."""
        ...


class Scorer(Protocol):
    """What answers like a network: a network, or a floor."""

    def __call__(self, x: "Tensor", **inputs: Any) -> "Tensor":
        """Scores of a batch; named inputs are those of `Network.forward`."""
        ...


Growth = Fraction | int
"""By how much a trunk multiplies each side of its grid."""
