"""The game of two players: their losses, penalties and turns. Networks know nothing of it.

With real and fake samples' scores r and f, D minimises and G minimises

    non_saturating  softplus(-r) + softplus(f)          softplus(-f)       (Goodfellow et al. 2014)
    hinge           relu(1 - r) + relu(1 + f)           -f                 (Miyato et al. 2018)
    wasserstein     f - r                               -f                 (Arjovsky et al. 2017)
    relativistic    softplus(f - r)                     softplus(r - f)    (Huang et al. 2025)

and D also a penalty, with the gradient g of its score by its input:

    gradient  gamma (|g| - 1)^2, at a random place between real and fake    (Gulrajani et al. 2017)
    r1        gamma / 2 |g|^2, at real samples                              (Mescheder et al. 2018)
    r1r2      the same at real and at fake samples                          (Huang et al. 2025)

A lazy penalty is a turn of its own, taken every so many rounds with so many times the weight
(Karras et al. 2020, appendix B).
Dimensions: b batch, m noise.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor

from netwright.errors import InputError
from netwright.specs import Batch, Frozen, Part
from netwright.tasks.base import Answer, Draw, Loss, Nets, Task, Turn

PREPARED = 512
"""Samples that a discriminator is shown before step 0."""


class Game(Frozen):
    """The rules, which every task with two players has among its options."""

    loss: Literal["non_saturating", "hinge", "wasserstein", "relativistic"] = "relativistic"
    penalty: Literal["none", "gradient", "r1", "r1r2"] = "r1r2"
    gamma: float = Field(1.0, gt=0.0)
    """Weight of the penalty."""
    every: int = Field(1, ge=1)
    """Rounds from one penalty to the next."""
    discriminator_turns: int = Field(1, ge=1)
    """Moves of the discriminator in a round, each on its own batch."""
    noise: int = Field(64, ge=1)
    """Numbers out of which the generator makes a sample."""


class GameTask(Task):
    """What tasks with a generator and a discriminator share."""

    players = ("generator", "discriminator")
    game: Game

    @abstractmethod
    def made(self, raw: Tensor, generator: Generator | None = None) -> Tensor:
        """The generator's raw output as samples; `generator` draws what training draws at that."""

    def varied(self, x: Tensor, generator: Generator) -> Tensor:  # noqa: ARG002
        """Samples as the discriminator is shown them, differentiably augmented."""
        return x

    def presented(self, x: Tensor) -> Tensor:
        """Samples in the form in which the discriminator reads them."""
        return x

    def read(self, net: Any, x: Tensor, beside: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """A discriminator's scores (b, 1) of what it reads, and what else it says of it (b, k)."""
        said: Tensor = net(x, **beside).float()
        return said[:, :1], said[:, 1:]

    def taken_for(self, said: Tensor, batch: Batch) -> Tensor | None:  # noqa: ARG002
        """A sum that a player minimises of what the discriminator says beside its scores."""
        return None

    def asked_too(self, raw: Tensor, batch: Batch) -> Tensor | None:  # noqa: ARG002
        """A sum that the generator minimises beside its score, of its raw output."""
        return None

    def apply(
        self,
        nets: Nets,  # noqa: ARG002
        inputs: Iterator[tuple[str, Batch]],  # noqa: ARG002
        generator: Generator,  # noqa: ARG002
    ) -> Iterator[Answer]:
        """InputError: a generator is given nothing to answer to."""
        raise InputError(
            "a generator answers to nothing",
            why="it makes samples out of noise",
            do=f"netwright generate RUN {self.asked}",
        )

    def turns(self) -> Sequence[Turn]:
        """The discriminator's moves, a lazy penalty where there is one, then the generator's."""
        game, player = self.game, ("discriminator",)
        lazy = game.penalty != "none" and game.every > 1
        second = game.penalty != "none" and not lazy
        move = Turn("discriminator", player, second_order=second, watch=True)
        penalty = Turn("penalty", player, every=game.every, second_order=True)
        last = Turn("generator", ("generator",), watch=True)
        return (*[move] * game.discriminator_turns, *([penalty] if lazy else []), last)

    def noise(self, count: int, generator: Generator, device: torch.device) -> Tensor:
        """(count, m) standard normal numbers; `generator` lies on the CPU."""
        return torch.randn(count, self.game.noise, generator=generator).to(device)

    def prepare(self, nets: Mapping[str, Any], part: Part, generator: Generator) -> None:
        """Show the discriminator some real samples."""
        index = torch.randperm(len(part), generator=generator)[:PREPARED]
        net = nets["discriminator"]
        device = next(net.parameters()).device
        batch = self.batch(part, Draw(index.to(device)), generator, train=False)
        net.prepare(self.presented(batch["x"]), batch.get("condition"))

    def objective(
        self,
        turn: Turn,
        nets: Nets,
        batch: Batch,
        carry: Mapping[str, Tensor],  # noqa: ARG002
        generator: Generator,
    ) -> Loss:
        """Of `x`, real samples, `z`, noise, and `condition` where there is one; sums over b."""
        weight = batch["z"].new_full((), float(len(batch["z"])))
        beside = {k: batch[k] for k in ("condition",) if k in batch}
        judge = nets["discriminator"]
        if turn.name == "generator":
            raw = nets["generator"](batch["z"], **beside)
            x = self.as_read(self.made(raw, generator), generator)
            fake, aside = self.read(judge, x, beside)
            total = self._generator_loss(judge, fake, batch, beside, generator)
            for extra in (self.asked_too(raw.float(), batch), self.taken_for(aside, batch)):
                total = total if extra is None else total + extra
            return Loss(total, weight, said={"fake_score": fake.detach().sum()})
        with torch.no_grad():
            samples = self.made(nets["generator"](batch["z"], **beside), generator)
        both = torch.cat([self.as_read(batch["x"], generator), self.as_read(samples, generator)])
        if turn.name == "penalty":
            total = turn.every * self._penalty(judge, both, None, beside, generator)
            return Loss(total, weight)
        both = both.requires_grad_(self._penalised_here)
        twice = {k: torch.cat([v, v]) for k, v in beside.items()}
        scores, aside = self.read(judge, both, twice)
        real, fake = scores.chunk(2)
        total = _discriminator_loss(self.game.loss, real, fake)
        extra = self.taken_for(aside.chunk(2)[0], batch)
        total = total if extra is None else total + extra
        if self._penalised_here:
            total = total + self._penalty(judge, both, scores, beside, generator)
        said = {"real_score": real.detach().sum(), "fake_score": fake.detach().sum()}
        return Loss(total, weight, said=said)

    def as_read(self, x: Tensor, generator: Generator) -> Tensor:
        """Samples as the discriminator is given them in training."""
        return self.presented(self.varied(x, generator))

    @property
    def _penalised_here(self) -> bool:
        """Whether the penalty belongs to the discriminator's own move."""
        return self.game.penalty != "none" and self.game.every == 1

    def _generator_loss(
        self,
        judge: Any,
        fake: Tensor,
        batch: Batch,
        beside: Mapping[str, Tensor],
        generator: Generator,
    ) -> Tensor:
        match self.game.loss:
            case "non_saturating":
                return F.softplus(-fake).sum()
            case "hinge" | "wasserstein":
                return -fake.sum()
            case "relativistic":
                with torch.no_grad():
                    real, _ = self.read(judge, self.as_read(batch["x"], generator), beside)
                return F.softplus(real - fake).sum()

    def _penalty(
        self,
        judge: Any,
        both: Tensor,
        scores: Tensor | None,
        beside: Mapping[str, Tensor],
        generator: Generator,
    ) -> Tensor:
        """Sum of the penalties of a batch; `scores` of `both`, where they are there already."""
        kind, gamma = self.game.penalty, self.game.gamma
        if kind == "gradient":
            real, fake = both.detach().chunk(2)
            share = torch.rand(len(real), generator=generator).to(real.device)
            places = torch.lerp(real, fake, share.view(-1, *[1] * (real.dim() - 1)))
            places = places.requires_grad_()
            slope = _slope(self.read(judge, places, beside)[0], places)
            return gamma * ((slope + 1e-12).sqrt() - 1).square().sum()
        if scores is not None:
            slope = _slope(scores, both)
            return gamma / 2 * (slope.chunk(2)[0] if kind == "r1" else slope).sum()
        places = both.detach()
        places = (places.chunk(2)[0] if kind == "r1" else places).requires_grad_()
        many = beside if kind == "r1" else {k: torch.cat([v, v]) for k, v in beside.items()}
        return gamma / 2 * _slope(self.read(judge, places, many)[0], places).sum()


def _discriminator_loss(kind: str, real: Tensor, fake: Tensor) -> Tensor:
    match kind:
        case "non_saturating":
            return F.softplus(-real).sum() + F.softplus(fake).sum()
        case "hinge":
            return F.relu(1 - real).sum() + F.relu(1 + fake).sum()
        case "wasserstein":
            return fake.sum() - real.sum()
        case _:
            return F.softplus(fake - real).sum()


def _slope(scores: Tensor, x: Tensor) -> Tensor:
    """|gradient of each sample's score by that sample|^2, (b,), with a graph behind it."""
    (slope,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
    return slope.float().flatten(1).square().sum(1)
