"""Gated attention: what each head has mixed is let through by a sigmoid of the place that asked.

y = (attend(x Q, x K, x V) . sigmoid(x G)) O, a gate for each feature of each head (Qiu et al. 2025,
arXiv 2505.06708, section 2.2, the gate behind the attention). It puts a nonlinearity between V and
O, and lets a place take in nothing at all.
Dimensions: b batch, t places, h heads, e features of a head, d features of a place, n places of one
step.
"""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from netwright.nn.attention import attend, attended
from netwright.nn.cache import Window, empty_cache, recall
from netwright.nn.positions import Rotation, rotate


@final
class GatedAttention(nn.Module):
    """Multi-head attention of places to themselves, gated: (b, t, d) to (b, t, d).

    Args:
        width: d.
        heads: h.
        head_width: e; h e need not be d.
        causal: place t sees places up to t only; allows `state` and `step`.
        bias: biases in all projections. The softmax cancels the key's, which so never learns.
    """

    like: Tensor

    def __init__(
        self, width: int, heads: int, head_width: int, *, causal: bool = False, bias: bool = False
    ) -> None:
        super().__init__()
        self.heads, self.head_width, self.causal = heads, head_width, causal
        inner = heads * head_width
        self.project = nn.Linear(width, 3 * inner, bias=bias)
        self.gate = nn.Linear(width, inner, bias=bias)
        self.output = nn.Linear(inner, width, bias=bias)
        # for type and place of a state: quantised layers have no weights to ask
        self.register_buffer("like", torch.empty(0), persistent=False)

    def forward(
        self,
        x: Tensor,
        lengths: Tensor | None = None,
        rotation: Rotation | None = None,
        *,
        bias: Tensor | None = None,
    ) -> Tensor:
        """(b, t, d) to the same; valid places do not read those beyond `lengths` (b,).

        `bias` (..., t, t) is added to scores; in a causal layer it hides what lies ahead itself.
        """
        query, key, value = self._heads(x, rotation)
        # In a causal sequence padding stands behind all that is valid, so nothing valid sees it.
        seen = None if self.causal else attended(lengths, x.shape[1])
        causal = self.causal and bias is None
        return self._join(x, attend(query, key, value, seen, causal=causal, bias=bias))

    def state(self, batch: int, capacity: int) -> dict[str, Tensor]:
        """An empty cache of keys and values: (b, h, capacity + 1, e)."""
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
        new, key, value = recall(state, key, value, window)
        return self._join(x, attend(query, key, value, bias=window.bias)), new

    def _heads(self, x: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (b, h, t, e)."""
        parts = self.project(x).unflatten(-1, (3, self.heads, self.head_width))
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind()
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        return query, key, value

    def _join(self, x: Tensor, mixed: Tensor) -> Tensor:
        y: Tensor = self.output(mixed.transpose(1, 2).flatten(2) * self.gate(x).sigmoid())
        return y
