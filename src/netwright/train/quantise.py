"""Weights laid out for answers one by one on a CPU: in columns, or in eight bits.

A product with one vector streams the whole matrix: by columns decoding made 140
symbols a second against 121 (13.9M weights, one AVX2 thread, beside other work).
In eight bits w is kept as round(w / s) with one scale s a tensor, x is quantised as it comes;
products are summed in 32-bit integers.
Dimensions: ... any leading axes, d features, k outputs.
"""

import warnings
from typing import Any, Literal

import torch
from torch import Tensor, nn

from netwright.errors import InputError

Precision = Literal["fp32", "int8"]


class Packed(nn.Module):
    """A dense layer on weights that torch has packed in eight bits: (..., d) to (..., k).

    The same operator as torch's own module, without the checks that it makes in Python each time.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.packed = layer._packed_params._packed_params

    def forward(self, x: Tensor) -> Tensor:
        """(..., d) to (..., k)."""
        y: Tensor = torch.ops.quantized.linear_dynamic.default(x, self.packed, True)
        return y


def quantise(net: nn.Module, precision: Precision, device: torch.device) -> None:
    """Quantise the layers of `net` in place; `fp32` leaves it as it is.

    Raises: InputError where the device is no CPU, which the kernels are made for.
    """
    if precision == "fp32":
        return
    if device.type != "cpu":
        raise InputError("int8 runs on a CPU", do="--device cpu")
    with warnings.catch_warnings():
        # torch announces that torchao will replace this one day
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "torch.quantize_per_tensor", UserWarning)
        torch.ao.quantization.quantize_dynamic(
            net, {nn.Linear, nn.LSTM, nn.GRU}, dtype=torch.qint8, inplace=True
        )
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, torch.ao.nn.quantized.dynamic.Linear):
                setattr(module, name, Packed(child))


def in_columns(net: nn.Module) -> None:
    """Lay the matrices of dense layers by columns, in place; the function stays the same.

    A matrix that is also an embedding, whose rows are read one by one, is copied for the layer.
    """
    shared = {id(m.weight) for m in net.modules() if isinstance(m, nn.Embedding)}
    for module in net.modules():
        if type(module) is not nn.Linear:
            continue
        columns = module.weight.detach().t().contiguous().t()
        if id(module.weight) in shared:
            module.weight = nn.Parameter(columns, requires_grad=False)
        else:
            module.weight.data = columns
