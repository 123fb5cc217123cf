import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from netwright.report.pictures import CELL, MAP, SHEET, SIDE, WIDE, heat, photograph, sheet


def decoded(shot):
    kind, _, data = shot.uri.partition(",")
    assert kind == "data:image/png;base64"
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.format == "PNG"
    return image


def test_a_small_picture_comes_through_pixel_by_pixel():
    picture = torch.arange(3 * 4 * 5).view(3, 4, 5) / 60
    pixels = np.asarray(decoded(photograph(picture)))
    expected = (picture * 255).round().permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (4, "L")])
def test_channels_become_grey_or_colours(channels, mode):
    assert decoded(photograph(torch.rand(channels, 8, 8))).mode == mode


def test_large_pictures_are_scaled_down_and_their_size_is_told():
    shot = photograph(torch.rand(3, 1000, 500))
    assert max(decoded(shot).size) <= SIDE
    assert (shot.width, shot.height) == (500, 1000)
    assert not shot.pixels
    assert photograph(torch.rand(1, 8, 8)).pixels


def test_numbers_outside_and_no_numbers_are_clamped():
    picture = torch.tensor([[[-1.0, 2.0, float("nan"), float("inf")]]])
    assert np.asarray(decoded(photograph(picture))).tolist() == [[0, 255, 0, 255]]


def test_noise_of_any_size_stays_small():
    g = torch.Generator().manual_seed(0)
    assert len(photograph(torch.rand(3, 224, 224, generator=g)).uri) < 16_000
    assert len(heat(torch.rand(500, 500, generator=g)).uri) < 40_000


def test_a_map_is_opacity_from_least_to_greatest():
    image = decoded(heat(torch.tensor([[-1.0, 0.0], [1.0, 3.0]])))
    alpha = np.asarray(image)[..., 3]
    assert alpha.tolist() == [[0, 128], [180, 255]]
    assert max(decoded(heat(torch.rand(300, 200))).size) <= MAP


def test_a_constant_map_is_clear():
    assert not np.asarray(decoded(heat(torch.ones(3, 3))))[..., 3].any()


def test_a_sheet_holds_every_picture_pixel_by_pixel():
    pictures = torch.arange(3 * 3 * 4 * 5).view(3, 3, 4, 5) / 180
    shot = sheet(pictures, 2)
    pixels = np.asarray(decoded(shot))
    assert pixels.shape == (4 + 1 + 4, 5 + 1 + 5, 4)
    there = (pictures * 255).round().permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(pixels[:4, 6:, :3], there[1])
    np.testing.assert_array_equal(pixels[5:, :5, :3], there[2])
    assert not pixels[4, :, 3].any()  # the gap
    assert not pixels[5:, 6:, 3].any()  # no fourth picture


@pytest.mark.parametrize("side", [8, 28, 32, 40])
def test_small_pictures_of_a_sheet_are_squares_large_enough_to_be_seen(side):
    shot = sheet(torch.rand(16, 1, side, side))
    assert shot.pixels
    assert min(CELL - side / 2, side) <= shot.across / 4 < 2 * CELL


def test_a_sheet_of_many_columns_stays_on_the_page():
    assert sheet(torch.rand(100, 1, 28, 28), 50).across == WIDE
    assert not sheet(torch.rand(4, 3, 64, 64)).pixels


@pytest.mark.parametrize("shape", [(64, 3, 96, 96), (144, 3, 32, 32), (4, 1, 700, 900)])
def test_a_sheet_of_noise_stays_small(shape):
    g = torch.Generator().manual_seed(0)
    noisy = torch.rand(*shape, generator=g)
    noisy[0, 0, 0, 0] = float("nan")
    shot = sheet(noisy)
    assert SHEET / 3 < len(shot.uri) * 3 / 4 <= SHEET + 100
    assert decoded(sheet(noisy, most=1000)).size


def test_there_is_no_sheet_of_nothing():
    with pytest.raises(ValueError, match="no picture"):
        sheet(torch.rand(0, 1, 8, 8))
