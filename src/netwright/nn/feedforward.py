"""Feed-forward layers: dense, activation, dense, at each place by itself.

Dimensions: ... any leading axes, d features, k hidden features.
"""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["relu", "gelu", "gelu_tanh", "relu2"]
"""Point-wise activations."""
GatedActivation = Literal["relu", "gelu", "gelu_tanh", "relu2", "swiglu"]
"""The same, and the one that needs a second dense layer as its gate."""


def activate(x: Tensor, kind: Activation) -> Tensor:
    """relu: max(0, x). gelu: x Phi(x) (Hendrycks & Gimpel 2016, section 2).

    gelu_tanh: its approximation 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) (the same).
    relu2: max(0, x)^2 (So et al. 2021, section 4).
    """
    if kind in ("gelu", "gelu_tanh"):
        return F.gelu(x, approximate="tanh" if kind == "gelu_tanh" else "none")
    positive = F.relu(x)
    return positive if kind == "relu" else positive * positive


class FeedForward(nn.Module):
    """f(x W1) W2, or (SiLU(x W1) * x V) W2 for `swiglu` (Shazeer 2020, equation 6).

    (..., d) to (..., d) with k = `hidden`; biases where asked. Vaswani et al. 2017, section 3.3. A
    gate is a third matrix: at equal size, `swiglu` takes two thirds of the hidden width.
    """

    def __init__(
        self, width: int, hidden: int, activation: GatedActivation, *, bias: bool = False
    ) -> None:
        super().__init__()
        self.activation = activation
        self.up = nn.Linear(width, hidden, bias=bias)
        self.gate = nn.Linear(width, hidden, bias=bias) if activation == "swiglu" else None
        self.output = nn.Linear(hidden, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., d) to the same."""
        h: Tensor = self.up(x)
        if self.activation == "swiglu":
            assert self.gate is not None
            h = F.silu(self.gate(x)) * h
        else:
            h = activate(h, self.activation)
        y: Tensor = self.output(h)
        return y
