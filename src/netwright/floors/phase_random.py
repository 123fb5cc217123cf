"""Random phases: the spectrum of a real sound, whose parts begin at random.

A training sound of the class that is asked for is chosen; the magnitudes of the Fourier transform
of the whole of it are kept, and their phases drawn anew, uniform in [0, 2 pi). Its power at each
frequency, and so its autocorrelation, stay as they are; when something is heard is lost.
Source: Theiler et al. 1992 (surrogate data, by one Fourier transform without a window).
Dimensions: n samples, t places of a sound, b batch, m numbers of noise, f frequencies.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from netwright.floors._draws import ByClass, by_class, classes_in, raw, samples_of, uniforms
from netwright.floors.base import Floor
from netwright.specs import Batch, Schema, Scorer, Sound


@dataclass(frozen=True)
class Surrogates:
    """Training sounds that answer like a generator."""

    sounds: Tensor
    """(n, t, 1) in [-1, 1]."""
    places: ByClass

    @property
    def device(self) -> torch.device:
        """Where the training sounds lie."""
        return self.sounds.device

    def __call__(self, x: Tensor, *, condition: Tensor | None = None, **_: Any) -> Tensor:
        """(b, m) noise to (b, t, 1), raw; of the classes (b,) that `condition` names."""
        length = self.sounds.shape[1]
        u = uniforms(x.to(self.device), 1 + length // 2 + 1)
        chosen = self.sounds[self.places.drawn(u[:, 0], condition), :, 0].float()
        parts = torch.fft.rfft(chosen)
        turned = torch.polar(parts.abs(), (2 * math.pi * u[:, 1:]).float())
        # a real sound has no phase at frequency 0, nor at half the rate
        turned[:, 0] = parts[:, 0]
        if length % 2 == 0:
            turned[:, -1] = parts[:, -1]
        return raw(torch.fft.irfft(turned, n=length))[..., None].to(x.device)


class PhaseRandom(Floor):
    """What a class sounds like on average over its time."""

    title = "random phases"
    limit = 5_000

    def fit(
        self,
        batch: Batch,
        schema: Schema,
        generator: Generator,  # noqa: ARG002
    ) -> Mapping[str, Scorer]:
        """Keep `x` (n, t, 1) in [-1, 1], by `y` where there are labels."""
        x = samples_of(batch)
        return {"generator": Surrogates(x, by_class(*classes_in(batch, schema)))}

    def refuses(self, schema: Schema) -> str | None:
        """Where there are no sounds."""
        if any(isinstance(c, Sound) for c in schema.columns.values()):
            return None
        return "phases are drawn for sounds, and these data hold none"


floor = PhaseRandom()
"""What the registry finds here."""
