"""Counts against hand formulas. Dimensions: b batch, t places, d features, n heads."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from netwright.nn.flops import (
    Count,
    count,
    forward_flops,
    on_meta,
    parameters,
    saved_bytes,
    training_bytes,
    training_flops,
)


def meta(*shape: int, grad: bool = False) -> Tensor:
    return torch.zeros(*shape, device="meta", requires_grad=grad)


def whole(counted: Count) -> int:
    assert counted.uncounted == {}
    return counted.flops


def forward(module: nn.Module, *inputs: Tensor) -> int:
    with torch.no_grad():
        return whole(count(lambda: module.to("meta")(*inputs)))


def both(module: nn.Module, *inputs: Tensor) -> int:
    """Forward and the gradient of all weights; inputs take one where they ask for it."""
    module = module.to("meta")
    moved = [*module.parameters(), *(i for i in inputs if i.requires_grad)]

    def objective() -> Tensor:
        out = module(*inputs)
        first: Tensor = out[0] if isinstance(out, tuple) else out
        return first

    return whole(training_flops(objective, moved))


def places(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1


@settings(derandomize=True, deadline=None, max_examples=12)
@given(
    b=st.integers(1, 3),
    groups=st.sampled_from([1, 2, 4]),
    ins=st.integers(1, 2),
    outs=st.integers(1, 3),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    nd=st.sampled_from([1, 2]),
)
def test_a_convolution_costs_its_kernel_at_every_place_and_three_times_that_in_training(
    b: int, groups: int, ins: int, outs: int, kernel: int, stride: int, padding: int, nd: int
) -> None:
    kind = (nn.Conv1d, nn.Conv2d)[nd - 1]
    net = kind(ins * groups, outs * groups, kernel, stride, padding, groups=groups)
    sizes = (9, 7)[:nd]
    cells = 1
    for s in sizes:
        cells *= places(s, kernel, stride, padding)
    hand = 2 * b * cells * outs * groups * ins * kernel**nd
    x = meta(b, ins * groups, *sizes)
    assert forward(net, x) == hand
    assert both(net, x) == 2 * hand  # no gradient of the input is asked for
    assert both(net, x.requires_grad_()) == 3 * hand


def test_a_depthwise_convolution_costs_one_channel_each() -> None:
    net, x = nn.Conv2d(8, 8, 3, padding=1, groups=8), meta(2, 8, 5, 5, grad=True)
    hand = 2 * 2 * 25 * 8 * 9
    assert (forward(net, x), both(net, x)) == (hand, 3 * hand)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_transposed_convolution_costs_its_kernel_at_every_place_of_its_input(groups: int) -> None:
    net = nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1, groups=groups)
    x = meta(3, 4, 8, 5, grad=True)
    hand = 2 * 3 * 40 * 4 * 6 * 16 // groups
    assert (forward(net, x), both(net, x)) == (hand, 3 * hand)


def test_a_linear_map_costs_twice_its_weights_and_its_input_is_free_without_gradient() -> None:
    net = nn.Linear(5, 7)
    hand = 2 * 3 * 4 * 5 * 7
    assert forward(net, meta(3, 4, 5)) == hand
    assert both(net, meta(3, 4, 5)) == 2 * hand
    assert both(net, meta(3, 4, 5, grad=True)) == 3 * hand


def test_what_is_frozen_costs_no_gradient() -> None:
    net = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 2))
    net[0].requires_grad_(False)
    assert both(net, meta(3, 5)) == 2 * 3 * (5 * 7 + 2 * 7 * 2)


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_a_recurrence_costs_its_gates_at_every_step(
    kind: Any, gates: int, layers: int, ways: int, device: str
) -> None:
    d, h, b, t = 5, 8, 3, 6
    net = kind(d, h, layers, batch_first=True, bidirectional=ways == 2).to(device)
    hand = sum(2 * (ins + h) * gates * h * b * t * ways for ins in [d, *[h * ways] * (layers - 1)])
    with torch.no_grad():
        assert whole(count(lambda: net(torch.zeros(b, t, d, device=device)))) == hand


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3)])
def test_a_recurrence_learns_at_twice_its_forward_less_what_nobody_asks_for(
    kind: Any, gates: int
) -> None:
    d, h, b, t = 5, 8, 3, 6
    net = kind(d, h, batch_first=True)
    inwards, across = 2 * d * gates * h * b * t, 2 * h * gates * h * b * t
    first = 2 * h * gates * h * b  # the gradient of the first state
    assert both(net, meta(b, t, d)) == 2 * inwards + 3 * across - first
    assert both(net, meta(b, t, d, grad=True)) == 3 * (inwards + across) - first


def test_the_fused_lstm_of_a_cpu_is_counted_as_it_computes() -> None:
    net = nn.LSTM(5, 8, batch_first=True)
    x = torch.zeros(3, 6, 5)
    hand = 2 * (5 + 8) * 4 * 8 * 3 * 6
    counted = training_flops(lambda: net(x)[0], list(net.parameters()))
    assert whole(counted) == 3 * hand


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_attention_costs_its_whole_square_once_causal_or_not(causal: bool, device: str) -> None:
    b, n, t, d = 2, 3, 6, 8
    q, k, v = (torch.zeros(b, n, t, d, device=device, requires_grad=True) for _ in range(3))
    square = 4 * b * n * t * t * d
    run = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal)  # noqa: E731
    with torch.no_grad():
        assert whole(count(run)) == square
    assert whole(count(run)) == square
    assert whole(training_flops(run, [q, k, v])) == 3 * square


def test_attention_from_few_queries_to_many_keys_costs_their_pairs() -> None:
    q, k = meta(2, 3, 4, 8), meta(2, 3, 9, 8)
    mask = torch.ones(4, 9, dtype=torch.bool, device="meta")
    counted = count(lambda: F.scaled_dot_product_attention(q, k, k, attn_mask=mask))
    assert whole(counted) == 4 * 2 * 3 * 4 * 9 * 8


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_multi_head_attention_costs_four_projections_and_two_squares(
    train: bool, device: str
) -> None:
    b, t, d = 2, 6, 8
    net = nn.MultiheadAttention(d, 2, batch_first=True).to(device).train(train)
    x = torch.zeros(b, t, d, device=device)
    hand = 8 * b * t * d * d + 4 * b * t * t * d
    with torch.no_grad():
        assert whole(count(lambda: net(x, x, x))) == hand


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_a_whole_encoder_layer_is_counted_on_its_fast_path_too(
    train: bool, mode: Callable[[], Any], device: str
) -> None:
    b, t, d, hidden = 2, 6, 8, 20
    net = nn.TransformerEncoderLayer(d, 2, hidden, batch_first=True).to(device).train(train)
    x = torch.zeros(b, t, d, device=device)
    hand = 8 * b * t * d * d + 4 * b * t * t * d + 4 * b * t * d * hidden
    with mode():
        assert whole(count(lambda: net(x))) == hand


def test_an_encoder_layer_learns_at_three_times_its_forward() -> None:
    b, t, d, hidden = 2, 6, 8, 20
    net = nn.TransformerEncoderLayer(d, 2, hidden, batch_first=True)
    hand = 8 * b * t * d * d + 4 * b * t * t * d + 4 * b * t * d * hidden
    assert both(net, meta(b, t, d, grad=True)) == 3 * hand


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_products_cost_two_for_each_triple(mode: Callable[[], Any]) -> None:
    a, b, c = meta(3, 4, 5), meta(3, 5, 6), meta(3, 4, 6)
    m, n, v = meta(4, 5), meta(5, 6), meta(5)
    cases: list[tuple[int, Callable[[], object]]] = [
        (2 * 3 * 4 * 5 * 6, lambda: torch.bmm(a, b)),
        (2 * 3 * 4 * 5 * 6, lambda: torch.baddbmm(c, a, b)),
        (2 * 3 * 4 * 5 * 6, lambda: torch.addbmm(c[0], a, b)),
        (2 * 3 * 4 * 5 * 6, lambda: torch.einsum("bij,bjk->bik", a, b)),
        (2 * 3 * 4 * 5 * 6, lambda: a @ n),
        (2 * 4 * 5 * 6, lambda: torch.addmm(c[0], m, n)),
        (2 * 4 * 5, lambda: m @ v),
        (2 * 4 * 5, lambda: torch.addmv(m[:, 0], m, v)),
        (2 * 5, lambda: v @ v),
    ]
    for hand, run in cases:
        with mode():
            assert whole(count(run)) == hand


def test_complex_numbers_cost_four_times_as_much() -> None:
    a, b = (torch.zeros(*s, device="meta", dtype=torch.complex64) for s in ((3, 4), (4, 5)))
    assert whole(count(lambda: a @ b)) == 4 * 2 * 3 * 4 * 5


def test_macs_are_half_of_flops() -> None:
    counted = count(lambda: meta(4, 5) @ meta(5, 6))
    assert counted.macs == 4 * 5 * 6


def test_look_ups_norms_pooling_and_losses_are_free_by_convention() -> None:
    labels = torch.zeros(2, dtype=torch.long, device="meta")
    pictures, table = meta(2, 4, 8, 8, grad=True), nn.Embedding(9, 8).to("meta")
    scores, weights = meta(2, 5, grad=True), [meta(4, grad=True) for _ in range(2)]

    def run() -> None:
        h = F.batch_norm(pictures, None, None, *weights, training=True)
        h = F.dropout(F.gelu(F.group_norm(h, 2)), 0.1)
        h = F.interpolate(F.max_pool2d(F.avg_pool2d(h, 2), 2), scale_factor=2)
        h = F.adaptive_avg_pool2d(F.pad(h.flip(3).roll(1, 2), (1, 1, 1, 1), mode="reflect"), 1)
        e = table(labels).cumsum(0).sort(1).values
        e = F.rms_norm(F.layer_norm(e, (8,)), (8,)).softmax(1).logsumexp(1)
        loss = F.cross_entropy(scores, labels, label_smoothing=0.1) + F.mse_loss(scores, scores)
        loss = loss + F.binary_cross_entropy_with_logits(scores, scores.detach().sigmoid())
        inputs = [pictures, scores, *weights, *table.parameters()]
        torch.autograd.grad(loss + h.sum() + e.sum(), inputs)

    assert whole(count(run)) == 0


def test_ctc_runs_on_the_meta_device_and_is_free() -> None:
    net = nn.Linear(4, 6).to("meta")
    x, targets = meta(9, 2, 4), torch.ones(2, 3, dtype=torch.long, device="meta")
    lengths = torch.full((2,), 9, device="meta"), torch.full((2,), 3, device="meta")

    def objective() -> Tensor:
        return F.ctc_loss(net(x).log_softmax(-1), targets, *lengths, zero_infinity=True)

    hand = 2 * 18 * 4 * 6
    assert whole(training_flops(objective, list(net.parameters()))) == 2 * hand
    assert saved_bytes(objective, net.parameters()) > 0


def test_what_has_no_formula_is_named_and_not_zero() -> None:
    counted = count(
        lambda: (
            torch.fft.rfft(meta(4, 8)).abs()
            + F.bilinear(meta(4, 8), meta(4, 8), meta(5, 8, 8)).sum()
        )
    )
    assert counted.uncounted == {"aten._fft_r2c": 1, "aten._trilinear": 1}


@pytest.mark.parametrize(("bend", "further"), [(nn.Identity, 0), (nn.Softplus, 1)])
def test_a_gradient_penalty_is_counted_through_its_double_backward(bend: Any, further: int) -> None:
    # h = x W1, y = act(h) w2; the slope dy/dx = (act'(h) * 1 w2) W1'
    net = nn.Sequential(nn.Linear(5, 7, bias=False), bend(), nn.Linear(7, 1, bias=False))
    net, x = net.to("meta"), meta(3, 5, grad=True)

    def objective() -> Tensor:
        (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        return slope.square().sum()

    first, second = 2 * 3 * 5 * 7, 2 * 3 * 7
    # forward, slope, two gradients of the slope's product by W1, one of that by w2 (ones have
    # none); a bend depends on h, so that a further gradient reaches W1
    hand = (4 + further) * first + 3 * second
    assert whole(training_flops(objective, list(net.parameters()))) == hand


def test_a_gradient_penalty_through_convolutions_and_attention_is_counted() -> None:
    net = nn.Conv2d(2, 4, 3, padding=1).to("meta")
    x = meta(3, 2, 5, 5, grad=True)

    def objective() -> Tensor:
        h = net(x).flatten(2).mT[:, None]
        y = F.scaled_dot_product_attention(h, h, h).square().sum()
        (slope,) = torch.autograd.grad(y, x, create_graph=True)
        return y + slope.square().sum()

    convolution, square = 2 * 3 * 25 * 4 * 2 * 9, 4 * 3 * 25 * 25 * 4
    flops = whole(training_flops(objective, list(net.parameters())))
    # convolution: forward, slope, that by both its inputs, kernel; attention (of two products in
    # each square): 2 forward, 4 of the slope, 8 of those by both their inputs, 4 back to the start
    assert flops == 5 * convolution + 9 * square


def test_networks_and_inputs_go_by_name() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 3), nn.Linear(2, 3)

        def forward(self, x: Tensor, *, condition: Tensor) -> Tensor:
            y: Tensor = self.a(x) + self.b(condition)
            return y

    inputs = {"x": meta(5, 4), "condition": meta(5, 2)}
    assert forward_flops(Net().to("meta"), inputs).flops == 2 * 5 * 3 * 6


def test_torchs_own_counter_agrees_where_it_counts() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))
    net, x = net.to("meta"), meta(2, 3, 8, 8)
    with FlopCounterMode(display=False) as theirs:
        torch.autograd.grad(net(x).sum(), list(net.parameters()))
    assert whole(training_flops(lambda: net(x), list(net.parameters()))) == theirs.get_total_flops()


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.BatchNorm1d, nn.Linear])
def test_a_twin_on_the_meta_device_has_the_same_names_and_shapes(kind: Any) -> None:
    net = kind(4) if kind is nn.BatchNorm1d else kind(4, 6)
    next(net.parameters()).requires_grad_(False)
    twin = on_meta(net)
    shapes = {n: t.shape for n, t in net.state_dict().items()}
    assert {n: t.shape for n, t in twin.state_dict().items()} == shapes
    assert all(t.is_meta for t in twin.state_dict().values())
    assert [p.requires_grad for p in twin.parameters()] == [
        p.requires_grad for p in net.parameters()
    ]
    assert not any(t.is_meta for t in net.state_dict().values())
    x = meta(2, 4)
    assert (
        count(lambda: twin(x)).flops
        == count(lambda: kind(*((4,) if kind is nn.BatchNorm1d else (4, 6))).to("meta")(x)).flops
    )


def test_a_twin_keeps_what_is_shared_shared() -> None:
    net = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 7, bias=False))
    net[1].weight = net[0].weight
    twin = on_meta(net)
    assert twin[1].weight is twin[0].weight


def test_parameters_are_told_apart_by_whether_they_learn_and_shared_ones_count_once() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.BatchNorm1d(4))
    net[0].weight.requires_grad_(False)
    net[1].bias = net[0].bias
    found = parameters(net)
    assert (found.trainable, found.frozen) == (4 + 16 + 8, 12)


def test_training_holds_weights_gradients_and_slots_by_dtype() -> None:
    net = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 5, bias=False), nn.BatchNorm1d(5))
    net[0].weight.requires_grad_(False)
    net[1].to(torch.bfloat16)
    held = training_bytes(net, 2)
    assert held.weights == {"float32": 4 * (12 + 10 + 10), "bfloat16": 2 * 20, "int64": 8}
    assert held.gradients == {"float32": 4 * 10, "bfloat16": 2 * 20}
    assert held.optimizer == {"float32": 8 * 10, "bfloat16": 4 * 20}
    assert held.total == 4 * 32 + 40 + 8 + 80 + 160


def test_saved_bytes_are_what_the_backward_pass_reads_once_each() -> None:
    net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2)).to("meta")
    x = meta(3, 5)
    # the input, and the tanh's output, which tanh and the second map both keep
    assert saved_bytes(lambda: net(x), net.parameters()) == 4 * 3 * (5 + 7)
    assert saved_bytes(lambda: net(x), [*net.parameters(), x]) == 4 * 3 * 7
    with torch.no_grad():
        assert saved_bytes(lambda: net(x), net.parameters()) == 0


def test_saved_bytes_are_the_same_on_the_meta_device_and_in_memory() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.MaxPool2d(2))

    real, twin = build(), build().to("meta")
    here = saved_bytes(lambda: real(torch.zeros(2, 3, 8, 8)), real.parameters())
    assert here == saved_bytes(lambda: twin(meta(2, 3, 8, 8)), twin.parameters()) > 0
