"""Sounds of an exhibit as something to play and to look at: WAV and spectrogram, both `data:` URIs.

Dimensions: n sounds, t samples, f frequencies, p places in time.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from netwright.pictures import png
from netwright.report.pictures import Shot, inked
from netwright.sounds import FASTEST, wav

CLIPS = 10
"""Sounds that are played of one exhibit at most."""
WINDOW, LEAST = 256, 16
"""Samples of a window of the spectrogram; a shorter sound is continued by silence."""
PLACES, HIGH = 160, 64
"""Pixels of a spectrogram at most: places in time, frequencies."""
RANGE = 60.0
"""Decibels below the loudest place from which on a place is clear."""
PICTURE = 6_000
"""Bytes that are set aside for a spectrogram."""
SHADES = 16
"""Depths of its colour."""
SILENT, FAINT = 1e-12, -40.0
"""The least power that is told from none; the decibels that the loudest place has at least."""


@dataclass(frozen=True)
class Clip:
    """A sound of the page."""

    uri: str
    picture: Shot
    caption: str
    note: str = ""
    """What of it is not there."""


def clips(
    sounds: Tensor, rate: int, captions: Sequence[str], *, most: int, room: int
) -> list[Clip]:
    """At most `most` of (n, t) sounds in [-1, 1], all of them in about `room` bytes.

    There are fewer where they are long; the first one is shortened rather than left out.
    Raises: ValueError for another shape, or a rate that no player knows.
    """
    n, t = sounds.shape
    if not t or not 0 < rate <= FASTEST:
        raise ValueError("there is no sound")
    count = max(1, min(n, most, CLIPS, room // (2 * t + PICTURE)))
    long = min(t, max(WINDOW, (room - PICTURE) // 2))
    note = "" if long == t else f"the first {long / rate:.2g} s of {t / rate:.2g} s"
    named = (*captions, *[""] * n)
    return [
        Clip(_uri("audio/wav", wav(sound, rate)), spectrogram(sound), caption, note)
        for sound, caption in zip(sounds[:count, :long], named, strict=False)
    ]


def spectrogram(sound: Tensor) -> Shot:
    """(t,) as a picture: time to the right, frequency upwards, loudness in decibels as opacity."""
    power = _power(sound.detach().cpu().float().nan_to_num(0.0).clamp(-1, 1))
    size = (min(HIGH, power.shape[0]), min(PLACES, power.shape[1]))
    power = F.adaptive_avg_pool2d(power[None], size)[0].flip(0)
    loudness = 10 * power.clamp(min=SILENT).log10()
    share = (1 + (loudness - max(float(loudness.max()), FAINT)) / RANGE).clamp(0, 1)
    image = inked((share * (SHADES - 1)).round() / (SHADES - 1))
    return Shot(_uri("image/png", png(image)), *image.size, pixels=False)


def _power(sound: Tensor) -> Tensor:
    """(f, p) squared magnitudes of Hann windows."""
    sound = F.pad(sound, (0, max(0, LEAST - len(sound))))
    size = min(WINDOW, len(sound))
    hop = max(1, size // 4, len(sound) // PLACES)
    made = torch.stft(
        sound,
        size,
        hop,
        window=torch.hann_window(size),
        pad_mode="constant",
        return_complex=True,
    )
    return made.abs().square()


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64," + base64.b64encode(data).decode("ascii")
