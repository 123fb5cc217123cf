"""Multi-head attention: softmax(q k^T / sqrt(e)) v, with masks, a memory and a cache.

Source: Vaswani et al. 2017, sections 3.2.1 and 3.2.2.
Dimensions: b batch, t places that ask, s places that are asked, h heads, e features of a head, d
features of a place, n places of one step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.errors import InputError
from netwright.nn.look import looked_at, show
from netwright.nn.masks import valid
from netwright.nn.positions import Rotation, rotate


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    seen: Tensor | None = None,
    *,
    causal: bool = False,
) -> Tensor:
    """softmax(q k^T / sqrt(e)) v: (b, h, t, e), (b, h, s, e), (b, h, s, e) to (b, h, t, e).

    `seen` (..., t, s) is True where a place may be attended to; a place that sees nothing gets the
    mean of all values, never NaN. `causal`: place i sees places up to i.

    The weights are computed openly, and shown as `attention`, when somebody watches; where floats
    are halved on a CPU, whose fused kernel is slow there; else by torch's fused kernel.
    """
    if looked_at() or _open_is_faster(query, key):
        scores = mask_scores((query * query.shape[-1] ** -0.5) @ key.mT, seen, causal=causal)
        weights = scores.softmax(-1)
        show("attention", weights)
        return weights @ value
    if causal and seen is not None:
        seen, causal = seen & _past(query.shape[-2], key.shape[-2], query.device), False
    bias = None if seen is None else _bias(seen, query.dtype)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias, is_causal=causal)


def mask_scores(scores: Tensor, seen: Tensor | None, *, causal: bool = False) -> Tensor:
    """Scores (b, h, t, s), with what is not `seen`, or not past, so low that its weight is 0."""
    if causal:
        past = _past(scores.shape[-2], scores.shape[-1], scores.device)
        seen = past if seen is None else seen & past
    return scores if seen is None else scores.masked_fill(~seen, _low(scores.dtype))


def attended(lengths: Tensor | None, size: int) -> Tensor | None:
    """(b, 1, 1, size), True for places within `lengths` (b,); None where nothing is padded."""
    mask = valid(lengths, size)
    return None if mask is None else mask[:, None, None]


HALVED_OPEN = 256
"""Places up to which attention in bfloat16 on a CPU is computed openly. On a core with bfloat16
units (AMX), at 128 places and heads of 64, the open path trained 1.74 times as fast as the fused
kernel; further out the open path's (t, s) weights cost too much memory to be worth a measurement.

In float32 the fused kernel is not slower at any length, so there is no such limit. Time of fused /
open, one AVX2 core, forward and backward of attention alone, heads of 16, 32 and 64, causal or not,
512 to 4096 places a batch: 0.35-0.56 at 8 and 16 places, 0.54-0.84 at 28 and 64, 0.40-0.96 at 128
and 256, 0.25-0.66 at 512 and 1024. Forward alone: 0.74-1.03 up to 28 places, 0.20-0.82 above (one
reading of 1.06 at 256). Of a whole layer with its projections: 0.6-1.1 at 16 to 256 places."""


def _open_is_faster(query: Tensor, key: Tensor) -> bool:
    halved = query.dtype in (torch.bfloat16, torch.float16)
    return halved and query.device.type == "cpu" and key.shape[-2] <= HALVED_OPEN


def _low(dtype: torch.dtype) -> float:
    """Finite, so that a row without any visible place is a mean and not 0 / 0."""
    return torch.finfo(dtype).min / 2


def _bias(seen: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros_like(seen, dtype=dtype).masked_fill(~seen, _low(dtype))


def _past(t: int, s: int, device: torch.device) -> Tensor:
    return torch.ones(t, s, dtype=torch.bool, device=device).tril()


@dataclass(frozen=True, slots=True)
class Window:
    """Where the next n places of each row stand in a cache; made by `window`, once a step."""

    places: Tensor
    """(b, n): the place of each in its own sequence."""
    slots: Tensor
    """(b, n): where its key is kept. Padding lies ahead of what its row has taken in, where nobody
    sees it before it is overwritten; what hangs over the end goes to the spare slot."""
    seen: Tensor
    """(b, 1, n, end): what each attends to."""
    end: int
    """Slots in use after this step, of the longest row."""
    after: Tensor
    """(b,): places that each row has taken in after this step."""


def window(at: Tensor, count: int, lengths: Tensor | None, capacity: int) -> Window:
    """The window of `count` places from `at` (b,) on, of which row r takes in `lengths[r]`.

    InputError where a row would need more than `capacity` places.
    """
    step = torch.arange(count, device=at.device)
    advance = torch.full_like(at, count) if lengths is None else lengths.to(at)
    places, after = at[:, None] + step, at + advance
    end = capacity if at.device.type == "meta" else max(1, int(after.max()))
    if end > capacity:
        raise InputError(
            f"a sequence longer than {capacity} places does not fit",
            why=f"this network keeps that many, and was asked for {end}",
            do="shorten the input, or train with a greater length",
        )
    slots = places.clamp(max=capacity)
    seen = torch.arange(end, device=at.device) <= places[:, None, :, None]
    return Window(places, slots, seen, end, after)


def empty_cache(like: Tensor, batch: int, heads: int, capacity: int, e: int) -> dict[str, Tensor]:
    """Keys and values of no places yet, (b, h, capacity + 1, e); the last slot is spare."""
    shape = (batch, heads, capacity + 1, e)
    return {name: like.new_zeros(shape) for name in ("key", "value")}


def remember(
    cache: Mapping[str, Tensor], key: Tensor, value: Tensor, window: Window
) -> dict[str, Tensor]:
    """A new cache that also holds `key` and `value` (b, h, n, e); the old one stays as it is."""
    index = window.slots[:, None, :, None].expand_as(key)
    both = (("key", key), ("value", value))
    return {name: cache[name].scatter(2, index, new.to(cache[name].dtype)) for name, new in both}


def attend_cached(query: Tensor, cache: Mapping[str, Tensor], window: Window) -> Tensor:
    """`attend` of a step's queries (b, h, n, e) to all that their rows have taken in so far."""
    key, value = (cache[name][:, :, : window.end].to(query.dtype) for name in ("key", "value"))
    return attend(query, key, value, window.seen)


class Attention(nn.Module):
    """Multi-head attention of places to themselves or to a memory: (b, t, d) to (b, t, d).

    head_i = attend(x Q_i, m K_i, m V_i), y = concat(head_1, ..., head_h) O, with m = x or the
    memory. `projections` "fused" keeps Q, K, V (for a memory: K, V) in one matrix, which is the
    same function for fewer, larger products.

    Args:
        width: d.
        heads: h.
        head_width: e; h e need not be d.
        memory: features of a memory to attend to; None for self-attention.
        causal: place t sees places up to t only; allows `state` and `step`.
        bias: biases in all four projections. The softmax cancels the key's, which so never learns.
        projections: how the matrices are kept.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        head_width: int,
        *,
        memory: int | None = None,
        causal: bool = False,
        bias: bool = False,
        projections: Literal["fused", "separate"] = "fused",
    ) -> None:
        super().__init__()
        self.heads, self.head_width, self.causal, self.memory = heads, head_width, causal, memory
        inner, source = heads * head_width, width if memory is None else memory
        sizes = [(width, inner), (source, inner), (source, inner)]
        if projections == "fused":
            sizes = (
                [(width, 3 * inner)] if memory is None else [(width, inner), (source, 2 * inner)]
            )
        self.project = nn.ModuleList(nn.Linear(a, b, bias=bias) for a, b in sizes)
        self.output = nn.Linear(inner, width, bias=bias)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        lengths: Tensor | None = None,
        rotation: Rotation | None = None,
    ) -> Tensor:
        """`x` (b, t, d) and `memory` (b, s, d'), where there is one, to (b, t, d).

        `lengths` (b,) are valid places of what is attended to: the memory, else `x`. `rotation` of
        the places turns queries and keys.
        """
        query, key, value = self._heads(x, memory)
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        # In a causal sequence padding stands behind all that is valid, so nothing valid sees it.
        seen = None if self.causal else attended(lengths, key.shape[2])
        return self._join(attend(query, key, value, seen, causal=self.causal))

    def state(self, batch: int, capacity: int) -> dict[str, Tensor]:
        """An empty cache of keys and values: (b, h, capacity + 1, e)."""
        return empty_cache(self.output.weight, batch, self.heads, capacity, self.head_width)

    def step(
        self,
        x: Tensor,
        state: Mapping[str, Tensor],
        window: Window,
        rotation: Rotation | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places (b, n, d) of a causal sequence, and the new cache."""
        query, key, value = self._heads(x, None)
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        new = remember(state, key, value, window)
        return self._join(attend_cached(query, new, window)), new

    def _heads(self, x: Tensor, memory: Tensor | None) -> list[Tensor]:
        """Queries, keys and values, (b, h, t, e) and (b, h, s, e)."""
        if (self.memory is None) != (memory is None):
            raise InputError(
                "this attention has a memory to attend to, and was given none"
                if memory is None
                else "this attention attends to its own places, and was given a memory"
            )
        sources = [x] if memory is None else [x, memory]
        if len(self.project) == 3:
            sources = [x, *sources[-1:] * 2]
        parts = [linear(source) for linear, source in zip(self.project, sources, strict=True)]
        joined = [part.chunk(part.shape[-1] // self.output.in_features, -1) for part in parts]
        flat = [piece for pieces in joined for piece in pieces]
        return [z.unflatten(-1, (self.heads, self.head_width)).transpose(1, 2) for z in flat]

    def _join(self, mixed: Tensor) -> Tensor:
        """(b, h, t, e) to (b, t, d)."""
        y: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return y
