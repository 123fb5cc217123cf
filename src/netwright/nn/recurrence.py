"""Recurrent layers: LSTM and GRU with one bias vector a gate, in one direction or both.

LSTM (Hochreiter & Schmidhuber 1997; forget gate, its bias started at 1: Gers et al. 2000), with
W, U, b of its own for each of i, f, g, o and s the logistic function:

    i, f, o = s(W x_t + U h_{t-1} + b)        g = tanh(W x_t + U h_{t-1} + b)
    c_t = f * c_{t-1} + i * g                 h_t = o * tanh(c_t)

GRU (Cho et al. 2014, equations 5 to 8, with the reset gate behind the product, so that all products
of a step are one):

    r, z = s(W x_t + U h_{t-1} + b)           n = tanh(W x_t + b + r * (U h_{t-1}))
    h_t = (1 - z) * n + z * h_{t-1}

Dimensions: b batch, t places, d features read, n hidden features, l layers.
"""

from collections.abc import Mapping
from functools import cache
from typing import Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.nn.dropout import WeightDropout, make_dropout
from netwright.nn.look import show
from netwright.nn.masks import zero_padding

Kind = Literal["lstm", "gru"]
STATES: Mapping[Kind, tuple[str, ...]] = {"lstm": ("h", "c"), "gru": ("h",)}
"""What a layer carries from place to place."""
HOLD = 1e3
"""Added to a gate, it opens or shuts it wholly in every precision."""


def mirrored(x: Tensor, lengths: Tensor | None = None) -> Tensor:
    """`x`, (b, t, d), each row read from its own end; padding stays where it is.

    By an index instead of packing: no wait for the device, and it runs on the meta device.
    """
    if lengths is None:
        return x.flip(1)
    places = torch.arange(x.shape[1], device=x.device)
    at = torch.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)
    return x.gather(1, at[..., None].expand_as(x))


def advanced(y: Tensor, start: Tensor, lengths: Tensor) -> Tensor:
    """Of `y`, (b, t, n), the place that row r reached by `lengths[r]`: (b, n); `start` for 0."""
    at = (lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, y.shape[2])
    return torch.where(lengths[:, None] > 0, y.gather(1, at)[:, 0], start.to(y.dtype))


@cache
def fuses_halves() -> bool:
    """Whether this CPU's fused LSTM runs under bfloat16 autocast; asked once, by trying."""
    w = torch.zeros(4, 1, device="cpu", requires_grad=True)
    x, b = torch.zeros(1, 1, 1, device="cpu"), torch.zeros(4, device="cpu")
    try:
        with torch.autocast("cpu", torch.bfloat16):
            torch.lstm(x, (x, x), [w, w, b, b], True, 1, 0.0, True, False, True)
    except RuntimeError:
        return False
    return True


@final
class RecurrentLayer(nn.Module):
    """One layer in one direction, on torch's fused kernels.

    W starts by Glorot & Bengio 2010, U orthogonal (Saxe et al. 2014), b zero but the forget gate's.
    torch keeps two bias vectors a gate, which add up: the second is frozen at zero. In training,
    `weight_dropout` of U's entries are dropped, the same at all places (Merity et al. 2018).
    """

    def __init__(self, kind: Kind, width: int, hidden: int, *, weight_dropout: float = 0.0) -> None:
        super().__init__()
        self.kind, self.drop = kind, WeightDropout(weight_dropout)
        self.core = (nn.LSTM if kind == "lstm" else nn.GRU)(width, hidden, batch_first=True)
        w, u, bias, second = self.core.parameters()
        with torch.no_grad():
            for gate in w.split(hidden):
                nn.init.xavier_uniform_(gate)
            for gate in u.split(hidden):
                nn.init.orthogonal_(gate)
            nn.init.zeros_(bias)
            nn.init.zeros_(second)
            if kind == "lstm":
                bias[hidden : 2 * hidden] = 1.0
        second.requires_grad_(False)

    def forward(
        self, x: Tensor, state: tuple[Tensor, ...] | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(b, t, d) to (b, t, n), and the state behind it: h and, of an LSTM, c, each (b, n).

        With `lengths` (b,) row r's state is that behind its first `lengths[r]` places. Without
        `state` from zeros. Under autocast on a CPU that cannot fuse halves: in float32.
        """
        if x.is_meta:
            return self._on_meta(x)
        if state is None:
            state = (x.new_zeros(x.shape[0], self.core.hidden_size),) * len(STATES[self.kind])
        if not isinstance(self.core, nn.RNNBase):
            return self._quantised(x, state, lengths)
        if x.is_cpu and torch.is_autocast_enabled("cpu") and not fuses_halves():
            with torch.autocast("cpu", enabled=False):
                return self.forward(x.float(), tuple(s.float() for s in state), lengths)
        w, u, bias, second = self.core.parameters()
        weights = [w, self.drop(u), bias, second]
        if lengths is None:
            return self._walk(x, state, weights)
        padding = torch.arange(x.shape[1], device=x.device) >= lengths[:, None]
        x = x.masked_fill(padding[..., None], 0.0)
        if self.kind == "lstm":
            x, weights = _held(x, padding, weights)
        y, ends = self._walk(x, state, weights)
        return y, (advanced(y, state[0], lengths), *ends[1:])

    def _walk(
        self, x: Tensor, state: tuple[Tensor, ...], weights: list[Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The fused kernels; a GRU on a CPU has none, and reads a batch along its places faster."""
        hx = tuple(s[None].to(x.dtype).contiguous() for s in state)
        rest = (True, 1, 0.0, self.training, False)
        if self.kind == "lstm":
            y, h, c = torch.lstm(x, hx, weights, *rest, True)
            return y, (h[0], c[0])
        if x.is_cpu:
            y, h = torch.gru(x.transpose(0, 1).contiguous(), hx[0], weights, *rest, False)
            return y.transpose(0, 1), (h[0],)
        y, h = torch.gru(x, hx[0], weights, *rest, True)
        return y, (h[0],)

    def _quantised(
        self, x: Tensor, state: tuple[Tensor, ...], lengths: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """On the layer that dynamic quantisation put here, whose weights are packed away.

        With `lengths` one place after another, each row's state kept where its places end.
        """
        if lengths is None:
            hx = tuple(s[None].contiguous() for s in state)
            y, end = self.core(x, hx[0] if self.kind == "gru" else hx)
            return y, (end[0],) if self.kind == "gru" else (end[0][0], end[1][0])
        places = []
        for t in range(x.shape[1]):
            y, ends = self._quantised(x[:, t : t + 1], state, None)
            inside = (lengths > t)[:, None]
            state = tuple(torch.where(inside, e, s) for e, s in zip(ends, state, strict=True))
            places.append(y)
        return torch.cat(places, 1), state

    def _on_meta(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The same products and shapes, all places at once: where no number is computed.

        There torch would take its fused kernel apart, place by place, in Python.
        """
        w, u, bias, _ = self.core.parameters()
        read = F.linear(x, w, bias)
        gates = read + F.linear(read[..., : self.core.hidden_size], u)
        y = gates.tanh().unflatten(2, (-1, self.core.hidden_size)).sum(2)
        return y, (y[:, -1],) * (2 if self.kind == "lstm" else 1)


def _held(x: Tensor, padding: Tensor, weights: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Input and weights of an LSTM whose cell stands still at `padding`: its last c is each row's.

    One more input, 1 at padding, shuts the input gate and opens the forget gate: c = 1 c + 0 g.
    """
    w, *others = weights
    hidden = w.shape[0] // 4
    column = w.new_zeros(4 * hidden, 1)
    column[:hidden], column[hidden : 2 * hidden] = -HOLD, HOLD
    return torch.cat([x, padding[..., None].to(x.dtype)], 2), [torch.cat([w, column], 1), *others]


@final
class Recurrent(nn.Module):
    """Layers on one another, in both directions side by side or forwards.

    `dropout` lies between them, `locked`: with one mask for all places of a row.
    """

    def __init__(
        self,
        kind: Kind,
        width: int,
        hidden: int,
        layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        locked: bool = False,
        weight_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.hidden, self.names = hidden, STATES[kind]
        self.width = hidden * (2 if bidirectional else 1)
        widths = [width, *[self.width] * (layers - 1)]
        self.ahead, self.back = (
            nn.ModuleList(
                RecurrentLayer(kind, w, hidden, weight_dropout=weight_dropout) for w in some
            )
            for some in (widths, widths if bidirectional else [])
        )
        self.dropout = make_dropout(dropout, locked=locked)
        # where a state begins: a quantised layer has no parameter to ask
        self.register_buffer("origin", torch.zeros(()), persistent=False)
        self.origin: Tensor

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, t, d) to (b, t, n), or 2 n in both directions; zeros beyond `lengths`."""
        for i, layer in enumerate(self.ahead):
            h = x if i == 0 else self.dropout(x)
            x, _ = layer(h)
            if self.back:
                behind, _ = self.back[i](mirrored(h, lengths))
                x = torch.cat([x, mirrored(behind, lengths)], 2)
            show("block", x)
        return zero_padding(x, lengths)

    def state(self, batch: int) -> dict[str, Tensor]:
        """Zeros: `h` and, of an LSTM, `c`, each (b, l, n)."""
        if self.back:
            raise ValueError("a layer that reads backwards has no state to step from")
        shape = (batch, len(self.ahead), self.hidden)
        return {name: self.origin.new_zeros(shape) for name in self.names}

    def step(
        self, x: Tensor, state: Mapping[str, Tensor], lengths: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next t places, with gradient; row r's state advances by `lengths[r]`, 0 allowed."""
        ends: list[tuple[Tensor, ...]] = []
        for i, layer in enumerate(self.ahead):
            start = tuple(state[name][:, i] for name in self.names)
            x, end = layer(x if i == 0 else self.dropout(x), start, lengths)
            show("block", x)
            ends.append(end)
        stacked = [torch.stack(s, 1) for s in zip(*ends, strict=True)]
        return x, dict(zip(self.names, stacked, strict=True))
