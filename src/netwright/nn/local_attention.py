"""Attention within a window: each place sees the places near it, so work grows with the window.

softmax(q k^T / sqrt(e)) v over |i - j| < window (Beltagy et al. 2020, section 3.1), or, where
causal, over 0 <= i - j < window. A causal one carries the keys and values of its last window - 1
places and no more.
Dimensions: b batch, t places, h heads, e features of a head, d features of a place, n places of one
step, m pieces of c places, s places that a piece may see, r places kept from step to step.
"""

from collections.abc import Mapping
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.nn.attention import attend, attended
from netwright.nn.look import looked_at
from netwright.nn.positions import Rotation, rotate

PIECE = 32
"""Places that are asked together at least: smaller products are not worth their calls."""


def reaches(window: int, *, causal: bool) -> tuple[int, int]:
    """How many places before and after itself a place sees."""
    return window - 1, 0 if causal else window - 1


def near(t: int, s: int, reach: tuple[int, int], device: torch.device) -> Tensor:
    """(t, s), True where place i may see place j: the same places, or, where s > t, others ahead.

    Then place i of those that ask is place i + `reach[0]` of those that are asked.
    """
    before, after = reach
    shift = 0 if s == t else before
    ahead = torch.arange(s, device=device) - torch.arange(t, device=device)[:, None] - shift
    return (ahead >= -before) & (ahead <= after)


def attend_near(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    reach: tuple[int, int],
    lengths: Tensor | None = None,
) -> Tensor:
    """Attention of each place to those within `reach`, and within `lengths`: (b, h, t, e) each.

    Long sequences are cut into pieces that are each compared with what they may see, so that the
    work is t (c + reach) and not t^2; the whole square is made where somebody watches.
    """
    t, (before, after) = query.shape[2], reach
    c = max(before, after, PIECE)
    if looked_at() or t <= before + c + after:
        seen, mask = near(t, t, reach, query.device), attended(lengths, t)
        return attend(query, key, value, seen if mask is None else seen & mask)
    m, s, tail = -(-t // c), before + c + after, -t % c
    query = F.pad(query, (0, 0, 0, tail)).unflatten(2, (m, c)).transpose(1, 2).flatten(0, 1)
    key, value = (
        F.pad(z, (0, 0, before, tail + after)).unfold(2, s, c).permute(0, 2, 1, 4, 3).flatten(0, 1)
        for z in (key, value)
    )
    made = attend(query, key, value, _seen_by_pieces(m, c, t, reach, lengths, query))
    whole: Tensor = made.unflatten(0, (-1, m)).transpose(1, 2).flatten(2, 3)
    return whole[:, :, :t]


def _seen_by_pieces(
    m: int, c: int, t: int, reach: tuple[int, int], lengths: Tensor | None, pieces: Tensor
) -> Tensor:
    """(b m, 1, c, s): what each piece may see, without what was padded on."""
    before, after = reach
    s, device, b = before + c + after, pieces.device, pieces.shape[0] // m
    places = torch.arange(m, device=device)[:, None] * c + torch.arange(s, device=device) - before
    ends = torch.full((1,), t, device=device) if lengths is None else lengths
    real = (places >= 0) & (places < ends[:, None, None])
    seen = real[:, :, None] & near(c, s, reach, device)
    return seen.expand(b, -1, -1, -1).flatten(0, 1)[:, None]


@final
class LocalAttention(nn.Module):
    """Multi-head attention of places to those near them: (b, t, d) to (b, t, d).

    Args:
        width: d.
        heads: h.
        head_width: e; h e need not be d.
        window: places that a place sees, itself among them, and on either side where not causal.
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
        window: int,
        causal: bool = False,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.head_width, self.causal = heads, head_width, causal
        self.reach = reaches(window, causal=causal)
        self.project = nn.Linear(width, 3 * heads * head_width, bias=bias)
        self.output = nn.Linear(heads * head_width, width, bias=bias)
        # for type and place of a state: quantised layers have no weights to ask
        self.register_buffer("like", torch.empty(0), persistent=False)

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, rotation: Rotation | None = None
    ) -> Tensor:
        """(b, t, d) to the same; valid places do not read those beyond `lengths` (b,)."""
        query, key, value = self._heads(x, rotation)
        # In a causal sequence padding stands behind all that is valid, so nothing valid sees it.
        ends = None if self.causal else lengths
        return self._join(attend_near(query, key, value, self.reach, ends))

    def state(self, batch: int) -> dict[str, Tensor]:
        """Keys and values of the last r = window - 1 places, (b, h, r, e), and places so far."""
        shape = (batch, self.heads, self.reach[0], self.head_width)
        return {
            "key": self.like.new_zeros(shape),
            "value": self.like.new_zeros(shape),
            "taken": torch.zeros(batch, dtype=torch.long, device=self.like.device),
        }

    def step(
        self,
        x: Tensor,
        state: Mapping[str, Tensor],
        lengths: Tensor | None = None,
        rotation: Rotation | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places (b, n, d) of a causal sequence; row r takes in `lengths[r]` of them."""
        n, r, taken = x.shape[1], self.reach[0], state["taken"]
        query, key, value = self._heads(x, rotation)
        key = torch.cat([state["key"].to(key.dtype), key], 2)
        value = torch.cat([state["value"].to(value.dtype), value], 2)
        filled = torch.arange(r + n, device=x.device) >= r - taken[:, None, None, None]
        mixed = attend(query, key, value, filled & near(n, r + n, self.reach, x.device))
        advance = torch.full_like(taken, n) if lengths is None else lengths.to(taken)
        at = advance[:, None] + torch.arange(r, device=x.device)
        index = at[:, None, :, None].expand(-1, self.heads, -1, self.head_width)
        both = (("key", key), ("value", value))
        new = {name: z.gather(2, index).to(state[name].dtype) for name, z in both}
        return self._join(mixed), {**new, "taken": taken + advance}

    def _heads(self, x: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (b, h, t, e)."""
        parts = self.project(x).unflatten(-1, (3, self.heads, self.head_width))
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind()
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        return query, key, value

    def _join(self, mixed: Tensor) -> Tensor:
        y: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return y
