import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from netwright.nn import augment

SIZES = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(4, 9), st.integers(4, 9))
quick = settings(derandomize=True, deadline=None, max_examples=12)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def numbered(size: tuple[int, ...]) -> Tensor:
    """Pictures without a zero and without two equal values."""
    return torch.arange(1.0, 1 + int(np.prod(size))).view(size)


def soft(b: int, k: int = 4) -> Tensor:
    return torch.eye(k)[torch.arange(b) % k]


ALL = {
    "shift": lambda x, g: augment.shift(x, 2, g),
    "shift with zeros": lambda x, g: augment.shift(x, 2, g, edge="zero"),
    "flip": augment.flip,
    "alternating flip": lambda x, g: augment.alternating_flip(x, torch.arange(len(x)), 0),
    "cutout": lambda x, g: augment.cutout(x, 3, g),
    "brightness and contrast": lambda x, g: augment.brightness_contrast(x, 0.3, 0.3, g),
    "mixup": lambda x, g: augment.mixup(x, soft(len(x)), 0.4, g)[0],
    "cutmix": lambda x, g: augment.cutmix(x, soft(len(x)), 1.0, g)[0],
}


@pytest.mark.parametrize("name", ALL)
def test_shape_type_and_input_are_kept_and_a_seed_repeats(name: str) -> None:
    for size in ((7, 3, 8, 6), (1, 1, 5, 5)):
        x = torch.randn(size, generator=seeded())
        before = x.clone()
        once, again = ALL[name](x, seeded(3)), ALL[name](x, seeded(3))
        assert once.shape == x.shape
        assert once.dtype == x.dtype
        assert torch.equal(once, again)
        assert torch.equal(x, before), "a pure function leaves its input alone"


@pytest.mark.parametrize("name", ALL)
def test_a_channels_last_batch_gives_the_same_pictures(name: str) -> None:
    x = torch.randn(6, 3, 8, 8, generator=seeded())
    last = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(ALL[name](last, seeded(1)), ALL[name](x, seeded(1)))


@pytest.mark.parametrize("name", [n for n in ALL if n != "alternating flip"])
def test_another_seed_gives_other_pictures(name: str) -> None:
    x = torch.randn(32, 1, 8, 8, generator=seeded())
    assert not torch.equal(ALL[name](x, seeded(1)), ALL[name](x, seeded(2)))


@quick
@given(SIZES, st.integers(0, 3), st.sampled_from(["reflect", "zero"]), st.integers(0, 999))
def test_a_shifted_picture_is_a_crop_of_the_padded_one(
    size: tuple[int, ...], pixels: int, edge: augment.Edge, seed: int
) -> None:
    x = numbered(size)
    mode = "reflect" if edge == "reflect" else "constant"
    border = ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels))
    padded = np.pad(x.numpy(), border, mode=mode)  # type: ignore[call-overload]
    h, w = size[2:]
    for picture, around in zip(
        augment.shift(x, pixels, seeded(seed), edge=edge), padded, strict=True
    ):
        crops = [
            around[:, i : i + h, j : j + w]
            for i in range(2 * pixels + 1)
            for j in range(2 * pixels + 1)
        ]
        assert any(np.array_equal(picture.numpy(), crop) for crop in crops)


def test_shifts_reach_every_place_and_differ_within_a_batch() -> None:
    x = torch.zeros(400, 1, 5, 5)
    x[:, :, 2, 2] = 1
    moved = augment.shift(x, 2, seeded(), edge="zero")
    places = moved.flatten(1).argmax(1)
    assert len(places.unique()) == 25
    assert torch.equal(moved.sum((1, 2, 3)), torch.ones(400))


@quick
@given(SIZES, st.integers(0, 999))
def test_a_flipped_picture_is_itself_or_its_mirror(size: tuple[int, ...], seed: int) -> None:
    x = numbered(size)
    for before, after in zip(x, augment.flip(x, seeded(seed)), strict=True):
        assert torch.equal(after, before) or torch.equal(after, before.flip(2))


def test_half_of_a_large_batch_is_flipped() -> None:
    x = torch.tensor([0.0, 1.0]).expand(2000, 1, 1, 2)
    assert 900 < int(augment.flip(x, seeded())[:, 0, 0, 0].sum()) < 1100


def test_two_epochs_in_a_row_show_both_forms_of_every_picture() -> None:
    x = numbered((64, 2, 3, 4))
    index = torch.randperm(1000, generator=seeded())[:64]
    first, second = (augment.alternating_flip(x, index, epoch) for epoch in (6, 7))
    assert torch.equal(first, second.flip(3))
    assert torch.equal(augment.alternating_flip(x, index, 8), first)


def test_the_first_time_follows_the_sample_not_its_place_in_the_batch() -> None:
    x, index = numbered((64, 1, 2, 2)), torch.arange(64)
    order = torch.randperm(64, generator=seeded())
    whole = augment.alternating_flip(x, index, 0)
    assert torch.equal(augment.alternating_flip(x[order], index[order], 0), whole[order])


def splitmix64(seed: int, number: int) -> int:
    """Output `number` of the generator, in Python's whole numbers."""
    mask = 2**64 - 1
    z = (seed + (number + 1) * 0x9E3779B97F4A7C15) & mask
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
    return z ^ (z >> 31)


def test_the_hash_is_splitmix64() -> None:
    assert splitmix64(1234567, 0) == 6457827717110365317  # a published first output
    x = torch.tensor([0.0, 1.0]).expand(3000, 1, 1, 2)
    index = torch.arange(3000) * 7
    mirrored = augment.alternating_flip(x, index, 0, seed=42)[:, 0, 0, 0]
    wanted = [float(splitmix64(42, i) % 2 == 0) for i in index.tolist()]
    assert mirrored.tolist() == wanted
    assert 1400 < sum(wanted) < 1600


@quick
@given(SIZES, st.integers(0, 6), st.integers(0, 999))
def test_cutout_zeroes_one_box_and_touches_nothing_else(
    size: tuple[int, ...], side: int, seed: int
) -> None:
    x = numbered(size)
    after = augment.cutout(x, side, seeded(seed))
    assert torch.equal(after[after != 0], x[after != 0])
    for picture in after:
        gone = picture == 0
        assert torch.equal(gone.all(0), gone.any(0)), "all channels are covered together"
        rows, columns = gone[0].any(1), gone[0].any(0)
        assert torch.equal(gone[0], rows[:, None] & columns)
        assert int(rows.sum()) <= side
        assert int(columns.sum()) <= side
        assert (side == 0) == (not gone.any())


def test_a_square_in_the_middle_is_covered_whole() -> None:
    after = augment.cutout(torch.ones(500, 1, 9, 9), 4, seeded())
    assert int((after == 0).sum((1, 2, 3)).max()) == 16


def test_brightness_moves_the_mean_and_contrast_the_spread() -> None:
    x = torch.randn(300, 2, 6, 6, generator=seeded()) + 3
    brighter = augment.brightness_contrast(x, 0.5, 0.0, seeded())
    move = brighter - x
    torch.testing.assert_close(move, move[:, :1, :1, :1].expand_as(x), atol=1e-5, rtol=0)
    assert 0.45 < float(move.abs().max()) <= 0.5 + 1e-5
    harder = augment.brightness_contrast(x, 0.0, 0.5, seeded())
    torch.testing.assert_close(harder.mean((1, 2, 3)), x.mean((1, 2, 3)))
    ratio = harder.std((1, 2, 3)) / x.std((1, 2, 3))
    assert 0.5 <= float(ratio.min()) + 1e-5 < 0.55
    assert 1.45 < float(ratio.max()) <= 1.5 + 1e-5


@quick
@given(st.sampled_from([augment.mixup, augment.cutmix]), st.floats(0.1, 3.0), st.integers(0, 999))
def test_mixed_targets_keep_their_mass(mix, alpha: float, seed: int) -> None:  # type: ignore[no-untyped-def]
    _, y = mix(torch.randn(16, 1, 6, 6), soft(16), alpha, seeded(seed))
    torch.testing.assert_close(y.sum(1), torch.ones(16))
    assert float(y.min()) >= 0


def test_mixup_blends_pictures_by_the_shares_of_their_labels() -> None:
    x = numbered((8, 1, 2, 2))
    mixed, share = augment.mixup(x, torch.eye(8), 1.0, seeded())
    assert int((share > 0).sum(1).max()) == 2
    torch.testing.assert_close(mixed, torch.einsum("ij,jchw->ichw", share, x))


def test_cutmix_takes_labels_by_the_area_of_the_box() -> None:
    x = torch.arange(32.0).view(32, 1, 1, 1).expand(32, 2, 7, 5).contiguous()
    mixed, share = augment.cutmix(x, torch.eye(32), 1.0, seeded())
    counts = torch.stack([(mixed == i).float().mean((1, 2, 3)) for i in range(32)], 1)
    torch.testing.assert_close(share, counts)
    assert int((share > 0).sum(1).max()) == 2
    for i, picture in enumerate(mixed):
        foreign = picture[0] != i
        assert torch.equal(foreign, foreign.any(1)[:, None] & foreign.any(0)), "it is a box"


def test_shares_follow_beta() -> None:
    _, share = augment.mixup(torch.zeros(4000, 1, 1, 1), soft(4000, 2), 0.2, seeded())
    mixed = share[(share[:, 0] > 1e-6) & (share[:, 1] > 1e-6), 0]
    assert abs(float(mixed.mean()) - 0.5) < 0.03
    assert float(((mixed - 0.5).abs() > 0.4).float().mean()) > 0.5, "alpha below 1: near 0 or 1"
