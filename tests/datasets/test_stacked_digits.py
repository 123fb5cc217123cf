"""Three digits in one picture: the number they spell, parts apart, drawn by the seed alone."""

import pytest
import torch
from sklearn.datasets import load_digits

from netwright.datasets.stacked_digits import StackedDigitsConfig, dataset
from netwright.errors import InputError
from netwright.specs import Image, Labels


def opened(**options: int):
    return dataset.open(StackedDigitsConfig(samples=500, held=200, **options))


def test_the_label_is_the_number_that_the_channels_spell() -> None:
    data = opened()
    assert data.schema.columns["image"].form == Image(3, 8, 8)
    names = data.schema.columns["label"]
    assert isinstance(names, Labels)
    assert len(names.names) == 1000
    bunch = load_digits()
    known = {
        torch.from_numpy(image).byte().numpy().tobytes(): int(label)
        for image, label in zip(bunch.images, bunch.target, strict=True)
    }
    drawn = data.parts["train"].gather(torch.arange(50))
    for picture, label in zip(drawn["image"], drawn["label"].tolist(), strict=True):
        spelt = "".join(str(known[channel.numpy().tobytes()]) for channel in picture)
        assert names.names[label] == spelt


def test_no_digit_of_a_held_out_part_is_seen_in_training() -> None:
    seen = {}
    for name, part in opened().parts.items():
        images = part.gather(torch.arange(len(part)))["image"].flatten(0, 1)
        seen[name] = {image.numpy().tobytes() for image in images}
    assert not seen["train"] & seen["test"]
    assert not seen["train"] & seen["validation"]
    assert not seen["validation"] & seen["test"]


def test_the_seed_alone_decides_and_no_file_is_read() -> None:
    assert opened().fingerprint == opened().fingerprint != opened(seed=1).fingerprint
    with pytest.raises(InputError, match="none are read from files"):
        dataset.read(opened().schema, [])
