"""Sounds from files: whole decoding, one channel, one rate, no silence around, one length.

WAV is read here, FLAC by libsndfile where it is installed; what a file is, its first bytes say and
never its suffix. Channels are averaged; other rates are brought to the column's by a polyphase
filter; what is 40 dB and more below the loudest sample is cut from both ends; then the sound is cut
or filled with zeros behind.
Dimensions: n samples of a file, c channels, t samples of the column, one batch.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import gcd, log10
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from netwright.datasets._bounded import opened
from netwright.datasets._riff import Waves, is_riff, read_riff, scaled
from netwright.errors import InputError, MachineError, nearest, shown
from netwright.specs import Frozen, Sound

FORMATS = "WAV and FLAC"
LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx", "icon\r", "ehthumbs.db"})
"""Names, in lower case, that file managers leave behind."""
TRIM = 0.01
"""Share of the loudest sample below which the ends are silence: 40 dB."""
SILENT = 2**-12
"""Loudest sample below which nothing is heard: 72 dB below full scale."""
CLIPPED = 0.01
"""Share of samples at full scale from which on a sound is called clipped."""
FLAC_BITS = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}


class Limits(Frozen):
    """What a sound may be."""

    bytes: int = Field(256 << 20, ge=1)
    """Of the file."""
    seconds: float = Field(3_600.0, gt=0)
    channels: int = Field(8, ge=1)
    lowest: int = Field(1_000, ge=1)
    """Samples a second, at least."""
    highest: int = Field(192_000, ge=1)
    """Samples a second, at most."""


LIMITS = Limits()


@dataclass(frozen=True)
class Heard:
    """A sound in the column's form, and what was done to it."""

    samples: NDArray[np.int16]
    """(t,)."""
    channels: int
    rate: int
    """Of the file."""
    clipped: bool
    cut: bool
    """Whether it was longer."""


def litter(name: str) -> bool:
    """Whether a file or folder of this name is hidden or a file manager's, and no sample."""
    return name.startswith(".") or name.lower() in LITTER


def is_sound(path: Path) -> bool:
    """Whether the file begins as a sound does; MachineError if it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise MachineError(f"cannot read it: {error.strerror}", file=path) from error
    return is_riff(head) or head.startswith(b"fLaC")


def contents(path: Path, root: Path | None = None, limits: Limits = LIMITS) -> bytes:
    """The bytes of one file; InputError if it is missing, no file, too large or outside `root`."""
    if not path.exists():
        beside = path.parent.iterdir() if path.parent.is_dir() else ()
        near = nearest(path.name, [p.name for p in beside])
        raise InputError("there is no such file", near=near, file=path)
    with opened(path, root or path.resolve().parent, most=limits.bytes) as source:
        return bytes(source.take(source.left + 1))


def decode(data: bytes, file: object = "", limits: Limits = LIMITS) -> Waves:
    """The sound in `data`; InputError, naming `file`, if it is none, damaged or out of limits."""
    try:
        if is_riff(data[:12]):
            found = read_riff(data)
        elif data.startswith(b"fLaC"):
            found = _flac(data, limits)
        else:
            why = "it is empty" if not data else f"its first bytes are none of {FORMATS}"
            raise InputError("this is no sound", why=why)
        _check(found, limits)
    except InputError as error:
        raise named(error, file) from None
    return found


def named(error: InputError, file: object) -> InputError:
    """The same error, telling the file."""
    return InputError(error.what, why=error.why, do=error.do, near=error.near, file=file)


def _check(found: Waves, limits: Limits) -> None:
    count, channels = found.samples.shape
    if channels > limits.channels:
        raise InputError(
            f"the sound has {channels} channels", why=f"the limit `channels` is {limits.channels}"
        )
    if not limits.lowest <= found.rate <= limits.highest:
        raise InputError(
            f"the sound has {found.rate:,} samples a second",
            why=f"{limits.lowest:,} to {limits.highest:,} are read",
        )
    if not count:
        raise InputError("the sound is empty", why="it has no sample")
    if count > limits.seconds * found.rate:
        raise InputError(
            f"the sound lasts {count / found.rate:,.0f} seconds",
            why=f"the limit `seconds` is {limits.seconds:g}",
            do="cut it into pieces",
        )


def _flac(data: bytes, limits: Limits) -> Waves:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the package is there, libsndfile is not
        raise InputError(
            "FLAC is read by soundfile, which is not installed",
            why="pip install netwright[sound]",
            do="pip install netwright[sound], or save the sound as WAV",
        ) from error
    try:
        with soundfile.SoundFile(BytesIO(data)) as file:
            bits, told, rate = FLAC_BITS[file.subtype], file.frames, file.samplerate
            if told * file.channels * bits // 8 > limits.bytes:
                raise InputError(
                    "the sound is too large", why=f"unpacked it has over {limits.bytes:,} bytes"
                )
            numbers = file.read(dtype="int32", always_2d=True)
    except (soundfile.SoundFileError, KeyError, RuntimeError, ValueError) as error:
        raise InputError("the sound is damaged or truncated", why=shown(error)) from None
    if len(numbers) < told:
        why = f"its header tells of {told:,} samples, and {len(numbers):,} are there"
        raise InputError("the sound is truncated", why=why)
    samples, clipped = scaled(numbers >> (32 - bits), bits)
    return Waves(samples, rate, clipped)


def fitted(found: Waves, rate: int, length: int) -> Heard:
    """The sound in the form of a column; InputError, without a file, where nothing is heard."""
    wave = found.samples.mean(1)
    if found.rate != rate:
        from scipy.signal import resample_poly

        common = gcd(rate, found.rate)
        wave = resample_poly(wave, rate // common, found.rate // common)
    loudest = float(np.abs(wave).max())
    if loudest < SILENT:
        level = f"{-20 * log10(loudest):.0f} dB below full scale" if loudest else "0"
        raise InputError("the sound is silent", why=f"its loudest sample is {level}")
    wave = trimmed(wave)
    made = np.zeros(length, np.int16)
    kept = wave[:length]
    made[: len(kept)] = np.clip(np.round(kept * 32_768), -32_768, 32_767)
    return Heard(
        samples=made,
        channels=found.samples.shape[1],
        rate=found.rate,
        clipped=found.clipped > CLIPPED,
        cut=len(wave) > length,
    )


def trimmed(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the first to the last sample of at least a hundredth of the loudest one."""
    size = np.abs(wave)
    loud = np.flatnonzero(size >= TRIM * size.max())
    return wave[loud[0] : loud[-1] + 1]


def heard(
    path: Path, rate: int, length: int, root: Path | None = None, limits: Limits = LIMITS
) -> Heard:
    """One file in the form of a column; InputError names it and the reason."""
    found = decode(contents(path, root, limits), path, limits)
    try:
        return fitted(found, rate, length)
    except InputError as error:
        raise named(error, path) from None


def read_sounds(column: Sound, inputs: Sequence[Path]) -> Iterator[tuple[str, Tensor]]:
    """Each sound by its path, (1, t) of int16.

    Folders are walked in order of names; what is no sound in them is passed over, but a file that
    is named must be one: InputError.
    """
    for path in files(inputs):
        samples = heard(path, column.rate, column.length).samples
        yield str(path), torch.from_numpy(samples)[None]


def files(inputs: Iterable[Path]) -> Iterator[Path]:
    """The named files, and the sounds in the named folders; InputError where there are none."""
    for path in inputs:
        if not path.is_dir():
            yield path
            continue
        some = False
        for folder, inside, names in os.walk(path):
            inside[:] = sorted(name for name in inside if not litter(name))
            for name in sorted(names):
                found = Path(folder, name)
                if not litter(name) and found.is_file() and is_sound(found):
                    some = True
                    yield found
        if not some:
            raise InputError("the folder holds no sound", why=f"{FORMATS} are read", file=path)
