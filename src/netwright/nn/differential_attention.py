"""Differential attention: the difference of two softmax maps, so that what both see cancels out.

head_i = (1 - a) rms((softmax(q1 k1^T / sqrt(e / 2)) - l softmax(q2 k2^T / sqrt(e / 2))) v): queries
and keys of a head are halved, values are whole (Ye et al. 2024, arXiv 2410.05258, section 2.1,
equations 1 to 3). l = exp(u1 . w1) - exp(u2 . w2) + a, its four vectors shared by the
heads of a layer, and a = 0.8 - 0.6 exp(-0.3 (layer - 1)), layers counted from 1.
Dimensions: b batch, t places, s places that are asked, h heads, e features of a head, d features of
a place, n places of one step.
"""

import math
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from netwright.nn.attention import attend, attended, mask_scores
from netwright.nn.cache import Window, empty_cache, recall
from netwright.nn.look import looked_at, show
from netwright.nn.positions import Rotation, rotate

DEVIATION = 0.1
"""Of the vectors of l at the start: l starts near a."""


def first_share(layer: int) -> float:
    """a, the share of the second map that is taken away at the start, of layer 1, 2, ..."""
    return 0.8 - 0.6 * math.exp(-0.3 * (layer - 1))


@final
class DifferentialAttention(nn.Module):
    """Multi-head differential attention of places to themselves: (b, t, d) to (b, t, d).

    Args:
        width: d.
        heads: h.
        head_width: e, even; h e need not be d. As many parameters as ordinary attention, save the
            vectors of l and the gain of the norm.
        layer: its number from 1 on, which sets a.
        causal: place t sees places up to t only; allows `state` and `step`.
        bias: biases in all projections. The softmax cancels the key's, which so never learns.
    """

    like: Tensor

    def __init__(
        self,
        width: int,
        heads: int,
        head_width: int,
        *,
        layer: int = 1,
        causal: bool = False,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.head_width, self.causal = heads, head_width, causal
        self.first = first_share(layer)
        self.project = nn.Linear(width, 3 * heads * head_width, bias=bias)
        self.output = nn.Linear(heads * head_width, width, bias=bias)
        self.norm = nn.RMSNorm(head_width, eps=1e-5)
        self.share_query = nn.Parameter(torch.empty(2, head_width // 2).normal_(std=DEVIATION))
        self.share_key = nn.Parameter(torch.empty(2, head_width // 2).normal_(std=DEVIATION))
        # for type and place of a state: quantised layers have no weights to ask
        self.register_buffer("like", torch.empty(0), persistent=False)

    def share(self) -> Tensor:
        """l, a number."""
        first, second = (self.share_query * self.share_key).sum(-1).exp().unbind()
        return first - second + self.first

    def forward(
        self,
        x: Tensor,
        lengths: Tensor | None = None,
        rotation: Rotation | None = None,
        *,
        bias: Tensor | None = None,
    ) -> Tensor:
        """(b, t, d) to the same; valid places do not read those beyond `lengths` (b,).

        The difference of both maps is shown as `attention` where somebody watches: its rows add up
        to 1 - l. `bias` (..., t, t) is added to the scores of both; in a causal layer it hides what
        lies ahead itself.
        """
        query, key, value = self._heads(x, rotation)
        # In a causal sequence padding stands behind all that is valid, so nothing valid sees it.
        seen = None if self.causal else attended(lengths, x.shape[1])
        return self._mix(query, key, value, seen, bias, causal=self.causal and bias is None)

    def state(self, batch: int, capacity: int) -> dict[str, Tensor]:
        """An empty cache of keys, both halves, and values: (b, h, capacity + 1, e)."""
        return empty_cache(self.like, batch, self.heads, capacity, self.head_width)

    def step(
        self,
        x: Tensor,
        state: Mapping[str, Tensor],
        window: Window,
        rotation: Rotation | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places (b, n, d) of a causal sequence, and the new cache (see `remember`)."""
        query, key, value = self._heads(x, rotation)
        new, key, value = recall(state, torch.cat(key.unbind(), -1), value, window)
        halves = torch.stack(key.chunk(2, -1))
        return self._mix(query, halves, value, None, window.bias, causal=False), new

    def _heads(self, x: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries and keys, (2, b, h, t, e / 2), and values, (b, h, t, e)."""
        parts = self.project(x).unflatten(-1, (3, self.heads, self.head_width))
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind()
        first, second = torch.stack(query.chunk(2, -1)), torch.stack(key.chunk(2, -1))
        if rotation is not None:
            first, second = rotate(first, rotation), rotate(second, rotation)
        return first, second, value

    def _mix(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        seen: Tensor | None,
        bias: Tensor | None,
        *,
        causal: bool,
    ) -> Tensor:
        share = self.share()
        if looked_at():
            scores = (query * query.shape[-1] ** -0.5) @ key.mT
            scores = mask_scores(scores if bias is None else scores + bias, seen, causal=causal)
            first, second = scores.softmax(-1).unbind()
            weights = first - share * second
            show("attention", weights)
            mixed = weights @ value
        else:
            first, second = (
                attend(q, k, value, seen, causal=causal, bias=bias)
                for q, k in zip(query, key, strict=True)
            )
            mixed = first - share * second
        normed = self.norm(mixed) * (1 - self.first)
        y: Tensor = self.output(normed.transpose(1, 2).flatten(2))
        return y
