"""A figure: rows of sufficient statistics, one per unit, and the name of what reduces them.

The one form that pairs everything: accuracy (a hit per image), perplexity (nats and tokens per
document), F1 (counts per image). Cells store it; `compare` resamples it.
Dimensions: n units, k statistics.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Reducer = Callable[[Tensor], Tensor]
"""(..., n, k) to (...): may be given many resampled sets at once, and must not mix them."""


def mean(rows: Tensor) -> Tensor:
    """Mean of the first statistic."""
    return rows[..., 0].mean(-1)


def ratio(rows: Tensor) -> Tensor:
    """Sum of the first statistic over the sum of the second."""
    return rows[..., 0].sum(-1) / rows[..., 1].sum(-1)


def exp_ratio(rows: Tensor) -> Tensor:
    """Exponential of `ratio`: perplexity from (nats, tokens)."""
    return ratio(rows).exp()


def f1_macro(rows: Tensor) -> Tensor:
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN).

    Rows hold 2c statistics: one-hot truth, then one-hot prediction. A class that neither occurs nor
    is predicted counts as 0, as scikit-learn's `zero_division=0`.
    """
    truth, guess = rows.chunk(2, -1)
    both = (truth * guess).sum(-2)
    total = truth.sum(-2) + guess.sum(-2)
    return (2 * both / total.clamp(min=1)).mean(-1)


def calibration(rows: Tensor) -> Tensor:
    """Expected calibration error over 15 equal bins of confidence (Guo et al. 2017, equation 3).

    ECE = sum over bins of |sum of hits - sum of confidences| / n. Rows hold (hit, confidence).
    """
    bins = 15
    hit, confidence = rows[..., 0], rows[..., 1]
    index = (confidence * bins).long().clamp(0, bins - 1)
    gap = torch.zeros(*hit.shape[:-1], bins, dtype=rows.dtype, device=rows.device)
    gap.scatter_add_(-1, index, hit - confidence)
    return gap.abs().sum(-1) / hit.shape[-1]


REDUCERS: dict[str, Reducer] = {
    "mean": mean,
    "ratio": ratio,
    "exp_ratio": exp_ratio,
    "f1_macro": f1_macro,
    "calibration": calibration,
}
"""Names that a run may store. `mean` decomposes over units; the others are bootstrapped."""


@dataclass(frozen=True)
class Figure:
    """One figure of one net on one part of the data."""

    rows: Tensor
    """(n, k) sufficient statistics, one row a unit: image, document, speaker, block of a stream."""
    reduce: str
    """A name in `REDUCERS`."""
    higher: bool
    """Whether higher is better."""
    unit: str = ""
    """`%` for shares, which are stored in [0, 1]; else the unit's own name."""
    groups: Tensor | None = None
    """(n,) of integers: rows of one group are not independent and are resampled together."""
    paired: bool = True
    """Whether row i is the same thing for every candidate."""

    @property
    def value(self) -> float:
        """The figure over all rows."""
        return float(REDUCERS[self.reduce](self.rows.double()))
