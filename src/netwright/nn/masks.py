"""Masks for padded batches. Dimensions: b batch, t places."""

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
