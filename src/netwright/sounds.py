"""Sounds as numbers to WAV: one channel of 16 bits, little endian.

Dimensions: t samples.
"""

import io
import wave

import torch
from torch import Tensor

from netwright.errors import InputError

FULL = 32_768
"""What 1.0 is stored as."""
FASTEST = 1 << 20
"""Samples a second at most."""


def wav(sound: Tensor, rate: int) -> bytes:
    """(t,) in [-1, 1] as the bytes of a WAV file; what is louder is clipped, no number is silence.

    Raises: InputError for a rate that no player knows.
    """
    if not 0 < rate <= FASTEST:
        raise InputError(f"a sound cannot have {rate} samples a second")
    loud = sound.detach().cpu().double().nan_to_num(0.0) * FULL
    data = loud.round().clamp(-FULL, FULL - 1).to(torch.int16).numpy().astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(data.tobytes())
    return buffer.getvalue()
