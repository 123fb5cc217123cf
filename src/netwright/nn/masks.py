"""Masks: of padded batches, of windows, of documents that are packed into one sequence.

Dimensions: b batch, t places that ask, s places that are asked.
"""

import torch
from torch import Tensor


def valid(lengths: Tensor | None, size: int) -> Tensor | None:
    """(b, size) of booleans, True where place < length; None where nothing is padded."""
    if lengths is None:
        return None
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def zero_padding(h: Tensor, lengths: Tensor | None) -> Tensor:
    """`h`, (b, t, ...), with zeros beyond each row's length."""
    mask = valid(lengths, h.shape[1])
    if mask is None:
        return h
    # filled, not multiplied: padding may hold what is not finite
    return h.masked_fill(~mask.view(*mask.shape, *[1] * (h.dim() - 2)), 0)


def in_sight(distance: Tensor, *, causal: bool, window: int | None = None) -> Tensor:
    """Where a place `distance` places back may be attended to: booleans of the same shape.

    `causal`: not ahead. `window`: less than that many places away (Beltagy et al. 2020, section
    3.1; Jiang et al. 2023, section 2), itself among them, so that a causal place sees `window`.
    """
    if window is None:
        return distance >= 0 if causal else torch.ones_like(distance, dtype=torch.bool)
    near = distance < window
    return near & (distance >= 0 if causal else distance > -window)


def same_document(documents: Tensor) -> Tensor:
    """`documents` (b, t), a number for each place, to (b, 1, t, t): True within one document."""
    return (documents[:, :, None] == documents[:, None, :])[:, None]


def restarted(documents: Tensor) -> Tensor:
    """`documents` (b, t), whose numbers never fall, to each place's place in its own: (b, t)."""
    places = torch.arange(documents.shape[1], device=documents.device).expand_as(documents)
    begins = torch.ones_like(documents, dtype=torch.bool)
    begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return places - (places * begins).cummax(1).values


def lowest(dtype: torch.dtype) -> float:
    """What hides a score; finite, so that a row that sees nothing is a mean and not 0 / 0."""
    return torch.finfo(dtype).min / 2


def additive(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where `seen`, else `lowest`: what is added to scores."""
    return torch.zeros_like(seen, dtype=dtype).masked_fill(~seen, lowest(dtype))
