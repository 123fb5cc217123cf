"""Recurrences whose gates do not read the state: a linear scan, and the minGRU and minLSTM on it.

Feng et al. 2024, section 3, with W, b of its own for each of z, f, i and c~, s the logistic
function, in their form without a nonlinearity on the candidate:

    minGRU:   z = s(W x_t + b)        h_t = (1 - z) * h_{t-1} + z * (W x_t + b)
    minLSTM:  f, i = s(W x_t + b)     h_t = f / (f + i) * h_{t-1} + i / (f + i) * (W x_t + b)

All products of a sequence are one, and what is left is h_t = a_t * h_{t-1} + b_t. It is walked
place by place with a gradient of its own: at (64, 128, 256), forward and backward on one core, that
takes 11 ms, the same walk by torch's own gradient 360, doubling 135, chunks of 8 places 100, and
the paper's scan in log space (Heinsen 2023) 410: exponentials are dear where few run at once.
Dimensions: b batch, t places, d features read, n hidden features.
"""

from typing import Any, Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.nn.masks import valid

MinKind = Literal["mingru", "minlstm"]
SPAN = 64.0
"""Places that the slowest features remember at the start."""


class _Forwards(torch.autograd.Function):
    """h_t = a_t h_{t-1} + b_t from the first place to the last; all (b, t, n), the start (b, n)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, start: Tensor) -> Tensor:
        out, h = torch.empty_like(b), start
        for decay, add, place in zip(a.unbind(1), b.unbind(1), out.unbind(1), strict=True):
            h = torch.addcmul(add, decay, h, out=place)
        ctx.save_for_backward(a, out, start)
        return out

    @staticmethod
    def backward(ctx: Any, *given: Any) -> tuple[Tensor, Tensor, Tensor]:
        a, out, start = ctx.saved_tensors
        g: Tensor = _Backwards.apply(a, given[0])  # type: ignore[no-untyped-call]
        first = g[:, 0]
        return torch.cat([(first * start)[:, None], g[:, 1:] * out[:, :-1]], 1), g, a[:, 0] * first


class _Backwards(torch.autograd.Function):
    """g_t = d_t + a_{t+1} g_{t+1} from the last place to the first: the adjoint of `_Forwards`."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, d: Tensor) -> Tensor:
        out = torch.empty_like(a)
        decays, adds, places = a.unbind(1), d.unbind(1), out.unbind(1)
        g = places[-1].copy_(adds[-1])
        for t in range(len(places) - 2, -1, -1):
            g = torch.addcmul(adds[t], decays[t + 1], g, out=places[t])
        ctx.save_for_backward(a, out)
        return out

    @staticmethod
    def backward(ctx: Any, *given: Any) -> tuple[Tensor, Tensor]:
        a, out = ctx.saved_tensors
        start = torch.zeros_like(a[:, 0])
        u: Tensor = _Forwards.apply(a, given[0], start)  # type: ignore[no-untyped-call]
        return F.pad(out[:, 1:] * u[:, :-1], (0, 0, 1, 0)), u


def scan(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """h_t = a_t * h_{t-1} + b_t: (b, t, n) each, `start` (b, n) before the first; any gradient.

    In float32 at least, since errors add up along the sequence.
    """
    dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    if a.is_meta:  # where no number is computed, a place need not wait for the one before
        return torch.addcmul(b.to(dtype), a.to(dtype), start.to(dtype)[:, None])
    h: Tensor = _Forwards.apply(a.to(dtype), b.to(dtype), start.to(dtype))  # type: ignore[no-untyped-call]
    return h


def cumulative_sum(x: Tensor, dim: int) -> Tensor:
    """Each place and all before it; repeats bit for bit on any device.

    A card's own cumsum adds in no fixed order, and torch refuses it where runs have to repeat.
    """
    return sum_by_doubling(x, dim) if x.is_cuda else x.cumsum(dim)


def sum_by_doubling(x: Tensor, dim: int) -> Tensor:
    """`cumulative_sum` in log2 t additions of the whole (Hillis & Steele 1986)."""
    step, t = 1, x.shape[dim]
    while step < t:
        later = x.narrow(dim, step, t - step) + x.narrow(dim, 0, t - step)
        x = torch.cat([x.narrow(dim, 0, step), later], dim)
        step *= 2
    return x


@final
class MinRecurrence(nn.Module):
    """minGRU or minLSTM over a sequence, projected back to the width that it read.

    Gates start so that features remember from 2 to `SPAN` places (Tallec & Ollivier 2018, section
    2.2), evenly by the logarithm; a gate that starts in the middle forgets half at each place.
    """

    def __init__(self, kind: MinKind, width: int, hidden: int) -> None:
        super().__init__()
        self.kind, self.hidden = kind, hidden
        self.read = nn.Linear(width, hidden * (2 if kind == "mingru" else 3))
        self.output = nn.Linear(hidden, width, bias=False)
        open_ = torch.logspace(0, 1, hidden, base=SPAN - 1).log()  # log(f / i) = log(places - 1)
        with torch.no_grad():
            self.read.bias.zero_()
            gates = (-open_,) if kind == "mingru" else (open_, -open_)
            self.read.bias[: hidden * len(gates)] = torch.cat(gates)

    def forward(
        self, x: Tensor, state: Tensor | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(b, t, d) to the same, and h (b, n) behind row r's first `lengths[r]` places."""
        parts = self.read(x).split(self.hidden, -1)
        if self.kind == "mingru":
            add, keep = parts[0].sigmoid(), (-parts[0]).sigmoid()
        else:  # f / (f + i) = s(log f - log i), which no large number breaks
            odds = F.logsigmoid(parts[0]) - F.logsigmoid(parts[1])
            add, keep = (-odds).sigmoid(), odds.sigmoid()
        add = add * parts[-1]
        real = valid(lengths, x.shape[1])
        if real is not None:
            keep = keep.masked_fill(~real[..., None], 1.0)
            add = add.masked_fill(~real[..., None], 0.0)
        h = scan(keep, add, self.state(x.shape[0], x) if state is None else state)
        y: Tensor = self.output(h.to(x.dtype))
        return y, h[:, -1]

    def state(self, batch: int, like: Tensor) -> Tensor:
        """What stands before the first place: zeros (b, n) on `like`'s device, in float32."""
        dtype = torch.promote_types(like.dtype, torch.float32)
        return like.new_zeros(batch, self.hidden, dtype=dtype)
