import base64
import io
import wave

import numpy as np
import pytest
import torch
from PIL import Image

from netwright.report.sounds import CLIPS, PLACES, clips, spectrogram


def heard(clip):
    kind, _, data = clip.uri.partition(",")
    assert kind == "data:audio/wav;base64"
    return wave.open(io.BytesIO(base64.b64decode(data)))


def seen(shot):
    kind, _, data = shot.uri.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))[..., 3]


def tone(share, length=4000):
    """A sine at a share of the highest frequency."""
    return (torch.arange(length) * torch.pi * share).sin()


def test_a_clip_is_a_sound_its_name_and_its_picture():
    (a, b) = clips(torch.stack([tone(0.1), tone(0.2)]), 8000, ("low", "high"), most=9, room=10**6)
    assert (a.caption, b.caption, a.note) == ("low", "high", "")
    with heard(a) as file:
        assert (file.getframerate(), file.getnframes(), file.getnchannels()) == (8000, 4000, 1)
    assert a.picture.uri != b.picture.uri


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_loudest_line_of_a_spectrogram_is_as_high_as_the_tone(share):
    rows = seen(spectrogram(tone(share))).sum(1)
    place = 1 - rows.argmax() / (len(rows) - 1)
    assert abs(place - share) < 0.05


def test_time_goes_to_the_right_and_silence_is_clear():
    alpha = seen(spectrogram(torch.cat([torch.zeros(4000), tone(0.3)])))
    middle = alpha.shape[1] // 2
    assert not alpha[:, : middle - 3].any()
    assert alpha[:, middle + 3 :].max() == 255
    assert not seen(spectrogram(torch.zeros(4000))).any()


@pytest.mark.parametrize("length", [1, 2, 17, 255, 256, 100_000])
def test_a_sound_of_any_length_has_a_picture_of_a_few_pixels(length):
    alpha = seen(spectrogram(torch.rand(length) - 0.5))
    assert alpha.shape[0] <= 64
    assert alpha.shape[1] <= PLACES


def test_no_number_is_silence():
    (clip,) = clips(torch.full((1, 300), float("nan")), 8000, (), most=9, room=10**6)
    with heard(clip) as file:
        assert not any(file.readframes(300))
    assert not seen(clip.picture).any()


def test_there_are_at_most_ten_and_fewer_where_they_are_long():
    many = torch.zeros(20, 1000)
    assert len(clips(many, 8000, (), most=99, room=10**6)) == CLIPS
    assert len(clips(many, 8000, (), most=4, room=10**6)) == 4
    assert len(clips(many, 8000, (), most=99, room=25_000)) == 3


def test_a_sound_that_is_too_long_is_shortened_and_says_so():
    (clip,) = clips(torch.zeros(3, 80_000), 8000, (), most=9, room=38_000)
    assert clip.note == "the first 2 s of 10 s"
    with heard(clip) as file:
        assert file.getnframes() == 16_000


@pytest.mark.parametrize(("shape", "rate"), [((3,), 8000), ((1, 0), 8000), ((1, 9), 0)])
def test_what_is_no_sound_is_refused(shape, rate):
    with pytest.raises(ValueError):  # noqa: PT011 - torch says the first one
        clips(torch.zeros(shape), rate, (), most=9, room=10**6)
