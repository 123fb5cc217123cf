from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from netwright.nn.diff_augment import Policy, diff_augment
from netwright.nn.flops import count

ALL: tuple[Policy, ...] = ("color", "translation", "cutout")
SIZES = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 20), st.integers(1, 20))
quick = settings(derandomize=True, deadline=None, max_examples=25)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def pictures(b: int = 6, c: int = 3, h: int = 16, w: int = 8) -> Tensor:
    return torch.rand(b, c, h, w, generator=seeded(9)) * 2 - 1


def numbered(size: Sequence[int]) -> Tensor:
    """Pictures without a zero and without two equal values."""
    return torch.arange(1.0, 1 + torch.Size(size).numel()).view(*size)


@pytest.mark.parametrize("policy", [*[(kind,) for kind in ALL], ALL])
def test_a_seed_repeats_and_the_input_is_left_alone(policy: tuple[Policy, ...]) -> None:
    x = pictures()
    before = x.clone()
    once, again = diff_augment(x, policy, seeded(3)), diff_augment(x, policy, seeded(3))
    assert once.shape == x.shape
    assert torch.equal(once, again)
    assert torch.equal(x, before)
    assert not torch.equal(once, diff_augment(x, policy, seeded(4)))
    assert diff_augment(x.double(), policy, seeded(3)).dtype == torch.double


def test_without_a_policy_nothing_changes_and_nothing_is_drawn() -> None:
    x, generator = pictures(), seeded()
    state = generator.get_state()
    assert diff_augment(x, (), generator) is x
    assert torch.equal(generator.get_state(), state)


@quick
@given(SIZES, st.integers(0, 999))
def test_a_translated_picture_is_a_crop_of_the_one_amid_zeros(
    size: tuple[int, int, int, int], seed: int
) -> None:
    x, (h, w) = numbered(size), size[2:]
    up, left = int(h / 8 + 0.5), int(w / 8 + 0.5)
    around = torch.nn.functional.pad(x, (left, left, up, up))
    for got, wide in zip(diff_augment(x, ["translation"], seeded(seed)), around, strict=True):
        crops = [
            wide[:, i : i + h, j : j + w] for i in range(2 * up + 1) for j in range(2 * left + 1)
        ]
        assert any(torch.equal(got, crop) for crop in crops)


def test_translations_reach_every_place_within_an_eighth() -> None:
    x = torch.zeros(900, 1, 16, 8)
    x[:, :, 8, 4] = 1
    moved = diff_augment(x, ["translation"], seeded())
    rows, columns = moved.sum((0, 1)).nonzero().unbind(1)
    assert (rows.unique().tolist(), columns.unique().tolist()) == ([6, 7, 8, 9, 10], [3, 4, 5])
    assert len(rows) == 15


@quick
@given(SIZES, st.integers(0, 999))
def test_cutout_zeroes_one_box_and_touches_nothing_else(
    size: tuple[int, int, int, int], seed: int
) -> None:
    x = numbered(size)
    after = diff_augment(x, ["cutout"], seeded(seed))
    assert torch.equal(after[after != 0], x[after != 0])
    for picture in after:
        gone = picture == 0
        assert torch.equal(gone.all(0), gone.any(0)), "all channels are covered together"
        rows, columns = gone[0].any(1), gone[0].any(0)
        assert torch.equal(gone[0], rows[:, None] & columns)
        assert int(rows.sum()) <= int(size[2] / 2 + 0.5)
        assert int(columns.sum()) <= int(size[3] / 2 + 0.5)


def test_half_of_each_side_is_covered_where_the_box_lies_inside() -> None:
    gone = diff_augment(torch.ones(2000, 1, 8, 4), ["cutout"], seeded()) == 0
    assert int(gone.any(3).sum(2).max()) == 4
    assert int(gone.any(2).sum(2).max()) == 2
    rows = gone.any(3)[:, 0].unique(dim=0).long().tolist()
    assert [1, 1, 0, 0, 0, 0, 0, 0] in rows, "half of the box may lie outside, at either end"
    assert [0, 0, 0, 0, 0, 0, 1, 1] in rows
    assert gone.any(0).all(), "every place is covered now and then"


def test_color_changes_what_it_says_by_as_much_as_it_says() -> None:
    x = pictures(b=2000, h=3, w=3)
    mean, place = x.mean((1, 2, 3), keepdim=True), x.mean(1, keepdim=True)
    after = diff_augment(x, ["color"], seeded())
    bright = after.mean((1, 2, 3), keepdim=True) - mean
    hard = (after.mean(1, keepdim=True) - after.mean((1, 2, 3), keepdim=True)) / (place - mean)
    hard = hard.flatten(1).median(1).values.view(-1, 1, 1, 1)
    both = (after - after.mean(1, keepdim=True)) / (x - place)
    both = both.flatten(1).median(1).values.view(-1, 1, 1, 1)
    expected = mean + bright + hard * (place - mean) + both * (x - place)
    torch.testing.assert_close(after, expected, rtol=1e-3, atol=1e-4)
    for drawn, low, high in ((bright, -0.5, 0.5), (hard, 0.5, 1.5), (both / hard, 0.0, 2.0)):
        assert low - 1e-3 < float(drawn.min()) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < float(drawn.max()) < high + 1e-3


def test_one_channel_has_no_saturation() -> None:
    x = pictures(c=1)
    after = diff_augment(x, ["color"], seeded())
    deviation, before = (z - z.mean((1, 2, 3), keepdim=True) for z in (after, x))
    ratio = deviation.square().mean((1, 2, 3)).sqrt() / before.square().mean((1, 2, 3)).sqrt()
    assert float(ratio.min()) >= 0.5
    torch.testing.assert_close(deviation, ratio.view(-1, 1, 1, 1) * before)


def test_gradients_reach_the_picture_and_gradients_of_gradients_too() -> None:
    def run(x: Tensor) -> Tensor:
        return diff_augment(x, ALL, seeded(1)).square()

    x = pictures(b=2, c=2, h=5, w=4).double().requires_grad_()
    assert torch.autograd.gradcheck(run, (x,))
    assert torch.autograd.gradgradcheck(run, (x,), fast_mode=True)
    (gradient,) = torch.autograd.grad(run(x).sum(), x)
    assert gradient.flatten(1).any(1).all()


def test_samples_do_not_mix() -> None:
    x = pictures()
    other = x.clone()
    other[1:] = 0.5
    assert torch.equal(diff_augment(x, ALL, seeded())[0], diff_augment(other, ALL, seeded())[0])


def test_it_runs_on_the_meta_device_and_draws_the_same_there() -> None:
    here, there = seeded(), seeded()
    diff_augment(pictures(), ALL, here)
    x = pictures().to("meta").requires_grad_()
    counted = count(lambda: diff_augment(x, ALL, there).sum().backward())
    assert (counted.flops, dict(counted.uncounted)) == (0, {})
    assert torch.equal(here.get_state(), there.get_state())


def test_a_channels_last_batch_gives_the_same_pictures() -> None:
    last = pictures().to(memory_format=torch.channels_last)
    same = diff_augment(last, ALL, seeded())
    torch.testing.assert_close(same, diff_augment(pictures(), ALL, seeded()))
