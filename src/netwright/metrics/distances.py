"""How far made samples lie from real ones: distances between two sets of features.

Features come out of a network that both sets went through, or are the samples themselves. All sums
run in float64, and in blocks of rows, so that 10,000 against 10,000 fits any memory. Two sets are
never compared through borrowed weights here, so that no number of these is an "FID".
Dimensions: n real samples, m made samples, d features, k neighbours or axes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from netwright.errors import InputError

BLOCK = 2**20
"""Distances held at once: 8 MiB of float64, for which a processor's cache has room."""
RESOLVED = 1e-13
"""Of |x|^2 + |y|^2: a smaller squared distance is one of equal points. Their difference is then
below what float32 features resolve, and what remains of it is the rounding of a product."""
LARGEST = torch.finfo(torch.float32).max


@dataclass(frozen=True, slots=True)
class Neighbourhoods:
    """Shares and a ratio by nearest neighbours.

    Of a set against itself, each is 1. Of two sets of one distribution, density is about 1 and
    coverage somewhat below, but precision and recall may lie far below (0.7 for 10,000 bell-shaped
    samples of 64 features): read them beside those of new real samples.
    """

    precision: float
    """Share of made samples that lie among real ones: how good they are."""
    recall: float
    """Share of real samples that lie among made ones: how much of the variety is made."""
    density: float
    """How many real neighbourhoods a made sample lies in, over k; may exceed 1."""
    coverage: float
    """Share of real samples that have a made one in their neighbourhood."""


@dataclass(frozen=True, slots=True, eq=False)
class Principal:
    """Principal axes of features, to bring others to as few numbers."""

    mean: Tensor
    """(d,)."""
    axes: Tensor
    """(d, k) orthonormal columns, widest first; the largest number of each is positive."""

    def project(self, x: Tensor) -> Tensor:
        """(n, d) features to (n, k) in float64; InputError for another width."""
        x = _checked(x, "given", least=1)
        _same_width(x, self.mean[None], "given", "fitted")
        return (x - self.mean) @ self.axes


def frechet(real: Tensor, fake: Tensor) -> float:
    """Squared Frechet distance of two Gaussians that have the features' means and covariances.

    |mu1 - mu2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of (n, d) and (m, d) features, with unbiased
    covariances (Heusel et al. 2017, equation 6). The eigenvalues of C1^(1/2) C2 C1^(1/2) are the
    squares of the singular values of C1^(1/2) C2^(1/2), whose sum is thus the root's trace, without
    the root of rounding errors where few samples leave a covariance singular. It falls with the
    number of samples: compare equal numbers only. InputError as `kernel_distance`.
    """
    real, fake = _pair(real, fake)
    roots = _root(_covariance(real)), _root(_covariance(fake))
    trace = sum(float(root.square().sum()) for root in roots)
    shared = float(torch.linalg.svdvals(roots[0] @ roots[1]).sum())
    means = float((real.mean(0) - fake.mean(0)).square().sum())
    return max(0.0, means + trace - 2 * shared)


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy under the kernel k(x, y) = (x.y / d + 1)^3.

    Mean of k over pairs of different real samples, plus that over different made ones, minus twice
    that over real and made (Binkowski et al. 2018), over all pairs rather than over
    drawn subsets. Its expectation does not hang on the number of samples; where both sets follow
    one distribution it lies around 0, and so may be below.

    Raises:
        InputError: fewer than 2 samples, unequal widths, or numbers that are not finite.
    """
    real, fake = _pair(real, fake)
    across = _kernel_sum(real, fake) / (len(real) * len(fake))
    return _kernel_within(real) + _kernel_within(fake) - 2 * across


def neighbourhoods(real: Tensor, fake: Tensor, k: int = 5) -> Neighbourhoods:
    """Whether made samples lie among real ones, and the other way round.

    The neighbourhood of a sample is the ball up to its k-th nearest neighbour in its own set.
    Precision and recall: Kynkaanniemi et al. 2019, equations 1 and 2; density and coverage: Naeem
    et al. 2020, section 3. Balls are closed, so that a copy of a repeated sample lies in
    its ball of radius 0; those of density are open, as in its authors' code, so that a set without
    repetitions has density 1 in itself. InputError as `kernel_distance`, and where a set has no
    more than k samples.
    """
    real, fake = _pair(real, fake)
    for name, x in (("real", real), ("made", fake)):
        if not 1 <= k < len(x):
            raise InputError(
                f"k is {k}, and there are {len(x):,} {name} samples",
                why="each needs at least 1 neighbour, and k others to have them",
                do=f"k between 1 and {len(x) - 1:,}",
            )
    middle = real.mean(0)
    real, fake = real - middle, fake - middle
    of_real, of_fake = _radii(real, k), _radii(fake, k)
    among = torch.zeros(len(fake), dtype=torch.bool, device=fake.device)
    recalled = covered = inside = 0
    for rows in _blocks(len(real), len(fake)):
        squares, radii = _squares(real[rows], fake), of_real[rows, None]
        balls = squares <= radii
        among |= balls.any(0)
        covered += int(balls.any(1).sum())
        recalled += int((squares <= of_fake).any(1).sum())
        inside += int((squares < radii).sum())
    return Neighbourhoods(
        precision=int(among.sum()) / len(fake),
        recall=recalled / len(real),
        density=inside / (k * len(fake)),
        coverage=covered / len(real),
    )


def nearest(points: Tensor, others: Tensor, *, exclude_self: bool = False) -> Tensor:
    """(n,) Euclidean distance in float64 of each of (n, d) points to the closest of (m, d) others.

    The distance of equal rows is exactly 0. With `exclude_self`, `others` are the points
    themselves, and row i is not its own neighbour. InputError as `kernel_distance`, but one sample
    is enough (two with `exclude_self`).
    """
    least = 2 if exclude_self else 1
    points, others = _checked(points, "given", least), _checked(others, "other", least)
    _same_width(points, others, "given", "other")
    if exclude_self and len(points) != len(others):
        raise InputError(
            f"{len(points):,} points are not the same as {len(others):,} others",
            why="a point can be left out only among the points themselves",
            do="exclude_self=False",
        )
    middle = others.mean(0)
    points, others = points - middle, others - middle
    found = []
    for rows in _blocks(len(points), len(others)):
        squares = _squares(points[rows], others)
        if exclude_self:
            squares.diagonal(rows.start).fill_(torch.inf)
        # Measured anew, since products round: a distance that should be small would come out wrong.
        found.append((points[rows] - others[squares.argmin(1)]).square().sum(1).sqrt())
    return torch.cat(found)


def memorising(train: Tensor, test: Tensor, fake: Tensor) -> float:
    """How far made samples lie from the training samples, over how far new real ones do.

    Median over made samples of the distance to the nearest training sample, divided by the same
    median over new real samples: 1, as far as new ones are; near 0, copies. Where half of the new
    ones repeat training samples, so that their median is 0, means take the place of both medians;
    where all of them do, 1, since then no distance can tell a copy. InputError as
    `kernel_distance`.
    """
    sets = (("training", train), ("new", test), ("made", fake))
    known, new, made = (_checked(x, name) for name, x in sets)
    _same_width(known, new, "training", "new")
    _same_width(known, made, "training", "made")
    far, usual = nearest(made, known), nearest(new, known)
    middle = float(usual.quantile(0.5))
    if middle > 0:
        return float(far.quantile(0.5)) / middle
    return float(far.mean() / usual.mean()) if usual.any() else 1.0


def principal(real: Tensor, k: int) -> Principal:
    """Mean and the k widest principal axes of (n, d) features, fewer where d or n - 1 is less.

    InputError as `kernel_distance`, and where k is below 1.
    """
    if k < 1:
        raise InputError(f"{k} axes were asked for", why="at least 1 is needed", do="k=64")
    real = _checked(real, "real")
    n, d = real.shape
    mean = real.mean(0)
    if d <= n:
        axes = torch.linalg.eigh(_covariance(real)).eigenvectors.flip(1)
    else:
        axes = torch.linalg.svd(real - mean, full_matrices=False).Vh.T
    axes = axes[:, : min(k, n - 1)]
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    return Principal(mean, axes * largest.sign())


def _checked(x: Tensor, name: str, least: int = 2) -> Tensor:
    """(n, d) features in float64; see `kernel_distance` for what is refused."""
    if x.ndim != 2 or not x.shape[1]:
        raise InputError(
            f"the features of the {name} samples have the shape {tuple(x.shape)}",
            why="they need one row a sample and at least one column",
        )
    if len(x) < least:
        count = "1 sample" if least == 1 else f"{least} samples"
        raise InputError(
            f"the {name} samples are too few",
            why=f"there are {len(x)}, and at least {count} must be there",
        )
    x = x.detach().double()
    if wrong := int((~(x.abs() <= LARGEST)).sum()):
        raise InputError(
            f"{wrong:,} of {x.numel():,} numbers in the features of the {name} samples are no "
            "finite float32",
            why="distances to them mean nothing",
        )
    return x


def _same_width(a: Tensor, b: Tensor, first: str, second: str) -> None:
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"the {first} samples have {a.shape[1]:,} features, the {second} ones {b.shape[1]:,}",
            why="distances need the same features of both",
        )


def _pair(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    real, fake = _checked(real, "real"), _checked(fake, "made")
    _same_width(real, fake, "real", "made")
    return real, fake


def _blocks(n: int, m: int) -> Iterator[slice]:
    """Rows of an (n, m) matrix, as many at once as may be held."""
    step = max(1, BLOCK // m)
    for start in range(0, n, step):
        yield slice(start, start + step)


def _squares(points: Tensor, others: Tensor) -> Tensor:
    """(n, m) squared distances; by products, five to ten times as fast as by differences."""
    lengths = points.square().sum(1)[:, None] + others.square().sum(1)
    squares = torch.addmm(lengths, points, others.T, alpha=-2)
    return squares.masked_fill_(squares < RESOLVED * lengths, 0)


def _radii(x: Tensor, k: int) -> Tensor:
    """(n,) squared distance of each sample to its k-th nearest other one."""
    found = []
    for rows in _blocks(len(x), len(x)):
        squares = _squares(x[rows], x)
        squares.diagonal(rows.start).fill_(torch.inf)
        found.append(squares.topk(k, 1, largest=False).values[:, -1])
    return torch.cat(found)


def _covariance(x: Tensor) -> Tensor:
    centred = x - x.mean(0)
    return centred.T @ centred / (len(x) - 1)


def _root(covariance: Tensor) -> Tensor:
    """The symmetric positive root."""
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root


def _kernel_sum(x: Tensor, y: Tensor) -> float:
    return sum(float(_cubed(x[r] @ y.T / x.shape[1]).sum()) for r in _blocks(len(x), len(y)))


def _kernel_within(x: Tensor) -> float:
    """Mean of the kernel over pairs of different samples."""
    same = float(_cubed(x.square().mean(1)).sum())
    return (_kernel_sum(x, x) - same) / (len(x) * (len(x) - 1))


def _cubed(products: Tensor) -> Tensor:
    products = products + 1
    return products * products * products
