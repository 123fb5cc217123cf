"""A fixed learner for generated samples: trained on made ones, tested on real ones.

Ravuri and Vinyals 2019 train a network; this one is the same for everybody and takes seconds, and
yet reads shapes and textures, not means and covariances alone (ADR 0022). One layer of whitened
patches (Coates, Ng and Lee 2011), drawn from what it learns from, each for what is there and for
what is missing (Coates and Ng 2011), averaged over quarters, and how light a sample is in 16
fields; then ridge regression towards the classes.

    p' = (p - mean p) / sqrt(var p + 0.1)   p a patch of all channels; m, C: mean, covariance of p'
    q = P (C + 0.1 I)^(-1/2) (p' - m)       P some of the p', whitened, of length 1
    features = means over quarters of relu(q) and of relu(-q), and of x over fields

Dimensions: n samples, c channels, h height, w width, d features.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from netwright.metrics.base import Figure

PATCHES, SIDE = 200, 6
"""Patches that are looked for, and their sides (half a sample's at most, but 2 at least)."""
DRAWN = 20_000
"""Patches that mean and covariance are taken of."""
FIELDS = 4
"""Fields a side, of which a sample's means are taken."""
CONTRAST = 0.1
"""What is added to a variance: less is noise."""
RIDGE = 0.03
"""Weight of the coefficients' squares, a sample."""
FLAT = 1e-3
"""Added to a feature's deviation, so that one that never varies has none."""
NUMBERS = 1 << 24
"""Of what patches see of samples, at once."""


def learned(train: Tensor, labels: Tensor, test: Tensor, truth: Tensor) -> Figure:
    """Accuracy, a share, on `test` (n, c, h, w) of what `train` (m, c, h, w) taught.

    `labels` (m,) and `truth` (n,) are whole numbers from 0.
    """
    look = Patches(train)
    x, z = look(train), look(test)
    mean, deviation = x.mean(0), x.std(0) + FLAT
    x, z = (x - mean) / deviation, (z - mean) / deviation
    y = F.one_hot(labels, int(labels.max()) + 1).to(x)
    ridge = RIDGE * len(x) * torch.eye(x.shape[1], device=x.device)
    weights = torch.linalg.solve(x.T @ x + ridge, x.T @ (y - y.mean(0)))
    hit = ((z @ weights + y.mean(0)).argmax(1) == truth).float()
    return Figure(hit[:, None].cpu(), "mean", higher=True, unit="%")


class Patches:
    """Whitened patches of some samples, and what others look like through them."""

    def __init__(self, x: Tensor) -> None:
        keyed = Generator().manual_seed(0)
        _, channels, height, width = x.shape
        side = self.side = min(SIDE, max(2, min(height, width) // 2), height, width)
        places = [
            torch.randint(most, (DRAWN,), generator=keyed).to(x.device)
            for most in (len(x), height - side + 1, width - side + 1)
        ]
        drawn = x.unfold(2, side, 1).unfold(3, side, 1)[places[0], :, places[1], places[2]]
        drawn = drawn.flatten(1)
        drawn = drawn - drawn.mean(1, keepdim=True)
        drawn = drawn / (drawn.var(1, correction=0, keepdim=True) + CONTRAST).sqrt()
        mean = drawn.mean(0)
        values, axes = torch.linalg.eigh((drawn - mean).T @ (drawn - mean) / DRAWN)
        whiten = axes / (values.clamp(min=0) + CONTRAST).sqrt() @ axes.T
        looked_for = F.normalize((drawn[:PATCHES] - mean) @ whiten, dim=1) @ whiten
        self.offset = (looked_for @ mean).view(1, -1, 1, 1)
        # a patch's own mean is taken out of it by filters that sum to nothing
        looked_for = looked_for - looked_for.mean(1, keepdim=True)
        self.filters = looked_for.view(-1, channels, side, side)

    def __call__(self, x: Tensor) -> Tensor:
        """(n, c, h, w) to (n, d): what `PATCHES` see of each quarter, then the fields."""
        places = (x.shape[2] - self.side + 1) * (x.shape[3] - self.side + 1)
        size = max(1, NUMBERS // (PATCHES * places))
        return torch.cat([self._seen(x[at : at + size]) for at in range(0, len(x), size)])

    def _seen(self, x: Tensor) -> Tensor:
        mean = F.avg_pool2d(x, self.side, 1).mean(1, keepdim=True)
        square = F.avg_pool2d(x.square(), self.side, 1).mean(1, keepdim=True)
        deviation = (square - mean.square()).clamp(min=0).add(CONTRAST).sqrt()
        q = F.conv2d(x, self.filters).div_(deviation).sub_(self.offset)
        return torch.cat([_means(F.relu(q), 2), _means(F.relu(-q), 2), _means(x, FIELDS)], 1)


def _means(x: Tensor, most: int) -> Tensor:
    """(n, c, h, w) to (n, d): means over fields, `most` a side where there are so many places."""
    return F.adaptive_avg_pool2d(x, (min(most, x.shape[2]), min(most, x.shape[3]))).flatten(1)
