"""Distances of features: known answers, outside references, and what they must not depend on."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors
from torch import Generator, Tensor

from netwright.errors import InputError
from netwright.metrics import distances

quick = settings(derandomize=True, deadline=None, max_examples=20)
seeds = st.integers(0, 10**6)


def normal(n: int, d: int, seed: int, *, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(n, d, generator=Generator().manual_seed(seed))


def exact(mean: Tensor, covariance: Tensor, n: int = 200) -> Tensor:
    """Samples whose own mean and unbiased covariance are exactly these."""
    x = normal(n, len(mean), 0).double()
    x = x - x.mean(0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(torch.cov(x.T)), x.T, upper=False)
    return (torch.linalg.cholesky(covariance) @ white).T + mean


def spread(d: int, seed: int) -> Tensor:
    root = normal(d, d, seed).double()
    return root @ root.T + 0.1 * torch.eye(d, dtype=torch.float64)


def prdc(real: Tensor, fake: Tensor, k: int) -> tuple[float, float, float, float]:
    """The definitions, by neighbour trees."""
    r, f = real.double().numpy(), fake.double().numpy()
    trees = [NearestNeighbors(algorithm="kd_tree").fit(x) for x in (r, f)]
    radii = [t.kneighbors(x, k + 1)[0][:, -1] for t, x in zip(trees, (r, f), strict=True)]
    precision = recall = coverage = density = 0.0
    for made in f:
        inside = np.linalg.norm(r - made, axis=1) < radii[0]
        precision += inside.any() / len(f)
        density += inside.sum() / (k * len(f))
    for true, radius in zip(r, radii[0], strict=True):
        gaps = np.linalg.norm(f - true, axis=1)
        recall += (gaps < radii[1]).any() / len(r)
        coverage += (gaps < radius).any() / len(r)
    return precision, recall, density, coverage


def four(found: distances.Neighbourhoods) -> tuple[float, float, float, float]:
    return found.precision, found.recall, found.density, found.coverage


@pytest.mark.parametrize("n", [12, 300], ids=["fewer samples than features", "many samples"])
@pytest.mark.parametrize("scale", [1e-4, 1, 1e4])
def test_a_set_has_no_frechet_distance_to_itself(n: int, scale: float) -> None:
    for seed in range(5):
        x = normal(n, 40, seed, scale=scale)
        found = distances.frechet(x, x.clone())
        assert found >= 0
        assert found == pytest.approx(0, abs=1e-11 * scale**2)


def test_frechet_of_two_gaussians_is_the_analytic_one() -> None:
    one, other = torch.tensor([1.0, 4.0]).double(), torch.tensor([9.0, 0.25]).double()
    real = exact(torch.zeros(2).double(), torch.diag(one))
    fake = exact(torch.tensor([3.0, -4.0]).double(), torch.diag(other))
    # Covariances that commute: the sum of squared differences of deviations.
    known = 25 + (3 - 1) ** 2 + (2 - 0.5) ** 2
    assert distances.frechet(real, fake) == pytest.approx(known, rel=1e-10)


def test_frechet_of_a_shift_along_a_line_is_its_square() -> None:
    x = normal(50, 1, 0).double()
    assert distances.frechet(x, x + 0.7) == pytest.approx(0.49, rel=1e-10)


def test_frechet_is_that_of_a_matrix_square_root() -> None:
    one, other = spread(6, 1), spread(6, 2)
    means = normal(2, 6, 3).double()
    root = scipy.linalg.sqrtm((one @ other).numpy())
    known = float((means[0] - means[1]).square().sum() + one.trace() + other.trace())
    known -= 2 * np.trace(root).real
    found = distances.frechet(exact(means[0], one), exact(means[1], other))
    assert found == pytest.approx(known, rel=1e-9)


@given(seeds, st.integers(2, 30), st.integers(2, 30), st.integers(1, 8), st.floats(-100, 100))
@quick
def test_frechet_is_symmetric_and_not_negative_and_stays_when_both_move(
    seed: int, n: int, m: int, d: int, shift: float
) -> None:
    real, fake = normal(n, d, seed).double(), 2 * normal(m, d, seed + 1).double()
    found = distances.frechet(real, fake)
    assert found >= 0
    assert distances.frechet(fake, real) == pytest.approx(found, rel=1e-7, abs=1e-7)
    assert distances.frechet(real + shift, fake + shift) == pytest.approx(found, rel=1e-6, abs=1e-6)


def test_the_kernel_distance_is_that_of_whole_kernel_matrices() -> None:
    real, fake = normal(40, 5, 1).double(), 1 + normal(30, 5, 2).double()
    within = []
    for x in (real, fake):
        kernel = polynomial_kernel(x.numpy(), degree=3, gamma=1 / 5, coef0=1)
        within.append(kernel[~np.eye(len(x), dtype=bool)].mean())
    across = polynomial_kernel(real.numpy(), fake.numpy(), degree=3, gamma=1 / 5, coef0=1)
    known = sum(within) - 2 * across.mean()
    assert distances.kernel_distance(real, fake) == pytest.approx(known, rel=1e-9)


def test_the_kernel_distance_of_points_on_a_line_is_known() -> None:
    # k(0, 0) = 1, k(1, 1) = 8 and k(0, 1) = 1.
    zeros, ones = torch.zeros(4, 1), torch.ones(3, 1)
    assert distances.kernel_distance(zeros, ones) == pytest.approx(1 + 8 - 2)


def test_the_kernel_distance_does_not_favour_few_samples() -> None:
    few = [distances.kernel_distance(normal(8, 3, i), normal(8, 3, i + 500)) for i in range(300)]
    spread_of_mean = float(np.std(few)) / math.sqrt(len(few))
    assert abs(float(np.mean(few))) < 3 * spread_of_mean


@given(seeds, st.integers(2, 30), st.integers(2, 30), st.integers(1, 8))
@quick
def test_the_kernel_distance_is_symmetric(seed: int, n: int, m: int, d: int) -> None:
    real, fake = normal(n, d, seed), normal(m, d, seed + 1)
    found = distances.kernel_distance(real, fake)
    assert distances.kernel_distance(fake, real) == pytest.approx(found, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("n", "m", "d", "k"), [(60, 45, 2, 3), (50, 80, 6, 5), (1200, 1100, 2, 5)])
def test_neighbourhoods_are_those_of_neighbour_trees(n: int, m: int, d: int, k: int) -> None:
    real, fake = normal(n, d, 1), 0.3 + 0.8 * normal(m, d, 2)
    found = distances.neighbourhoods(real, fake, k)
    assert four(found) == pytest.approx(prdc(real, fake, k), abs=1e-9)


@given(seeds, st.integers(7, 60), st.integers(1, 8), st.integers(1, 6))
@quick
def test_a_set_lies_among_itself(seed: int, n: int, d: int, k: int) -> None:
    x = normal(n, d, seed)
    assert four(distances.neighbourhoods(x, x.clone(), k)) == (1, 1, 1, 1)


def test_copies_of_repeated_samples_lie_in_their_neighbourhoods() -> None:
    one = 5 + normal(37, 64, 0)
    found = distances.neighbourhoods(one.repeat(8, 1), one.flip(0).repeat(7, 1), 5)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)


@given(seeds, st.floats(-1e6, 1e6))
@quick
def test_neighbourhoods_stay_when_both_move_and_swap_when_the_sets_do(
    seed: int, shift: float
) -> None:
    real, fake = normal(40, 3, seed).double(), 0.5 + normal(30, 3, seed + 1).double()
    found = distances.neighbourhoods(real, fake, 3)
    assert four(distances.neighbourhoods(real + shift, fake + shift, 3)) == four(found)
    swapped = distances.neighbourhoods(fake, real, 3)
    assert (swapped.precision, swapped.recall) == (found.recall, found.precision)


def test_a_collapsed_set_is_good_but_hardly_varied() -> None:
    real = normal(400, 2, 0)
    found = distances.neighbourhoods(real, 0.02 * normal(400, 2, 1))
    assert found.precision == 1
    assert found.recall < 0.05
    assert found.coverage < 0.1


def test_noise_is_not_precise() -> None:
    found = distances.neighbourhoods(normal(400, 2, 0), 50 * normal(400, 2, 1))
    assert found.precision < 0.05
    assert found.density < 0.05


@pytest.mark.parametrize(("n", "m"), [(30, 50), (1200, 1000)], ids=["one block", "several"])
def test_nearest_is_that_of_a_neighbour_tree(n: int, m: int) -> None:
    points, others = 1e4 + normal(n, 4, 1).double(), 1e4 + normal(m, 4, 2).double()
    known = NearestNeighbors(n_neighbors=1).fit(others.numpy()).kneighbors(points.numpy())[0][:, 0]
    np.testing.assert_allclose(distances.nearest(points, others), known, rtol=1e-9)


@pytest.mark.parametrize("n", [30, 1200], ids=["one block", "several"])
def test_a_point_may_be_left_out_of_its_own_neighbours(n: int) -> None:
    x = normal(n, 3, 1).double()
    known = NearestNeighbors(n_neighbors=2).fit(x.numpy()).kneighbors(x.numpy())[0][:, 1]
    found = distances.nearest(x, x, exclude_self=True)
    np.testing.assert_allclose(found, known, rtol=1e-9)
    assert not distances.nearest(x, x).any()


@given(seeds, st.integers(1, 20), st.floats(1e-3, 1e6))
@quick
def test_copies_are_at_no_distance_at_all(seed: int, d: int, scale: float) -> None:
    x = normal(40, d, seed, scale=scale)
    assert not distances.nearest(x[::3], x).any()


@pytest.mark.parametrize("gap", [1e-9, 1e-6, 1e-3])
def test_near_copies_are_told_from_copies(gap: float) -> None:
    x = 3 * normal(40, 8, 0).double()
    moved = x + gap / math.sqrt(8)
    np.testing.assert_allclose(distances.nearest(moved, x), np.full(40, gap), rtol=1e-5)


def test_copies_memorise_and_new_samples_do_not() -> None:
    train, test, new = (normal(500, 4, i) for i in range(3))
    assert distances.memorising(train, test, train[:200]) == 0
    assert distances.memorising(train, test, train[:200] + 1e-3) < 0.01
    assert distances.memorising(train, test, new) == pytest.approx(1, abs=0.1)
    assert distances.memorising(train, test, 10 * new) > 3


def test_memorising_is_a_ratio_of_medians() -> None:
    train = torch.zeros(2, 1)
    test, fake = torch.tensor([[1.0], [2.0], [900.0]]), torch.tensor([[1.0], [3.0], [-5.0], [7.0]])
    assert distances.memorising(train, test, fake) == pytest.approx(4 / 2)


def test_memorising_goes_by_means_where_half_of_the_new_samples_repeat_old_ones() -> None:
    train = torch.zeros(2, 1)
    test, fake = torch.tensor([[0.0], [0.0], [3.0]]), torch.tensor([[0.0], [1.0]])
    assert distances.memorising(train, test, fake) == pytest.approx(0.5)
    assert distances.memorising(train, torch.zeros(3, 1), fake) == 1


@pytest.mark.parametrize(("n", "d", "k"), [(200, 6, 3), (8, 20, 5), (6, 6, 6)])
def test_principal_axes_are_the_widest_ones(n: int, d: int, k: int) -> None:
    x = normal(n, d, 1).double() * torch.arange(1, d + 1) + 5
    found = distances.principal(x, k)
    kept = min(k, n - 1)
    values, vectors = np.linalg.eigh(np.cov(x.numpy().T))
    known = np.abs((x - x.mean(0)).numpy() @ vectors[:, ::-1][:, :kept])
    np.testing.assert_allclose(found.project(x).abs(), known, atol=1e-8)
    np.testing.assert_allclose(
        found.project(x).var(0), values[::-1][:kept], rtol=1e-8, err_msg="widest first"
    )
    torch.testing.assert_close(found.axes.T @ found.axes, torch.eye(kept, dtype=torch.float64))


@given(seeds)
@quick
def test_principal_axes_have_one_sign(seed: int) -> None:
    x = normal(30, 4, seed).double() * torch.tensor([1, 2, 4, 8])
    axes = distances.principal(x, 4).axes
    assert (axes.gather(0, axes.abs().argmax(0, keepdim=True)) > 0).all()
    mirrored = distances.principal(-x, 4).axes
    torch.testing.assert_close(mirrored, axes)


def test_projecting_keeps_distances_where_no_axis_is_left_out() -> None:
    real, fake = normal(50, 4, 1), 1 + normal(60, 4, 2)
    found = distances.principal(real, 10)
    there, here = distances.frechet(real, fake), [found.project(x) for x in (real, fake)]
    assert here[0].shape == (50, 4)
    assert distances.frechet(*here) == pytest.approx(there, rel=1e-9)
    with pytest.raises(InputError, match="3 features, the fitted ones 4"):
        found.project(torch.zeros(5, 3))


MEASURES = {
    "frechet": distances.frechet,
    "kernel": distances.kernel_distance,
    "neighbourhoods": distances.neighbourhoods,
    "nearest": distances.nearest,
    "memorising": lambda real, fake: distances.memorising(real, real, fake),
}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_what_cannot_be_measured_is_refused(measure) -> None:
    good, holed = normal(20, 3, 0), normal(20, 3, 1)
    holed[3, 1], holed[7, 2] = torch.nan, torch.inf
    with pytest.raises(InputError, match=r"2 of 60 numbers in the features of the \w+ samples"):
        measure(good, holed)
    with pytest.raises(InputError, match=r"samples have \d features, the \w+ ones \d"):
        measure(good, normal(20, 4, 0))
    with pytest.raises(InputError, match="too few: there are 0"):
        measure(good, good[:0])
    with pytest.raises(InputError, match=r"shape \(20,\)"):
        measure(good, good[:, 0])
    with pytest.raises(InputError, match=r"shape \(20, 0\)"):
        measure(good[:, :0], good[:, :0])


@pytest.mark.parametrize("name", ["frechet", "kernel", "neighbourhoods", "memorising"])
def test_one_sample_is_no_distribution(name: str) -> None:
    good = normal(20, 3, 0)
    with pytest.raises(InputError, match="made samples are too few: there are 1, and at least 2"):
        MEASURES[name](good, good[:1])


def test_numbers_whose_cubes_would_overflow_are_refused() -> None:
    good = normal(20, 3, 0)
    assert math.isfinite(distances.kernel_distance(good, 1e37 * good))
    with pytest.raises(InputError, match="60 of 60 numbers"):
        distances.kernel_distance(good, good.double() * 1e39 + 1e40)


@pytest.mark.parametrize("k", [0, 4])
def test_more_neighbours_than_there_are_samples_are_refused(k: int) -> None:
    with pytest.raises(InputError, match=f"k is {k}, and there are 4 real samples") as caught:
        distances.neighbourhoods(normal(4, 3, 0), normal(20, 3, 1), k)
    assert caught.value.do == "k between 1 and 3"


def test_only_a_point_of_the_same_set_can_be_left_out() -> None:
    with pytest.raises(InputError, match="20 points are not the same as 19 others"):
        distances.nearest(normal(20, 3, 0), normal(19, 3, 0), exclude_self=True)


def test_no_axes_at_all_are_refused() -> None:
    with pytest.raises(InputError, match="0 axes"):
        distances.principal(normal(20, 3, 0), 0)
