import copy

import pytest
import torch
from torch import Tensor, nn

from netwright.nn.convolution import ResidualBlock, SequenceConvolution, channel_norm
from netwright.nn.flops import count, on_meta
from netwright.nn.spectral import spectral

KINDS = {
    "linear": lambda: nn.Linear(5, 7),
    "embedding": lambda: nn.Embedding(9, 4),
    "along time": lambda: nn.Conv1d(3, 4, 5),
    "grid": lambda: nn.Conv2d(3, 4, 3),
    "volume": lambda: nn.Conv3d(2, 3, 3),
    "grouped": lambda: nn.Conv2d(4, 8, 3, groups=2),
    "transposed along time": lambda: nn.ConvTranspose1d(3, 4, 5),
    "transposed": lambda: nn.ConvTranspose2d(3, 4, 4),
}


def net() -> nn.Module:
    torch.manual_seed(0)
    return spectral(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.ConvTranspose2d(8, 4, 4, 2)))


def pictures() -> Tensor:
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def largest(layer: nn.Module) -> float:
    """By a whole decomposition; outputs lie on the second axis of a transposed kernel."""
    transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
    weight = layer.weight.detach()
    weight = weight.transpose(0, 1) if transposed else weight
    return float(torch.linalg.matrix_norm(weight.flatten(1), 2))


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_singular_value_is_one(kind: str) -> None:
    torch.manual_seed(0)
    layer = spectral(KINDS[kind]())
    with torch.no_grad():
        layer.parametrizations.weight.original.mul_(3.0).add_(0.1)
    for _ in range(40):
        _ = layer.weight
    assert largest(layer) == pytest.approx(1.0, abs=1e-2)


def test_one_step_of_the_power_method_is_made_each_time_and_none_in_evaluation() -> None:
    torch.manual_seed(0)
    layer = spectral(nn.Linear(5, 7))
    state = layer.parametrizations.weight[0]
    with torch.no_grad():
        layer.parametrizations.weight.original.normal_()
    w = layer.parametrizations.weight.original.detach()
    u = w @ state._v / (w @ state._v).norm()
    v = w.T @ u / (w.T @ u).norm()
    torch.testing.assert_close(layer.weight, w / (u @ w @ v))
    layer.eval()
    once, again = layer.weight, layer.weight
    assert torch.equal(once, again)


def test_every_weight_inside_is_normalised_and_norms_are_not() -> None:
    torch.manual_seed(0)
    block = nn.Sequential(
        nn.Linear(4, 4),
        nn.ModuleDict({"inner": SequenceConvolution(4, 4)}),
        channel_norm("group", 4),
    )
    assert spectral(block) is block
    assert largest(block[0]) == pytest.approx(1.0, abs=1e-2)
    assert largest(block[1]["inner"].conv) == pytest.approx(1.0, abs=1e-2)
    assert torch.equal(block[2].weight, torch.ones(4))


def test_doing_it_twice_is_doing_it_once() -> None:
    once = net()
    names = list(once.state_dict())
    assert list(spectral(once).state_dict()) == names


def test_a_weight_of_zeros_is_drawn_anew() -> None:
    torch.manual_seed(0)
    norms = (channel_norm("none", 3), channel_norm("none", 3))
    block = spectral(ResidualBlock(norms, 3))
    assert largest(block.conv2) == pytest.approx(1.0, abs=1e-2)
    assert block(pictures()).isfinite().all()


def test_the_state_goes_round() -> None:
    one, other = net(), net()
    for _ in range(3):
        one(pictures())
    torch.manual_seed(7)
    with torch.no_grad():
        for p in other.parameters():
            p.normal_()
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(other(pictures()), one(pictures()), rtol=0, atol=0)


def test_a_copy_is_the_same_and_apart() -> None:
    one = net()
    other = copy.deepcopy(one).requires_grad_(requires_grad=False).eval()
    one.eval()
    torch.testing.assert_close(other(pictures()), one(pictures()), rtol=0, atol=0)
    with torch.no_grad():
        other[0].parametrizations.weight.original.zero_()
    assert one(pictures()).isfinite().all()
    assert [n for n, _ in other.named_parameters()] == [n for n, _ in one.named_parameters()]


def test_it_runs_on_the_meta_device_and_is_counted_whole() -> None:
    x = pictures().to("meta")
    for shadow in (on_meta(net()), copy.deepcopy(net()).to("meta")):
        counted = count(lambda shadow=shadow: shadow(x).sum().backward())
        assert not counted.uncounted
    with torch.device("meta"):
        made = spectral(nn.Linear(3, 4))
        assert made(torch.zeros(2, 3)).shape == (2, 4)


def test_kernels_that_lie_channels_last_give_the_same() -> None:
    plain, last = net().eval(), net().eval().to(memory_format=torch.channels_last)
    assert last[0].weight.is_contiguous(memory_format=torch.channels_last)
    x = pictures().to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x), plain(pictures()))


def test_gradients_of_gradients_are_right() -> None:
    torch.manual_seed(0)
    layer = spectral(nn.Linear(3, 2)).double().eval()  # a still direction: one function
    original = layer.parametrizations.weight.original.detach().clone().requires_grad_()

    def run(x: Tensor, weight: Tensor) -> Tensor:
        name = "parametrizations.weight.original"
        return torch.func.functional_call(layer, {name: weight}, (x,)).tanh()

    x = torch.randn(2, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradgradcheck(run, (x, original))


def test_two_passes_before_one_step_back_do_not_disturb_each_other() -> None:
    one = net()
    loss = one(pictures()).mean() - one(-pictures()).mean()
    loss.backward()
    assert all(p.grad is not None for p in one.parameters())
