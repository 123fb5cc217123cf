import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from netwright.nn.convolution import (
    ConvNextBlock,
    DilatedBlock,
    PlainBlock,
    ResidualBlock,
    SequenceConvolution,
    channel_norm,
    convolution,
    partial_identity_,
    pooled,
)


def grid(channels: int = 4, side: int = 9) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(3, channels, side, side)


def stirred(module: nn.Module) -> nn.Module:
    """Every weight away from its start, so that none is hidden by a zero or a one."""
    torch.manual_seed(1)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn_like(p) * 0.3)
    return module


def test_a_convolution_is_a_sum_over_channels_and_neighbours() -> None:
    conv, x = stirred(convolution(4, 2, 3, padding=False, bias=True)), grid().double()
    w, b = conv.weight.detach().double(), conv.bias.detach().double()
    expected = b + torch.stack(
        [
            sum(
                w[k, c, i, j] * x[:, c, i : i + 7, j : j + 7]
                for c in range(4)
                for i in range(3)
                for j in range(3)
            )
            for k in range(2)
        ],
        1,
    ).permute(0, 2, 3, 1)
    got = conv(grid()).permute(0, 2, 3, 1).double()
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_convolutions_start_by_he() -> None:
    torch.manual_seed(0)
    conv = convolution(32, 64, 3, bias=True)
    assert conv.weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.05)
    assert not conv.bias.any()


@pytest.mark.parametrize("pool", ["max", "mean", "stride", "none"])
def test_a_plain_block_is_convolution_norm_activation_pool(pool: str) -> None:
    block = stirred(PlainBlock(4, 6, pool=pool, norm=channel_norm("batch", 6), activation="gelu"))
    x, n = grid(), block.norm
    assert block.conv.bias is None
    y = F.conv2d(x, block.conv.weight, stride=2 if pool == "stride" else 1, padding=1)
    mean, var = y.detach().mean((0, 2, 3)), y.detach().var((0, 2, 3), correction=0)
    y = F.gelu(F.batch_norm(y, mean, var, n.weight, n.bias, training=False))
    if pool == "max":
        y = F.max_pool2d(y, 2)
    if pool == "mean":
        y = F.avg_pool2d(y, 2)
    torch.testing.assert_close(block(x), y, rtol=1e-4, atol=1e-5)


def test_pooling_before_a_relu_is_the_same_function_with_the_same_gradient() -> None:
    late, early = (PlainBlock(4, 6, pool="max", pool_first=first) for first in (False, True))
    early.load_state_dict(stirred(late).state_dict())
    torch.testing.assert_close(early(grid()), late(grid()), rtol=0, atol=0)
    gradients = [
        torch.autograd.grad(block(grid()).square().sum(), list(block.parameters()))
        for block in (late, early)
    ]
    torch.testing.assert_close(*gradients)


def test_pooling_first_comes_before_the_norm() -> None:
    block = stirred(PlainBlock(4, 6, pool="max", pool_first=True, norm=channel_norm("batch", 6)))
    y = F.max_pool2d(F.conv2d(grid(), block.conv.weight, padding=1), 2)
    y = F.relu(F.batch_norm(y, None, None, block.norm.weight, block.norm.bias, training=True))
    torch.testing.assert_close(block(grid()), y)


def test_pools_leave_an_odd_last_row_out() -> None:
    x = torch.arange(9.0).view(1, 1, 3, 3)
    assert pooled(x, "max").tolist() == [[[[4.0]]]]
    assert pooled(x, "mean").tolist() == [[[[2.0]]]]
    assert pooled(x, "none") is x


def test_a_residual_block_adds_its_branch_and_starts_as_the_identity() -> None:
    block = ResidualBlock((channel_norm("group", 4), channel_norm("group", 4)), 4)
    torch.testing.assert_close(block(grid()), grid())
    stirred(block)
    x, one, two = grid(), block.norm1, block.norm2
    y = F.conv2d(F.relu(F.group_norm(x, 1, one.weight, one.bias)), block.conv1.weight, padding=1)
    y = F.relu(F.group_norm(y, 1, two.weight, two.bias))
    y = F.conv2d(y, block.conv2.weight, block.conv2.bias, padding=1)
    torch.testing.assert_close(block(x), x + y, rtol=1e-4, atol=1e-4)


def test_a_convnext_block_equals_its_formula() -> None:
    block, x = stirred(ConvNextBlock(channel_norm("layer", 4), 4)), grid()
    d = F.conv2d(x, block.depthwise.weight, block.depthwise.bias, padding=3, groups=4)
    for c in range(4):  # each channel its own kernel
        own = F.conv2d(x[:, c : c + 1], block.depthwise.weight[c : c + 1], padding=3)
        torch.testing.assert_close(d[:, c : c + 1], own + block.depthwise.bias[c])
    mean, var = d.mean(1, keepdim=True), d.var(1, keepdim=True, correction=0)
    gain, shift = (p[:, None, None] for p in (block.norm.norm.weight, block.norm.norm.bias))
    n = gain * (d - mean) / (var + 1e-6).sqrt() + shift
    u, v = block.widen.weight[:, :, 0, 0], block.narrow.weight[:, :, 0, 0]
    y = torch.einsum("uc,bchw->buhw", u, n) + block.widen.bias[:, None, None]
    y = torch.einsum("vu,buhw->bvhw", v, F.gelu(y)) + block.narrow.bias[:, None, None]
    torch.testing.assert_close(block(x), x + block.gain * y, rtol=1e-4, atol=1e-4)
    assert (block.widen.out_channels, block.gain.shape) == (16, (4, 1, 1))


def test_norms_go_over_what_they_say() -> None:
    x = 3 * grid(16) + 2
    for kind, axes in (("batch", (0, 2, 3)), ("layer", (1,))):
        y = channel_norm(kind, 16)(x)
        assert y.mean(axes).abs().max() < 1e-5
        torch.testing.assert_close(y.std(axes, correction=0), torch.ones(y.mean(axes).shape))
    y = channel_norm("group", 16)(x).view(3, 4, 4, 9, 9)
    assert y.mean((2, 3, 4)).abs().max() < 1e-5
    assert channel_norm("none", 16)(x) is x


@pytest.mark.parametrize(
    ("channels", "groups"), [(1, 1), (4, 1), (8, 2), (12, 1), (32, 8), (128, 8), (6, 1)]
)
def test_a_group_has_four_channels_or_more(channels: int, groups: int) -> None:
    assert channel_norm("group", channels).num_groups == groups


def test_no_bias_stands_before_a_batch_norm() -> None:
    for kind, kept in (("batch", False), ("layer", True)):
        one, two = (channel_norm(kind, 8) for _ in range(2))
        for block in (ConvNextBlock(one, 8), ResidualBlock((one, two), 8), PlainBlock(8, 8)):
            last = [m for m in block.modules() if isinstance(m, nn.Conv2d)][-1]
            assert (last.bias is not None) == (kept or isinstance(block, PlainBlock))


@pytest.mark.parametrize("kind", ["group", "layer", "none"])
def test_only_batch_norm_mixes_examples(kind: str) -> None:
    x, norm = grid(6), channel_norm(kind, 6)
    torch.testing.assert_close(norm(x)[:1], norm(x[:1]))


def test_momentum_is_the_newest_batchs_share() -> None:
    norm, x = channel_norm("batch", 4, momentum=0.25), grid() + 4
    norm(x)
    torch.testing.assert_close(norm.running_mean, 0.25 * x.mean((0, 2, 3)))


@pytest.mark.parametrize(("before", "after"), [(4, 6), (6, 4), (4, 4)])
def test_a_partial_identity_passes_channels_on(before: int, after: int) -> None:
    conv, x = convolution(before, after, 3, bias=False), grid(before)
    rest = conv.weight.detach()[before:].clone()
    partial_identity_(conv.weight)
    n = min(before, after)
    torch.testing.assert_close(conv(x)[:, :n], x[:, :n])
    torch.testing.assert_close(conv.weight[before:], rest)


@pytest.mark.parametrize("causal", [True, False])
def test_a_dilated_convolution_equals_its_sum(causal: bool) -> None:
    torch.manual_seed(0)
    conv, x = SequenceConvolution(3, 2, 3, dilation=2, causal=causal), torch.randn(2, 9, 3)
    w, b = conv.conv.weight, conv.conv.bias
    for t in range(9):
        y = b.expand(2, 2)
        for j in range(3):
            at = t - (2 - j) * 2 + (0 if causal else 2)
            if 0 <= at < 9:
                y = y + x[:, at] @ w[:, :, j].T
        torch.testing.assert_close(conv(x)[:, t], y, rtol=1e-4, atol=1e-5)


def test_padding_is_not_read_by_a_dilated_block() -> None:
    torch.manual_seed(0)
    block, x, lengths = DilatedBlock(4, dilation=2, causal=False), torch.randn(2, 9, 4), [5, 9]
    other = x.clone()
    other[0, 5:] = 100.0
    one, two = block(x, torch.tensor(lengths)), block(other, torch.tensor(lengths))
    torch.testing.assert_close(one[0, :5], two[0, :5], rtol=0, atol=0)
    torch.testing.assert_close(one[:1, :5], block(x[:1, :5]))
    torch.testing.assert_close(one[1], two[1], rtol=0, atol=0)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=5))
@settings(derandomize=True, deadline=None, max_examples=30)
def test_ragged_steps_of_a_dilated_block_equal_forward(windows: list[tuple[int, int]]) -> None:
    torch.manual_seed(1)
    block, x = DilatedBlock(4, dilation=2, causal=True), torch.randn(2, 15, 4)
    whole, state, at = block(x), block.window(2), torch.zeros(2, dtype=torch.long)
    for counts in windows:
        some = torch.full((2, 3, 4), 50.0)
        for row, n in enumerate(counts):
            some[row, :n] = x[row, at[row] : at[row] + n]
        y, state = block.step(some, state, torch.tensor(counts))
        for row, n in enumerate(counts):
            expected = whole[row, at[row] : at[row] + n]
            torch.testing.assert_close(y[row, :n], expected, rtol=1e-5, atol=1e-5)
        at += torch.tensor(counts)


def test_a_causal_block_does_not_see_the_future_and_reaches_as_far_as_it_says() -> None:
    block = DilatedBlock(4, dilation=3, causal=True)
    torch.manual_seed(0)
    x = torch.randn(1, 20, 4, requires_grad=True)
    block(x)[0, 14].sum().backward()
    assert x.grad is not None
    seen = x.grad.abs().sum((0, 2)).nonzero()[:, 0].tolist()
    assert seen == [2, 5, 8, 11, 14]
