"""Small made-up tasks that load what no shipped task does: carry, two players, context, padding.

Each learns something from a synthetic law in a few steps on one core.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from netwright.datasets.base import Data, Tensors
from netwright.metrics.base import Figure
from netwright.nn.masks import valid
from netwright.specs import (
    Classes,
    Frames,
    Frozen,
    Image,
    Schema,
    Signature,
    Tokens,
    Vector,
)
from netwright.tasks.base import Answer, Loss, Role, Task, Turn

NOTHING = Schema(columns={})


class NoConfig(Frozen):
    """Nothing to set."""


@dataclass(frozen=True)
class Made:
    """What `DataLike` asks for."""

    parts: Mapping[str, Tensors]
    schema: Schema = field(default_factory=lambda: NOTHING)


class Plain(Task):
    """What the made-up tasks leave out."""

    Config = NoConfig
    figure = "figure"
    data = "none"

    def __init__(self) -> None:
        super().__init__(NOTHING, NoConfig())

    def evaluate(self, nets, data, part) -> Mapping[str, Figure]:
        return {}

    def apply(self, nets, inputs, generator) -> Iterator[Answer]:
        yield from ()


class Streams(Plain):
    """Contiguous text in windows; whether state is carried is asked of the net."""

    vocabulary, window = 7, 12

    def roles(self):
        form = Tokens(self.vocabulary, self.window)
        return {"net": Role(Signature(form, form, positions="causal"))}

    def order(self, part, size, generator) -> Sequence[Tensor]:
        stretch = (len(part) - 1) // size
        starts = torch.arange(size) * stretch
        return [starts + i for i in range(0, stretch - self.window + 1, self.window)]

    def batch(self, part, draw, generator, *, train):
        at = draw.index[:, None] + torch.arange(self.window + 1)
        window = part.gather(at.flatten())["text"].view(at.shape)
        begins = torch.full((len(at),), float(draw.position == 0))
        return {"x": window[:, :-1], "y": window[:, 1:], "begins": begins}

    def carry(self, nets, size):
        return nets["net"].state(size) if nets["net"].carries else {}

    def objective(self, turn, nets, batch, carry, generator) -> Loss:
        net, kept = nets["net"], 1 - batch["begins"]
        new: dict[str, Tensor] = {}
        if carry:
            old = {
                k: (v.detach() * kept.view(-1, *[1] * (v.dim() - 1))).to(v.dtype)
                for k, v in carry.items()
            }
            y, new = net.step(batch["x"], old)
        else:
            y = net(batch["x"])
        nats = F.cross_entropy(y.flatten(0, 1), batch["y"].flatten(), reduction="sum")
        return Loss(nats, torch.tensor(float(batch["y"].numel())), new)


def text(length: int = 600, seed: int = 0) -> Made:
    """A noisy affine walk over 7 symbols."""
    g = Generator().manual_seed(seed)
    draws = torch.rand(length, generator=g).tolist()
    walk = [0]
    for u in draws:
        walk.append((walk[-1] * 3 + 1) % 7 if u < 0.8 else int(u * 1e4) % 7)
    return Made({"train": Tensors({"text": torch.tensor(walk)})})


class Game(Plain):
    """Two players and a judge: conditional pictures of 8 x 8, with a lazy gradient penalty."""

    classes = 4

    def __init__(self, judge: Path | None = None) -> None:
        super().__init__()
        self.judge = judge

    def roles(self):
        picture, label = Image(1, 8, 8), Classes(self.classes)
        roles = {
            "generator": Role(Signature(Vector(6), picture, condition=label)),
            "discriminator": Role(Signature(picture, Vector(1), condition=label)),
        }
        if self.judge is not None:
            roles["judge"] = Role(Signature(picture, label), given=self.judge)
        return roles

    def turns(self):
        d = ("discriminator",)
        return (
            Turn("discriminator", d),
            Turn("discriminator again", d),
            Turn("penalty", d, every=3, second_order=True),
            Turn("generator", ("generator",)),
        )

    def objective(self, turn, nets, batch, carry, generator) -> Loss:
        x, c = batch["x"], batch["y"]
        n = torch.tensor(float(len(x)))
        discriminator = nets["discriminator"]
        if turn.name == "penalty":
            x = x.clone().requires_grad_()
            score = discriminator(x, condition=c).sum()
            (slope,) = torch.autograd.grad(score, x, create_graph=True)
            return Loss(0.5 * turn.every * slope.square().sum(), n)
        noise = torch.randn(len(x), 6, generator=generator).to(x.device)
        made = nets["generator"](noise, condition=c)
        if turn.name == "generator":
            return Loss(F.softplus(-discriminator(made, condition=c)).sum(), n)
        real = F.softplus(-discriminator(x, condition=c))
        fake = F.softplus(discriminator(made.detach(), condition=c))
        return Loss((real + fake).sum(), n)


def pictures(n: int = 64, seed: int = 0) -> Made:
    """Four classes: a bright row at 0, 2, 4 or 6."""
    g = Generator().manual_seed(seed)
    y = torch.randint(4, (n,), generator=g)
    x = 0.3 * torch.randn(n, 1, 8, 8, generator=g)
    x[torch.arange(n), 0, y * 2] += 1.5
    return Made({"train": Tensors({"x": x, "y": y})})


class Rows(Plain):
    """Which row is bright: the smallest classification."""

    def roles(self):
        return {"net": Role(Signature(Image(1, 8, 8), Classes(4)))}

    def objective(self, turn, nets, batch, carry, generator) -> Loss:
        nats = F.cross_entropy(nets["net"](batch["x"]), batch["y"], reduction="sum")
        return Loss(nats, torch.tensor(float(len(batch["x"]))))


class Reversal(Plain):
    """Reverse a sequence: causal output, a context to attend to, padding in both."""

    vocabulary = 9

    def roles(self):
        form, source = Tokens(self.vocabulary, 10), Tokens(self.vocabulary, 8)
        return {"net": Role(Signature(form, form, context=source, positions="causal"))}

    def objective(self, turn, nets, batch, carry, generator) -> Loss:
        y = nets["net"](
            batch["x"],
            lengths=batch["n"],
            context=batch["source"],
            context_lengths=batch["m"],
        )
        keep = valid(batch["n"], y.shape[1])
        nats = F.cross_entropy(y.transpose(1, 2), batch["y"], reduction="none")
        return Loss((nats * keep).sum(), keep.sum().float())


def reversals(n: int = 64, seed: int = 0) -> Made:
    """Sources of 3 to 8 symbols and their reversals, ended by symbol 1."""
    g = Generator().manual_seed(seed)
    m = torch.randint(3, 9, (n,), generator=g)
    source = torch.randint(2, 9, (n, 8), generator=g) * valid(m, 8)
    y = torch.zeros(n, 10, dtype=torch.long)
    y[:, :8] = source.gather(1, (m[:, None] - 1 - torch.arange(8)).clamp(min=0)) * valid(m, 8)
    y[torch.arange(n), m] = 1
    columns = {"x": F.pad(y[:, :-1], (1, 0)), "y": y, "n": m + 1, "source": source, "m": m}
    return Made({"train": Tensors(columns)})


class Tagging(Plain):
    """Frames to symbols, one for every two frames: an aligned output behind a stride, padded."""

    def roles(self):
        return {"net": Role(Signature(Frames(4, 32), Tokens(6, 16), positions="aligned"))}

    def objective(self, turn, nets, batch, carry, generator) -> Loss:
        y = nets["net"](batch["x"], lengths=batch["n"])
        keep = valid(nets["net"].lengths(batch["n"]), y.shape[1])
        nats = F.cross_entropy(y.transpose(1, 2), batch["y"], reduction="none")
        return Loss((nats * keep).sum(), keep.sum().float())


def frames(n: int = 64, seed: int = 0) -> Made:
    """The symbol of a pair of frames is where its numbers are largest."""
    g = Generator().manual_seed(seed)
    y = torch.randint(4, (n, 16), generator=g)
    x = F.one_hot(y, 4).float().repeat_interleave(2, 1) + 0.3 * torch.randn(n, 32, 4, generator=g)
    lengths = torch.randint(3, 33, (n,), generator=g)
    return Made({"train": Tensors({"x": x, "y": y, "n": lengths})})


def as_data(made: Made) -> Data:
    """The same as a data set."""
    return Data(made.schema, made.parts, "made up")
