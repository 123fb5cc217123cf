"""The fixed learner: its features against their formula, and what it can tell apart."""

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from netwright.tasks._learner import CONTRAST, PATCHES, Patches, learned


def pictures(*shape: int) -> Tensor:
    return torch.randn(shape, generator=Generator().manual_seed(0))


def plainly(x: Tensor, side: int) -> Tensor:
    """(n, places, numbers): every patch, less its mean, over its contrast."""
    patches = F.unfold(x, side).transpose(1, 2)
    centred = patches - patches.mean(2, keepdim=True)
    return centred / (patches.var(2, correction=0, keepdim=True) + CONTRAST).sqrt()


@pytest.mark.parametrize("shape", [(40, 3, 9, 7), (40, 1, 16, 12), (40, 1, 2, 3), (40, 3, 1, 8)])
def test_features_are_means_over_quarters_of_what_patches_see(shape: tuple[int, ...]) -> None:
    x = pictures(*shape) + 1
    look = Patches(x)
    side = look.side
    assert side == min(6, max(2, min(shape[2:]) // 2), *shape[2:])
    q = plainly(x[:2], side) @ look.filters.flatten(1).T - look.offset.flatten()
    grid = q.transpose(1, 2).view(2, PATCHES, shape[2] - side + 1, shape[3] - side + 1)
    both = torch.cat([grid.clamp(min=0), (-grid).clamp(min=0)], 1)
    quarters = (min(2, both.shape[2]), min(2, both.shape[3]))
    fields = F.adaptive_avg_pool2d(x[:2], (min(4, shape[2]), min(4, shape[3])))
    pooled = F.adaptive_avg_pool2d(both, quarters)
    expected = torch.cat([pooled.flatten(1), fields.flatten(1)], 1)
    torch.testing.assert_close(look(x[:2]), expected, atol=1e-4, rtol=1e-4)


def test_patches_are_whitened_and_look_for_one_of_their_own() -> None:
    smooth = F.avg_pool2d(pictures(300, 1, 12, 12), 3, 1)
    look = Patches(smooth)
    places = plainly(smooth, look.side).flatten(0, 1)
    covariance = (places - places.mean(0)).T @ (places - places.mean(0)) / len(places)
    values, axes = torch.linalg.eigh(covariance + CONTRAST * torch.eye(len(covariance)))
    whiten = axes @ torch.diag(values.rsqrt()) @ axes.T
    # a filter is d W, with d a whitened patch of length 1; mean and covariance are of all patches
    # here, and of drawn ones there
    found = F.normalize((places - places.mean(0)) @ whiten, dim=1)
    wanted = look.filters.flatten(1) @ torch.linalg.inv(whiten)
    best = (F.normalize(wanted, dim=1) @ found.T).amax(1)
    assert best.min() > 0.98
    assert float((wanted.norm(dim=1) - 1).abs().max()) < 0.1


def stripes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Waves to the right and down, which start anywhere: alike in their means, and noisy."""
    keyed = Generator().manual_seed(seed)
    y = torch.arange(count) % 2
    start = torch.rand(count, 1, 1, generator=keyed) * 6.3
    wave = (torch.arange(12.0) * 1.5 + start).sin().expand(count, 12, 12)
    x = torch.where(y.view(-1, 1, 1) == 1, wave, wave.transpose(1, 2))
    return (x + torch.randn(x.shape, generator=keyed) / 4)[:, None], y


def test_it_tells_textures_apart_and_knows_nothing_that_it_was_not_taught() -> None:
    x, y = stripes(200, 1)
    z, truth = stripes(100, 2)
    assert learned(x, y, z, truth).value > 0.97
    assert learned(x, torch.ones_like(y), z, truth).value == 0.5
    assert learned(x, 1 - y, z, truth).value < 0.03
    assert learned(x, y, z, truth).value == learned(x, y, z, truth).value
