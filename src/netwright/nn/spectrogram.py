"""Log-mel spectrogram: a wave form as a picture of its loudness over frequency and time.

A short-time Fourier transform, its power through triangular filters that stand evenly on the mel
scale, and the logarithm of what they give. Nothing is learned.

Source: Davis & Mermelstein 1980, section II (triangles on the mel scale, logarithm); the scale is
O'Shaughnessy's, mel(f) = 2595 log10(1 + f / 700), and the triangles, of height 1, those of HTK
(Young et al. 2006, section 5.4). Frames lie as Kong et al. 2020 have them: (window - hop) / 2
places are added at both ends, here of silence, so that there is one frame for each whole hop.
Dimensions: b batch, t places of a wave form, w places of a window, k bins, m mels, s frames.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FLOOR = 1e-3
"""Added to a filter's energy, so that silence has a logarithm; a full-scale sine gives 4e3."""
SHIFT, SCALE = -2.0, 2.5
"""Middle and spread that spoken digits have about; silence becomes -2."""


class LogMel(nn.Module):
    """Wave forms in [-1, 1] to pictures, low frequencies first: about in [-2, 2]."""

    def __init__(
        self, rate: int, length: int, *, window: int = 256, hop: int = 128, mels: int = 32
    ) -> None:
        """Samples a second, samples of a sound; places of a window and between two windows."""
        super().__init__()
        if not 0 < hop <= window or (window - hop) % 2:
            raise ValueError(f"a hop of {hop} does not fit a window of {window}")
        if length < hop:
            raise ValueError(f"a sound of {length} samples has no frame of {hop}")
        self.rate, self.length = rate, length
        self.window, self.hop, self.mels = window, hop, mels
        self.size = _size(rate, window, mels)
        """Places of the transform: the window, and zeros where a filter would catch no bin."""
        self.bell: Tensor
        self.filters: Tensor
        self.register_buffer("bell", torch.hann_window(window), persistent=False)
        self.register_buffer("filters", filterbank(rate, self.size, mels), persistent=False)

    @property
    def frames(self) -> int:
        """Frames of a sound."""
        return self.length // self.hop

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, 1) to (b, 1, m, s)."""
        return ((self.energies(x) + FLOOR).log() - SHIFT).div(SCALE)[:, None]

    def energies(self, x: Tensor) -> Tensor:
        """(b, t, 1) to (b, m, s): power within each filter."""
        # the transform lays a shorter window in the middle of its places
        edge = (self.window - self.hop) // 2 + (self.size - self.window) // 2
        wave = F.pad(x[..., 0], (edge, edge))
        spectrum = torch.stft(
            wave, self.size, self.hop, self.window, self.bell, center=False, return_complex=True
        )
        power = torch.view_as_real(spectrum).square().sum(-1)
        return torch.einsum("mk,bks->bms", self.filters, power)


def filterbank(rate: int, size: int, mels: int) -> Tensor:
    """(m, k): triangles of height 1, each from the middle of the one before to that of the next.

    Their middles divide the mels from 0 to half the rate evenly; bin k stands at k rate / size Hz.
    """
    edges = _hertz(torch.linspace(0, _mel(rate / 2), mels + 2, dtype=torch.float64))
    bins = torch.arange(size // 2 + 1, dtype=torch.float64) * (rate / size)
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    return torch.minimum(rising, falling).clamp(min=0).float()


def _size(rate: int, window: int, mels: int) -> int:
    """The least power of two times `window` whose bins are closer than the first two filters."""
    first = 700 * (10 ** (_mel(rate / 2) / (mels + 1) / 2595) - 1)
    size = window
    while rate / size > first:
        size *= 2
    return size


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def _hertz(mel: Tensor) -> Tensor:
    return 700 * (10 ** (mel / 2595) - 1)
