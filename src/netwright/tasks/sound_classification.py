"""Sound classification: one label out of several for each sound.

Sounds lie as 16-bit integers; a batch is made of their log-mel spectrograms, which networks read as
pictures: frequency down, low ones first, time across. In training a sound may come earlier or
later, and louder or softer. The loss is cross-entropy with label smoothing (Szegedy et al. 2016,
section 7).
Dimensions: b batch, n samples of a part, t places of a sound, m mels, s frames, k classes.
"""

import copy
from collections.abc import Mapping, Sequence

import torch
from pydantic import Field
from torch import Generator, Tensor

from netwright.errors import InputError
from netwright.nn.spectrogram import LogMel
from netwright.specs import (
    Batch,
    Frozen,
    Image,
    Labels,
    Part,
    Schema,
    Signature,
    Sound,
)
from netwright.tasks import _classified
from netwright.tasks._classified import Classification
from netwright.tasks._labelled import column_of
from netwright.tasks.base import Draw, Exhibit, Role

PLAYED = 8
"""Mistakes that can be listened to."""
FULL = 32_768
"""What full scale is stored as."""
READS = "sound-classification reads sounds and labels"
LAYOUT = "lay the sounds out as PATH/CLASS/*.wav, or PATH/CLASS_*.wav"


class Options(_classified.Options):
    """How sounds are varied in training, and what is reported."""

    shift: int = Field(0, ge=0)
    """Samples by which a sound comes earlier or later at most; silence takes their place."""
    gain: float = Field(0.0, ge=0.0, le=60.0)
    """dB by which a sound is louder or softer at most."""


class SoundClassification(Classification):
    """A sound in, scores of its classes out."""

    Config = Options
    data = "sound"
    noun = "sound"
    judged = 250
    options: Options

    def __init__(self, schema: Schema, config: Frozen) -> None:
        super().__init__(schema, config)
        assert isinstance(config, Options)
        self.options = config
        self.column, self.sound = column_of(schema, Sound, READS)
        self.label, self.labels = column_of(schema, Labels, READS, LAYOUT)
        length = self.sound.length
        try:
            hears = LogMel(self.sound.rate, length)
        except ValueError as error:
            raise InputError(
                f"sounds of {length} samples are too short", why=str(error), do="length=4096"
            ) from error
        self._seen_as = Image(1, hears.mels, hears.frames)
        self._hears = {torch.device("cpu"): hears}
        if config.shift >= length:
            raise InputError(
                f"shift is {config.shift}",
                why=f"the sounds are {length:,} samples long, so nothing of them would be left",
                do=f"shift={length // 8}",
            )

    def roles(self) -> Mapping[str, Role]:
        """One player, `net`, that reads spectrograms."""
        return {"net": Role(Signature(self._seen_as, self.labels.form))}

    def batch(self, part: Part, draw: Draw, generator: Generator, *, train: bool) -> Batch:
        """`x` (b, 1, m, s) spectrograms and `y` (b,) labels.

        Augmented when training; `generator` lies on the CPU.
        """
        stored = part.gather(draw.index)
        wave, y = stored[self.column].float() / FULL, stored[self.label].long()
        if train and self.options.shift:
            wave = shifted(wave, self.options.shift, generator)
        if train and self.options.gain:
            decibels = (2 * torch.rand(len(wave), generator=generator) - 1) * self.options.gain
            wave = wave * (10 ** (decibels / 20)).to(wave.device)[:, None]
        return {"x": self._spectrograms(wave), "y": y}

    def read(self, stored: Tensor) -> Tensor:
        """(b, t) of 16 bits to (b, 1, m, s)."""
        return self._spectrograms(stored.float() / FULL)

    def floors(self) -> Sequence[str]:
        """Nearest neighbour, a linear one, and support vectors, on spectrograms."""
        return ("nearest-neighbour", "linear", "svm-rbf")

    def shown(self, title: str, stored: Tensor, captions: tuple[str, ...]) -> Sequence[Exhibit]:
        """Some to listen to; spectrograms on one scale of grey, low frequencies below."""
        seen = self.read(stored).cpu().flip(2)
        low, high = torch.aminmax(seen)
        pictures = (seen - low) / (high - low).clamp(min=1e-6)
        return (
            Exhibit(
                "sound",
                title,
                {"sound": stored[:PLAYED].cpu().float() / FULL},
                {"rate": (str(self.sound.rate),), "captions": captions[:PLAYED]},
            ),
            Exhibit(
                "picture",
                f"spectrograms of {title}",
                {"pictures": pictures},
                {"captions": captions},
            ),
        )

    def _spectrograms(self, wave: Tensor) -> Tensor:
        """(b, t) in [-1, 1] to (b, 1, m, s)."""
        if wave.device not in self._hears:
            self._hears[wave.device] = copy.deepcopy(self._hears[torch.device("cpu")]).to(
                wave.device
            )
        seen: Tensor = self._hears[wave.device](wave[..., None])
        return seen


def shifted(wave: Tensor, most: int, generator: Generator) -> Tensor:
    """(b, t), each row moved by -`most` to `most` places; zeros come in."""
    by = torch.randint(-most, most + 1, (len(wave), 1), generator=generator).to(wave.device)
    place = torch.arange(wave.shape[1], device=wave.device) - by
    inside = (place >= 0) & (place < wave.shape[1])
    return wave.gather(1, place.clamp(0, wave.shape[1] - 1)) * inside


task = SoundClassification
"""What the registry finds here."""
