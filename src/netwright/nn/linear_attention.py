"""Linear attention: sums in place of a softmax, so that a causal one carries a state of one size.

y_i = sum_j f(q_i)^T f(k_j) v_j / sum_j f(q_i)^T f(k_j) with f(x) = elu(x) + 1 > 0, over j <= i
where causal (Katharopoulos et al. 2020, equations 4, 5, 7 and 9). Both sums over j factor out of
f(q_i): S = sum_j f(k_j) v_j^T and z = sum_j f(k_j) are all that a place needs of its past.
Rotary positions turn f(q) and f(k) in the numerator alone (Su et al. 2021, equation 19), so that no
divisor comes near 0.
Dimensions: b batch, t places, h heads, e features of a head, d features of a place, n places of one
step, m chunks of c places.
"""

from collections.abc import Mapping
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.nn.look import looked_at, show
from netwright.nn.masks import valid
from netwright.nn.positions import Rotation, rotate
from netwright.nn.scan import cumulative_sum

CHUNK = 64
"""Places of a causal sequence that are compared pair by pair; what lies before them is a sum."""
EPSILON = 1e-6
"""Added to the divisor: in floats f(x) is 0 below about -17."""


def feature_map(x: Tensor) -> Tensor:
    """elu(x) + 1: positive, and x + 1 above 0."""
    return F.elu(x) + 1


def causal_products(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """sum_{j <= i} (q_i^T k_j) v_j: (b, h, t, e) each, to the same.

    Within a chunk pairs are multiplied out, and chunks are joined by their sums: 4 t c e + 4 t e^2
    FLOPs a head and not 4 t^2 e.
    """
    if query.shape[2] <= CHUNK:
        return (query @ key.mT).tril() @ value
    nothing = query.new_zeros(*key.shape[:2], key.shape[3], value.shape[3])
    return resumed_products(query, key, value, nothing)[0]


def resumed_products(
    query: Tensor, key: Tensor, value: Tensor, sums: Tensor
) -> tuple[Tensor, Tensor]:
    """`causal_products` behind other places, whose S is `sums` (b, h, e, e); and S behind these."""
    t, c = query.shape[2], min(CHUNK, query.shape[2])
    query, key, value = (
        F.pad(z, (0, 0, 0, -t % c)).unflatten(2, (-1, c)) for z in (query, key, value)
    )
    chunks = key.mT @ value
    # summed without a chunk's own part, not minus it: rounding would let a place see what follows
    before = cumulative_sum(torch.cat([sums[:, :, None], chunks[:, :, :-1]], 2), 2)
    made = (query @ key.mT).tril() @ value + query @ before
    return made.flatten(2, 3)[:, :, :t], before[:, :, -1] + chunks[:, :, -1]


@final
class LinearAttention(nn.Module):
    """Multi-head linear attention of places to themselves: (b, t, d) to (b, t, d).

    Args:
        width: d.
        heads: h.
        head_width: e; h e need not be d.
        causal: place t sees places up to t only; allows `state` and `step`.
        bias: biases in all projections.
    """

    like: Tensor

    def __init__(
        self, width: int, heads: int, head_width: int, *, causal: bool = False, bias: bool = False
    ) -> None:
        super().__init__()
        self.heads, self.head_width, self.causal = heads, head_width, causal
        self.project = nn.Linear(width, 3 * heads * head_width, bias=bias)
        self.output = nn.Linear(heads * head_width, width, bias=bias)
        # for type and place of a state: quantised layers have no weights to ask
        self.register_buffer("like", torch.empty(0), persistent=False)

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, rotation: Rotation | None = None
    ) -> Tensor:
        """(b, t, d) to the same; places beyond `lengths` (b,) are not read.

        The weights that the sums stand for are computed, and shown as `attention`, where somebody
        watches; they add up to 1 where nothing is rotary.
        """
        query, key, value = self._heads(x)
        if not self.causal:  # else padding stands behind all that is valid
            key = _kept(key, lengths)
        total = cumulative_sum(key, 2) if self.causal else key.sum(2, keepdim=True)
        divisor = _divisor(query, total)
        query, key = _turned(query, key, rotation)
        if looked_at():
            pairs = query @ key.mT
            weights = (pairs.tril() if self.causal else pairs) / divisor
            show("attention", weights)
            return self._join(weights @ value)
        products = causal_products(query, key, value) if self.causal else query @ (key.mT @ value)
        return self._join(products / divisor)

    def state(self, batch: int) -> dict[str, Tensor]:
        """S and z of no places: `sums` (b, h, e, e) and `total` (b, h, e); never larger."""
        h, e = self.heads, self.head_width
        return {
            "sums": self.like.new_zeros(batch, h, e, e),
            "total": self.like.new_zeros(batch, h, e),
        }

    def step(
        self,
        x: Tensor,
        state: Mapping[str, Tensor],
        lengths: Tensor | None = None,
        rotation: Rotation | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places (b, n, d) of a causal sequence; row r takes in `lengths[r]` of them."""
        query, key, value = self._heads(x)
        key = _kept(key, lengths)
        total = state["total"][:, :, None] + cumulative_sum(key, 2)
        divisor = _divisor(query, total)
        query, key = _turned(query, key, rotation)
        products, sums = resumed_products(query, key, value, state["sums"])
        return self._join(products / divisor), {"sums": sums, "total": total[:, :, -1]}

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """f(q), f(k) and v, each (b, h, t, e)."""
        parts = self.project(x).unflatten(-1, (3, self.heads, self.head_width))
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind()
        return feature_map(query), feature_map(key), value

    def _join(self, mixed: Tensor) -> Tensor:
        y: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return y


def _kept(key: Tensor, lengths: Tensor | None) -> Tensor:
    mask = valid(lengths, key.shape[2])
    return key if mask is None else key.masked_fill(~mask[:, None, :, None], 0)


def _divisor(query: Tensor, total: Tensor) -> Tensor:
    return (query * total).sum(-1, keepdim=True) + EPSILON


def _turned(query: Tensor, key: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor]:
    return (query, key) if rotation is None else (rotate(query, rotation), rotate(key, rotation))
