"""Audio generation: a generator makes wave forms out of noise, a discriminator hears real and made.

Sounds are played with as (b, t, 1) in [-1, 1]; the generator's raw output goes through tanh. The
judge, and everything that compares sounds, hears log-mel spectrograms; so does the discriminator
where it is not asked to hear the wave form.
Dimensions: b batch, n samples, t places of a sound.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from netwright.nn.spectrogram import LogMel
from netwright.specs import Form, Frozen, Image, Schema, Sound
from netwright.tasks import _judged
from netwright.tasks._judged import JudgedGame
from netwright.tasks._labelled import column_of, device_of
from netwright.tasks.base import Answer, DataLike, Exhibit, Helper, Nets

SHOWN = 10
"""Sounds that the report plays."""
FULL = 32_768
"""What full scale is stored as."""


class Options(_judged.Options):
    """The rules, and what the discriminator hears."""

    hears: Literal["spectrogram", "wave"] = "spectrogram"
    """The log-mel spectrogram, which needs no phases to be right, or the wave form itself."""
    dither: float = Field(0.02, ge=0.0, le=1.0)
    """Deviation of the noise that is added to all that the discriminator hears: of recordings it
    would know the silence around them, which is exact and which no generator makes."""


class AudioGeneration(JudgedGame):
    """Sounds out of noise, of a class that is asked for where the data are labelled."""

    Config = Options
    data = "sound"
    asked = "--count 10 --out FOLDER"
    judged_by = Helper("sound-classification", "40epochs,4000steps", {"label_smoothing": 0.0})

    def __init__(self, schema: Schema, config: Frozen) -> None:
        super().__init__(schema, config)
        assert isinstance(config, Options)
        self.hears_wave, self.dither = config.hears == "wave", config.dither
        self.column, self.sound = column_of(schema, Sound, "audio-generation learns from sounds")
        self.form = self.sound.form
        self.hears = LogMel(self.sound.rate, self.sound.length)
        self._hears = {torch.device("cpu"): self.hears}

    def floors(self) -> Sequence[str]:
        """Real sounds whose phases are random."""
        return ("phase-random",)

    def real(self, stored: Tensor) -> Tensor:
        """(b, t) of 16 bits to (b, t, 1) in [-1, 1]."""
        return (stored.float() / FULL)[..., None]

    def judged_form(self) -> Image:
        """A log-mel spectrogram."""
        return Image(1, self.hears.mels, self.hears.frames)

    @property
    def presented_form(self) -> Form:
        """A spectrogram, or the wave form."""
        return self.form if self.hears_wave else self.judged_form()

    def varied(self, x: Tensor, generator: Generator) -> Tensor:
        """With noise, where that is asked for."""
        if not self.dither:
            return x
        return x + self.dither * torch.randn(x.shape, generator=generator).to(x.device)

    def presented(self, x: Tensor) -> Tensor:
        """(b, t, 1) to (b, 1, mels, frames), or the wave form itself."""
        return x if self.hears_wave else self.seen(x)

    def seen(self, x: Tensor) -> Tensor:
        """(b, t, 1) to (b, 1, mels, frames)."""
        if x.device not in self._hears:  # one a device: a shadow on the meta device holds nothing
            self._hears[x.device] = LogMel(self.sound.rate, self.sound.length).to(x.device)
        heard: Tensor = self._hears[x.device](x)
        return heard

    def generate(self, nets: Nets, request: Frozen, generator: Generator) -> Iterator[Answer]:
        """A sound each, with the class that was asked for."""
        for name, x, label in self.requested(nets, request, generator):
            made = self._exhibit(name, x[None], ())
            value = {"class": label} if label else {}
            yield Answer(name, value, words=f"{name} {label}".strip(), made=made)

    def timeline(self, nets: Nets, generator: Generator) -> Sequence[Exhibit]:
        """Spectrograms of the same noise."""
        x, _ = self.drawn(nets, SHOWN, generator, device_of(nets["generator"]))
        return (self._seen("spectrograms made from the same noise", x),)

    def exhibits(
        self, nets: Nets, data: DataLike, part: str, generator: Generator
    ) -> Sequence[Exhibit]:
        """Made and real sounds to listen to, and what the figures say."""
        device = device_of(nets["generator"])
        x, asked = self.drawn(nets, SHOWN, generator, device)
        real, labels = self._stored(data.parts[part], device, SHOWN)
        return (
            self._exhibit("made sounds", x, self._names(asked)),
            self._exhibit("real sounds", real, self._names(labels)),
            self.how_it_stands(nets, data, part),
        )

    def _names(self, labels: Tensor | None) -> tuple[str, ...]:
        if labels is None or self.labels is None:
            return ()
        return tuple(self.labels.names[int(i)] for i in labels[:SHOWN])

    def _exhibit(self, title: str, x: Tensor, captions: tuple[str, ...]) -> Exhibit:
        strings: dict[str, tuple[str, ...]] = {"rate": (str(self.sound.rate),)}
        if captions:
            strings["captions"] = captions
        return Exhibit("sound", title, {"sound": x[..., 0].cpu().contiguous()}, strings)

    def _seen(self, title: str, x: Tensor) -> Exhibit:
        heard = self.seen(x).cpu().flip(2)  # low frequencies below
        low, high = torch.aminmax(heard)
        pictures = (heard - low) / (high - low).clamp(min=1e-6)
        return Exhibit("picture", title, {"pictures": pictures}, {"columns": ("5",)})


task = AudioGeneration
"""What the registry finds here."""
