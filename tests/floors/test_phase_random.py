import math

import pytest
import torch
from torch import Generator, Tensor

from netwright import registry
from netwright.errors import InputError
from netwright.floors.phase_random import floor
from netwright.specs import Image, Labels, Pictures, Schema, Scorer, Sound


def schema(length: int) -> Schema:
    sound, labels = Sound(rate=8_000, length=length), Labels(names=("low", "high", "never"))
    return Schema(columns={"sound": sound, "label": labels})


def sounds(length: int = 256) -> tuple[Tensor, Tensor]:
    """Tones of 4 to 9 periods, and of 60 to 65, apart from zero, and with half the rate in them."""
    places = torch.arange(length) / length
    y = torch.arange(12) % 2
    periods = 4 + torch.arange(12) // 2 + 56 * y
    x = 0.5 * torch.sin(2 * math.pi * periods[:, None] * places) + 0.1
    x[:, ::2] += 0.05
    return x[..., None], y


def noise(count: int, width: int = 64) -> Tensor:
    return torch.randn(count, width, generator=Generator().manual_seed(0))


def fitted(length: int = 256) -> Scorer:
    x, y = sounds(length)
    return floor.fit({"x": x, "y": y}, schema(length), Generator())["generator"]


@pytest.mark.parametrize("length", [256, 255])
def test_magnitudes_are_those_of_a_training_sound(length: int) -> None:
    x, _ = sounds(length)
    made = fitted(length)(noise(20)).tanh()
    assert made.shape == (20, length, 1)
    assert made.dtype == torch.float32
    spectra = torch.fft.rfft(x[..., 0]).abs()
    gaps = torch.cdist(torch.fft.rfft(made[..., 0]).abs(), spectra)
    assert float(gaps.amin(1).max()) < 1e-2 * float(spectra.norm(dim=1).min())


def test_mean_and_power_are_those_of_the_sounds() -> None:
    x, _ = sounds()
    made = fitted()(noise(40)).tanh()
    torch.testing.assert_close(made.mean(), x.mean(), rtol=0, atol=1e-4)
    torch.testing.assert_close(made.square().mean(), x.square().mean(), rtol=1e-3, atol=0)


def test_phases_are_new_with_every_noise() -> None:
    x = sounds()[0][:1]
    net = floor.fit({"x": x}, schema(256), Generator())["generator"]
    made = net(noise(200)).tanh()
    parts = torch.fft.rfft(made[..., 0])[:, 4]
    assert float((parts / parts.abs()).mean().abs()) < 0.2
    assert len(made[:, 0, 0].unique()) == 200


def test_a_sound_is_of_the_class_that_was_asked_for() -> None:
    asked = torch.arange(30) % 2
    made = fitted()(noise(30), condition=asked).tanh()
    loudest = torch.fft.rfft(made[..., 0]).abs()[:, 1:].argmax(1) + 1
    assert torch.equal((loudest >= 60).long(), asked)
    other = fitted()(noise(30), condition=torch.full((30,), 2))
    assert torch.equal(other, fitted()(noise(30)))


def test_the_same_noise_gives_the_same_sound_however_short_it_is() -> None:
    for width in (64, 1):
        z = noise(6, width)
        whole = fitted()(z)
        assert torch.equal(whole, fitted()(z))
        torch.testing.assert_close(whole[2:4], fitted()(z[2:4]))
        assert len(whole[:, 5, 0].unique()) == 6


def test_a_silent_sound_stays_silent() -> None:
    net = floor.fit({"x": torch.zeros(2, 100, 1)}, schema(100), Generator())["generator"]
    assert torch.equal(net(noise(3)), torch.zeros(3, 100, 1))


def test_no_sounds_are_an_error_and_other_data_are_refused_with_a_sentence() -> None:
    with pytest.raises(InputError, match="training samples"):
        floor.fit({"x": torch.zeros(0, 256, 1)}, schema(256), Generator())
    assert floor.refuses(schema(256)) is None
    pictures = Pictures(form=Image(1, 8, 8), mean=(0.0,), deviation=(1.0,))
    assert "hold none" in str(floor.refuses(Schema(columns={"image": pictures})))


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "phase-random") is floor
