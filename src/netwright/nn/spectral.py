"""Spectral normalisation of a whole module: W / s(W), s the largest singular value of W.

Source: Miyato et al. 2018, section 2.1 and algorithm 1: one step of the power method each time a
weight is used in training. torch's parametrization does it; it survives deep copies, the meta
device and channels last. What is here is which weights, and those that it cannot take as they are.
"""

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

KINDS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Linear,
    nn.Embedding,
)


def spectral(module: nn.Module) -> nn.Module:
    """Normalise every weight of a convolution, linear map or embedding in `module`, in place.

    Gives `module`. A kernel is the matrix of its outputs by all that each reads. Weights that are
    normalised already stay so. A weight that is zero throughout has no direction to keep (0 / 0):
    it is drawn anew from torch's current generator, so a branch that would start as nothing does
    not any more.
    """
    for part in list(module.modules()):
        if isinstance(part, KINDS) and not is_parametrized(part, "weight"):
            if not part.weight.is_meta and not part.weight.any():
                nn.init.kaiming_normal_(part.weight, a=0.2)
            spectral_norm(part)
    return module
