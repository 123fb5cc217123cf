"""Regression: numbers out of a series, judged by their squared error.

Dimensions: b batch, n samples of a part, t places, f features, k numbers.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Generator, Tensor

from netwright.errors import InputError, shown
from netwright.metrics.base import Figure
from netwright.specs import Batch, Frozen, Numbers, Part, Schema, Scorer, Series, Signature
from netwright.tasks._columns import column
from netwright.tasks._labelled import device_of
from netwright.tasks.base import Answer, DataLike, Draw, Exhibit, Loss, Nets, Role, Task, Turn

READS = "regression reads series `x`, and `y`, numbers"
JUDGED = 500
"""Series that are scored at once."""
APPLIED = 64
"""Foreign series that are scored at once; their answers come together."""
BINS = 20
"""Points of the curve of what was said over what is true."""
MISTAKES = 24
"""Samples shown of those with the largest error."""


class Options(Frozen):
    """Nothing is varied."""


class Regression(Task):
    """A series in, numbers out."""

    Config = Options
    figure = "mse"
    means: ClassVar = {
        "mse": "mean of the squared errors",
        "mae": "mean of the errors' sizes",
    }
    data = "adding"

    def __init__(self, schema: Schema, config: Frozen) -> None:
        super().__init__(schema, config)
        self.series = column(schema, "x", Series, READS)
        self.numbers = column(schema, "y", Numbers, READS)

    def roles(self) -> Mapping[str, Role]:
        """One player, `net`."""
        return {"net": Role(Signature(self.series.form, self.numbers.form))}

    def objective(
        self,
        turn: Turn,  # noqa: ARG002
        nets: Nets,
        batch: Batch,
        carry: Mapping[str, Tensor],  # noqa: ARG002
        generator: Generator,  # noqa: ARG002
    ) -> Loss:
        """Sum of the squared errors of all numbers, over the number of samples."""
        said = nets["net"](batch["x"]).float()
        total = (said - batch["y"]).square().sum()
        return Loss(total, total.new_full((), float(len(said))))

    def evaluate(self, nets: Nets, data: DataLike, part: str) -> Mapping[str, Figure]:
        """`mse` and `mae`, each a mean over the numbers of a sample and then over the samples."""
        said, y = self._said(nets["net"], data.parts[part])
        error = said.double() - y.double()
        squares, sizes = error.square().mean(1, keepdim=True), error.abs().mean(1, keepdim=True)
        return {
            "mse": Figure(squares, "mean", higher=False),
            "mae": Figure(sizes, "mean", higher=False),
        }

    def floors(self) -> Sequence[str]:
        """The mean of the training part."""
        return ("mean",)

    def apply(
        self,
        nets: Nets,
        inputs: Iterator[tuple[str, Batch]],
        generator: Generator,  # noqa: ARG002
    ) -> Iterator[Answer]:
        """Each number under its name."""
        net = nets["net"]
        while chunk := list(itertools.islice(inputs, APPLIED)):
            x = torch.cat([batch["x"] for _, batch in chunk]).to(device_of(net))
            with torch.inference_mode():
                said = net(x).float().cpu()
            for (name, _), row in zip(chunk, said.tolist(), strict=True):
                numbers = dict(zip(self.numbers.names, row, strict=True))
                words = ", ".join(f"{shown(k)} {v:.4g}" for k, v in numbers.items())
                yield Answer(name, dict(numbers), words=words)

    def exhibits(
        self,
        nets: Nets,
        data: DataLike,
        part: str,
        generator: Generator,  # noqa: ARG002
    ) -> Sequence[Exhibit]:
        """For each number: what was said over what is true, and the largest errors."""
        said, y = (v.double() for v in self._said(nets["net"], data.parts[part]))
        made: list[Exhibit] = []
        for i, name in enumerate(self.numbers.names):
            order = y[:, i].argsort(stable=True)
            groups = [order[g] for g in torch.arange(len(y)).tensor_split(min(BINS, len(y)))]
            x, mean = (torch.stack([v[g, i].mean() for g in groups]) for v in (y, said))
            title = f"{shown(name)}: what was said, on average, over what is true"
            made.append(Exhibit("curve", title, {"x": x, "y": mean}))
            worst = (said[:, i] - y[:, i]).abs().argsort(descending=True, stable=True)[:MISTAKES]
            cells = torch.stack([y[worst, i], said[worst, i], (said - y)[worst, i]], 1)
            strings = {
                "rows": tuple(f"sample {at}" for at in worst.tolist()),
                "columns": ("true", "said", "error"),
            }
            title = f"{shown(name)}: the largest errors"
            made.append(Exhibit("table", title, {"cells": cells}, strings))
        return made

    def _said(self, net: Scorer, part: Part) -> tuple[Tensor, Tensor]:
        """(n, k) numbers of the net and of the part; on the CPU."""
        if len(part) == 0:
            raise InputError("there are no series to judge by", why="this part is empty")
        unused, said, truth = Generator(), [], []
        with torch.inference_mode():
            for index in torch.arange(len(part), device=device_of(net)).split(JUDGED):
                batch = self.batch(part, Draw(index), unused, train=False)
                said.append(net(batch["x"]).float().cpu())
                truth.append(batch["y"].cpu())
        return torch.cat(said), torch.cat(truth)


task = Regression
"""What the registry finds here."""
