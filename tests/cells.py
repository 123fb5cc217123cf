"""One list of all cells: every preset of every structure, on small forms that it may meet."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from netwright import registry
from netwright.models.base import Network, Structure, StructureConfig
from netwright.nn.toys import zeros
from netwright.specs import Classes, Form, Frames, Image, Signature, Tokens, Vector

SIGNATURES = {
    "pictures of 8": Signature(Image(1, 8, 8), Classes(4)),
    "pictures of 28": Signature(Image(1, 28, 28), Classes(10)),
    "pictures of 32": Signature(Image(3, 32, 32), Classes(10)),
    "text, causal": Signature(Tokens(11, 12), Tokens(11, 12), positions="causal"),
    "text to class": Signature(Tokens(11, 12), Classes(3)),
    "translation": Signature(
        Tokens(11, 12), Tokens(11, 12), context=Tokens(9, 7), positions="causal"
    ),
    "forecast": Signature(Frames(2, 24), Frames(6, 8)),
    "tagging": Signature(Frames(4, 32), Tokens(6, 16), positions="aligned"),
    "generator": Signature(Vector(6), Image(1, 8, 8), condition=Classes(4)),
    "discriminator": Signature(Image(1, 8, 8), Vector(1), condition=Classes(4)),
    "table generator": Signature(Vector(6), Vector(9), condition=Vector(3)),
    "restoration": Signature(Image(3, 16, 16), Image(3, 16, 16), positions="aligned"),
    "plate": Signature(Image(1, 16, 48), Tokens(12, 48), positions="aligned"),
}


@dataclass(frozen=True)
class Cell:
    """A preset on a signature."""

    family: str
    preset: str
    form: str

    @property
    def structure(self) -> Structure:
        found: Structure = registry.load("models", self.family)
        return found

    @property
    def config(self) -> StructureConfig:
        return self.structure.presets[self.preset]

    @property
    def signature(self) -> Signature:
        return SIGNATURES[self.form]

    @property
    def name(self) -> str:
        return f"{self.family}/{self.preset} on {self.form}"


def every_cell() -> Iterator[Cell]:
    """All of them, fitting or refused."""
    for family in registry.names("models"):
        for preset in registry.load("models", family).presets:
            for form in SIGNATURES:
                yield Cell(family, preset, form)


def fitting_cells(*forms: str) -> list[Cell]:
    """Those that are built, on these forms or on all."""
    wanted = forms or tuple(SIGNATURES)
    return [
        c
        for c in every_cell()
        if c.form in wanted and c.structure.refuses(c.signature, c.config) is None
    ]


def meta_input(form: Form, n: int) -> Tensor:
    """A batch of `n` of this form on the meta device."""
    with torch.device("meta"):
        return zeros(form, n)


def drawn(form: Form, n: int, seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    match form:
        case Image(c, h, w):
            return torch.randn(n, c, h, w, generator=g)
        case Tokens(v, t):
            return torch.randint(v, (n, t), generator=g)
        case Frames(f, t):
            return torch.randn(n, t, f, generator=g)
        case Vector(f):
            return torch.randn(n, f, generator=g)
        case Classes(k):
            return torch.randint(k, (n,), generator=g)
    raise TypeError(form)


def inputs_of(cell: Cell, n: int = 4) -> dict[str, Tensor]:
    s = cell.signature
    made = {"x": drawn(s.input, n)}
    if s.context is not None:
        made["context"] = drawn(s.context, n, 1)
    if s.condition is not None:
        made["condition"] = drawn(s.condition, n, 2)
    return made


def built(cell: Cell, seed: int = 0) -> Network:
    """A network of this cell, prepared as a training does it."""
    torch.manual_seed(seed)
    net = cell.structure.build(cell.signature, cell.config)
    net.prepare(drawn(cell.signature.input, 64, 5), *condition(cell, 64))
    return net


def condition(cell: Cell, n: int) -> tuple[Tensor, ...]:
    return () if cell.signature.condition is None else (drawn(cell.signature.condition, n, 6),)


def loss_of(y: Tensor, cell: Cell) -> Tensor:
    match cell.signature.output:
        case Classes(k):
            return F.cross_entropy(y, drawn(Classes(k), len(y), 3).to(y.device))
        case Tokens(v, _):
            return F.cross_entropy(
                y.flatten(0, 1), drawn(Tokens(v, y.shape[1]), len(y), 3).flatten().to(y.device)
            )
    return (y - drawn(cell.signature.output, len(y), 3).to(y.device)).square().mean()
