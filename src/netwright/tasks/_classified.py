"""Tasks whose samples are read whole, and answered by one label: pictures and sounds.

The loss is cross-entropy with label smoothing (Szegedy et al. 2016, section 7).
Dimensions: b batch, n samples of a part, k classes.
"""

import itertools
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor

from netwright.errors import InputError
from netwright.metrics.base import Figure
from netwright.specs import Batch, Frozen, Labels, Part, Scorer
from netwright.tasks._labelled import (
    MEANS,
    answers,
    class_exhibits,
    device_of,
    figures_of,
    last_attention,
    surest_mistakes,
)
from netwright.tasks.base import Answer, DataLike, Draw, Exhibit, Looks, Loss, Nets, Task, Turn

APPLIED = 64
"""Foreign samples that are scored at once; their answers come together."""


class Options(Frozen):
    """What all of them are told."""

    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0)
    top: int = Field(5, ge=1)
    """Classes that an answer lists, and the k of the figure for the k best guesses."""


class Classification(Task):
    """One label out of several for each sample."""

    figure = "accuracy"
    means = MEANS
    options: Options
    column: str
    """Name of what is read."""
    label: str
    labels: Labels
    noun: ClassVar[str]
    """What a sample is: `picture`."""
    judged: ClassVar[int]
    """Samples that are scored at once."""

    @abstractmethod
    def read(self, stored: Tensor) -> Tensor:
        """(b, ...) as stored, as nets read it; on the device of `stored`."""

    @abstractmethod
    def shown(self, title: str, stored: Tensor, captions: tuple[str, ...]) -> Sequence[Exhibit]:
        """Stored samples, to be looked at."""

    def views(self, x: Tensor) -> Sequence[Tensor]:
        """What nets are asked about one batch when they are judged: itself first."""
        return (x,)

    def objective(
        self,
        turn: Turn,  # noqa: ARG002
        nets: Nets,
        batch: Batch,
        carry: Mapping[str, Tensor],  # noqa: ARG002
        generator: Generator,  # noqa: ARG002
    ) -> Loss:
        """Sum of the cross-entropies in nats, over the number of samples."""
        logits = nets["net"](batch["x"]).float()
        target = batch["target"] if "target" in batch else batch["y"]
        smoothing = self.options.label_smoothing
        total = F.cross_entropy(logits, target, label_smoothing=smoothing, reduction="sum")
        return Loss(total, logits.new_full((), float(logits.shape[0])))

    def evaluate(self, nets: Nets, data: DataLike, part: str) -> Mapping[str, Figure]:
        """The figures of `figures_of`; nets are given in evaluation mode."""
        logits, _, y = self.scores(nets["net"], data.parts[part])
        return figures_of(logits, y, self.options.top)

    def apply(
        self,
        nets: Nets,
        inputs: Iterator[tuple[str, Batch]],
        generator: Generator,  # noqa: ARG002
    ) -> Iterator[Answer]:
        """`class`, its `probability`, and `top`, [class, probability] pairs from the best on."""
        net, names = nets["net"], self.labels.names
        while chunk := list(itertools.islice(inputs, APPLIED)):
            stored = torch.cat([batch[self.column] for _, batch in chunk]).to(device_of(net))
            with torch.inference_mode():
                shares = net(self.read(stored)).float().softmax(1).cpu()
            yield from answers([name for name, _ in chunk], shares, names, self.options.top)

    def exhibits(
        self,
        nets: Nets,
        data: DataLike,
        part: str,
        generator: Generator,  # noqa: ARG002
    ) -> Sequence[Exhibit]:
        """Figures per class, the confusion matrix, the surest mistakes, and where a net looks."""
        net, names = nets["net"], self.labels.names
        logits, _, y = self.scores(net, data.parts[part])
        made: list[Exhibit] = [*class_exhibits(logits, y, names)]
        surest, captions = surest_mistakes(logits, y, names)
        if captions:
            stored = data.parts[part].gather(surest.to(device_of(net)))[self.column]
            made += self.shown("mistakes made with the highest confidence", stored, captions)
        return (*made, *self._looked(net, data.parts[part]))

    def scores(self, net: Scorer, part: Part) -> tuple[Tensor, Tensor, Tensor]:
        """(n, k) logits, their mean over the views, and (n,) labels; on the CPU."""
        if len(part) == 0:
            raise InputError(f"there are no {self.noun}s to judge by", why="this part is empty")
        unused, device = Generator(), device_of(net)
        plain, mean, truth = [], [], []
        with torch.inference_mode():
            for index in torch.arange(len(part), device=device).split(self.judged):
                batch = self.batch(part, Draw(index), unused, train=False)
                logits = torch.stack([net(view).float() for view in self.views(batch["x"])])
                plain.append(logits[0])
                mean.append(logits.mean(0))
                truth.append(batch["y"])
        return torch.cat(plain).cpu(), torch.cat(mean).cpu(), torch.cat(truth).cpu()

    def _looked(self, net: Scorer, part: Part) -> Sequence[Exhibit]:
        """The last attention map of the first sample, if the net has one."""
        if not isinstance(net, Looks):
            return ()
        stored = part.gather(torch.zeros(1, dtype=torch.long, device=device_of(net)))
        with torch.inference_mode():
            weights = last_attention(net.look(self.read(stored[self.column])))
        if weights is None:
            return ()
        caption = (self.labels.names[int(stored[self.label][0])],)
        title = "attention of the last layer, mean of its heads: from place (down) to place"
        picture = self.shown(f"the {self.noun} that is looked at", stored[self.column], caption)[-1]
        return (picture, Exhibit("map", title, {"map": weights}))
