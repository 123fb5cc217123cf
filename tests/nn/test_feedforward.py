import math

import pytest
import torch
from torch import Tensor

from netwright.nn.feedforward import FeedForward, activate

X = torch.linspace(-3, 3, 13)


def phi(x: Tensor) -> Tensor:
    return 0.5 * (1 + torch.erf(x / math.sqrt(2)))


@pytest.mark.parametrize(
    ("kind", "hand"),
    [
        ("relu", lambda x: x * (x > 0)),
        ("relu2", lambda x: x**2 * (x > 0)),
        ("gelu", lambda x: x * phi(x)),
        (
            "gelu_tanh",
            lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        ),
    ],
)
def test_activations_and_their_layers_are_the_hand_formulas(kind, hand) -> None:
    torch.testing.assert_close(activate(X, kind), hand(X))
    layer, x = FeedForward(4, 7, kind, bias=True), torch.randn(2, 3, 4)
    made = hand(x @ layer.up.weight.T + layer.up.bias) @ layer.output.weight.T + layer.output.bias
    torch.testing.assert_close(layer(x), made)


def test_swiglu_is_the_hand_formula() -> None:
    layer, x = FeedForward(4, 7, "swiglu"), torch.randn(2, 3, 4)
    assert layer.gate is not None
    up, gate = x @ layer.up.weight.T, x @ layer.gate.weight.T
    made = (gate * torch.sigmoid(gate) * up) @ layer.output.weight.T
    torch.testing.assert_close(layer(x), made)


@pytest.mark.parametrize(("kind", "matrices"), [("gelu", 2), ("swiglu", 3)])
def test_only_a_gate_adds_a_matrix_and_only_bias_adds_biases(kind, matrices: int) -> None:
    assert sum(p.numel() for p in FeedForward(4, 6, kind).parameters()) == matrices * 24
    with_bias = sum(p.numel() for p in FeedForward(4, 6, kind, bias=True).parameters())
    assert with_bias == matrices * 24 + (matrices - 1) * 6 + 4
