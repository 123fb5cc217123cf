import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.errors import InputError
from netwright.nn.positions import (
    Learned,
    Positions,
    leaning,
    rotate,
    rotation,
    sinusoidal,
    slopes,
)


@pytest.mark.parametrize("width", [1, 6, 7])
def test_sinusoidal_positions_are_the_papers_formula(width: int) -> None:
    made = sinusoidal(torch.arange(5), width)
    for place in range(5):
        for feature in range(width):
            angle = place / 10_000 ** (2 * (feature // 2) / width)
            wave = math.cos(angle) if feature % 2 else math.sin(angle)
            assert made[place, feature].item() == pytest.approx(wave, abs=1e-6)


def test_rows_that_stand_apart_get_their_own_places() -> None:
    places = torch.tensor([[0, 1], [5, 6]])
    made = sinusoidal(places, 4)
    assert made.shape == (2, 2, 4)
    torch.testing.assert_close(made[1], sinusoidal(torch.arange(7), 4)[5:])
    cos, sin = rotation(places, 4)
    assert cos.shape == sin.shape == (2, 1, 2, 4)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(m=st.integers(0, 60), n=st.integers(0, 60), shift=st.integers(0, 60))
def test_a_rotated_product_depends_on_the_distance_alone(m: int, n: int, shift: int) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 8, generator=generator)

    def product(i: int, j: int) -> float:
        turned = (
            rotate(x, rotation(torch.tensor([place]), 8)) for x, place in ((query, i), (key, j))
        )
        first, second = turned
        return (first * second).sum().item()

    assert product(m, n) == pytest.approx(product(m + shift, n + shift), abs=1e-4)


def test_rotation_is_a_complex_product_and_keeps_lengths() -> None:
    x = torch.randn(2, 3, 5, 8)
    turned = rotate(x, rotation(torch.arange(5), 8))
    angles = torch.arange(5)[:, None] * 10_000.0 ** (-torch.arange(0, 8, 2) / 8)
    waves = torch.polar(torch.ones_like(angles), angles)
    product = torch.complex(x[..., :4], x[..., 4:]) * waves
    torch.testing.assert_close(turned, torch.cat([product.real, product.imag], -1))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))


def test_learned_positions_are_rows_of_a_table() -> None:
    learned = Learned(6, 3)
    places = torch.tensor([[1, 5], [0, 0]])
    torch.testing.assert_close(learned(places), learned.table[places])


def test_more_places_than_were_learned_are_refused_in_a_sentence() -> None:
    positions = Positions("learned", 3, 4, 1)
    positions(torch.zeros(2, 4, 3), torch.arange(4))
    with pytest.raises(InputError, match="longer than 4 places"):
        positions(torch.zeros(2, 5, 3), torch.arange(5))


@pytest.mark.parametrize("kind", ["sinusoidal", "learned", "rotary", "alibi", "none"])
def test_each_kind_either_adds_or_rotates(kind: str) -> None:
    h = torch.zeros(2, 4, 6)
    moved, turn = Positions(kind, 6, 4, 2)(h, torch.arange(4))  # type: ignore[arg-type]
    assert moved.ne(h).any() == (kind in ("sinusoidal", "learned"))
    assert (turn is not None) == (kind == "rotary")


def test_a_rotation_in_halved_floats_is_the_same_to_their_precision() -> None:
    x, turn = torch.randn(1, 2, 5, 8), rotation(torch.arange(5), 8)
    halved = rotate(x.bfloat16(), turn)
    assert halved.dtype == torch.bfloat16
    torch.testing.assert_close(halved.float(), rotate(x, turn), rtol=0.05, atol=0.05)


def test_slopes_are_the_papers_for_eight_heads() -> None:
    assert slopes(8).flatten().tolist() == [1 / 2**i for i in range(1, 9)]
    assert slopes(2).flatten().tolist() == [1 / 16, 1 / 256]
    assert slopes(3).shape == (3, 1, 1)


def test_a_score_leans_by_its_distance_either_way() -> None:
    distance = torch.arange(4)[:, None] - torch.arange(4)
    made = leaning(distance, slopes(2))
    assert made.shape == (2, 4, 4)
    for head, slope in enumerate((1 / 16, 1 / 256)):
        for t in range(4):
            for s in range(4):
                assert made[head, t, s].item() == pytest.approx(-slope * abs(t - s))
