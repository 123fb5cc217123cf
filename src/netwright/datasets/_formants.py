"""Ten spoken digits by formant synthesis: a source of pulses and noise, heard through resonators.

Each digit is a row of phones; a phone says where the formants stand and how loud voice, breath and
hiss are. Formants glide from phone to phone. Voices differ in pitch, length of the vocal tract,
speed, loudness, breath and the noise of the room.

Source: Klatt 1980, sections I and II (cascade of resonators, hiss beside it). There a resonator of
frequency F and bandwidth B, at r samples a second, is y[t] = a x[t] + b y[t - 1] + c y[t - 2] with
c = -exp(-2 pi B / r), b = 2 exp(-pi B / r) cos(2 pi F / r), a = 1 - b - c. Formants of vowels are
from Peterson & Barney 1952, table II; glottal pulses from Rosenberg 1971, shape C.
Dimensions: n clips, t samples, s steps of parameters, p parameters.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

NAMES: Final[tuple[str, ...]] = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
)

Phone = tuple[float, float, float, float, float, float, float, float]
"""First three formants, Hz; loudness of voice, breath, hiss; middle and width of the hiss, Hz."""
PHONES: Final[dict[str, Phone]] = {
    "iy": (270, 2290, 3010, 1.0, 0, 0, 3000, 1500),
    "ih": (390, 1990, 2550, 1.0, 0, 0, 3000, 1500),
    "eh": (530, 1840, 2480, 1.0, 0, 0, 3000, 1500),
    "aa": (730, 1090, 2440, 1.0, 0, 0, 3000, 1500),
    "ao": (570, 840, 2410, 1.0, 0, 0, 3000, 1500),
    "ah": (640, 1190, 2390, 1.0, 0, 0, 3000, 1500),
    "uw": (300, 870, 2240, 0.9, 0, 0, 3000, 1500),
    "w": (290, 610, 2150, 0.6, 0, 0, 3000, 1500),
    "r": (310, 1060, 1380, 0.7, 0, 0, 3000, 1500),
    "n": (280, 1600, 2600, 0.35, 0, 0, 3000, 1500),
    "v": (220, 1100, 2080, 0.3, 0, 0.12, 2500, 3000),
    "z": (240, 1390, 2530, 0.25, 0, 0.4, 3600, 700),
    "s": (320, 1390, 2530, 0, 0, 0.7, 3600, 700),
    "f": (340, 1100, 2080, 0, 0.05, 0.16, 2200, 3500),
    "th": (320, 1290, 2540, 0, 0.05, 0.16, 3000, 2000),
    "t.": (400, 1600, 2600, 0, 0, 0, 3400, 1500),
    "t": (400, 1800, 2600, 0, 0.25, 0.9, 3400, 1500),
    "k.": (300, 1990, 2850, 0, 0, 0, 2000, 500),
    "k": (300, 1990, 2850, 0, 0.2, 0.9, 2000, 500),
}
"""`t.` and `k.` are the silence before a burst."""
WORDS: Final = (
    "z 80 ih 50 r 60 ao 80 uw 70",
    "w 70 ah 130 n 110",
    "t. 15 t 50 uw 230",
    "th 90 r 60 iy 190",
    "f 100 ao 170 r 100",
    "f 90 aa 130 ih 80 v 70",
    "s 110 ih 80 k. 50 k 25 s 110",
    "s 100 eh 80 v 50 ah 70 n 90",
    "eh 90 iy 100 t. 60 t 50",
    "n 80 aa 120 ih 80 n 90",
)
"""Phones of each digit and how long they last, in ms."""

GLIDE, SWITCH = 50, 14
"""Over how many ms formants, and loudness, go from phone to phone."""
STEP = 16
"""Samples between which no parameter moves."""
UPPER: Final = (3500.0, 200.0)
"""The fourth formant, which hardly moves: frequency and bandwidth, Hz."""
BANDS = (70.0, 100.0, 150.0)
"""Bandwidths of the first three formants, Hz."""
OPEN, CLOSING = 0.4, 0.16
"""Shares of a pulse in which the glottis opens, and closes (Rosenberg 1971)."""
CUT = 0.46
"""Share of the rate above which no resonator stands."""
HISS = np.float32(0.12)
"""By what hiss is multiplied, so that an `s` is quieter than a vowel."""
FADE_IN, FADE_OUT = 8, 25
"""ms."""
PIECE = 500
"""Clips that are made at once, so that they stay in the processor's cache."""


@lru_cache(maxsize=2)
def spoken(
    count: int, rate: int, length: int, seed: int
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """(n, t) clips of 16 bits and (n,) their digits, all equally often, in turn; not to be changed.

    1,500 clips of half a second at 8 kHz take about a second.
    """
    draw = np.random.default_rng(seed)
    digits = np.arange(count) % len(WORDS)
    clips = np.empty((count, length), np.int16)
    for start in range(0, count, PIECE):
        here = slice(start, start + PIECE)
        clips[here] = _said(digits[here], rate, length, draw).T
    clips.flags.writeable = digits.flags.writeable = False
    return clips, digits


def _said(digits: NDArray[np.int64], rate: int, length: int, draw: np.random.Generator) -> Floats:
    """(t, n) whole numbers on the scale of 16 bits: a clip of each digit, each by another voice."""
    count = len(digits)
    tract = np.exp(draw.normal(0, 0.1, count))
    """By what all formants of a voice are multiplied: short throats are high."""
    track, fade = _tracks(digits, rate, length, draw)
    track[..., :3] *= tract[:, None, None] * np.exp(draw.normal(0, 0.05, (count, 1, 3)))
    voice, breath, hiss = (
        np.repeat(track[..., i].T.astype(np.float32), STEP, axis=0)[:length] for i in (3, 4, 5)
    )
    noise = draw.standard_normal((length, count), np.float32)
    breath += voice * draw.uniform(0.005, 0.08, count).astype(np.float32)
    voice *= _voice(tract, rate, length, draw)
    made = _cascade(voice + noise * breath, track, tract, rate)
    made += HISS * _hiss(noise * hiss, track, rate)
    made *= fade
    loudest = np.maximum(made.max(0), -made.min(0))
    made *= (32_767 * draw.uniform(0.1, 0.9, count) / loudest).astype(np.float32)
    room = 32_768 * 10 ** draw.uniform(-3.5, -2, count)
    made += draw.standard_normal(made.shape, np.float32) * room.astype(np.float32)
    return np.clip(np.round(made), -32_768, 32_767)


def _tracks(
    digits: NDArray[np.int64], rate: int, length: int, draw: np.random.Generator
) -> tuple[NDArray[np.float64], Floats]:
    """(n, s, p) parameters over time, and (t, n) from 0 to 1 how far each clip is faded in and out.

    Each clip reads its digit's track with a clock of its own: phones are drawn out unevenly.
    """
    templates = [_template(word) for word in WORDS]
    when = np.arange(0, length, STEP) * (1_000 / rate)
    room = length * 1_000 / rate
    track = np.empty((len(digits), len(when), len(PHONES["iy"])))
    ends = np.empty(len(digits))
    for row, digit in enumerate(digits):
        lasting, template = templates[digit]
        drawn = lasting * draw.uniform(0.75, 1.3, len(lasting)) * draw.uniform(0.8, 1.2)
        drawn *= min(1.0, room / drawn.sum())
        clock = np.interp(when, np.cumsum([0, *drawn]), np.cumsum([0, *lasting]))
        track[row] = template[np.minimum(clock.astype(int), len(template) - 1)]
        ends[row] = drawn.sum()
    time = (np.arange(length, dtype=np.float32) * np.float32(1_000 / rate))[:, None]
    fade: Floats = np.clip((ends.astype(np.float32) - time) / np.float32(FADE_OUT), 0, 1)
    fade *= np.clip((time + 1) / np.float32(FADE_IN), 0, 1)
    return track, fade


def _template(word: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How long each phone lasts, ms, and (ms, p) the parameters at each ms."""
    pieces = word.split()
    lasting = np.array([float(ms) for ms in pieces[1::2]])
    steps = np.array([PHONES[name] for name in pieces[::2]])
    held = np.repeat(steps, lasting.astype(int), axis=0)
    return lasting, np.concatenate(
        [_smooth(held[:, :3], GLIDE), _smooth(held[:, 3:6], SWITCH), held[:, 6:]], 1
    )


def _smooth(held: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Moving mean over `width` rows: steps become straight glides."""
    before = width // 2
    padded = np.pad(held, ((before, width - before), (0, 0)), mode="edge")
    sums = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), axis=0)
    mean: NDArray[np.float64] = (sums[width:] - sums[:-width])[: len(held)] / width
    return mean


def _voice(tract: NDArray[np.float64], rate: int, length: int, draw: np.random.Generator) -> Floats:
    """(t, n) derivative of the flow through the glottis; its pitch falls and trembles."""
    count = len(tract)
    pitch = 130 * tract**3 * np.exp(draw.normal(0, 0.18, count))
    time = np.arange(length)[:, None] / length
    tremble = 2 * np.pi * (draw.uniform(3, 8, count) * time + draw.random(count))
    bend = 1 + draw.uniform(0.0, 0.3, count) * (0.5 - time) + 0.02 * np.sin(tremble)
    phase = (np.cumsum(pitch * bend / rate, axis=0) % 1).astype(np.float32)
    opening = 0.5 - 0.5 * np.cos(np.float32(np.pi / OPEN) * phase)
    closing = np.cos(np.float32(np.pi / 2) * np.clip((phase - OPEN) / CLOSING, 0, 1))
    flow = np.where(phase < OPEN, opening, closing)
    return _slope(flow) * np.float32(rate / 400)


def _cascade(
    x: Floats, track: NDArray[np.float64], tract: NDArray[np.float64], rate: int
) -> Floats:
    """(t, n) through the formants, one behind the other."""
    for place, band in enumerate(BANDS):
        x = _resonate(x, track[..., place].T, np.full(1, band), rate)
    upper, band = UPPER
    return _resonate(x, np.broadcast_to(upper * tract, track.shape[1::-1]), np.full(1, band), rate)


def _hiss(x: Floats, track: NDArray[np.float64], rate: int) -> Floats:
    """(t, n) noise through the one resonance of the gap that it is made in."""
    return _slope(_resonate(x, track[..., 6].T, track[..., 7].T, rate))


def _slope(x: Floats) -> Floats:
    """(t, n) differences from sample to sample: lips radiate high sounds better."""
    made = np.zeros_like(x)
    np.subtract(x[1:], x[:-1], out=made[1:])
    return made


def _resonate(
    x: Floats, middle: NDArray[np.float64], band: NDArray[np.float64], rate: int
) -> Floats:
    """(t, n) through a resonator whose (s, n) frequency and bandwidth move."""
    radius = np.exp(-np.pi * band / rate)
    angle = 2 * np.pi * np.minimum(middle, CUT * rate) / rate
    b = (2 * radius * np.cos(angle)).astype(np.float32)
    c = np.broadcast_to(-(radius**2), b.shape).astype(np.float32)
    a = 1 - b - c
    made, beside = np.empty_like(x), np.empty_like(x[0])
    last, older = np.zeros_like(x[0]), np.zeros_like(x[0])
    for place in range(len(x)):
        step, now = place // STEP, made[place]
        np.multiply(a[step], x[place], out=now)
        now += np.multiply(b[step], last, out=beside)
        now += np.multiply(c[step], older, out=beside)
        last, older = now, last
    return made
