"""What a task is: roles and turns, bound to a schema. It knows no structure.

A task with two players is two roles and their turns, and nothing more; the loop has no line about
them. Sums, not means: `Loss(total, weight)` gives the same gradient however a batch is divided.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor

from netwright.metrics.base import Figure
from netwright.specs import Batch, Frozen, Part, Schema, Scorer, Signature

if TYPE_CHECKING:
    from pathlib import Path

PREPARED = 2048
"""Training samples that a network is shown before step 0 at most."""
Nets = Mapping[str, Scorer]
"""Role to network; a floor stands in one as well."""


@runtime_checkable
class Looks(Protocol):
    """What can show its inner results: a network."""

    def look(self, x: Tensor, **inputs: Tensor | None) -> Mapping[str, Tensor]: ...


class DataLike(Protocol):
    """What a task may ask of a data set."""

    @property
    def schema(self) -> Schema: ...
    @property
    def parts(self) -> Mapping[str, Part]: ...


@dataclass(frozen=True)
class Role:
    """One player's contract."""

    signature: Signature
    given: "Path | None" = None
    """A run folder: the role is frozen, built from its own run, and never varied (a judge)."""
    fixed: str | None = None
    """`structure/preset`: trained, but `compare` does not vary it."""
    applied: bool = True
    """Whether it is needed when the trained nets are used; False: it only helps to train (a
    discriminator), and its cost is none of an answer's."""


@dataclass(frozen=True)
class Helper:
    """A run that a task needs beside its own, trained once for a data set where none is named."""

    task: str
    budget: str
    config: Mapping[str, Any] = field(default_factory=dict)
    """Of its task."""


@dataclass(frozen=True)
class Turn:
    """One optimizer move. n moves of a player are its turn listed n times."""

    name: str
    roles: tuple[str, ...]
    every: int = 1
    """The turn is taken in rounds divisible by this (lazy regularisation)."""
    second_order: bool = False
    """Whether its objective differentiates a gradient; then attention takes the math kernel."""
    watch: bool = False
    """Whether the norm of its gradient is logged, as `gradient`."""


@dataclass(frozen=True)
class Draw:
    """Which samples a batch is made of."""

    index: Tensor
    """(n,) of integers."""
    epoch: int = 0
    position: int = 0
    """Number of the batch in its epoch; 0: an epoch, and with it every stream, begins."""


@dataclass
class Loss:
    """A sum, and what to divide it by."""

    total: Tensor
    weight: Tensor
    """Samples or tokens, a scalar tensor."""
    carry: dict[str, Tensor] = field(default_factory=dict)
    """What lives on to the next step; empty: as before."""
    said: dict[str, Tensor] = field(default_factory=dict)
    """Other sums to be logged, over the same weight: scalars without gradient, the same names in
    every loss of a turn."""


@dataclass(frozen=True)
class Exhibit:
    """Something to look at in the report."""

    kind: Literal["picture", "text", "curve", "map", "sound", "table"]
    title: str
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    """picture: `pictures` (n, c, h, w) in [0, 1]; map: `map` (h, w); curve: `x`, `y`;
    table: `cells` (rows, columns)."""
    strings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """picture: `captions`; table and map: `rows`, `columns`; text: `lines`."""


@dataclass(frozen=True)
class Answer:
    """What `apply` gives for one input, or `generate` for one request."""

    name: str
    value: Mapping[str, object]
    """Plain JSON: for classification `class`, `probability`, `top` (a list of pairs)."""
    words: str = ""
    """The same for people; empty: the keys and values."""
    made: Exhibit | None = None
    """A picture, sound or table that was made."""


@dataclass(frozen=True)
class Variant:
    """Another way to use the same trained nets, which stands in the table as a row of its own."""

    title: str
    """Behind the candidate's name: `test-time flip`."""
    figure: str
    """The figure of this variant; of the same unit and direction as the task's."""


class Task(ABC):
    """A task bound to a schema, since `predict` has no data."""

    Config: ClassVar[type[Frozen]]
    Request: ClassVar[type[Frozen] | None] = None
    """What `generate` can be asked for; None where the task generates nothing."""
    figure: str
    """The name of the figure that the verdict is about; of the class, or bound to the schema."""
    data: ClassVar[str]
    """The data set that is taken where none is named; it works offline."""
    structure: ClassVar[str] = "cnn/small"
    """What is trained where no structure is named."""
    players: ClassVar[tuple[str, ...]] = ("net",)
    """Names of the roles that are trained."""
    means: ClassVar[Mapping[str, str]] = {}
    """What each figure says, in words for people who do not know its name."""
    asked: ClassVar[str] = ""
    """What follows `netwright generate RUN` in an example; empty where it generates nothing."""

    def __init__(self, schema: Schema, config: Frozen) -> None:
        self.schema, self.config = schema, config

    @classmethod
    def remarks(cls, values: Mapping[str, float]) -> Sequence[str]:  # noqa: ARG003
        """What figures say that their numbers alone do not: of what failed, a sentence each."""
        return ()

    @abstractmethod
    def roles(self) -> Mapping[str, Role]:
        """The players by name."""

    def turns(self) -> Sequence[Turn]:
        """The moves of one round, in order; by default one, of all trained roles."""
        return (Turn("net", tuple(n for n, r in self.roles().items() if r.given is None)),)

    def order(self, part: Part, size: int, generator: Generator) -> Sequence[Tensor]:
        """The batches of one epoch as indices: a permutation, cut; a short last one is left out."""
        order = torch.randperm(len(part), generator=generator)
        return torch.split(order, size)[: len(part) // size]

    def batch(self, part: Part, draw: Draw, generator: Generator, *, train: bool) -> Batch:
        """Gather and, when training, augment; what it gives is what `objective` reads."""
        return part.gather(draw.index)

    def prepare(self, nets: Mapping[str, Any], part: Part, generator: Generator) -> None:
        """Once, before step 0: show the network some inputs, which a whitening layer needs.

        Here for one trained role whose input is `x`; a task with more players does it itself.
        """
        if len(nets) != 1 or not len(part):
            return
        (net,) = nets.values()
        index = torch.randperm(len(part), generator=generator)[:PREPARED]
        device = next(net.parameters()).device
        batch = self.batch(part, Draw(index.to(device)), generator, train=False)
        if "x" in batch and "lengths" not in batch:
            net.prepare(batch["x"])

    def helpers(self) -> Mapping[str, Helper]:
        """Runs that it needs, by the option that names their folder; none that is named already."""
        return {}

    def carry(self, nets: Nets, size: int) -> dict[str, Tensor]:
        """What lives from step to step, at its start; shapes fixed for the run."""
        return {}

    @abstractmethod
    def objective(
        self,
        turn: Turn,
        nets: Nets,
        batch: Batch,
        carry: Mapping[str, Tensor],
        generator: Generator,
    ) -> Loss:
        """The loss of one turn. Runs on the meta device too: no `.item()`, no boolean indexing."""

    @abstractmethod
    def evaluate(self, nets: Nets, data: DataLike, part: str) -> Mapping[str, Figure]:
        """Figures over the whole part."""

    def variants(self) -> Sequence[Variant]:
        """Other uses of the same nets, whose figures `evaluate` gives beside the main one."""
        return ()

    def floors(self) -> Sequence[str]:
        """Names in `floors/`, which stand beside every network."""
        return ()

    def sample(self, part: Part, limit: int, generator: Generator) -> tuple[Batch, str]:
        """What a floor is fitted on, and a sentence where that is not the whole part.

        `batch` of all samples, or of a seeded subsample of `limit` of them, without augmentation.
        """
        index, note = torch.arange(len(part)), ""
        if len(part) > limit:
            index = torch.randperm(len(part), generator=generator)[:limit]
            note = f"fitted on {limit:,} of {len(part):,} training samples"
        return self.batch(part, Draw(index), generator, train=False), note

    @abstractmethod
    def apply(
        self, nets: Nets, inputs: Iterator[tuple[str, Batch]], generator: Generator
    ) -> Iterator[Answer]:
        """Use the nets on named inputs, each a batch of one as a data set's `read` gives it."""

    def generate(self, nets: Nets, request: Frozen, generator: Generator) -> Iterator[Answer]:
        """Make what is asked for; `request` is an instance of `Request`.

        An answer may come in pieces: those that share a name belong together, in order.
        """
        raise NotImplementedError

    def timeline(self, nets: Nets, generator: Generator) -> Sequence[Exhibit]:
        """What to show at every validation: the same small thing, as it changes.

        `generator` is keyed the same each time, so that the same noise gives the same pictures.
        """
        return ()

    def exhibits(
        self, nets: Nets, data: DataLike, part: str, generator: Generator
    ) -> Sequence[Exhibit]:
        """What to show of the nets on this part."""
        return ()
