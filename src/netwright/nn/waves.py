"""Wave forms made and read by strided convolutions along time.

Source: Donahue et al. 2018 (WaveGAN), appendix D (kernel 25, stride 4) and section 3.3 (phase
shuffle); Kumar et al. 2019 (MelGAN), section 2.2 (residual dilated convolutions behind a stage).
Dimensions: b batch, t places, d features, k places of a kernel, s the factor.
"""

import math
from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.nn.convolution import ACTIVATIONS, Activation, SequenceConvolution

SLOPE = 0.2
"""Of the leaky ReLU below zero (Radford et al. 2016, section 3)."""


@final
class PhaseShuffle(nn.Module):
    """In training, y_i = x_{i - n}, with n drawn for each sample out of [-radius, radius].

    What moves in over an edge is the sequence reflected there, the edge itself once. A judge of
    wave forms then cannot tell made ones by the phase that strides leave in them.
    n comes from torch's global generator on the CPU. (Donahue et al. 2018, section 3.3)
    """

    def __init__(self, radius: int) -> None:
        super().__init__()
        self.radius = radius

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) to the same."""
        last = x.shape[1] - 1
        radius = min(self.radius, last)
        if not self.training or radius < 1:
            return x
        moved = torch.randint(-radius, radius + 1, (x.shape[0], 1), device="cpu").to(x.device)
        place = (torch.arange(last + 1, device=x.device) - moved).abs()
        place = last - (last - place).abs()
        # Along the last axis: behind a convolution it is the one without gaps, and the gradient of
        # a gather across gaps takes twenty times as long on a CPU.
        x = x.transpose(1, 2)
        return x.gather(2, place[:, None].expand_as(x)).transpose(1, 2)


@final
class DilatedResidual(nn.Module):
    """h + V f(D * f(h)): D a dilated convolution of 3 places, V of one place, zero at the start."""

    def __init__(self, width: int, dilation: int, activation: Activation) -> None:
        super().__init__()
        self.dilated = SequenceConvolution(width, width, 3, dilation=dilation, causal=False)
        self.back = nn.Linear(width, width)
        self.activation = ACTIVATIONS[activation]
        _he_(self.dilated.conv, 3 * width)
        nn.init.zeros_(self.back.weight)
        nn.init.zeros_(self.back.bias)

    def forward(self, h: Tensor) -> Tensor:
        """(b, t, d) to the same."""
        y: Tensor = self.back(self.activation(self.dilated(self.activation(h))))
        return h + y


@final
class Widen(nn.Module):
    """f(W *^T x), a transposed convolution of stride s, with residuals before f: s times as long.

    A place is put among s - 1 zeros and a kernel slides over them; of what it makes, the first
    (k - s) / 2 places, rounded down, are left out, and all that lies behind s t.

    It is computed as a plain convolution with s times the features, of which each makes one of s
    neighbouring places: the same sums without the zeros (Shi et al. 2016, section 3). Along time,
    torch's transposed one takes a slow way on a CPU.
    """

    def __init__(
        self,
        before: int,
        after: int,
        factor: int = 4,
        kernel: int = 25,
        activation: Activation = "relu",
        *,
        dilations: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.factor, self.activation = factor, ACTIVATIONS[activation]
        self.first = max(kernel - factor, 0) // 2
        self.conv = nn.ConvTranspose1d(before, after, kernel, stride=factor)
        _he_(self.conv, before * max(kernel / factor, 1))  # as many make one place
        self.residuals = _residuals(after, dilations, activation)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) to (b, s t, d')."""
        w, bias, s = self.conv.weight, self.conv.bias, self.factor
        before, after, kernel = w.shape
        taps = -(-kernel // s)
        w = F.pad(w, (0, s * taps - kernel)).view(before, after, taps, s)
        w = w.flip(2).permute(3, 1, 0, 2).reshape(s * after, before, taps)
        assert bias is not None
        y = F.conv1d(x.transpose(1, 2), w, bias.repeat(s), padding=taps - 1)
        y = y.view(len(x), s, after, -1).permute(0, 3, 1, 2).reshape(len(x), -1, after)
        return self.activation(self.residuals(y[:, self.first : self.first + s * x.shape[1]]))


@final
class Narrow(nn.Module):
    """f(W * x), a convolution of stride s, with residuals before f, then phase shuffle.

    So t becomes t / s, rounded up; zeros stand before the first place, (k - s) / 2 rounded down,
    and behind the last, so that a place of the output lies amid those that it stands for.
    """

    def __init__(
        self,
        before: int,
        after: int,
        factor: int = 4,
        kernel: int = 25,
        activation: Activation = "leaky_relu",
        *,
        shuffle: int = 0,
        dilations: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.factor, self.kernel, self.activation = factor, kernel, ACTIVATIONS[activation]
        self.conv = nn.Conv1d(before, after, kernel, stride=factor)
        _he_(self.conv, before * kernel)
        self.residuals = _residuals(after, dilations, activation)
        self.shuffle = PhaseShuffle(shuffle)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) to (b, t / s, d')."""
        t, left = x.shape[1], max(self.kernel - self.factor, 0) // 2
        behind = (-(-t // self.factor) - 1) * self.factor + self.kernel - t - left
        y: Tensor = self.conv(F.pad(x.transpose(1, 2), (left, max(behind, 0))))
        shuffled: Tensor = self.shuffle(self.activation(self.residuals(y.transpose(1, 2))))
        return shuffled


def _residuals(width: int, dilations: Sequence[int], activation: Activation) -> nn.Sequential:
    return nn.Sequential(*(DilatedResidual(width, d, activation) for d in dilations))


def _he_(conv: nn.Conv1d | nn.ConvTranspose1d, read: float) -> None:
    """Weights by He et al. 2015 for a leaky ReLU behind `read` numbers, biases zero."""
    nn.init.normal_(conv.weight, std=math.sqrt(2 / (1 + SLOPE**2) / read))
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
