"""Synthesised digits: the same by the seed, different by the digit, and spectra as told."""

import numpy as np
import pytest
import torch

from netwright.datasets import _formants
from netwright.datasets._formants import NAMES, PHONES, WORDS, spoken
from netwright.nn.spectrogram import LogMel


def test_a_seed_gives_the_same_clips_and_another_seed_others() -> None:
    first, digits = spoken(20, 8_000, 2_048, 0)
    spoken.cache_clear()
    again, _ = spoken(20, 8_000, 2_048, 0)
    other, _ = spoken(20, 8_000, 2_048, 1)
    assert first is not again
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert digits.tolist() == [*range(10), *range(10)]
    assert (first.shape, first.dtype) == ((20, 2_048), np.int16)


def test_clips_are_kept_and_nobody_can_change_them() -> None:
    clips, digits = spoken(20, 8_000, 2_048, 0)
    assert spoken(20, 8_000, 2_048, 0)[0] is clips
    for array in (clips, digits):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_no_clip_is_silent_clipped_or_told_twice() -> None:
    clips, _ = spoken(100, 8_000, 4_096, 3)
    loudest = np.abs(clips.astype(int)).max(1)
    assert loudest.min() > 3_000
    assert (np.abs(clips.astype(int)) >= 32_767).mean() < 1e-3
    assert len({clip.tobytes() for clip in clips}) == 100


@pytest.mark.parametrize(("rate", "length"), [(8_000, 1_000), (16_000, 8_192), (4_000, 4_096)])
def test_other_rates_and_lengths_hold_whole_words(rate: int, length: int) -> None:
    clips, _ = spoken(20, rate, length, 0)
    assert clips.shape == (20, length)
    power = np.square(clips.astype(float)).reshape(20, 8, -1).mean(2)
    assert (power.argmax(1) < 7).all()
    assert np.abs(clips.astype(int)).max() < 32_768


def test_digits_are_told_apart_by_their_nearest_neighbour() -> None:
    clips, digits = spoken(400, 8_000, 4_096, 0)
    seen = LogMel(8_000, 4_096)(torch.from_numpy(clips.copy()).float()[..., None] / 32_768)
    rows, labels = seen.flatten(1), torch.from_numpy(digits.copy())
    nearest = torch.cdist(rows[300:], rows[:300]).argmin(1)
    assert (labels[nearest] == labels[300:]).float().mean() > 0.8


def test_an_s_is_high_and_a_vowel_low() -> None:
    clips, digits = spoken(100, 8_000, 4_096, 0)
    six = clips[digits == 6].astype(float)
    half = np.abs(np.fft.rfft(six[:, :400])) ** 2  # 50 ms: within the first `s`
    assert (half[:, 150:].sum(1) > half[:, :150].sum(1)).all()
    one = np.abs(np.fft.rfft(clips[digits == 1].astype(float))) ** 2
    assert (one[:, :1_024].sum(1) > 10 * one[:, 1_024:].sum(1)).all()


def test_a_resonator_passes_its_frequency_and_no_other() -> None:
    rate, length = 8_000, 4_000
    time = np.arange(length) / rate
    x = np.stack([np.sin(2 * np.pi * f * time) for f in (300, 1_000, 2_500)], 1).astype(np.float32)
    steps = -(-length // _formants.STEP)
    y = _formants._resonate(x, np.full((steps, 3), 1_000.0), np.full((1, 3), 80.0), rate)
    loud = np.abs(y[2_000:]).max(0)
    radius, angle = np.exp(-np.pi * 80 / rate), 2 * np.pi * np.array([300, 1_000, 2_500]) / rate
    b, c = 2 * radius * np.cos(2 * np.pi * 1_000 / rate), -(radius**2)
    z = np.exp(-1j * angle)
    gain = np.abs((1 - b - c) / (1 - b * z - c * z**2))
    np.testing.assert_allclose(loud, gain, rtol=0.03)
    assert loud[1] > 5 * max(loud[0], loud[2])


def test_every_word_is_made_of_known_phones() -> None:
    assert len(WORDS) == len(NAMES) == 10
    for word in WORDS:
        pieces = word.split()
        assert set(pieces[::2]) <= set(PHONES)
        assert 200 < sum(int(ms) for ms in pieces[1::2]) < 400
