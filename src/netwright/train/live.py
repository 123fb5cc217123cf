"""Everything that moves in a training, and its capture as tensors and plain JSON.

Dropping any one kind of state from `capture` makes a resumed run differ; the test of exact resume
drops each in turn.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from netwright import registry
from netwright.errors import DamagedError, InputError
from netwright.models.base import Network, Structure
from netwright.nn.optimizers import hidden_names, make_optimizer
from netwright.specs import Part, Refusal
from netwright.tasks.base import Draw, Task
from netwright.train.recipe import Recipe, RoleRecipe, need_roles, structure_config
from netwright.train.streams import key, key_global, outer_states_kept, stream

JSON = dict[str, Any]


@dataclass
class Counters:
    """How far a training is."""

    round: int = 0
    epoch: int = 0
    position: int = 0
    """Of the next batch in its epoch."""
    samples: int = 0


@dataclass(frozen=True)
class Told:
    """Means over the moves since the last line."""

    loss: float
    said: dict[str, float]


@dataclass
class Tally:
    """What a turn's moves said, kept on the device until a line is written."""

    moves: list[tuple[Tensor, ...]] = field(default_factory=list)
    """(loss, 1 where the guard found something, what `names` name) of each move since the last
    line, all scalars."""
    names: tuple[str, ...] = ()
    """Of what a move says beside its loss."""
    skipped: int = 0
    """Moves that the guard left out, up to the last line."""
    in_a_row: int = 0
    """Most of those in a row, the last line's own run included."""
    run: int = 0
    """Of those, how many at the end."""

    def add(self, loss: Tensor, found: Tensor, said: Mapping[str, Tensor]) -> None:
        """One move."""
        self.names = tuple(said)
        self.moves.append((loss, found, *said.values()))

    def read(self) -> Told | None:
        """Means of the moves since the last line, which are then forgotten; None: no good move."""
        if not self.moves:
            return None
        losses, found, *said = torch.stack([torch.stack(m) for m in self.moves]).cpu().unbind(1)
        self.moves.clear()
        self.in_a_row = self.run
        for bad in found.tolist():
            self.run = self.run + 1 if bad else 0
            self.in_a_row = max(self.in_a_row, self.run)
        self.skipped += int(found.sum())
        good = found == 0
        if not good.any():
            return None
        means = [float(values[good].double().mean()) for values in (losses, *said)]
        return Told(means[0], dict(zip(self.names, means[1:], strict=True)))

    def capture(self) -> tuple[Tensor, JSON]:
        """The moves as (n, 2 + names), and the rest."""
        rows = [torch.stack(m) for m in self.moves]
        none = torch.zeros(0, 2 + len(self.names))
        return torch.stack(rows) if rows else none, {
            "names": list(self.names),
            "counts": [self.skipped, self.in_a_row, self.run],
        }

    @classmethod
    def restored(cls, moves: Tensor, rest: JSON, device: torch.device) -> "Tally":
        """What `capture` gave."""
        return cls([m.unbind() for m in moves.to(device)], tuple(rest["names"]), *rest["counts"])


@dataclass(frozen=True)
class Captured:
    """A training at a whole round: the judged weights, the rest of the tensors, plain numbers."""

    weights: dict[str, Tensor]
    trainer: dict[str, Tensor]
    state: JSON


def build_networks(
    task: Task, recipe: Recipe, given: Mapping[str, Network] | None = None
) -> dict[str, Network]:
    """A network for every role, its weights keyed by (seed, role); frozen ones from `given`.

    Without `given`, those alone that are needed when the trained nets are used.
    """
    nets: dict[str, Network] = {}
    need_roles(recipe, [n for n, r in task.roles().items() if r.given is None])
    with outer_states_kept():
        for name, role in task.roles().items():
            if role.given is not None:
                if given is not None:
                    nets[name] = given[name].eval().requires_grad_(requires_grad=False)
                continue
            if given is None and not role.applied:
                continue
            mine = recipe.roles[name]
            structure: Structure = registry.load("models", mine.structure)
            key_global(key(recipe.seed, "weights", name))
            made = structure.attempt(role.signature, structure_config(mine))
            if isinstance(made, Refusal):
                raise misfit(recipe, name, made)
            nets[name] = made
    return nets


def misfit(recipe: Recipe, role: str, refusal: Refusal) -> InputError:
    """That the structure of a role cannot play it."""
    return InputError(
        f"{recipe.roles[role].structure} does not fit {recipe.task.name}",
        why=refusal.reason,
        do=f"netwright matrix {recipe.task.name}",
    )


def optimizers_of(net: Network, recipe: RoleRecipe) -> list[Optimizer]:
    """What moves a role's weights; each group keeps its full rate as `initial_lr`."""
    made = make_optimizer(
        recipe.optimizer,
        list(net.named_parameters()),
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        betas=recipe.betas,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        hidden=hidden_names(net) if recipe.optimizer == "muon" else (),
        num_steps=recipe.muon_steps,
        adamw_learning_rate=recipe.adam_learning_rate,
    )
    for optimizer in made:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return made


class Live:
    """Networks, optimizers, averages, carry and counters of one training, on one device."""

    def __init__(
        self,
        task: Task,
        part: Part,
        recipe: Recipe,
        device: torch.device,
        nets: Mapping[str, Network],
    ) -> None:
        self.task, self.part, self.recipe, self.device = task, part, recipe, device
        self.nets = {name: net.to(device) for name, net in nets.items()}
        self.trained = tuple(n for n, r in task.roles().items() if r.given is None)
        self.optimizers = {n: optimizers_of(self.nets[n], recipe.roles[n]) for n in self.trained}
        self.averages = {
            n: copy.deepcopy(self.nets[n]).requires_grad_(requires_grad=False).eval()
            for n in self.trained
            if recipe.roles[n].average is not None
        }
        self.carry = task.carry(self.nets, recipe.batch_size)
        self.counters = Counters()
        self.tallies = {t.name: Tally() for t in task.turns()}
        self._order: tuple[int, Any] = (-1, ())

    def draws(self, count: int) -> Iterator[Draw]:
        """The next `count` batches of the order, epoch after epoch."""
        for _ in range(count):
            yield self._next()

    def _next(self) -> Draw:
        c, recipe = self.counters, self.recipe
        while True:
            if self._order[0] != c.epoch:
                keyed = stream(recipe.seed, "order", c.epoch)
                self._order = (c.epoch, self.task.order(self.part, recipe.batch_size, keyed))
            if c.position < len(self._order[1]):
                break
            self._need(len(self._order[1]))
            c.epoch, c.position = c.epoch + 1, 0
        index = self._order[1][c.position]
        draw = Draw(index.to(self.device), c.epoch, c.position)
        c.position += 1
        c.samples += len(index)
        return draw

    def _need(self, batches: int) -> None:
        if batches:
            return
        size, samples = self.recipe.batch_size, len(self.part)
        raise InputError(
            f"a batch of {size} is larger than the training part of {samples} samples",
            do=f"batch: {max(1, samples // 4)} in a recipe, or none",
        )

    def steps_per_epoch(self) -> int:
        """Rounds in which the first epoch is drawn once; InputError where it holds no batch."""
        size = self.recipe.batch_size
        batches = len(self.task.order(self.part, size, stream(self.recipe.seed, "order", 0)))
        self._need(batches)
        return max(1, -(-batches // self.draws_per_round()))

    def draws_per_round(self) -> int:
        """Batches that one round draws, lazy turns counted by their share."""
        taken = sum(1 / t.every for t in self.task.turns())
        return max(1, round(taken * self.recipe.accumulate))

    @contextmanager
    def judged(self) -> Iterator[dict[str, nn.Module]]:
        """The nets as they are judged and applied: in evaluation mode, averages where they are."""
        nets = {n: self.averages.get(n, net).eval() for n, net in self.nets.items()}
        try:
            yield dict(nets)
        finally:
            self.train_mode()

    def train_mode(self) -> None:
        """Put the trained roles in training mode."""
        for name in self.trained:
            self.nets[name].train()

    def capture(self) -> Captured:
        """Everything that moves, copied to the CPU."""
        weights: dict[str, Tensor] = {}
        trainer: dict[str, Tensor] = {}
        for name in self.trained:
            best = self.averages.get(name, self.nets[name])
            weights |= {f"{name}/{k}": v for k, v in best.state_dict().items()}
            if name in self.averages:
                trainer |= {f"live/{name}/{k}": v for k, v in self.nets[name].state_dict().items()}
            for number, optimizer in enumerate(self.optimizers[name]):
                for at, slots in _slots(optimizer):
                    trainer |= {f"optimizer/{name}/{number}/{at}/{k}": v for k, v in slots.items()}
        trainer |= {f"carry/{k}": v for k, v in self.carry.items()}
        rest: JSON = {}
        for name, tally in self.tallies.items():
            trainer[f"tally/{name}"], rest[name] = tally.capture()
        state = {"counters": asdict(self.counters), "tallies": rest}
        return Captured(_copied(weights), _copied(trainer), state)

    def restore(self, saved: Captured) -> None:
        """Take back what `capture` gave; DamagedError where it does not fit these networks."""
        rest = saved.trainer
        for name in self.trained:
            load_weights(
                self.averages.get(name, self.nets[name]), _under(saved.weights, f"{name}/"), name
            )
            if name in self.averages:
                load_weights(self.nets[name], _under(rest, f"live/{name}/"), name)
            for number, optimizer in enumerate(self.optimizers[name]):
                _restore(optimizer, _under(rest, f"optimizer/{name}/{number}/"), self.device)
        self.carry = {k: v.to(self.device) for k, v in _under(rest, "carry/").items()}
        told = saved.state["tallies"]
        self.tallies = {
            k: Tally.restored(v, told[k], self.device) for k, v in _under(rest, "tally/").items()
        }
        self.counters = Counters(**saved.state["counters"])
        self._order = (-1, ())


def _slots(optimizer: Optimizer) -> Iterator[tuple[int, dict[str, Tensor]]]:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for at, p in enumerate(parameters):
        if p in optimizer.state:
            yield (
                at,
                {k: torch.as_tensor(v) for k, v in optimizer.state[p].items() if v is not None},
            )


def _restore(optimizer: Optimizer, saved: Mapping[str, Tensor], device: torch.device) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    optimizer.state.clear()
    for name, value in saved.items():
        at, slot = name.split("/")
        p = parameters[int(at)]
        if value.shape == p.shape and slot != "step":
            # fused kernels walk raw memory: the slot must lie in memory as its parameter does
            optimizer.state[p][slot] = torch.empty_like(p, dtype=value.dtype).copy_(value)
        else:
            optimizer.state[p][slot] = value.to(device, copy=True)


def load_weights(net: nn.Module, saved: dict[str, Tensor], role: str) -> None:
    """Load a role's weights; DamagedError where they do not fit its network."""
    try:
        net.load_state_dict(saved)
    except RuntimeError as error:
        why = str(error).splitlines()[-1].strip()
        raise DamagedError(f"the weights of '{role}' do not fit its network", why=why) from None


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.detach().to("cpu", copy=True).contiguous() for k, v in tensors.items()}
