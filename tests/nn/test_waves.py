import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from netwright.nn.flops import count, on_meta
from netwright.nn.waves import Narrow, PhaseShuffle, Widen

few = settings(derandomize=True, deadline=None, max_examples=40)


def waves(b: int = 2, t: int = 7, d: int = 3) -> Tensor:
    return torch.randn(b, t, d, generator=torch.Generator().manual_seed(0))


def stirred(module: nn.Module) -> nn.Module:
    """Every weight away from its start, so that none is hidden by a zero."""
    torch.manual_seed(1)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn_like(p) * 0.3)
    return module


@few
@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 9))
def test_widening_gives_the_factor_times_as_many_places(t: int, factor: int, kernel: int) -> None:
    assert Widen(3, 2, factor, kernel)(waves(t=t)).shape == (2, factor * t, 2)


@few
@given(st.integers(1, 19), st.integers(1, 5), st.integers(1, 9))
def test_narrowing_divides_and_rounds_up(t: int, factor: int, kernel: int) -> None:
    assert Narrow(3, 2, factor, kernel)(waves(t=t)).shape == (2, math.ceil(t / factor), 2)


@few
@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 9))
def test_widening_is_a_kernel_over_places_among_zeros(t: int, factor: int, kernel: int) -> None:
    wide, x = stirred(Widen(3, 2, factor, kernel)), waves(t=t)
    w, first = wide.conv.weight, max(kernel - factor, 0) // 2
    expected = wide.conv.bias.expand(2, factor * t, 2).clone()
    for i in range(t):
        for j in range(kernel):
            at = i * factor + j - first
            if 0 <= at < factor * t:
                expected[:, at] += x[:, i] @ w[:, :, j]
    torch.testing.assert_close(wide(x), F.relu(expected), rtol=1e-4, atol=1e-5)


@few
@given(st.integers(1, 13), st.integers(1, 4), st.integers(1, 9))
def test_narrowing_is_a_kernel_that_steps_by_the_factor(t: int, factor: int, kernel: int) -> None:
    narrow, x = stirred(Narrow(3, 2, factor, kernel)), waves(t=t)
    w, first = narrow.conv.weight, max(kernel - factor, 0) // 2
    expected = narrow.conv.bias.expand(2, math.ceil(t / factor), 2).clone()
    for i in range(expected.shape[1]):
        for j in range(kernel):
            at = i * factor + j - first
            if 0 <= at < t:
                expected[:, i] += x[:, at] @ w[:, :, j].T
    torch.testing.assert_close(narrow(x), F.leaky_relu(expected, 0.2), rtol=1e-4, atol=1e-5)


def test_residuals_start_as_nothing_and_see_as_far_as_their_dilation() -> None:
    for kind in (Widen, Narrow):
        torch.manual_seed(0)
        one, more = kind(3, 2, 2, 4), kind(3, 2, 2, 4, dilations=(1, 3))
        more.load_state_dict(one.state_dict(), strict=False)
        x = waves(t=12)
        torch.testing.assert_close(more(x), one(x))
    dilated = stirred(more).residuals[1].dilated
    h = waves(t=12, d=2).requires_grad_()
    dilated(h)[:, 6].sum().backward()
    assert h.grad.abs().sum((0, 2)).nonzero().flatten().tolist() == [3, 6, 9]


def test_a_residual_equals_its_formula() -> None:
    block, h = stirred(Narrow(3, 2, dilations=(2,))).residuals[0], waves(t=9, d=2)
    conv, back = block.dilated.conv, block.back
    inner = F.conv1d(
        F.leaky_relu(h, 0.2).transpose(1, 2), conv.weight, conv.bias, padding=2, dilation=2
    )
    branch = F.linear(F.leaky_relu(inner, 0.2).transpose(1, 2), back.weight, back.bias)
    torch.testing.assert_close(block(h), h + branch)


@pytest.mark.parametrize("kind", [Widen, Narrow])
def test_weights_start_so_that_noise_keeps_its_size(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    layer, x = kind(64, 64, activation="leaky_relu"), torch.randn(4, 400, 64)
    # A leaky ReLU's share of the square, (1 + 0.2^2) / 2, is what the weights make up for.
    middle = layer(x)[:, 10:-10]
    assert middle.square().mean().item() == pytest.approx(1.0, rel=0.1)
    assert not layer.conv.bias.any()


@few
@given(st.integers(1, 3), st.integers(2, 9), st.integers(0, 999))
def test_a_shuffled_sequence_is_itself_moved_and_reflected(n: int, t: int, seed: int) -> None:
    torch.manual_seed(seed)
    x, reach = torch.arange(4.0 * t * 2).view(4, t, 2), min(n, t - 1)
    padded = F.pad(x.transpose(1, 2), (reach, reach), mode="reflect").transpose(1, 2)
    for got, around in zip(PhaseShuffle(n)(x), padded, strict=True):
        moves = [around[i : i + t] for i in range(2 * reach + 1)]
        assert any(torch.equal(got, moved) for moved in moves)


def test_each_sample_is_moved_on_its_own_and_every_move_is_as_likely() -> None:
    torch.manual_seed(0)
    x = torch.arange(9.0).expand(5000, 9)[:, :, None]
    middles = PhaseShuffle(2)(x)[:, 4, 0]
    counts = torch.bincount(middles.long(), minlength=9)
    assert counts.nonzero().flatten().tolist() == [2, 3, 4, 5, 6]
    assert counts[2:7].min() > 900


def test_the_shuffle_rests_outside_of_training_and_draws_nothing() -> None:
    x, layer = waves(t=9), Narrow(3, 2, 2, 5, shuffle=2)
    state = torch.get_rng_state()
    still = PhaseShuffle(2).eval()
    assert still(x) is x
    assert PhaseShuffle(0)(x) is x
    assert PhaseShuffle(2)(x[:, :1]).shape == (2, 1, 3)
    torch.testing.assert_close(layer.eval()(x), layer(x))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_narrow_layer_shuffles_what_it_gives() -> None:
    layer, x = Narrow(3, 2, 1, 1, shuffle=2), waves(b=8, t=9)
    torch.manual_seed(5)
    got = layer(x)
    torch.manual_seed(5)
    torch.testing.assert_close(got, PhaseShuffle(2)(layer.eval()(x)))


def test_a_seed_repeats_the_shuffle() -> None:
    x = waves(b=16, t=9)
    torch.manual_seed(3)
    once, other = PhaseShuffle(2)(x), PhaseShuffle(2)(x)
    torch.manual_seed(3)
    assert torch.equal(PhaseShuffle(2)(x), once)
    assert not torch.equal(once, other)


@pytest.mark.parametrize(
    "layer",
    [
        Widen(2, 2, 2, 3, "silu", dilations=(1,)),
        Narrow(2, 2, 2, 3, "silu", shuffle=1, dilations=(1,)),
    ],
    ids=["widen", "narrow"],
)
def test_gradients_of_gradients_are_right(layer: nn.Module) -> None:
    stirred(layer).double()
    names = [n for n, _ in layer.named_parameters()]

    def run(x: Tensor, *weights: Tensor) -> Tensor:
        torch.manual_seed(0)  # the same shuffle each time
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x,))

    x = waves(b=1, t=4, d=2).double().requires_grad_()
    weights = [p.detach().clone().requires_grad_() for p in layer.parameters()]
    assert torch.autograd.gradcheck(run, (x, *weights))
    assert torch.autograd.gradgradcheck(run, (x, *weights), fast_mode=True)


def test_both_run_on_the_meta_device_and_are_counted_whole() -> None:
    net = nn.Sequential(Widen(3, 4, dilations=(1, 3)), Narrow(4, 2, shuffle=2))
    counted = count(lambda: on_meta(net)(waves().to("meta")).sum().backward())
    assert not counted.uncounted
    assert counted.flops > 0
