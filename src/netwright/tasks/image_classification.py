"""Image classification: one label out of several for each picture.

Pictures lie as integers and are normalised when a batch is made: x = (u / top - mean) / deviation.
The loss is cross-entropy with label smoothing (Szegedy et al. 2016, section 7).
Dimensions: b batch, n samples of a part, c channels, h height, w width, k classes.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor

from netwright.errors import InputError
from netwright.metrics.base import Figure
from netwright.nn import augment
from netwright.specs import Batch, Frozen, Labels, Part, Pictures, Schema, Signature
from netwright.tasks import _classified
from netwright.tasks._classified import Classification
from netwright.tasks._labelled import accuracy_of, column_of, figures_of
from netwright.tasks.base import DataLike, Draw, Exhibit, Nets, Role, Variant

READS = "image-classification reads pictures and labels"


class Options(_classified.Options):
    """How pictures are varied in training, and what is reported."""

    mixup: float = Field(0.0, ge=0.0)
    """Beta's parameter; 0: off. With `cutmix` on too, a coin decides for each batch."""
    cutmix: float = Field(0.0, ge=0.0)
    """Beta's parameter; 0: off."""
    flip: Literal["none", "random", "alternating"] = "none"
    """Left and right; `alternating` shows each picture in both forms in two epochs."""
    shift: int = Field(0, ge=0)
    """Pixels that a picture moves by at most, in each direction (pad and crop)."""
    shift_mode: augment.Edge = "reflect"
    """What comes in from beyond the edge; `zero` is the mean of the training pictures."""
    cutout: int = Field(0, ge=0)
    """Side of the square that is covered, in pixels."""
    brightness: float = Field(0.0, ge=0.0)
    """Greatest change, in deviations of the training pictures."""
    contrast: float = Field(0.0, ge=0.0, le=1.0)
    """Greatest relative change of the spread about a picture's mean."""
    test_flip: bool = False
    """Adds the figure `accuracy_flip`: logits are the mean of the picture's and its mirror's."""


class ImageClassification(Classification):
    """A picture in, scores of its classes out."""

    Config = Options
    data = "digits"
    noun = "picture"
    judged = 500
    options: Options

    def __init__(self, schema: Schema, config: Frozen) -> None:
        super().__init__(schema, config)
        assert isinstance(config, Options)
        self.options = config
        self.column, self.pictures = column_of(schema, Pictures, READS)
        self.label, self.labels = column_of(schema, Labels, READS)
        self.classes = len(self.labels.names)
        side = min(self.pictures.form.height, self.pictures.form.width)
        for name in ("shift", "cutout"):
            value = getattr(self.options, name)
            if value >= side:
                raise InputError(
                    f"{name} is {value}",
                    why=f"the pictures are {side} pixels small, so nothing of them would be left",
                    do=f"{name}={side // 8}",
                )
        deviation = torch.tensor(self.pictures.deviation).view(-1, 1, 1)
        deviation[deviation == 0] = 1  # a channel that is constant
        scale = 1 / (self.pictures.top * deviation)
        offset = -torch.tensor(self.pictures.mean).view(-1, 1, 1) / deviation
        self._affine = {torch.device("cpu"): (scale, offset)}

    def roles(self) -> Mapping[str, Role]:
        """One player, `net`."""
        return {"net": Role(Signature(self.pictures.form, self.labels.form))}

    def batch(self, part: Part, draw: Draw, generator: Generator, *, train: bool) -> Batch:
        """`x` (b, c, h, w) normalised, `y` (b,) labels, and `target` (b, k) where they are mixed.

        Augmented when training; `generator` lies on the CPU.
        """
        stored = part.gather(draw.index)
        x, y = self.read(stored[self.column]), stored[self.label].long()
        if not train:
            return {"x": x, "y": y}
        x = self._augmented(x, draw, generator)
        mix = self._mix(generator)
        if mix == "none":
            return {"x": x, "y": y}
        soft = F.one_hot(y, self.classes).to(x.dtype)
        if mix == "mixup":
            x, soft = augment.mixup(x, soft, self.options.mixup, generator)
        else:
            x, soft = augment.cutmix(x, soft, self.options.cutmix, generator)
        return {"x": x, "y": y, "target": soft}

    def read(self, stored: Tensor) -> Tensor:
        """(b, c, h, w) integers as stored to floats of mean 0 and deviation 1."""
        if stored.device not in self._affine:
            scale, offset = self._affine[torch.device("cpu")]
            self._affine[stored.device] = (scale.to(stored.device), offset.to(stored.device))
        scale, offset = self._affine[stored.device]
        return stored.float().mul_(scale).add_(offset)

    def evaluate(self, nets: Nets, data: DataLike, part: str) -> Mapping[str, Figure]:
        """The figures of `figures_of`, and `accuracy_flip` where that is asked for.

        The part is read once; nets are given in evaluation mode.
        """
        logits, flipped, y = self.scores(nets["net"], data.parts[part])
        figures = figures_of(logits, y, self.options.top)
        if self.options.test_flip:
            figures["accuracy_flip"] = accuracy_of(flipped, y)
        return figures

    def views(self, x: Tensor) -> Sequence[Tensor]:
        """The pictures, and mirrored ones where that is asked for."""
        return (x, x.flip(3)) if self.options.test_flip else (x,)

    def variants(self) -> Sequence[Variant]:
        """Scores averaged with the mirror's, where that is asked for."""
        return (Variant("test-time flip", "accuracy_flip"),) if self.options.test_flip else ()

    def floors(self) -> Sequence[str]:
        """Nearest neighbour, a linear one, and support vectors on pixels and on gradients."""
        return ("nearest-neighbour", "linear", "svm-rbf", "hog-svm")

    def shown(self, title: str, stored: Tensor, captions: tuple[str, ...]) -> Sequence[Exhibit]:
        """The pictures as they are stored."""
        pictures = stored.cpu().float() / self.pictures.top
        return (Exhibit("picture", title, {"pictures": pictures}, {"captions": captions}),)

    def _augmented(self, x: Tensor, draw: Draw, generator: Generator) -> Tensor:
        o = self.options
        x = augment.shift(x, o.shift, generator, edge=o.shift_mode)
        if o.flip == "random":
            x = augment.flip(x, generator)
        elif o.flip == "alternating":
            x = augment.alternating_flip(x, draw.index, draw.epoch)
        x = augment.brightness_contrast(x, o.brightness, o.contrast, generator)
        return augment.cutout(x, o.cutout, generator)

    def _mix(self, generator: Generator) -> Literal["none", "mixup", "cutmix"]:
        if self.options.mixup and self.options.cutmix:
            first = float(torch.rand((), generator=generator)) < 0.5
            return "mixup" if first else "cutmix"
        if self.options.mixup:
            return "mixup"
        return "cutmix" if self.options.cutmix else "none"


task = ImageClassification
"""What the registry finds here."""
