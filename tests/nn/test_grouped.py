import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.nn.flops import count, on_meta
from netwright.nn.grouped import GroupedBlock, Resample


def grid(channels: int = 4, side: int = 6) -> Tensor:
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(0))


def stirred(module: nn.Module) -> nn.Module:
    """Every weight away from its start, so that none is hidden by a zero."""
    torch.manual_seed(1)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn_like(p) * 0.3)
    return module


def test_a_block_starts_as_the_identity() -> None:
    assert torch.equal(GroupedBlock(4)(grid()), grid())


def test_a_block_equals_its_formula_group_by_group() -> None:
    block, x = stirred(GroupedBlock(4, group=2)), grid()
    y = torch.einsum("uc,bchw->buhw", block.widen.weight[:, :, 0, 0], x)
    y = F.leaky_relu(y + block.widen.bias[:, None, None], 0.2)
    mixed = [
        F.conv2d(y[:, i : i + 2], block.mix.weight[i : i + 2], padding=1) for i in range(0, 8, 2)
    ]
    y = F.leaky_relu(torch.cat(mixed, 1) + block.mix.bias[:, None, None], 0.2)
    y = torch.einsum("cu,buhw->bchw", block.narrow.weight[:, :, 0, 0], y)
    torch.testing.assert_close(block(x), x + y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("width", "group", "groups"), [(32, 16, 4), (4, 16, 1), (12, 16, 3), (5, 16, 5), (8, 1, 16)]
)
def test_groups_have_as_many_channels_as_fit(width: int, group: int, groups: int) -> None:
    assert GroupedBlock(width, group=group).mix.groups == groups


@pytest.mark.parametrize("depth", [1, 16])
def test_weights_start_by_he_over_the_fourth_root_of_the_depth(depth: int) -> None:
    torch.manual_seed(0)
    block = GroupedBlock(64, group=16, depth=depth)
    for conv, read in ((block.widen, 64), (block.mix, 16 * 9)):
        expected = (2 / 1.04 / read) ** 0.5 / depth**0.25
        assert conv.weight.std().item() == pytest.approx(expected, rel=0.05)
        assert not conv.bias.any()
    assert block.narrow.bias is None


@pytest.mark.parametrize("side", [4, 5])
def test_halving_is_bilinear_interpolation_without_an_odd_last_line(side: int) -> None:
    x, resample = grid(3, side), stirred(Resample(3, 2, up=False))
    small = F.interpolate(x[:, :, :4, :4], scale_factor=0.5, mode="bilinear")
    expected = torch.einsum("uc,bchw->buhw", resample.project.weight[:, :, 0, 0], small)
    torch.testing.assert_close(resample(x), expected)


def test_doubling_weighs_the_four_nearest_places() -> None:
    x = grid(1, 3)
    one = F.pad(x, (1, 1, 1, 1), mode="replicate")
    near, far = 0.75, 0.25
    expected = torch.empty(2, 1, 6, 6)
    for i in range(6):
        for j in range(6):
            r, c = i // 2 + 1, j // 2 + 1
            above, beside = r + (1 if i % 2 else -1), c + (1 if j % 2 else -1)
            expected[..., i, j] = near * (near * one[..., r, c] + far * one[..., r, beside]) + (
                far * (near * one[..., above, c] + far * one[..., above, beside])
            )
    torch.testing.assert_close(Resample(1, 1, up=True)(x), expected)


@pytest.mark.parametrize("up", [True, False])
def test_a_convolution_stands_between_widths_alone(up: bool) -> None:
    assert not list(Resample(4, 4, up=up).parameters())
    x, resample = grid(), stirred(Resample(4, 6, up=up))
    w = resample.project.weight
    torch.testing.assert_close(resample(x), F.conv2d(Resample(4, 4, up=up)(x), w))


@pytest.mark.parametrize(
    "layer",
    [GroupedBlock(2, group=2), Resample(2, 1, up=True), Resample(2, 1, up=False)],
    ids=["block", "up", "down"],
)
def test_gradients_of_gradients_are_right(layer: nn.Module) -> None:
    stirred(layer).double()
    names = [n for n, _ in layer.named_parameters()]

    def run(x: Tensor, *weights: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x,))

    x = grid(2, 4)[:1].double().requires_grad_()
    weights = [p.detach().clone().requires_grad_() for p in layer.parameters()]
    assert torch.autograd.gradgradcheck(run, (x, *weights), fast_mode=True)


def test_all_run_on_the_meta_device_and_are_counted_whole() -> None:
    net = nn.Sequential(Resample(4, 8, up=True), GroupedBlock(8), Resample(8, 4, up=False))
    counted = count(lambda: on_meta(net)(grid().to("meta")).sum().backward())
    assert not counted.uncounted
    # The forward products and their gradients by weights; by the input where one is asked for.
    forward = 2 * 2 * (36 * 4 * 8 + 144 * (8 * 16 + 16 * 16 * 9 + 16 * 8) + 36 * 8 * 4)
    assert counted.flops == 3 * forward - 2 * 2 * 36 * 4 * 8


def test_a_channels_last_grid_gives_the_same() -> None:
    net = nn.Sequential(Resample(4, 8, up=True), stirred(GroupedBlock(8)), Resample(8, 4, up=False))
    plain = net(grid())
    net.to(memory_format=torch.channels_last)
    last = net(grid().to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, plain)
