"""Mixture of experts: many feed-forward layers, of which each place runs through a few.

y = sum over the chosen e of p_e FFN_e(x), p = softmax(x R), chosen: the k largest p_e + b_e. The
layer is Shazeer et al. 2017's, section 2. Its load is balanced without a loss (Wang et al. 2024,
algorithm 1): the bias b, which no gradient reaches and which enters the choice alone, rises for
experts that got less than their part of a training batch and falls for the others.
Dimensions: ... any leading axes, d features, n places, k experts a place.
"""

from typing import cast, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.nn.feedforward import FeedForward, GatedActivation

FEWEST = 4
"""Rows of a product. With fewer a CPU rounds otherwise, and the last bits of an output would depend
on where other places, even later ones, were sent."""
RATE = 1e-3
"""By how much a bias moves in one training step (Wang et al. 2024, section 4.3)."""


@final
class Experts(nn.Module):
    """(..., d) to the same. `balance` (experts,) is the bias b, a buffer that is kept with a net.

    Args:
        width: d.
        hidden: hidden features of one expert.
        activation: of each.
        count: experts.
        active: k, at most `count`.
        bias: biases in each.
    """

    balance: Tensor

    def __init__(
        self,
        width: int,
        hidden: int,
        activation: GatedActivation,
        *,
        count: int,
        active: int,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.active = active
        self.route = nn.Linear(width, count, bias=False)
        self.experts = nn.ModuleList(
            FeedForward(width, hidden, activation, bias=bias) for _ in range(count)
        )
        self.register_buffer("balance", torch.zeros(count))

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """(..., d) to the same; places that are not `valid` (...) do not count as load."""
        flat = x.flatten(0, -2)
        share: Tensor = self.route(flat).softmax(-1, dtype=torch.float32)
        chosen = (share.detach() + self.balance).topk(self.active, -1).indices
        if self.training:
            self._rebalance(chosen, valid)
        made = self._computed(flat, chosen)
        weight = share.gather(-1, chosen).to(made.dtype)
        y: Tensor = (weight[..., None] * made).sum(1).view_as(x)
        return y

    def _computed(self, flat: Tensor, chosen: Tensor) -> Tensor:
        """What each place's experts make of it: (n, d) and (n, k) to (n, k, d).

        Places are sorted by expert, so that each expert runs once, over its own alone.
        """
        order = chosen.flatten().argsort(stable=True)
        places = torch.div(order, self.active, rounding_mode="floor")
        parts = flat.index_select(0, places).split(self._loads(chosen))
        fewest = FEWEST if len(flat) > 1 and not flat.is_meta else 1
        pairs = zip(self.experts, parts, strict=True)
        made = torch.cat([_run(expert, part, fewest) for expert, part in pairs if len(part)])
        back: Tensor = torch.empty_like(order).scatter_(
            0, order, torch.arange(len(order), device=order.device)
        )
        by_place: Tensor = made.index_select(0, back).unflatten(0, chosen.shape)
        return by_place

    def _loads(self, chosen: Tensor) -> list[int]:
        """Choices that fell on each expert; without numbers to look at, an even split."""
        if not chosen.is_meta:
            return cast("list[int]", self._tally(chosen, None).tolist())
        each, left = divmod(chosen.numel(), len(self.experts))
        return [each + (number < left) for number in range(len(self.experts))]

    def _tally(self, chosen: Tensor, valid: Tensor | None) -> Tensor:
        """(experts,): how often each was chosen."""
        counted = (
            torch.ones_like(chosen) if valid is None else valid.flatten()[:, None].expand_as(chosen)
        )
        tally = chosen.new_zeros(len(self.experts))
        return tally.scatter_add_(0, chosen.flatten(), counted.flatten().to(tally))

    @torch.no_grad()
    def _rebalance(self, chosen: Tensor, valid: Tensor | None) -> None:
        load = self._tally(chosen, valid).float()
        self.balance += RATE * (load.mean() - load).sign()


def _run(expert: nn.Module, part: Tensor, fewest: int) -> Tensor:
    """`expert` of (n, d), as if there were `fewest` rows where there are fewer."""
    rows = len(part)
    if rows >= fewest:
        made: Tensor = expert(part)
        return made
    few: Tensor = expert(F.pad(part, (0, 0, 0, fewest - rows)))
    return few[:rows]
