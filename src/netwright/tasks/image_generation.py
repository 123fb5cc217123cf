"""Image generation: a generator makes pictures out of noise, a discriminator tells them from real.

Pictures are played with as x = 2 u / top - 1 in [-1, 1]; the generator's raw output goes through
tanh. The game lies in `_game.py`, how what is made is judged in `_judged.py`.
Dimensions: b batch, n samples, c channels, h height, w width.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Generator, Tensor

from netwright.nn.diff_augment import diff_augment
from netwright.specs import Frozen, Image, Pictures, Schema
from netwright.tasks import _judged
from netwright.tasks._judged import JudgedGame, between
from netwright.tasks._labelled import column_of, device_of
from netwright.tasks.base import Answer, DataLike, Exhibit, Helper, Nets

SHOWN, COLUMNS = 64, 16
"""Pictures of a contact sheet (the timeline's hold half of them), and columns at most."""
STEPS, WAYS = 8, 4
"""Pictures on the way from one noise to another, and how many ways."""
BESIDE = 8
"""Made pictures that are shown beside the nearest training picture."""


class Options(_judged.Options):
    """The rules, and how pictures are varied before the discriminator sees them."""

    augment: tuple[Literal["color", "translation", "cutout"], ...] = ()
    """Differentiable, on real and on made pictures (Zhao et al. 2020)."""


class ImageGeneration(JudgedGame):
    """Pictures out of noise, of a class that is asked for where the data are labelled."""

    Config = Options
    data = "digits"
    asked = "--count 16 --out FOLDER"
    # smoothed labels teach a judge never to be sure
    judged_by = Helper("image-classification", "20epochs,4000steps", {"label_smoothing": 0.0})

    def __init__(self, schema: Schema, config: Frozen) -> None:
        super().__init__(schema, config)
        assert isinstance(config, Options)
        self.augment = config.augment
        self.column, self.pictures = column_of(
            schema, Pictures, "image-generation learns from pictures"
        )
        self.form = self.pictures.form
        mean = torch.tensor(self.pictures.mean).view(-1, 1, 1)
        deviation = torch.tensor(self.pictures.deviation).view(-1, 1, 1)
        self._mean, self._deviation = mean, torch.where(deviation == 0, 1.0, deviation)

    def floors(self) -> Sequence[str]:
        """Gaussians on principal components, and places between neighbours."""
        return ("pca-gaussian", "interpolation")

    def real(self, stored: Tensor) -> Tensor:
        """(b, c, h, w) integers as stored to floats in [-1, 1]."""
        return stored.float().mul_(2 / self.pictures.top).sub_(1)

    def judged_form(self) -> Image:
        """Pictures, as they are."""
        return self.pictures.form

    def seen(self, x: Tensor) -> Tensor:
        """Mean 0 and deviation 1, as classifiers read them."""
        mean, deviation = self._mean.to(x.device), self._deviation.to(x.device)
        return ((x + 1) / 2 - mean) / deviation

    def varied(self, x: Tensor, generator: Generator) -> Tensor:
        """Differentiably augmented, where that is asked for."""
        return diff_augment(x, self.augment, generator) if self.augment else x

    def generate(self, nets: Nets, request: Frozen, generator: Generator) -> Iterator[Answer]:
        """A picture each, with the class that was asked for."""
        for name, x, label in self.requested(nets, request, generator):
            made = Exhibit("picture", name, {"pictures": (x[None] + 1) / 2})
            value = {"class": label} if label else {}
            yield Answer(name, value, words=f"{name} {label}".strip(), made=made)

    def timeline(self, nets: Nets, generator: Generator) -> Sequence[Exhibit]:
        """Pictures of the same noise."""
        return (self._sheet("made from the same noise", nets, SHOWN // 2, generator),)

    def exhibits(
        self, nets: Nets, data: DataLike, part: str, generator: Generator
    ) -> Sequence[Exhibit]:
        """Made pictures, ways between noises, nearest training pictures, and what figures say."""
        device = device_of(nets["generator"])
        title = "made pictures" + (", a class in each column" if self._across() else "")
        shown = [self._sheet(title, nets, SHOWN, generator)]
        stored, _ = self._stored(data.parts[part], device, SHOWN)
        shown.append(_pictures("real pictures of the same data", stored))
        ways = [self._way(nets, generator, device, label) for label in range(WAYS)]
        shown.append(_pictures("from one noise to another", torch.cat(ways), STEPS))
        made, _ = self.drawn(nets, BESIDE, generator, device)
        train, _ = self._stored(data.parts["train"], device)
        gaps = torch.cdist(made.flatten(1), train.flatten(1))
        pairs = torch.stack([made, train[gaps.argmin(1)]], 1).flatten(0, 1)
        shown.append(_pictures("made, and the nearest training picture", pairs, BESIDE))
        return (*shown, self.how_it_stands(nets, data, part))

    def _sheet(self, title: str, nets: Nets, count: int, generator: Generator) -> Exhibit:
        across = self._across()
        rows = max(1, count // (across or count))
        x, _ = self.drawn(nets, rows * (across or count), generator, device_of(nets["generator"]))
        return _pictures(title, x, across)

    def _across(self) -> int | None:
        """A column for each class, several for each of very few; None where they are many."""
        if not self.conditional or self.labels is None or len(self.labels.names) > COLUMNS:
            return None
        count = len(self.labels.names)
        return count * max(1, COLUMNS // 2 // count)

    def _way(self, nets: Nets, generator: Generator, device: torch.device, label: int) -> Tensor:
        ends = self.typical(nets["generator"], self.noise(2, generator, device))
        names = self.labels.names if self.labels is not None else ("",)
        classes = torch.full((STEPS,), label % len(names)) if self.conditional else None
        z = between(ends[0], ends[1], STEPS)
        return self.drawn(nets, STEPS, generator, device, classes=classes, z=z)[0]


def _pictures(title: str, x: Tensor, columns: int | None = None) -> Exhibit:
    strings = {} if columns is None else {"columns": (str(columns),)}
    return Exhibit("picture", title, {"pictures": ((x.cpu() + 1) / 2).clamp(0, 1)}, strings)


task = ImageGeneration
"""What the registry finds here."""
