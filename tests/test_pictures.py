import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from netwright.pictures import columns_of, drawn, paletted, png, sheet


def read(data):
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG"
    return np.asarray(image)


def test_eight_bits_come_back_as_they_were():
    colours = torch.arange(3 * 8 * 8).view(3, 8, 8)
    np.testing.assert_array_equal(read(png(drawn(colours / 255))), colours.permute(1, 2, 0).numpy())
    grey = torch.arange(256).view(1, 16, 16)
    np.testing.assert_array_equal(read(png(drawn(grey / 255))), grey[0].numpy())


def test_a_sheet_goes_line_by_line_with_clear_gaps():
    pictures = torch.tensor([0.2, 0.4, 0.6])[:, None, None, None].expand(3, 1, 2, 2)
    found = read(png(sheet(pictures, 2)))
    assert found[..., 0].tolist() == [
        [51, 51, 0, 102, 102],
        [51, 51, 0, 102, 102],
        [0, 0, 0, 0, 0],
        [153, 153, 0, 0, 0],
        [153, 153, 0, 0, 0],
    ]
    np.testing.assert_array_equal(found[..., 1] > 0, found[..., 0] > 0)


@pytest.mark.parametrize(
    ("n", "h", "w", "expected"),
    [(1, 8, 8, 1), (16, 8, 8, 4), (64, 28, 28, 8), (30, 8, 8, 6), (4, 64, 16, 4), (4, 16, 64, 1)],
)
def test_a_sheet_is_nearly_square(n, h, w, expected):
    assert columns_of(n, h, w) == expected


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 400), st.integers(1, 100), st.integers(1, 100))
def test_a_sheet_of_any_size_has_no_empty_line_and_is_as_square_as_can_be(n, h, w):
    across = columns_of(n, h, w)
    down = math.ceil(n / across)
    assert 1 <= across <= n
    assert across * (down - 1) < n
    aspect = across * (w + 1) / (down * (h + 1))
    if n > 12 and 1 / 3 < h / w < 3:
        assert 0.4 < aspect < 2.5


def test_few_colours_are_near_and_what_was_clear_stays_so():
    ramp = torch.linspace(0, 1, 900).view(1, 30, 30).expand(3, 30, 30)
    image = sheet(torch.stack([ramp, ramp, ramp]), 2)
    few = Image.open(io.BytesIO(png(paletted(image, 64))))
    assert few.mode == "P"
    before, after = np.asarray(image), np.asarray(few.convert("RGBA"))
    np.testing.assert_array_equal(before[..., 3], after[..., 3])
    opaque = before[..., 3] > 0
    gap = np.abs(before[opaque].astype(int) - after[opaque].astype(int))
    assert gap.max() < 24
    assert len(np.unique(after[opaque], axis=0)) <= 64
