"""Numbers out of noise: the laws they have, and that each row has its own."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm
from torch import Generator, Tensor

from netwright.errors import InputError
from netwright.floors import _draws
from netwright.floors._draws import by_class, index_below, normals, raw, samples_of, uniforms

WRAP = 2**64


def noise(count: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=Generator().manual_seed(seed))


def mixed(x: int) -> int:
    """The finalizer of SplitMix64, in numbers without a size."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % WRAP
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % WRAP
    return x ^ (x >> 31)


def test_uniform_numbers_are_the_distribution_function_of_the_noise() -> None:
    z = noise(50, 4)
    np.testing.assert_allclose(uniforms(z, 3).numpy(), norm.cdf(z[:, :3].double()), atol=1e-12)


def test_further_numbers_have_the_laws_asked_for_and_are_not_correlated() -> None:
    z = noise(5_000, 2)
    u, x = uniforms(z, 6).numpy(), normals(z, 6).numpy()
    for i in range(6):
        assert kstest(u[:, i], "uniform").pvalue > 1e-3
        assert kstest(x[:, i], "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(u.T) - np.eye(6)).max() < 0.06
    assert np.array_equal(x[:, :2], z.double().numpy())


def test_further_numbers_are_those_of_splitmix_by_hand() -> None:
    z = noise(3, 2)
    step = 0x9E3779B97F4A7C15
    for row, got in zip(z, uniforms(z, 4)[:, 2:].tolist(), strict=True):
        bits = [int(b) % WRAP for b in row.view(torch.int32).tolist()]
        key = sum(mixed((mixed(b) + (i + 1) * step) % WRAP) for i, b in enumerate(bits))
        wanted = [((mixed((key + (k + 1) * step) % WRAP) >> 11) + 0.5) / 2**53 for k in range(2)]
        assert got == pytest.approx(wanted, abs=1e-15)


def test_a_row_draws_the_same_whatever_else_is_in_the_batch() -> None:
    z = noise(9, 3)
    torch.testing.assert_close(uniforms(z, 20)[4:6], uniforms(z[4:6], 20), rtol=1e-12, atol=0)
    torch.testing.assert_close(normals(z, 20).flip(0), normals(z.flip(0), 20), rtol=1e-9, atol=0)
    assert len(uniforms(z, 20)[:, 10].unique()) == 9


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.floats(0, 1), st.integers(1, 10**6))
def test_an_index_is_always_below_the_count(u: float, count: int) -> None:
    index = int(index_below(torch.tensor([u], dtype=torch.double), count))
    assert 0 <= index < count
    assert index == min(int(u * count), count - 1)


def test_extreme_noise_draws_finite_numbers() -> None:
    z = torch.tensor([[40.0, -40.0], [0.0, 0.0]])
    assert normals(z, 300).isfinite().all()
    assert index_below(uniforms(z, 2), 7).tolist() == [[6, 0], [3, 3]]


def test_samples_are_drawn_evenly_from_the_class_asked_for() -> None:
    y = torch.tensor([2, 0, 2, 0, 2])
    places = by_class(y, 4)
    u = torch.linspace(0, 0.999, 60, dtype=torch.double)
    for label, members in {0: {1, 3}, 2: {0, 2, 4}}.items():
        drawn = places.drawn(u, torch.full((60,), label))
        assert drawn.bincount().tolist() == [
            60 // len(members) * (i in members) for i in range(1 + max(members))
        ]
    for asked in (None, torch.full((60,), 1), torch.full((60,), 3)):
        assert places.drawn(u, asked).bincount().tolist() == [12] * 5


def test_raw_answers_come_back_by_tanh_and_are_finite() -> None:
    x = torch.tensor([-3.0, -1.0, 0.25, 1.0])
    torch.testing.assert_close(raw(x).tanh(), torch.tensor([-0.999, -0.999, 0.25, 0.999]))


def test_too_few_samples_are_an_error_with_a_sentence() -> None:
    with pytest.raises(InputError, match="1 training samples or more: there are 0"):
        samples_of({"x": torch.zeros(0, 3)})
    assert samples_of({"x": torch.zeros(1, 3)}).shape == (1, 3)


def test_constants_fit_into_signed_numbers() -> None:
    assert all(-(2**63) <= c < 2**63 for c in (_draws.STEP, _draws.FIRST, _draws.SECOND))
