"""Weights in eight bits, for answers on a CPU: dense and recurrent layers, activations on the fly.

w is kept as round(w / s) with one scale s a tensor, x is quantised as it comes; products are summed
in 32-bit integers.
"""

import warnings
from typing import Literal

import torch
from torch import nn

from netwright.errors import InputError

Precision = Literal["fp32", "int8"]


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
