"""One turn's move: divide, guard, clip, step, average, put buffers back, carry on.

The guard never waits for the device: one pass divides the gradients by the weight and looks for
non-finite numbers (the kernel behind torch's GradScaler; `tests/train/test_update.py` pins it), and
its finding masks everything that would move.
"""

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils import clip_grad_norm_

from netwright.tasks.base import Loss, Turn
from netwright.train.live import Live
from netwright.train.schedule import factor, ramp


class Mover:
    """What one turn moves, gathered once into the lists that the kernels read."""

    def __init__(self, turn: Turn, live: Live) -> None:
        self.turn, self.live = turn, live
        nets = live.nets
        self.parameters = [p for r in turn.roles for p in nets[r].parameters() if p.requires_grad]
        self.own = [b for r in turn.roles for b in nets[r].buffers()]
        self.others = [b for r in live.trained if r not in turn.roles for b in nets[r].buffers()]
        self.kept = [b.clone() for b in chain(self.own, self.others)]
        self.found = torch.zeros((), device=live.device)
        self.dropouts = [
            (live.recipe.roles[r].dropout, module, module.p)
            for r in turn.roles
            if live.recipe.roles[r].dropout != "constant"
            for module in nets[r].modules()
            if isinstance(module, _DropoutNd)
        ]

    def before(self, horizon: int) -> None:
        """Set shares of dropout; remember the buffers, which a forward pass may move."""
        for shape, module, share in self.dropouts:
            module.p = share * ramp(shape, self.live.counters.round, horizon)
        if self.kept:
            torch._foreach_copy_(self.kept, [*self.own, *self.others])

    def add(self, loss: Loss, *, first: bool) -> None:
        """Add the gradient of one batch's sum."""
        gradients = torch.autograd.grad(loss.total, self.parameters, allow_unused=True)
        for p, gradient in zip(self.parameters, gradients, strict=True):
            if gradient is None:
                p.grad = None if first else p.grad
                continue
            # fused kernels walk raw memory: a gradient must lie in memory as its weight does
            g = gradient if gradient.stride() == p.stride() else torch.empty_like(p).copy_(gradient)
            p.grad = g if first or p.grad is None else p.grad + g

    @torch.no_grad()
    def move(self, losses: Sequence[Loss], horizon: int) -> None:
        """Divide by the weight, guard, and move what the turn's roles own."""
        live = self.live
        found = self.found = torch.zeros((), device=live.device)
        total = sum(
            (x.total.detach().float() for x in losses[1:]), losses[0].total.detach().float()
        )
        weight = sum((x.weight for x in losses[1:]), losses[0].weight).float()
        mean = total.clone()
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        said = {k: sum((x.said[k] for x in losses[1:]), v) for k, v in losses[0].said.items()}
        said = {k: v.detach().float() for k, v in said.items()}
        torch._amp_foreach_non_finite_check_and_unscale_(
            [*gradients, mean, *said.values()], found, weight.reciprocal()
        )
        if self.turn.watch:
            said["gradient"] = torch.stack(torch._foreach_norm(gradients)).norm()
        carry = losses[-1].carry
        self._check([*(b for b in self.own if b.is_floating_point()), *carry.values()])
        for role in self.turn.roles:
            self._step(role, horizon)
        self._put_back()
        if carry:
            old = live.carry
            live.carry = {k: torch.where(found > 0, old[k], v.detach()) for k, v in carry.items()}
        live.tallies[self.turn.name].add(mean, found, said)

    def _check(self, tensors: Sequence[Tensor]) -> None:
        if tensors:
            norms = torch.stack(torch._foreach_norm([t.float() for t in tensors]))
            self.found.logical_or_(~norms.isfinite().all())

    def _step(self, role: str, horizon: int) -> None:
        recipe, net = self.live.recipe.roles[role], self.live.nets[role]
        if recipe.clip is not None:
            clip_grad_norm_([p for p in net.parameters() if p.grad is not None], recipe.clip)
        now = factor(
            recipe.schedule,
            self.live.counters.round,
            horizon,
            warmup=recipe.warmup,
            cooldown=recipe.cooldown,
        )
        for optimizer in self.live.optimizers[role]:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * now
            optimizer.grad_scale = None  # type: ignore[attr-defined]
            optimizer.found_inf = self.found  # type: ignore[attr-defined]
            optimizer.step()
        if role in self.live.averages and recipe.average is not None:
            self._average(role, recipe.average)

    def _average(self, role: str, decay: float) -> None:
        """The average moves by (1 - decay) (weights - average), where the guard found nothing.

        The decay rises to its value as (1 + n) / (10 + n) with the rounds n, so that the first
        weights are soon forgotten.
        """
        rounds = self.live.counters.round
        decay = min(decay, (1 + rounds) / (10 + rounds))
        average, net = self.live.averages[role], self.live.nets[role]
        mine: list[Tensor] = list(average.parameters())
        theirs: list[Tensor] = list(net.parameters())
        gap = torch._foreach_sub(theirs, mine)
        torch._foreach_mul_(gap, (1 - decay) * (1 - self.found))
        torch._foreach_add_(mine, gap)

    def _put_back(self) -> None:
        """Own buffers where the guard found something, other roles' always."""
        if not self.kept:
            return
        bad = self.found > 0
        for now, before in zip(self.own, self.kept, strict=False):
            now.copy_(torch.where(bad, before, now))
        if self.others:
            torch._foreach_copy_(self.others, self.kept[len(self.own) :])
        for role in self.turn.roles:
            if role in self.live.averages:
                mine = list(self.live.averages[role].buffers())
                theirs = list(self.live.nets[role].buffers())
                if mine:
                    torch._foreach_copy_(mine, theirs)
