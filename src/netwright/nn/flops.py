"""Arithmetic and memory of a network, counted on the meta device: no number is computed.

1 multiply-add = 2 FLOPs. Counted is what multiplies matrices: linear maps, convolutions,
recurrences, attention, forward and backward. Not counted, by the convention of the field, is what
`UNCOUNTED` and `UNCOUNTED_TAGS` name: element-wise work, reductions, norms, pooling, softmax,
losses, look-ups, copies, views, randomness, optimizer moves. What is neither is *named* in
`Counter.uncounted`, never taken for zero.

What the numbers mean:
- Complex numbers cost 4 times as much.
- A convolution multiplies its padding too; groups divide the work. Each gradient of a convolution
  (of its input, of its kernel) costs what its forward costs.
- Attention is the whole square of (queries x keys), causal or not: 4 b n q k d forward, 8 b n q k d
  backward (b batch, n heads, d features of a head). Kernels that compute it again in the backward
  pass are counted without that, on the meta device and on a CPU.
- On the meta device torch takes LSTM, GRU and attention apart into matrix products. The fused
  kernels that a CPU runs instead have formulas here too, so a count on real tensors agrees in the
  forward pass; the fused LSTM's backward computes, and is counted with, gradients that nobody
  asked for (those of its input and of its first state).

torch's own `FlopCounterMode` is not used: its module tracker fails under an inner
`torch.autograd.grad` (gradient penalties), and on a CPU it counts nothing for LSTM and attention.
Its formulas are (`torch.utils.flop_counter.flop_registry`), save that of the backward pass of a
convolution, which forgets groups.
"""

import copy
import math
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

__all__ = [
    "Bytes",
    "Count",
    "Counter",
    "Parameters",
    "count",
    "forward_flops",
    "on_meta",
    "parameters",
    "saved_bytes",
    "training_bytes",
    "training_flops",
]

aten = torch.ops.aten

UNCOUNTED_TAGS = frozenset(
    {"pointwise", "reduction", "nondeterministic_seeded", "view_copy", "inplace_view"}
)
"""Kinds of operations, by torch's own tags, that are not counted by convention. Views too."""

UNCOUNTED: Mapping[str, str] = {
    "element-wise": "glu hardswish log_sigmoid_forward log_sigmoid addr _prelu_kernel "
    "_thnn_fused_lstm_cell _thnn_fused_gru_cell _weight_norm_interface",
    "reductions and scans": "sum mean amax amin argmax argmin max min std var "
    "std_mean var_mean norm any all prod count_nonzero cumsum cumprod cummax cummin "
    "_cummax_helper _cummin_helper logcumsumexp logsumexp sort topk kthvalue median mode "
    "unique_dim _unique2 bincount histc searchsorted bucketize isin linalg_vector_norm",
    "norms": "native_layer_norm native_batch_norm batch_norm _native_batch_norm_legit "
    "_native_batch_norm_legit_no_training _native_batch_norm_legit_functional "
    "_batch_norm_with_update _batch_norm_no_update batch_norm_update_stats "
    "native_group_norm _fused_rms_norm cudnn_batch_norm renorm",
    "pooling and resizing": "max_pool2d_with_indices max_pool3d_with_indices avg_pool2d avg_pool3d "
    "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d "
    "adaptive_max_pool3d upsample_nearest1d upsample_nearest2d "
    "_upsample_nearest_exact2d upsample_linear1d upsample_bilinear2d "
    "_upsample_bilinear2d_aa upsample_bicubic2d grid_sampler_2d pixel_shuffle "
    "pixel_unshuffle channel_shuffle",
    "softmax": "_softmax _softmax_backward_data _log_softmax _log_softmax_backward_data "
    "_safe_softmax",
    "losses": "nll_loss_forward nll_loss nll_loss2d_forward nll_loss2d mse_loss smooth_l1_loss "
    "huber_loss binary_cross_entropy binary_cross_entropy_with_logits _ctc_loss",
    "look-ups and indexing": "embedding embedding_dense embedding_renorm _embedding_bag "
    "_embedding_bag_forward_only _embedding_bag_dense index index_put _index_put_impl "
    "_unsafe_index _unsafe_index_put index_select index_add index_copy index_fill "
    "gather scatter scatter_add scatter_reduce masked_select masked_scatter nonzero "
    "select select_scatter slice slice_scatter diagonal diagonal_scatter "
    "as_strided_scatter take _local_scalar_dense is_nonzero equal",
    "copies and shapes": "cat stack copy _to_copy clone detach _unsafe_view unsafe_split "
    "unsafe_split_with_sizes repeat repeat_interleave roll flip rot90 constant_pad_nd "
    "reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d "
    "replication_pad2d replication_pad3d im2col col2im unfold lift _pin_memory tril "
    "triu block_diag _pack_padded_sequence",
    "making": "zeros ones empty full arange linspace eye empty_like zeros_like ones_like "
    "full_like new_zeros new_ones new_empty new_full new_empty_strided empty_strided "
    "scalar_tensor fill zero tril_indices triu_indices",
    "optimizers": "_fused_adam _fused_adamw _fused_sgd _amp_foreach_non_finite_check_and_unscale "
    "_amp_update_scale",
}
"""What is not counted by convention, by kind; in-place forms (a final `_`) and derivatives too."""

_NAMES = frozenset(name for names in UNCOUNTED.values() for name in names.split())


class Counter(TorchDispatchMode):
    """Counts what torch computes while it is entered; on the meta device nothing is computed.

    CTC, which torch cannot run on the meta device, gets the shapes of its results from here.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self._unknown: Tally[str] = Tally()

    @property
    def uncounted(self) -> Mapping[str, int]:
        """Calls of operations that nobody knows the arithmetic of, by name."""
        return dict(self._unknown)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run `func` and count it."""
        kwargs = kwargs or {}
        packet = func._overloadpacket
        if packet in FORMULAS:
            self.flops += _weight(args) * FORMULAS[packet](*args)
            return func(*args, **kwargs)
        if packet in flop_registry:
            out = func(*args, **kwargs)
            self.flops += _weight(args) * flop_registry[packet](*args, **kwargs, out_val=out)
            return out
        if packet in SHAPES and args[0].is_meta:
            return SHAPES[packet](*args)
        with self:  # under inference_mode `linear` and its like arrive whole
            out = func.decompose(*args, **kwargs)
        if out is not NotImplemented:
            return out
        if not _by_convention(func):
            self._unknown[str(packet)] += 1
        return func(*args, **kwargs)


def _by_convention(func: Any) -> bool:
    name = func._overloadpacket.__name__
    # in-place forms and derivatives often lack the tag of what they belong to
    base = name.removesuffix("_").removesuffix("_backward")
    packet = getattr(aten, base, None)
    kin = [getattr(packet, overload) for overload in packet.overloads()] if packet else []
    return (
        func.namespace == "prim"
        or func.is_view
        or not _NAMES.isdisjoint({name, name.removesuffix("_"), base})
        or name.startswith("_foreach_")
        or any(tag.name in UNCOUNTED_TAGS for f in [func, *kin] for tag in f.tags)
    )


def _weight(args: tuple[Any, ...]) -> int:
    return 4 if torch.is_tensor(args[0]) and args[0].is_complex() else 1


def _matrices(*shapes: int) -> int:
    return 2 * math.prod(shapes)


def _product(a: Tensor, b: Tensor) -> int:
    return _matrices(*a.shape, b.shape[-1])


def _convolution_backward(grad: Tensor, x: Tensor, kernel: Tensor, *rest: Any) -> int:
    transposed, wanted = rest[4], rest[7]  # wanted: gradients of input, kernel, bias
    places = (x if transposed else grad).shape[2:]
    one = _matrices(x.shape[0], *places, kernel.numel())
    return one * (int(wanted[0]) + int(wanted[1]))


def _attention(q: Tensor, k: Tensor, v: Tensor, *_: Any) -> int:
    pairs = math.prod(q.shape[:-1]) * k.shape[-2]
    return _matrices(pairs, q.shape[-1] + v.shape[-1])


def _lstm_layer(x: Tensor, w_input: Tensor, w_hidden: Tensor, *_: Any) -> int:
    steps = x.shape[0] * x.shape[1]
    return _matrices(steps, w_input.numel() + w_hidden.numel())


def _fast_attention(q: Tensor, k: Tensor, _v: Tensor, width: int, *_: Any) -> int:
    b, t, s = q.shape[0], q.shape[1], k.shape[1]
    projections = _matrices(b, t + s, 2 * width * width)  # query and output; key and value
    return projections + _matrices(b, t, s, 2 * width)


def _fast_encoder_layer(x: Tensor, width: int, *rest: Any) -> int:
    hidden = rest[12].shape[0]  # ffn_weight_1: (hidden, width)
    return _fast_attention(x, x, x, width) + _matrices(*x.shape[:2], 2 * width * hidden)


FORMULAS: Mapping[Any, Callable[..., int]] = {
    aten.mv: lambda *a: _matrices(*a[0].shape),
    aten.addmv: lambda *a: _matrices(*a[1].shape),
    aten.dot: lambda *a: _matrices(a[0].numel()),
    aten.vdot: lambda *a: _matrices(a[0].numel()),
    aten.addbmm: lambda *a: _product(*a[1:]),
    aten._addmm_activation: lambda *a: _product(*a[1:]),
    aten.convolution_backward: _convolution_backward,
    aten.mkldnn_rnn_layer: _lstm_layer,
    aten.mkldnn_rnn_layer_backward: lambda *a: 2 * _lstm_layer(*a),
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: lambda *a: 2 * _attention(*a[1:]),
    aten._native_multi_head_attention: _fast_attention,
    aten._transformer_encoder_layer_fwd: _fast_encoder_layer,
}
"""What torch's registry lacks, or has wrong."""


def _ctc(log_probs: Tensor, targets: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    t, b = log_probs.shape[:2]
    longest = targets.shape[-1]  # all of them, where targets are laid end to end: a bound
    return log_probs.new_empty(b), log_probs.new_empty(b, t, 2 * longest + 1)


SHAPES: Mapping[Any, Callable[..., Any]] = {
    aten._ctc_loss: _ctc,
    aten._ctc_loss_backward: lambda *a: torch.empty_like(a[1]),
}
"""Results on the meta device of what torch cannot run there."""


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted."""

    flops: int
    uncounted: Mapping[str, int]
    """Calls of operations without a formula, by name; empty where the count is whole."""

    @property
    def macs(self) -> int:
        """Multiply-adds: half of the FLOPs."""
        return self.flops // 2


def count(function: Callable[[], object]) -> Count:
    """Call `function` once and count what it computes."""
    with Counter() as counter:
        function()
    return Count(counter.flops, counter.uncounted)


def forward_flops(network: nn.Module, inputs: Mapping[str, Tensor]) -> Count:
    """One forward pass without gradient, `inputs` by the names of `forward`; all on one device."""
    with torch.no_grad():
        return count(lambda: network(**inputs))


def training_flops(objective: Callable[[], Tensor], moved: Sequence[Tensor]) -> Count:
    """One forward pass, the loss and its gradient by `moved`, as one turn of training computes.

    `objective` may take gradients itself (a gradient penalty, with `create_graph=True`). What is
    frozen among `moved` takes none.
    """
    learned = [t for t in moved if t.requires_grad]
    return count(lambda: torch.autograd.grad(objective().sum(), learned, allow_unused=True))


def on_meta(module: nn.Module) -> nn.Module:
    """A copy of `module` on the meta device, made without copying its numbers."""
    twins: dict[int, Any] = {}
    for p in module.parameters():
        twins[id(p)] = nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad)
    for b in module.buffers():
        twins[id(b)] = torch.empty_like(b, device="meta")
    return copy.deepcopy(module, twins)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Numbers that are learned, and numbers that stand still; shared ones once, no buffers."""

    trainable: int
    frozen: int


def parameters(module: nn.Module) -> Parameters:
    """Count the parameters of `module`."""
    every = list(module.parameters())
    trainable = sum(p.numel() for p in every if p.requires_grad)
    return Parameters(trainable, sum(p.numel() for p in every) - trainable)


@dataclass(frozen=True, slots=True)
class Bytes:
    """What training holds besides activations, in bytes by the name of the dtype."""

    weights: Mapping[str, int]
    """Parameters and buffers."""
    gradients: Mapping[str, int]
    optimizer: Mapping[str, int]

    @property
    def total(self) -> int:
        """All together."""
        return sum(sum(part.values()) for part in (self.weights, self.gradients, self.optimizer))


def training_bytes(module: nn.Module, optimizer_slots_per_parameter: float) -> Bytes:
    """Bytes of weights, gradients and optimizer state.

    Slots are numbers kept for each number that is learned: Adam 2, SGD with momentum 1, without 0,
    Muon 1 (a mixture of both: their mean, weighted). Slots have the dtype of their parameter.
    """
    learned = _bytes(p for p in module.parameters() if p.requires_grad)
    slots = {dtype: round(n * optimizer_slots_per_parameter) for dtype, n in learned.items()}
    return Bytes(_bytes([*module.parameters(), *module.buffers()]), learned, slots)


def _bytes(tensors: Iterable[Tensor]) -> dict[str, int]:
    total: Tally[str] = Tally()
    for t in tensors:
        total[str(t.dtype).removeprefix("torch.")] += t.numel() * t.element_size()
    return dict(total)


def saved_bytes(function: Callable[[], object], existing: Iterable[Tensor] = ()) -> int:
    """Bytes that a forward pass keeps for its backward pass: the activations, and the inputs.

    `existing` are tensors that are there anyway (parameters, buffers) and not counted. A storage
    that several tensors share counts once. On the meta device recurrences and attention are taken
    apart, so the maps of attention are included, which a fused kernel would not keep: the number is
    an upper bound there.
    """
    owned = {t.untyped_storage()._cdata for t in existing}
    kept: dict[int, torch.UntypedStorage] = {}  # holds them, so that no address is used twice

    def keep(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        if storage._cdata not in owned:
            kept[storage._cdata] = storage
        return t

    with Counter(), saved_tensors_hooks(keep, lambda t: t):
        function()
    return sum(storage.nbytes() for storage in kept.values())
