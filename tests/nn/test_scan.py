import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from netwright.nn.flops import forward_flops, on_meta, training_flops
from netwright.nn.scan import SPAN, MinRecurrence, scan, sum_by_doubling

KINDS = ("mingru", "minlstm")


def walked(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """The recurrence by torch's own gradient."""
    h, out = start, []
    for t in range(a.shape[1]):
        h = a[:, t] * h + b[:, t]
        out.append(h)
    return torch.stack(out, 1)


def in_log_space(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """Heinsen 2023: of positive numbers, all places at once."""
    decay = F.pad(a.log().cumsum(1), (0, 0, 1, 0))
    add = torch.cat([start[:, None], b], 1).log()
    return (decay + (add - decay).logcumsumexp(1)).exp()[:, 1:]


@given(
    st.integers(1, 3),
    st.integers(1, 70),
    st.integers(1, 5),
    st.sampled_from([1e-3, 1.0, 30.0]),
    st.integers(0, 1000),
)
@settings(derandomize=True, deadline=None, max_examples=25)
def test_a_scan_equals_the_walk_and_the_parallel_scan_in_log_space(
    b: int, t: int, n: int, spread: float, seed: int
) -> None:
    torch.manual_seed(seed)
    a, x, start = (
        torch.sigmoid(spread * torch.randn(b, t, n)),
        torch.rand(b, t, n),
        torch.rand(b, n),
    )
    a, x = a.clamp(min=1e-30), x + 1e-3
    h = scan(a, x, start)
    torch.testing.assert_close(h, walked(a, x, start), rtol=1e-5, atol=1e-5)
    exact = in_log_space(a.double(), x.double(), start.double())
    torch.testing.assert_close(h.double(), exact, rtol=1e-5, atol=1e-5)


@given(st.integers(1, 40), st.integers(0, 1000))
@settings(derandomize=True, deadline=None, max_examples=15)
def test_a_scan_has_the_gradient_of_the_walk(t: int, seed: int) -> None:
    torch.manual_seed(seed)
    made = [torch.rand(2, t, 3).requires_grad_(), torch.randn(2, t, 3).requires_grad_()]
    made.append(torch.randn(2, 3).requires_grad_())
    ours = torch.autograd.grad(scan(*made).sin().sum(), made)
    theirs = torch.autograd.grad(walked(*made).sin().sum(), made)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_scan_may_be_differentiated_twice() -> None:
    torch.manual_seed(0)
    made = (torch.rand(2, 5, 2), torch.randn(2, 5, 2), torch.randn(2, 2))
    inputs = tuple(x.double().requires_grad_() for x in made)
    assert torch.autograd.gradcheck(scan, inputs)
    assert torch.autograd.gradgradcheck(scan, inputs)


def test_a_scan_of_halves_is_computed_in_single_precision() -> None:
    a, b = torch.full((1, 400, 1), 0.999), torch.full((1, 400, 1), 0.01)
    h = scan(a.bfloat16(), b.bfloat16(), torch.zeros(1, 1).bfloat16())
    assert h.dtype == torch.float32
    expected = walked(a.bfloat16().float(), b.bfloat16().float(), torch.zeros(1, 1))
    torch.testing.assert_close(h, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_equals_its_equations(kind: str) -> None:
    torch.manual_seed(0)
    net, x = MinRecurrence(kind, 5, 7), torch.randn(2, 9, 5)
    w, b = net.read.weight.double(), net.read.bias.double()
    h, out = torch.zeros(2, 7).double(), []
    for t in range(9):
        first, *rest = (x[:, t].double() @ w.T + b).split(7, 1)
        if kind == "mingru":
            z = first.sigmoid()
            h = (1 - z) * h + z * rest[0]
        else:
            f, i = first.sigmoid(), rest[0].sigmoid()
            h = f / (f + i) * h + i / (f + i) * rest[1]
        out.append(h @ net.output.weight.double().T)
    torch.testing.assert_close(net(x)[0].double(), torch.stack(out, 1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_gates_that_are_shut_wholly_keep_numbers_finite(kind: str) -> None:
    net = MinRecurrence(kind, 5, 7)
    with torch.no_grad():
        net.read.weight *= 1e4
    y, _ = net(torch.randn(2, 9, 5))
    y.sum().backward()
    assert y.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_features_start_with_memories_from_two_places_to_the_span(kind: str) -> None:
    net = MinRecurrence(kind, 5, 9)
    with torch.no_grad():
        _, kept = net(torch.zeros(1, 1, 5), torch.ones(1, 9))
    memories = 1 / (1 - kept[0])
    assert memories[0].item() == pytest.approx(2, rel=1e-4)
    assert memories[-1].item() == pytest.approx(SPAN, rel=1e-3)
    assert (memories.diff() > 0).all()


@given(
    st.sampled_from(KINDS),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4),
)
@settings(derandomize=True, deadline=None, max_examples=20)
def test_ragged_windows_equal_the_whole(kind: str, windows: list[tuple[int, int]]) -> None:
    torch.manual_seed(1)
    net, x = MinRecurrence(kind, 5, 7), torch.randn(2, 12, 5)
    (whole, _), state, at = net(x), net.state(2, x), torch.zeros(2, dtype=torch.long)
    for counts in windows:
        window = torch.full((2, 3, 5), 7.0)
        for row, n in enumerate(counts):
            window[row, :n] = x[row, at[row] : at[row] + n]
        y, state = net(window, state, torch.tensor(counts))
        for row, n in enumerate(counts):
            expected = whole[row, at[row] : at[row] + n]
            torch.testing.assert_close(y[row, :n], expected, rtol=1e-5, atol=1e-5)
        at += torch.tensor(counts)


@pytest.mark.parametrize(("kind", "parts"), [("mingru", 2), ("minlstm", 3)])
def test_on_the_meta_device_shapes_and_flops_are_those_of_the_equations(
    kind: str, parts: int
) -> None:
    net = on_meta(MinRecurrence(kind, 5, 7))
    x = torch.zeros(2, 6, 5, device="meta", requires_grad=True)
    flops = 2 * 2 * 6 * 5 * 7 * (parts + 1)
    counted = forward_flops(net, {"x": x})
    assert (counted.flops, counted.uncounted) == (flops, {})
    total = training_flops(lambda: torch.sum(net(x)[0]), [*net.parameters(), x])
    assert (total.flops, total.uncounted) == (3 * flops, {})
    assert [tuple(y.shape) for y in net(x)] == [(2, 6, 5), (2, 7)]


def test_on_a_processor_the_count_is_the_same() -> None:
    counted = forward_flops(MinRecurrence("mingru", 5, 7), {"x": torch.randn(2, 6, 5)})
    assert (counted.flops, counted.uncounted) == (2 * 2 * 6 * 5 * 7 * 3, {})


@given(st.integers(1, 40), st.integers(0, 5))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_sums_by_doubling_are_running_sums(places: int, seed: int) -> None:
    x = torch.randn(2, 3, places, 4, generator=torch.Generator().manual_seed(seed)).double()
    torch.testing.assert_close(sum_by_doubling(x, 2), x.cumsum(2))
    torch.testing.assert_close(sum_by_doubling(x.mT, 3), x.mT.cumsum(3))
