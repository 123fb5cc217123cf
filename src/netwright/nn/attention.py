"""Multi-head attention: softmax(q k^T / sqrt(e)) v, with masks, a memory and a cache.

Source: Vaswani et al. 2017, sections 3.2.1 and 3.2.2. Keys and values may have fewer heads than
queries (Shazeer 2019, section 3; Ainslie et al. 2023, section 2.2), queries and keys may be
normed (Henry et al. 2020), values may be mixed with those of the first layer (Zhou et al. 2024).
Dimensions: b batch, t places that ask, s places that are asked, h heads, g heads of keys and
values, e features of a head, d features of a place, n places of one step.
"""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.errors import InputError
from netwright.nn.cache import Window, empty_cache, recall, remember, window
from netwright.nn.look import looked_at, show
from netwright.nn.masks import additive, lowest, valid
from netwright.nn.norm import EPSILON
from netwright.nn.positions import Rotation, rotate

__all__ = [
    "HALVED_OPEN",
    "Attention",
    "Window",
    "attend",
    "attend_cached",
    "attend_one",
    "attended",
    "empty_cache",
    "mask_scores",
    "remember",
    "window",
]


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    seen: Tensor | None = None,
    *,
    causal: bool = False,
    bias: Tensor | None = None,
) -> Tensor:
    """softmax(q k^T / sqrt(e) + bias) v: (b, h, t, e), (b, g, s, e), (b, g, s, e) to (b, h, t, e).

    `seen` (..., t, s) is True where a place may be attended to; a place that sees nothing gets the
    mean of all values, never NaN. `causal`: place i sees places up to i. Query head i asks head
    i g // h of the keys.

    The weights are computed openly, and shown as `attention`, when somebody watches; where floats
    are halved on a CPU, whose fused kernel is slow there; else by torch's fused kernel.
    """
    if bias is not None and bias.dtype != query.dtype:
        bias = bias.to(query.dtype)
    if looked_at() or _open_is_faster(query, key):
        key, value = (_spread(z, query.shape[1]) for z in (key, value))
        scores = (query * query.shape[-1] ** -0.5) @ key.mT
        scores = mask_scores(scores if bias is None else scores + bias, seen, causal=causal)
        weights = scores.softmax(-1)
        show("attention", weights)
        return weights @ value
    if causal and (seen is not None or bias is not None):
        past = _past(query.shape[-2], key.shape[-2], query.device)
        seen, causal = past if seen is None else seen & past, False
    if seen is not None:
        bias = (
            additive(seen, query.dtype)
            if bias is None
            else torch.where(seen, bias, lowest(bias.dtype))
        )
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=bias,
        is_causal=causal,
        enable_gqa=key.shape[1] != query.shape[1],
    )


def mask_scores(scores: Tensor, seen: Tensor | None, *, causal: bool = False) -> Tensor:
    """Scores (b, h, t, s), with what is not `seen`, or not past, so low that its weight is 0."""
    if causal:
        past = _past(scores.shape[-2], scores.shape[-1], scores.device)
        seen = past if seen is None else seen & past
    return scores if seen is None else scores.masked_fill(~seen, lowest(scores.dtype))


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


def _past(t: int, s: int, device: torch.device) -> Tensor:
    return torch.ones(t, s, dtype=torch.bool, device=device).tril()


def _spread(z: Tensor, heads: int) -> Tensor:
    """(b, g, s, e) to (b, h, s, e)."""
    return z if z.shape[1] == heads else z.repeat_interleave(heads // z.shape[1], 1)


def attend_one(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """`attend` of one place, whose queries of shared keys stand as if they were several places."""
    h, g = query.shape[1], key.shape[1]
    if looked_at() or query.dtype != torch.float32:
        return attend(query, key, value, bias=bias)
    if h == g:
        return F.scaled_dot_product_attention(query, key, value, bias)
    grouped = query.view(-1, g, h // g, query.shape[-1])
    if bias is not None and bias.shape[1] == h:
        bias = bias.view(-1, g, h // g, bias.shape[-1])
    return F.scaled_dot_product_attention(grouped, key, value, bias).view(query.shape)


def attend_cached(query: Tensor, cache: Mapping[str, Tensor], window: Window) -> Tensor:
    """`attend` of a step's queries (b, h, n, e) to all that a plain cache holds of their rows."""
    key, value = (cache[name][:, :, : window.end].to(query.dtype) for name in ("key", "value"))
    return attend(query, key, value, bias=window.bias)


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
        kv_heads: g, which divides h; None: h.
        qk_norm: queries and keys are divided by their root mean square over e, then multiplied by
            a learned gain, before any rotation.
        residual: values are (1 - a) v + a v_1, with v_1 the first layer's and a learned, at first
            1/2 (Zhou et al. 2024, "learnable ResFormer").
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
        kv_heads: int | None = None,
        qk_norm: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.head_width, self.causal, self.memory = heads, head_width, causal, memory
        self.kv_heads = kv_heads or heads
        if heads % self.kv_heads:
            raise InputError(
                f"{heads} heads cannot share {self.kv_heads} heads of keys and values evenly",
                do="a number that divides the heads",
            )
        inner, shared = heads * head_width, self.kv_heads * head_width
        source = width if memory is None else memory
        sizes = [(width, inner), (source, shared), (source, shared)]
        if projections == "fused":
            sizes = (
                [(width, inner + 2 * shared)]
                if memory is None
                else [(width, inner), (source, 2 * shared)]
            )
        self.matrices = len(sizes)
        self.project = nn.ModuleList(nn.Linear(a, b, bias=bias) for a, b in sizes)
        self.output = nn.Linear(inner, width, bias=bias)
        self.gain = nn.Parameter(torch.ones(inner + shared)) if qk_norm else None
        """(h + g) e: of the queries, then of the keys."""
        self.share = nn.Parameter(torch.tensor(0.5)) if residual else None

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        lengths: Tensor | None = None,
        rotation: Rotation | None = None,
        *,
        bias: Tensor | None = None,
        first: list[Tensor] | None = None,
    ) -> Tensor:
        """`x` (b, t, d) and `memory` (b, s, d'), where there is one, to (b, t, d).

        Args:
            x: what asks.
            memory: what is asked, where it is not `x`.
            lengths: (b,), valid places of what is asked.
            rotation: of the places; turns queries and keys.
            bias: (..., t, s), added to scores. In a causal layer it hides what lies ahead itself.
            first: the first layer's values, which that layer leaves there itself.
        """
        query, key, value = self._heads(x, memory, rotation)
        value = self._mixed(value, first)
        # In a causal sequence padding stands behind all that is valid, so nothing valid sees it.
        seen = None if self.causal else attended(lengths, key.shape[2])
        causal = self.causal and bias is None
        return self._join(attend(query, key, value, seen, causal=causal, bias=bias))

    def state(self, batch: int, capacity: int) -> dict[str, Tensor]:
        """An empty cache of keys and values: (b, g, capacity + 1, e)."""
        like = next(self.parameters(), torch.empty(0))  # none is left where weights are quantised
        return empty_cache(like, batch, self.kv_heads, capacity, self.head_width)

    def step(
        self,
        x: Tensor,
        state: Mapping[str, Tensor],
        window: Window,
        rotation: Rotation | None = None,
        *,
        first: list[Tensor] | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places (b, n, d) of a causal sequence, and the new cache (see `remember`)."""
        query, key, value = self._heads(x, None, rotation)
        new, key, value = recall(state, key, self._mixed(value, first), window)
        if window.count == 1:
            return self._join(attend_one(query, key, value, window.bias)), new
        return self._join(attend(query, key, value, bias=window.bias)), new

    def _heads(
        self, x: Tensor, memory: Tensor | None, rotation: Rotation | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values: (b, h, t, e), (b, g, s, e), (b, g, s, e)."""
        if (self.memory is None) != (memory is None):
            raise InputError(
                "this attention has a memory to attend to, and was given none"
                if memory is None
                else "this attention attends to its own places, and was given a memory"
            )
        h, g = self.heads, self.kv_heads
        if self.matrices == 1:  # queries and keys are normed and turned as one tensor
            (project,) = self.project
            whole = self._split(project(x), h + 2 * g)
            if rotation is None and self.gain is None:
                query, key, value = torch.split_with_sizes(whole, (h, g, g), 1)
                return query, key, value
            both, value = torch.split_with_sizes(whole, (h + g, g), 1)
            query, key = torch.split_with_sizes(self._turned(both, self.gain, rotation), (h, g), 1)
            return query, key, value
        source = x if memory is None else memory
        query = self._split(self.project[0](x), h)
        if self.matrices == 2:
            key, value = self._split(self.project[1](source), 2 * g).chunk(2, 1)
        else:
            key, value = (self._split(project(source), g) for project in self.project[1:])
        gain = self.gain
        inner = h * self.head_width
        query = self._turned(query, None if gain is None else gain[:inner], rotation)
        key = self._turned(key, None if gain is None else gain[inner:], rotation)
        return query, key, value

    def _split(self, flat: Tensor, heads: int) -> Tensor:
        """(b, t, heads e) to (b, heads, t, e)."""
        return flat.view(*flat.shape[:2], heads, self.head_width).transpose(1, 2)

    def _turned(self, z: Tensor, gain: Tensor | None, rotation: Rotation | None) -> Tensor:
        if gain is not None:
            # in one piece, torch's own makes a dozen passes over it
            scale = (z.float().square().mean(-1, keepdim=True) + EPSILON).rsqrt()
            z = z * (scale * gain.view(-1, 1, self.head_width)).to(z.dtype)
        return z if rotation is None else rotate(z, rotation)

    def _mixed(self, value: Tensor, first: list[Tensor] | None) -> Tensor:
        if self.share is not None:
            assert first, "the first layer leaves its values"
            return torch.lerp(value, first[0], self.share.to(value.dtype))
        if first is not None and not first:
            first.append(value)
        return value

    def _join(self, mixed: Tensor) -> Tensor:
        """(b, h, t, e) to (b, t, d)."""
        y: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return y
