"""WAV files: what they hold, by the standard library too, and what is refused."""

import io
import struct
import wave
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.datasets._riff import is_riff, read_riff
from netwright.errors import InputError
from sounding import hiss, tone, wav


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize(
    ("bits", "floats"), [(8, False), (16, False), (24, False), (32, False), (32, True), (64, True)]
)
def test_samples_come_back(bits: int, floats: bool, channels: int, extensible: bool) -> None:
    made = np.stack([hiss(seed, 33) for seed in range(channels)], 1)
    data = wav(made, 44_100, bits, floats=floats, extensible=extensible)
    assert is_riff(data)
    found = read_riff(data)
    assert (found.samples.shape, found.rate, found.clipped) == ((33, channels), 44_100, 0)
    np.testing.assert_allclose(found.samples, made, atol=2.0**-bits + (1e-7 if floats else 1e-12))


@pytest.mark.parametrize("bits", [16, 32])
def test_the_standard_library_reads_the_same(bits: int) -> None:
    stream = io.BytesIO()
    numbers = (hiss(3, 50) * (1 << (bits - 1))).astype(f"<i{bits // 8}")
    with wave.open(stream, "wb") as file:
        file.setparams((2, bits // 8, 22_050, 0, "NONE", ""))
        file.writeframes(numbers.tobytes())
    found = read_riff(stream.getvalue())
    assert found.rate == 22_050
    expected = numbers.reshape(-1, 2).astype(float) / (1 << (bits - 1))
    np.testing.assert_array_equal(found.samples, expected)


def test_other_chunks_are_passed_over_and_odd_ones_padded() -> None:
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    found = read_riff(wav(tone(), before=extra))
    assert len(found.samples) == 800


@pytest.mark.parametrize(
    ("bits", "floats"), [(8, False), (16, False), (24, False), (32, False), (32, True)]
)
def test_samples_at_full_scale_are_counted(bits: int, floats: bool) -> None:
    made = np.array([0.0, 1.0, -1.0, 0.5] * 5)
    assert read_riff(wav(made, bits=bits, floats=floats)).clipped == 0.5
    assert read_riff(wav(made * 0.9, bits=bits, floats=floats)).clipped == 0


def test_floats_beyond_full_scale_are_clipped() -> None:
    found = read_riff(wav(np.array([0.1, 3.0, -2.0]), bits=32, floats=True))
    assert found.samples[1:, 0].tolist() == [1, -1]
    assert found.clipped == pytest.approx(2 / 3)


def damaged(change: bytes, at: int) -> bytes:
    data = bytearray(wav(tone()))
    data[at : at + len(change)] = change
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (wav(tone())[:500], "truncated: its header tells of 1,600 bytes of samples, and 456"),
        (wav(tone())[:38], "truncated: it ends before its samples"),
        (wav(tone())[:20], "truncated: it ends within its header"),
        (wav(tone())[:12], "truncated: it ends before its samples"),
        (damaged(b"\xff\xff\xff\xff", 40), "truncated: its header tells of 4,294,967,295"),
        (damaged(struct.pack("<I", 3), 40), "it ends within a sample"),
        (damaged(b"\x11\x00", 20), "samples of 16 bits in the format 17 are not read"),
        (damaged(b"\x0c\x00", 34), "samples of 12 bits in whole numbers are not read"),
        (damaged(b"\x00\x00", 22), "0 channels of 16 bits do not take 2 bytes"),
        (damaged(b"\x03\x00", 32), "1 channels of 16 bits do not take 3 bytes"),
        (damaged(b"skip", 12), "its samples stand before its format"),
        (wav(np.array([np.nan, 1]), bits=32, floats=True), "numbers that are not finite"),
    ],
)
def test_what_is_damaged_is_refused_with_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_riff(data)


@given(st.binary(max_size=60), st.integers(0, 80))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_no_bytes_give_another_error(change: bytes, at: int) -> None:
    data = bytearray(wav(tone(seconds=0.01)))
    data[at : at + len(change)] = change
    with suppress(InputError):
        found = read_riff(bytes(data))
        assert np.isfinite(found.samples).all()
        assert np.abs(found.samples).max(initial=0) <= 1
