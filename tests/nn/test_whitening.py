import torch
import torch.nn.functional as F

from netwright.nn.whitening import Whitening, patch_moments


def pictures(n: int = 300, side: int = 8, channels: int = 2) -> torch.Tensor:
    """Smooth ones, so that neighbours are alike."""
    torch.manual_seed(0)
    return F.avg_pool2d(torch.randn(n, channels, side + 2, side + 2), 3, stride=1) + 0.5


def covariance(y: torch.Tensor) -> torch.Tensor:
    return torch.cov(y.transpose(0, 1).flatten(1))


def test_whitened_patches_have_a_covariance_near_the_identity() -> None:
    x, layer = pictures(), Whitening(2, 2)
    before = covariance(layer(x).detach()[:, :8])
    assert (before - torch.eye(8)).abs().max() > 0.5
    layer.prepare(x, epsilon=1e-6)
    y = layer(x).detach()
    torch.testing.assert_close(covariance(y[:, :8]), torch.eye(8), rtol=0, atol=2e-3)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(16), rtol=0, atol=1e-4)
    torch.testing.assert_close(y[:, :8], -y[:, 8:], rtol=1e-4, atol=1e-5)


def test_filters_are_eigenvectors_over_the_root_of_value_plus_epsilon() -> None:
    x, layer = pictures(), Whitening(2, 3)
    layer.prepare(x, epsilon=0.1)
    patches = x.unfold(2, 3, 1).unfold(3, 3, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 18)
    matrix = torch.cov(patches.T.double(), correction=0)
    filters = layer.weight[:18].flatten(1).double()
    values = torch.linalg.eigvalsh(matrix)
    torch.testing.assert_close(filters.norm(dim=1), (values + 0.1).rsqrt(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(filters @ matrix, values[:, None] * filters, rtol=1e-3, atol=1e-5)
    largest = filters.gather(1, filters.abs().argmax(1, keepdim=True))
    assert (largest > 0).all()


def test_moments_do_not_depend_on_how_pictures_are_cut() -> None:
    x = pictures(300)
    mean, matrix = patch_moments(x, 2)
    patches = F.unfold(x.double(), 2).transpose(1, 2).reshape(-1, 8)
    torch.testing.assert_close(mean, patches.mean(0))
    torch.testing.assert_close(matrix, torch.cov(patches.T, correction=0))


def test_filters_are_frozen_and_survive_in_the_weights_while_the_bias_is_trained() -> None:
    layer, other = Whitening(2, 2), Whitening(2, 2)
    layer.prepare(pictures())
    assert [name for name, _ in layer.named_parameters()] == ["bias"]
    other.load_state_dict(layer.state_dict())
    x = pictures(4)
    torch.testing.assert_close(other(x), layer(x), rtol=0, atol=0)
    layer(x).square().sum().backward()
    assert layer.bias.grad is not None
    assert layer.bias.grad.all()


def test_flat_pictures_do_not_break_it() -> None:
    layer = Whitening(1, 2)
    layer.prepare(torch.full((5, 1, 4, 4), -1.0))
    assert layer(torch.full((1, 1, 4, 4), -1.0)).abs().max() < 1e-4


def test_it_loses_a_border_or_keeps_the_size() -> None:
    x = pictures(2)
    assert Whitening(2, 3)(x).shape == (2, 36, 6, 6)
    assert Whitening(2, 2, same=True)(x).shape == (2, 16, 8, 8)
    assert Whitening(2, 3, same=True)(x).shape == (2, 36, 8, 8)
    torch.testing.assert_close(Whitening(2, 1)(x), torch.cat([x, -x], 1))
