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
    return h if mask is None else h * mask.view(*mask.shape, *[1] * (h.dim() - 2)).to(h.dtype)
