"""Toy inputs of a form or a signature: zeros, for shapes and for counting.

Dimensions: n samples.
"""

import torch
from torch import Tensor

from netwright.specs import Classes, Form, Frames, Image, Signature, Tokens, Vector


def zeros(form: Form, n: int) -> Tensor:
    """A batch of `n` zeros of this form, on torch's current device."""
    match form:
        case Image(c, h, w):
            return torch.zeros(n, c, h, w)
        case Tokens(_, length):
            return torch.zeros(n, length, dtype=torch.long)
        case Frames(features, length):
            return torch.zeros(n, length, features)
        case Vector(features):
            return torch.zeros(n, features)
        case Classes():
            return torch.zeros(n, dtype=torch.long)


def meta_inputs(signature: Signature, n: int) -> dict[str, Tensor]:
    """What a network of this signature is called with, `n` samples on the meta device."""
    with torch.device("meta"):
        inputs = {"x": zeros(signature.input, n)}
        if signature.context is not None:
            inputs["context"] = zeros(signature.context, n)
        if signature.condition is not None:
            inputs["condition"] = zeros(signature.condition, n)
    return inputs
