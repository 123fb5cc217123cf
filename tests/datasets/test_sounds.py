"""Sounds from files: formats, the fit to a column, and what is refused."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from netwright.datasets._sounds import Limits, contents, decode, files, heard, read_sounds
from netwright.errors import InputError
from netwright.specs import Sound
from sounding import hiss, put, tone, wav

COLUMN = Sound(rate=8_000, length=800)


def refused(path: Path, limits: Limits | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        heard(path, 8_000, 800, limits=limits or Limits())
    assert caught.value.file == str(path)
    assert caught.value.sentence.count("\n") == 0
    return caught.value


def flac(wave: NDArray[np.float64], rate: int = 8_000, subtype: str = "PCM_16") -> bytes:
    soundfile = pytest.importorskip("soundfile")
    stream = io.BytesIO()
    soundfile.write(stream, wave, rate, format="FLAC", subtype=subtype)
    return stream.getvalue()


def test_a_sound_of_the_columns_own_form_comes_back_bit_for_bit(tmp_path: Path) -> None:
    made = hiss(0)
    found = heard(put(tmp_path, "a.wav", wav(made)), 8_000, 800)
    assert found.samples.tolist() == np.round(made * 32_768).astype(int).tolist()
    assert (found.channels, found.rate, found.clipped, found.cut) == (1, 8_000, False, False)


def test_two_channels_are_averaged(tmp_path: Path) -> None:
    both = np.stack([hiss(0), hiss(1)], 1)
    found = heard(put(tmp_path, "a.wav", wav(both)), 8_000, 800)
    assert found.channels == 2
    np.testing.assert_allclose(found.samples / 32_768, both.mean(1), atol=1e-4)


@pytest.mark.parametrize("rate", [4_000, 11_025, 44_100, 48_000])
def test_another_rate_keeps_the_tone(tmp_path: Path, rate: int) -> None:
    path = put(tmp_path, "a.wav", wav(tone(1_000, 0.2, rate), rate))
    found = heard(path, 8_000, 1_600)
    assert found.rate == rate
    spectrum = np.abs(np.fft.rfft(found.samples[:1_200].astype(float)))
    assert abs(int(spectrum.argmax()) * 8_000 / 1_200 - 1_000) < 10
    assert 0.45 < np.abs(found.samples[200:1_200]).max() / 32_768 < 0.56


def test_silence_at_both_ends_is_cut_and_zeros_come_behind(tmp_path: Path) -> None:
    rest = np.full(300, 0.004)  # 42 dB below the loudest
    made = np.concatenate([rest, hiss(0, 200), rest])
    found = heard(put(tmp_path, "a.wav", wav(made)), 8_000, 400)
    np.testing.assert_allclose(found.samples[:200] / 32_768, hiss(0, 200), atol=1e-4)
    assert not found.samples[200:].any()
    louder = np.concatenate([rest * 2, hiss(0, 200), rest])
    kept = heard(put(tmp_path, "b.wav", wav(louder)), 8_000, 800).samples
    assert abs(int(kept[0]) - 0.008 * 32_768) < 1


def test_a_longer_sound_is_cut_behind(tmp_path: Path) -> None:
    found = heard(put(tmp_path, "a.wav", wav(hiss(0))), 8_000, 500)
    assert found.cut
    np.testing.assert_allclose(found.samples / 32_768, hiss(0)[:500], atol=1e-4)


@pytest.mark.parametrize(("at", "clipped"), [(8, False), (9, True)])
def test_more_than_a_hundredth_at_full_scale_is_clipped(
    tmp_path: Path, at: int, clipped: bool
) -> None:
    made = hiss(0)
    made[:at] = 1
    assert heard(put(tmp_path, "a.wav", wav(made)), 8_000, 800).clipped == clipped


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "this is no sound: it is empty"),
        (b"seven, said by a man", "this is no sound: its first bytes are none of WAV and FLAC"),
        (wav(tone())[:300], "the sound is truncated"),
        (wav(np.zeros(0)), "the sound is empty: it has no sample"),
        (wav(np.zeros(800)), "the sound is silent: its loudest sample is 0"),
        (wav(tone() / 4_000), "the sound is silent: its loudest sample is 7[0-9] dB below"),
        (wav(np.full((9, 9), 0.5)), "the sound has 9 channels: the limit `channels` is 8"),
        (wav(tone(), 400), "the sound has 400 samples a second: 1,000 to 192,000 are read"),
        (wav(np.stack([tone(), -tone()], 1)), "the sound is silent"),
    ],
)
def test_bad_sounds_are_refused_by_name_and_reason(
    tmp_path: Path, data: bytes, sentence: str
) -> None:
    path = put(tmp_path, "a.wav", data)
    assert refused(path).sentence.startswith(str(path))
    with pytest.raises(InputError, match=sentence):
        heard(path, 8_000, 800)


def test_limits_are_kept(tmp_path: Path) -> None:
    path = put(tmp_path, "a.wav", wav(tone(seconds=2)))
    assert "the sound lasts 2 seconds" in refused(path, Limits(seconds=1)).sentence
    assert "more than 1,000 bytes" in refused(path, Limits(bytes=1_000)).sentence


def test_a_missing_file_and_one_outside_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "in/seven.wav", wav(tone()))
    assert refused(tmp_path / "in" / "sevem.wav").near == "seven.wav"
    outside = put(tmp_path, "out.wav", wav(tone()))
    (tmp_path / "in" / "link.wav").symlink_to(outside)
    with pytest.raises(InputError, match="leads out of the folder"):
        contents(tmp_path / "in" / "link.wav", tmp_path / "in")


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
def test_flac_is_what_it_was_made_of(subtype: str) -> None:
    found = decode(flac(hiss(0), 16_000, subtype))
    assert (found.samples.shape, found.rate, found.clipped) == ((800, 1), 16_000, 0)
    np.testing.assert_allclose(found.samples[:, 0], hiss(0), atol=1 / 100)
    assert decode(flac(np.ones((10, 2)))).clipped == 1


def test_damaged_flac_is_refused() -> None:
    data = flac(hiss(0, 20_000))
    for bad in (data[:60], data[: len(data) // 2], data[:4] + b"\0" * 200):
        with pytest.raises(InputError, match=r"damaged|truncated"):
            decode(bad, "a.flac")
    with pytest.raises(InputError, match="the sound is too large"):
        decode(data, "a.flac", Limits(bytes=30_000))


def test_flac_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(InputError) as caught:
        decode(b"fLaC" + bytes(40), "a.flac")
    assert caught.value.sentence == (
        "a.flac: FLAC is read by soundfile, which is not installed: pip install netwright[sound]"
    )


def test_folders_are_walked_and_what_is_no_sound_in_them_is_passed_over(tmp_path: Path) -> None:
    for name in ("b/2.wav", "b/1.wave", "a.wav", ".hidden.wav"):
        put(tmp_path, name, wav(hiss(len(name))))
    put(tmp_path, "note.txt", b"about")
    put(tmp_path, "loud.txt", wav(tone()))
    names = ["a.wav", "loud.txt", "b/1.wave", "b/2.wav"]
    assert list(files([tmp_path])) == [tmp_path / name for name in names]
    read = list(read_sounds(COLUMN, [tmp_path]))
    assert [name for name, _ in read] == [str(tmp_path / name) for name in names]
    assert all((x.shape, x.dtype) == ((1, 800), torch.int16) for _, x in read)


def test_a_named_file_must_be_a_sound_and_a_folder_hold_one(tmp_path: Path) -> None:
    note = put(tmp_path, "note.txt", b"about")
    with pytest.raises(InputError, match="this is no sound"):
        list(read_sounds(COLUMN, [note]))
    with pytest.raises(InputError, match="the folder holds no sound"):
        list(read_sounds(COLUMN, [tmp_path]))
