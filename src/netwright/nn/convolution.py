"""Convolutional blocks on grids, and a dilated one along sequences.

Convolution (LeCun et al. 1998): y_k = b_k + sum_c W_kc * x_c, the same weights at every place.
Dimensions: b batch, c channels, h height, w width, t places, d features, k side of a kernel.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.nn.masks import zero_padding

Activation = Literal["relu", "gelu", "silu", "leaky_relu"]
ChannelNormKind = Literal["batch", "group", "layer", "none"]
Pooling = Literal["max", "mean", "stride", "none"]

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "leaky_relu": partial(F.leaky_relu, negative_slope=0.2),  # as Radford et al. 2016, section 3
}
SCALE = 0.1
"""What a ConvNeXt branch is multiplied by at the start: the value of Touvron et al. 2021 ("Going
deeper with image transformers", section 2) for nets of up to 18 layers."""


@final
class Activated(nn.Module):
    """An activation as a module."""

    def __init__(self, kind: Activation) -> None:
        super().__init__()
        self.function = ACTIVATIONS[kind]

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same."""
        return self.function(x)


@final
class PlaceNorm(nn.Module):
    """Layer norm over the channels of each place: g (x - mean) / sqrt(var + eps) + b."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to the same."""
        y: Tensor = self.norm(x.permute(0, 2, 3, 1))
        return y.permute(0, 3, 1, 2)


def channel_norm(kind: ChannelNormKind, channels: int, momentum: float = 0.1) -> nn.Module:
    """A norm for grids (b, c, h, w).

    `batch`: over samples and places (Ioffe & Szegedy 2015), `momentum` the newest batch's share of
    the running statistics; `group`: over places and groups of 4 or more channels of each sample, 8
    groups at most (Wu & He 2018); `layer`: over the channels of each place (Liu et al. 2022).
    """
    match kind:
        case "batch":
            return nn.BatchNorm2d(channels, momentum=momentum)
        case "group":
            return nn.GroupNorm(math.gcd(max(channels // 4, 1), 8), channels)
        case "layer":
            return PlaceNorm(channels)
        case "none":
            return nn.Identity()


def keeps_bias(norm: nn.Module) -> bool:
    """Whether a bias before `norm` is felt behind it: a batch norm takes each channel's away."""
    return not isinstance(norm, nn.BatchNorm2d)


def pooled(x: Tensor, kind: Pooling) -> Tensor:
    """`max` or `mean` over squares of 2 x 2 places, an odd last row or column left out."""
    if kind == "max":
        return F.max_pool2d(x, 2)
    return F.avg_pool2d(x, 2) if kind == "mean" else x


@torch.no_grad()
def partial_identity_(weight: Tensor) -> None:
    """Let the first filters of (c', c, k, k) pass one channel each on (Jordan 2024, section 3.1).

    As many as there are channels to read; the rest stay as they are.
    """
    nn.init.dirac_(weight[: weight.shape[1]])


def convolution(
    before: int, after: int, kernel: int, *, stride: int = 1, padding: bool = True, bias: bool
) -> nn.Conv2d:
    """A convolution, its weights by He et al. 2015 (`Delving deep`), its bias zero.

    With padding and a stride of 2, an even kernel halves a side and an odd one rounds it up.
    """
    beside = (kernel - 1) // 2 if padding else 0
    conv = nn.Conv2d(before, after, kernel, stride=stride, padding=beside, bias=bias)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def transposed(before: int, after: int, kernel: int, *, bias: bool) -> nn.ConvTranspose2d:
    """A transposed convolution of stride 2, which doubles each side (Dumoulin & Visin 2016, 4.5).

    Each place is made by (k / 2)^2 of the kernel's places: its weights are drawn for that many.
    """
    conv = nn.ConvTranspose2d(
        before,
        after,
        kernel,
        stride=2,
        padding=(kernel - 1) // 2,
        output_padding=kernel % 2,
        bias=bias,
    )
    nn.init.normal_(conv.weight, std=math.sqrt(2 / (before * max(kernel / 2, 1) ** 2)))
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


@final
class PlainBlock(nn.Module):
    """pool(f(norm(W * x))), or with `pool_first` f(norm(pool(W * x))).

    Without a norm, or with one whose gain is positive, f = ReLU and max pooling the two are one
    function, since max and a rising function commute; pooling first leaves a quarter of the work.
    """

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int = 3,
        *,
        padding: bool = True,
        pool: Pooling = "none",
        pool_first: bool = False,
        norm: nn.Module | None = None,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        stride = 2 if pool == "stride" else 1
        bias = norm is None or isinstance(norm, nn.Identity)  # a norm takes a bias away, or adds it
        self.conv = convolution(before, after, kernel, stride=stride, padding=padding, bias=bias)
        self.norm = nn.Identity() if norm is None else norm
        self.activation, self.pool, self.pool_first = ACTIVATIONS[activation], pool, pool_first

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to (b, c', h', w')."""
        x = self.conv(x)
        if self.pool_first:
            x = pooled(x, self.pool)
        x = self.activation(self.norm(x))
        return x if self.pool_first else pooled(x, self.pool)


@final
class ResidualBlock(nn.Module):
    """x + W2 * f(norm2(W1 * f(norm1(x)))): pre-activation (He et al. 2016, equation 5).

    W2 starts at zero, so the block starts as the identity.
    """

    def __init__(
        self,
        norms: tuple[nn.Module, nn.Module],
        width: int,
        kernel: int = 3,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = norms
        self.conv1 = convolution(width, width, kernel, bias=isinstance(self.norm2, nn.Identity))
        self.conv2 = convolution(width, width, kernel, bias=keeps_bias(self.norm1))
        self.activation = ACTIVATIONS[activation]
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to the same."""
        y: Tensor = self.conv1(self.activation(self.norm1(x)))
        y = self.conv2(self.activation(self.norm2(y)))
        return x + y


@final
class ConvNextBlock(nn.Module):
    """x + g . V f(U norm(D * x)) (Liu et al. 2022, section 2.6 and figure 4).

    D is a depthwise k x k convolution (each channel its own kernel), U widens four times, V narrows
    again, both place by place; g is one scale a channel. A depthwise convolution has a k-th of the
    products a dense one has, yet moves as many numbers: on a CPU it is bound by memory.
    """

    def __init__(
        self, norm: nn.Module, width: int, kernel: int = 7, activation: Activation = "gelu"
    ) -> None:
        super().__init__()
        bias = keeps_bias(norm)
        self.depthwise = nn.Conv2d(
            width, width, kernel, padding=kernel // 2, groups=width, bias=bias
        )
        self.norm = norm
        self.widen = convolution(width, 4 * width, 1, bias=True)
        self.narrow = convolution(4 * width, width, 1, bias=bias)
        self.gain = nn.Parameter(torch.full((width, 1, 1), SCALE))
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to the same."""
        y: Tensor = self.narrow(self.activation(self.widen(self.norm(self.depthwise(x)))))
        return x + self.gain * y


@final
class SequenceConvolution(nn.Module):
    """A dilated convolution along a sequence: y_t = b + sum_j W_j x_{t - (k - 1 - j) dilation}.

    So where `causal`; else the kernel stands in the middle of t. (Bai et al. 2018, section 3.3)
    """

    def __init__(
        self, before: int, after: int, kernel: int = 3, *, dilation: int = 1, causal: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(before, after, kernel, dilation=dilation)
        self.reach = (kernel - 1) * dilation
        """Places that it sees beside its own."""
        self.left = self.reach if causal else self.reach // 2

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, t, d) to (b, t, d'); what lies beyond `lengths` is read as zero."""
        x = F.pad(zero_padding(x, lengths), (0, 0, self.left, self.reach - self.left))
        return self._slide(x)

    def window(self, batch: int) -> Tensor:
        """What `step` starts from: the last (k - 1) dilation places read, zeros, (b, r, d)."""
        return self.conv.weight.new_zeros(batch, self.reach, self.conv.in_channels)

    def step(
        self, x: Tensor, window: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The next t places of a causal one, and the window behind `lengths[r]` of them."""
        seen = torch.cat([window.to(x.dtype), x], 1)
        if lengths is None:
            return self._slide(seen), seen[:, x.shape[1] :]
        at = lengths[:, None] + torch.arange(self.reach, device=x.device)
        return self._slide(seen), seen.gather(1, at[..., None].expand(-1, -1, x.shape[2]))

    def _slide(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x.transpose(1, 2))
        return y.transpose(1, 2)


@final
class DilatedBlock(nn.Module):
    """h + W2 * f(W1 * norm(h)), both convolutions dilated: a level of a TCN (Bai et al. 2018).

    A layer norm before them stands for the weight norm of the paper. L levels of dilation 2^l see
    1 + 2 (k - 1) (2^L - 1) places.
    """

    def __init__(
        self,
        width: int,
        kernel: int = 3,
        *,
        dilation: int,
        causal: bool,
        activation: Activation = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv1 = SequenceConvolution(width, width, kernel, dilation=dilation, causal=causal)
        self.conv2 = SequenceConvolution(width, width, kernel, dilation=dilation, causal=causal)
        self.activation, self.dropout = ACTIVATIONS[activation], nn.Dropout(dropout)

    def forward(self, h: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, t, d) to the same."""
        inner = self.activation(self.conv1(self.norm(h), lengths))
        y: Tensor = self.conv2(self.dropout(inner), lengths)
        return h + y

    def window(self, batch: int) -> Tensor:
        """What `step` starts from: the windows of both convolutions, (b, 2, r, d)."""
        return torch.stack([self.conv1.window(batch), self.conv2.window(batch)], 1)

    def step(
        self, h: Tensor, window: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The next t places, and the windows behind them."""
        inner, first = self.conv1.step(self.norm(h), window[:, 0], lengths)
        y, second = self.conv2.step(self.dropout(self.activation(inner)), window[:, 1], lengths)
        return h + y, torch.stack([first, second], 1)
