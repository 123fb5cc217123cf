"""Dropout for recurrent nets: masks that hold for a whole sequence, and dropped weights.

Sources: Gal & Ghahramani 2016, section 4.2 (one mask a sequence); Wan et al. 2013 (dropped
weights); Merity et al. 2018, sections 3 and 4.1 (both together on an LSTM's U).
Dimensions: b batch, t places, d features.
"""

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd


@final
class LockedDropout(_DropoutNd):
    """Dropout whose mask is drawn once for a row and is the same at all of its places."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) to the same; in training, `p` of the features is zero all along a row."""
        if not self.training or self.p == 0:
            return x
        return x * F.dropout(x.new_ones(x.shape[0], 1, x.shape[2]), self.p)


def make_dropout(share: float, *, locked: bool) -> nn.Module:
    """A mask of its own for each place, or one for all places of a row."""
    if share == 0:
        return nn.Identity()
    return LockedDropout(share) if locked else nn.Dropout(share)


@final
class WeightDropout(_DropoutNd):
    """A weight with a share of its entries at zero, the others scaled up: DropConnect.

    Drawn anew at each call, which is once for all places of a batch.
    """

    def forward(self, weight: Tensor) -> Tensor:
        """A weight of any shape; itself where nothing is dropped."""
        return F.dropout(weight, self.p) if self.training and self.p > 0 else weight
