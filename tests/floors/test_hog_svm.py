import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Generator, Tensor

from netwright import registry
from netwright.errors import InputError
from netwright.floors.hog_svm import floor, histograms
from netwright.specs import Image, Labels, Pictures, Schema


def schema(side: int = 16) -> Schema:
    pictures = Pictures(form=Image(1, side, side), mean=(0.3,), deviation=(0.4,), top=16)
    names = tuple(str(i) for i in range(10))
    return Schema(columns={"image": pictures, "label": Labels(names=names)})


def digits(n: int) -> tuple[Tensor, Tensor]:
    """Digits at twice their size."""
    bunch = load_digits()
    x = torch.from_numpy(bunch.images[:n]).float()[:, None]
    larger = torch.nn.functional.interpolate(x / 16, scale_factor=2, mode="bilinear")
    return larger, torch.from_numpy(bunch.target[:n])


def test_it_tells_digits_apart_by_their_edges() -> None:
    x, y = digits(600)
    net = floor.fit({"x": x[:300], "y": y[:300]}, schema(), Generator().manual_seed(0))["net"]
    scores = net(x[300:])
    assert scores.shape == (300, 10)
    assert float((scores.argmax(1) == y[300:]).float().mean()) > 0.85


def test_histograms_do_not_change_with_brightness_and_contrast() -> None:
    x, _ = digits(5)
    np.testing.assert_allclose(histograms(x * 3 - 1), histograms(x), atol=1e-3)


def test_a_vertical_edge_is_one_direction() -> None:
    x = torch.zeros(1, 1, 16, 16)
    x[..., 8:] = 1
    blocks = histograms(x).reshape(3, 3, 2, 2, 9)
    assert blocks[..., 1:].max() == 0
    assert blocks[..., 0].max() > 0


@pytest.mark.parametrize(("side", "numbers"), [(16, 324), (28, 1296), (32, 1764), (64, 1764)])
def test_cells_grow_with_the_picture(side: int, numbers: int) -> None:
    assert histograms(torch.rand(1, 3, side, side)).shape == (1, numbers)


def test_small_pictures_are_refused() -> None:
    assert "8 pixels are too small" in str(floor.refuses(schema(8)))
    assert floor.refuses(schema(16)) is None
    x, y = digits(20)
    with pytest.raises(InputError, match="too small"):
        floor.fit({"x": x, "y": y}, schema(8), Generator())


def test_data_without_pictures_are_refused() -> None:
    only = Schema(columns={"label": Labels(names=("a", "b"))})
    assert "hold none" in str(floor.refuses(only))


def test_a_missing_library_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    assert "pip install netwright[hog]" in str(floor.refuses(schema()))
    assert "8 pixels" in str(floor.refuses(schema(8))), "nothing to install for what never fits"


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "hog-svm") is floor
