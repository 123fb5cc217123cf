import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from netwright.nn.delta import GatedDelta, delta_chunks, delta_places
from netwright.nn.flops import forward_flops, on_meta, training_flops


def drawn(t: int, seed: int = 0, k: int = 4, v: int = 5, alike: float = 0.0) -> list[Tensor]:
    """q, k, v, beta, decay, memory in double precision; keys of length 1, `alike` or not."""
    torch.manual_seed(seed)
    b, h = 2, 3
    q, key = torch.randn(b, h, t, k).double(), torch.randn(b, h, t, k).double()
    key = (1 - alike) * key + alike * torch.ones(k)
    key = key / key.norm(dim=-1, keepdim=True)
    value, beta = torch.randn(b, h, t, v).double(), torch.rand(b, h, t).double()
    return [
        q,
        key,
        value,
        beta,
        -2 * torch.rand(b, h, t).double(),
        torch.randn(b, h, k, v).double(),
    ]


def by_equation(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, decay: Tensor, memory: Tensor
) -> tuple[Tensor, Tensor]:
    """Equation 10 as it stands, for one row and head after another."""
    out = torch.zeros_like(v)
    end = memory.clone()
    for row in range(q.shape[0]):
        for head in range(q.shape[1]):
            s = memory[row, head].T
            for t in range(q.shape[2]):
                key, b = k[row, head, t], beta[row, head, t]
                fade = torch.eye(len(key)).to(key) - b * torch.outer(key, key)
                s = decay[row, head, t].exp() * s @ fade + b * torch.outer(v[row, head, t], key)
                out[row, head, t] = s @ q[row, head, t]
            end[row, head] = s.T
    return out, end


def test_places_equal_the_equation() -> None:
    made = drawn(9)
    torch.testing.assert_close(delta_places(*made), by_equation(*made), rtol=1e-10, atol=1e-10)


@given(
    st.integers(1, 70),
    st.integers(1, 40),
    st.sampled_from([0.0, 0.9, 1.0]),
    st.integers(0, 1000),
)
@settings(derandomize=True, deadline=None, max_examples=25)
def test_chunks_equal_places_also_where_keys_are_alike(
    t: int, chunk: int, alike: float, seed: int
) -> None:
    made = drawn(t, seed, alike=alike)
    exact = delta_places(*made)
    torch.testing.assert_close(delta_chunks(*made, chunk), exact, rtol=1e-8, atol=1e-8)
    single = delta_chunks(*(x.float() for x in made), chunk)
    torch.testing.assert_close([x.double() for x in single], list(exact), rtol=1e-4, atol=1e-4)


def test_chunks_have_the_gradient_of_places_also_a_second_time() -> None:
    made = [x.requires_grad_() for x in drawn(11)]
    ours = torch.autograd.grad(delta_chunks(*made, 4)[0].sin().sum(), made)
    theirs = torch.autograd.grad(delta_places(*made)[0].sin().sum(), made)
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)
    little = tuple(x[:1, :1].detach().requires_grad_() for x in drawn(3, k=2, v=2))
    assert torch.autograd.gradgradcheck(lambda *x: delta_chunks(*x, 2), little)


def test_a_gate_that_forgets_everything_keeps_numbers_finite() -> None:
    q, k, v, beta, decay, memory = (x.float() for x in drawn(40))
    decay = (decay - 500).requires_grad_()
    y, end = delta_chunks(q, k, v, beta, decay, memory)
    (y.sum() + end.sum()).backward()
    assert y.isfinite().all()
    assert decay.grad is not None
    assert decay.grad.isfinite().all()


def test_a_memory_gives_back_what_was_written_for_a_key() -> None:
    _q, k, v, beta, decay, memory = drawn(1)
    y, _ = delta_places(k, k, v, torch.ones_like(beta), torch.zeros_like(decay), memory)
    torch.testing.assert_close(y, v)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4))
@settings(derandomize=True, deadline=None, max_examples=15)
def test_ragged_windows_equal_the_whole(windows: list[tuple[int, int]]) -> None:
    torch.manual_seed(1)
    net, x = GatedDelta(5, 2, 3), torch.randn(2, 12, 5)
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


def test_single_places_carry_what_chunks_carry() -> None:
    torch.manual_seed(0)
    net, x = GatedDelta(5, 2, 3), torch.randn(2, 40, 5)
    whole, end = net(x)
    state, out = net.state(2, x), []
    for t in range(40):
        y, state = net(x[:, t : t + 1], state)
        out.append(y)
    torch.testing.assert_close(torch.cat(out, 1), whole, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(state, end, rtol=1e-5, atol=1e-5)


def test_every_parameter_is_trained_and_gates_start_where_they_say() -> None:
    torch.manual_seed(0)
    net = GatedDelta(5, 40, 3)
    net(torch.randn(2, 8, 5))[0].square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in net.parameters())
    speed, step = net.speed.exp(), torch.nn.functional.softplus(net.shift)
    assert 1 <= speed.min() < speed.max() <= 16
    assert 0.0009 < step.min() < step.max() < 0.11


def test_halves_keep_their_memory_in_single_precision() -> None:
    net, x = GatedDelta(5, 2, 3).bfloat16(), torch.randn(2, 6, 5).bfloat16()
    y, memory = net(x)
    assert (y.dtype, memory.dtype) == (torch.bfloat16, torch.float32)
    assert net.state(2, x).dtype == torch.float32


@pytest.mark.parametrize(("t", "chunks"), [(6, 1), (64, 2)])
def test_on_the_meta_device_shapes_and_flops_are_those_of_the_equations(
    t: int, chunks: int
) -> None:
    d, h, k = 5, 2, 3
    net = on_meta(GatedDelta(d, h, k))
    x = torch.zeros(2, t, d, device="meta")
    c = t // chunks
    dense = d * (4 * h * k + 2 * h) + h * k * d
    products = h * (2 * c * k + c * 2 * k + 3 * k * k + c * k)  # scores, solve, memory, values
    counted = forward_flops(net, {"x": x})
    assert (counted.flops, counted.uncounted) == (2 * 2 * t * (dense + products), {})
    total = training_flops(lambda: torch.sum(net(x)[0]), list(net.parameters()))
    assert total.uncounted == {}
    assert counted.flops < total.flops <= 3 * counted.flops
    assert [tuple(y.shape) for y in net(x)] == [(2, t, d), (2, h, k, k)]
