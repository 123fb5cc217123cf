"""A pile of residual blocks around a recurrence that projects back to the width that it read.

For each block x <- x + C(x), x <- x + R(norm(x)), x <- x + F(norm(x)), and after the last one more
norm: C a short convolution of each feature by itself and F a feed-forward layer, both where asked;
R the recurrence, in both directions their sum. So Feng et al. 2024, appendix C; Yang, Kautz &
Hatamizadeh 2024, figure 1, convolve queries, keys and values instead.
Dimensions: b batch, t places, d features, l blocks, k places that a convolution reads.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.nn.delta import GatedDelta
from netwright.nn.dropout import make_dropout
from netwright.nn.feedforward import FeedForward
from netwright.nn.look import show
from netwright.nn.masks import zero_padding
from netwright.nn.norm import EPSILON, make_norm
from netwright.nn.recurrence import mirrored
from netwright.nn.scan import MinRecurrence

Recurrence = MinRecurrence | GatedDelta
"""(b, t, d), a state and lengths to (b, t, d) and the state behind them."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What each block holds beside its recurrence."""

    convolution: int
    """Places that it reads; 0: none."""
    feedforward: int
    """Hidden features; 0: none."""
    dropout: float
    """Of each branch."""
    locked: bool


@final
class ShortConvolution(nn.Module):
    """y_t = sum_j w_j * x_{t - j}, each feature by itself, over k places from t backwards.

    Where not `causal`, over k places around t.
    """

    def __init__(self, width: int, kernel: int, *, causal: bool) -> None:
        super().__init__()
        self.reach = kernel - 1
        self.left = self.reach if causal else self.reach // 2
        self.weight = nn.Parameter(torch.empty(kernel, width).uniform_(-1, 1) * kernel**-0.5)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, t, d) to the same."""
        return self._slide(
            F.pad(zero_padding(x, lengths), (0, 0, self.left, self.reach - self.left))
        )

    def step(self, x: Tensor, window: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """The next t places, and the k - 1 places behind row r's first `lengths[r]`, (b, k - 1, d).

        Zeros stand before the first place.
        """
        seen = torch.cat([window.to(x.dtype), x], 1)
        if lengths is None:
            return self._slide(seen), seen[:, x.shape[1] :]
        at = lengths[:, None] + torch.arange(self.reach, device=x.device)
        return self._slide(seen), seen.gather(1, at[..., None].expand(-1, -1, x.shape[2]))

    def _slide(self, x: Tensor) -> Tensor:
        # as sums of shifted sequences, since a grouped convolution wants features before places
        size = x.shape[1] - self.reach
        y = x[:, :size] * self.weight[0]
        for j in range(1, self.reach + 1):
            y = torch.addcmul(y, x[:, j : j + size], self.weight[j])
        return y


@final
class ResidualBlock(nn.Module):
    """One block."""

    def __init__(
        self, make: Callable[[], Recurrence], parts: Parts, width: int, *, bidirectional: bool
    ) -> None:
        super().__init__()
        self.convolution = (
            ShortConvolution(width, parts.convolution, causal=not bidirectional)
            if parts.convolution
            else None
        )
        self.norm = make_norm("rms", width)
        self.ahead: Recurrence = make()
        self.back: Recurrence | None = make() if bidirectional else None
        self.feedforward_norm = make_norm("rms", width) if parts.feedforward else None
        self.feedforward = (
            FeedForward(width, parts.feedforward, "gelu") if parts.feedforward else None
        )
        self.dropout = make_dropout(parts.dropout, locked=parts.locked)

    def forward(self, h: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, t, d) to the same."""
        if self.convolution is not None:
            h = h + self.dropout(self.convolution(h, lengths))
        x = self.norm(h)
        y, _ = self.ahead(x)
        if self.back is not None:
            behind, _ = self.back(mirrored(x, lengths))
            y = y + mirrored(behind, lengths)
        return self._rest(h + self.dropout(y))

    def step(
        self, h: Tensor, state: Tensor, window: Tensor | None, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """The next places, and the state and window behind them."""
        if self.convolution is not None and window is not None:
            near, window = self.convolution.step(h, window, lengths)
            h = h + self.dropout(near)
        y, state = self.ahead(self.norm(h), state, lengths)
        return self._rest(h + self.dropout(y)), state, window

    def _rest(self, h: Tensor) -> Tensor:
        if self.feedforward is None or self.feedforward_norm is None:
            return h
        y: Tensor = h + self.dropout(self.feedforward(self.feedforward_norm(h)))
        return y


@final
class ResidualLayers(nn.Module):
    """Blocks one after another, then a norm.

    Its state is `memory`, the recurrences' states (b, l, ...), and where there are convolutions
    `window`, (b, l, k - 1, d).
    """

    def __init__(
        self,
        make: Callable[[], Recurrence],
        parts: Parts,
        width: int,
        layers: int,
        *,
        bidirectional: bool,
    ) -> None:
        super().__init__()
        self.width, self.reach = width, parts.convolution - 1
        self.blocks = nn.ModuleList(
            ResidualBlock(make, parts, width, bidirectional=bidirectional) for _ in range(layers)
        )
        self.norm = nn.RMSNorm(width, eps=EPSILON)

    def forward(self, h: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, t, d) to the same; zeros beyond `lengths`."""
        for block in self.blocks:
            h = block(h, lengths)
            show("block", h)
        return zero_padding(self.norm(h), lengths)

    def state(self, batch: int) -> dict[str, Tensor]:
        """Zeros."""
        like = self.norm.weight
        blocks = (b for b in self.blocks if isinstance(b, ResidualBlock))
        memory = [block.ahead.state(batch, like) for block in blocks]
        state = {"memory": torch.stack(memory, 1)}
        if self.reach >= 0:
            state["window"] = like.new_zeros(batch, len(memory), self.reach, self.width)
        return state

    def step(
        self, h: Tensor, state: Mapping[str, Tensor], lengths: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places, through all blocks."""
        new: dict[str, list[Tensor]] = {name: [] for name in state}
        for i, block in enumerate(self.blocks):
            assert isinstance(block, ResidualBlock)
            window = state["window"][:, i] if "window" in state else None
            h, held, window = block.step(h, state["memory"][:, i], window, lengths)
            show("block", h)
            new["memory"].append(held)
            if window is not None:
                new["window"].append(window)
        y: Tensor = self.norm(h)
        return y, {name: torch.stack(parts, 1) for name, parts in new.items()}
