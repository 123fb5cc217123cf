"""One list of all cells: every preset of every structure, on small forms that it may meet."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from netwright import registry
from netwright.models.base import Structure, StructureConfig
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
