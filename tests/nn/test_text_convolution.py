import torch
from torch import nn

from netwright.nn.flops import forward_flops
from netwright.nn.text_convolution import SideBySide


def test_each_width_is_a_convolution_of_its_own() -> None:
    torch.manual_seed(0)
    net, x = SideBySide(5, (2, 3), 4), torch.randn(2, 7, 5)
    y = net(x)
    assert y.shape == (2, 7, 8)
    for branch, part, pad in zip(net.branches, y.split(4, -1), ((0, 1), (1, 1)), strict=True):
        padded = nn.functional.pad(x.mT, pad)
        wanted = nn.functional.conv1d(padded, branch.conv.weight, branch.conv.bias).relu().mT
        torch.testing.assert_close(part, wanted)


def test_what_lies_beyond_the_end_is_not_read() -> None:
    torch.manual_seed(0)
    net, x = SideBySide(5, (1, 4, 5), 4), torch.randn(2, 7, 5)
    lengths = torch.tensor([7, 3])
    other = x.clone()
    other[1, 3:] = torch.nan
    torch.testing.assert_close(net(x, lengths)[1, :3], net(other, lengths)[1, :3], rtol=0, atol=0)
    torch.testing.assert_close(net(x, lengths)[1, :3], net(x[1:, :3])[0])


def test_its_work_is_that_of_its_kernels() -> None:
    with torch.device("meta"):
        counted = forward_flops(SideBySide(5, (3, 4, 5), 8), {"x": torch.zeros(2, 7, 5)})
    assert (counted.flops, counted.uncounted) == (2 * 2 * 7 * 5 * 8 * (3 + 4 + 5), {})
