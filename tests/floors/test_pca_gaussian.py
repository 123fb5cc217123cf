import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import Generator, Tensor

from netwright import registry
from netwright.errors import InputError
from netwright.floors.pca_gaussian import Gaussians, bell_of, floor
from netwright.specs import Image, Labels, Pictures, Schema, Sound

PICTURES = Pictures(form=Image(1, 8, 8), mean=(0.3,), deviation=(0.4,), top=16)
SCHEMA = Schema(
    columns={"image": PICTURES, "label": Labels(names=tuple(str(i) for i in range(10)))}
)
BLIND = Schema(columns={"image": PICTURES})


def digits() -> tuple[Tensor, Tensor]:
    bunch = load_digits()
    x = torch.from_numpy(bunch.images).float()[:, None] / 8 - 1
    return x, torch.from_numpy(bunch.target)


def noise(count: int, width: int = 64) -> Tensor:
    return torch.randn(count, width, generator=Generator().manual_seed(0))


def fitted(x: Tensor, y: Tensor) -> Gaussians:
    net = floor.fit({"x": x, "y": y}, SCHEMA, Generator())["generator"]
    assert isinstance(net, Gaussians)
    return net


@pytest.mark.parametrize("samples", [400, 40], ids=["more samples", "more numbers"])
def test_components_are_those_of_scikit_learn(samples: int) -> None:
    rows = digits()[0][:samples].flatten(1)
    bell, peer = bell_of(rows), PCA(20).fit(rows.numpy())
    lengths = bell.axes[:20].norm(dim=1)
    np.testing.assert_allclose(lengths.square().numpy(), peer.explained_variance_, rtol=1e-3)
    turned = (bell.axes[:20] / lengths[:, None]).numpy() @ peer.components_.T
    np.testing.assert_allclose(np.abs(turned), np.eye(20), atol=0.02)
    np.testing.assert_allclose(bell.mean.numpy(), peer.mean_, atol=1e-5)
    left = 1 - peer.explained_variance_ratio_.sum()
    assert bell.left_out(20) == pytest.approx(left, abs=1e-4)


def test_what_is_drawn_has_the_mean_and_the_variance_of_the_samples() -> None:
    g = Generator().manual_seed(1)
    x = 0.2 * torch.randn(3_000, 1, 4, 4, generator=g) + torch.linspace(-0.3, 0.3, 4)
    x[..., 0] += x[..., 1]  # correlated
    bell = fitted(x, torch.zeros(3_000, dtype=torch.long))
    made = bell(noise(6_000)).tanh().flatten(1)
    rows = x.flatten(1)
    torch.testing.assert_close(made.mean(0), rows.mean(0), rtol=0, atol=0.02)
    torch.testing.assert_close(made.T.cov(), rows.T.cov(), rtol=0, atol=0.005)
    assert bell.left_out(64) == pytest.approx(0, abs=1e-5)


def test_a_picture_is_of_the_class_that_was_asked_for() -> None:
    x, y = digits()
    net = fitted(x, y)
    asked = torch.arange(200) % 10
    made = net(noise(200), condition=asked).tanh()
    assert made.shape == (200, 1, 8, 8)
    assert made.dtype == torch.float32
    middles = torch.stack([x[y == k].flatten(1).mean(0) for k in range(10)])
    nearest = torch.cdist(made.flatten(1), middles).argmin(1)
    assert float((nearest == asked).float().mean()) > 0.8


def test_fewer_numbers_of_noise_reach_fewer_components() -> None:
    net = fitted(*digits())
    made = net(noise(50, 3), condition=torch.full((50,), 4)).tanh().clamp(-0.99, 0.99)
    assert made.shape == (50, 1, 8, 8)
    exact = net.classes[4].drawn(noise(50, 3)) - net.classes[4].mean
    assert int(torch.linalg.matrix_rank(exact, rtol=1e-4)) == 3
    assert net.left_out(3) > net.left_out(10) > net.left_out(64) >= 0


def test_the_same_noise_gives_the_same_picture_whatever_else_is_asked_for() -> None:
    net = fitted(*digits())
    z, asked = noise(12), torch.arange(12) % 10
    whole = net(z, condition=asked)
    assert torch.equal(whole, net(z, condition=asked))
    torch.testing.assert_close(whole[3:5], net(z[3:5], condition=asked[3:5]), rtol=1e-3, atol=1e-3)


def test_a_class_without_pictures_is_drawn_from_all_and_one_picture_is_itself() -> None:
    x, y = digits()
    x, y = torch.cat([x[y == 0][:30], x[y == 1][:1]]), torch.tensor([0] * 30 + [1])
    net = fitted(x, y)
    z = noise(3)
    ones = net(z, condition=torch.ones(3, dtype=torch.long)).tanh()
    torch.testing.assert_close(ones, x[30:].clamp(-0.999, 0.999).expand(3, -1, -1, -1))
    assert torch.equal(net(z, condition=torch.full((3,), 7)), net(z))


def test_pictures_without_labels_have_one_gaussian() -> None:
    x = 0.2 * digits()[0]  # so that hardly anything is beyond the bounds
    net = floor.fit({"x": x}, BLIND, Generator())["generator"]
    made = net(noise(2_000)).tanh()
    torch.testing.assert_close(made.mean(0), x.mean(0), rtol=0, atol=0.02)


def test_no_pictures_are_an_error_and_other_data_are_refused_with_a_sentence() -> None:
    with pytest.raises(InputError, match="training samples"):
        floor.fit({"x": torch.zeros(0, 1, 8, 8)}, BLIND, Generator())
    assert floor.refuses(SCHEMA) is None
    sounds = Schema(columns={"sound": Sound(rate=8_000, length=64)})
    assert "hold none" in str(floor.refuses(sounds))


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "pca-gaussian") is floor
