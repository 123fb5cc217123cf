import io
import wave

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.errors import InputError
from netwright.sounds import wav


def samples(data):
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(st.integers(-32_768, 32_767), max_size=50), st.integers(1, 96_000))
def test_what_was_16_bits_is_the_same_16_bits_again(stored, rate):
    found, there = samples(wav(torch.tensor(stored) / 32_768, rate))
    assert found.tolist() == stored
    assert there == rate


def test_what_is_too_loud_is_clipped_and_no_number_is_silence():
    found, _ = samples(wav(torch.tensor([2.0, -2.0, float("nan"), 0.5]), 8000))
    assert found.tolist() == [32_767, -32_768, 0, 16_384]


@pytest.mark.parametrize("rate", [0, -1, 1 << 31])
def test_a_rate_that_no_player_knows_is_refused(rate):
    with pytest.raises(InputError, match="samples a second"):
        wav(torch.zeros(9), rate)
