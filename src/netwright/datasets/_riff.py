"""WAV files: chunks of RIFF, whose samples are whole numbers of 8 to 32 bits or floats.

Read here rather than by the standard library's `wave`, which knows no floats and takes a file that
is cut short for a shorter one.
Source: Microsoft & IBM 1991, Multimedia Programming Interface and Data Specifications 1.0, chapter
3 (waveform audio); Microsoft 2001, Multiple Channel Audio Data and WAVE Files (extensible formats).
Dimensions: n samples, c channels.
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netwright.errors import InputError

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
"""Format tags: whole numbers, floats, and a longer header that says which."""
FORMATS = {PCM: (8, 16, 24, 32), FLOAT: (32, 64)}
"""Bits of a sample, by format tag."""


@dataclass(frozen=True)
class Waves:
    """A sound as its file has it."""

    samples: NDArray[np.float64]
    """(n, c); full scale is [-1, 1]."""
    rate: int
    """Samples a second."""
    clipped: float
    """Share of the samples at full scale."""


@dataclass(frozen=True)
class Header:
    """What `fmt ` says."""

    tag: int
    channels: int
    rate: int
    block: int
    """Bytes of a sample of all channels."""
    bits: int
    """Of a sample of one channel."""


def is_riff(head: bytes) -> bool:
    """Whether a file that begins so, with 12 bytes at least, is a WAV file."""
    return head.startswith(b"RIFF") and head[8:12] == b"WAVE"


def read_riff(data: bytes) -> Waves:
    """The sound of a whole WAV file; InputError where it is damaged, cut short or of a rare kind.

    The error names no file.
    """
    header, at = None, 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        body = memoryview(data)[at + 8 : at + 8 + size]
        if name == b"fmt ":
            header = _header(bytes(body))
        elif name == b"data":
            if header is None:
                raise InputError("the sound is damaged", why="its samples stand before its format")
            return _waves(header, body, size)
        at += 8 + size + size % 2
    raise InputError("the sound is truncated", why="it ends before its samples")


def _header(body: bytes) -> Header:
    if len(body) < 16:
        raise InputError("the sound is truncated", why="it ends within its header")
    tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", body)
    if tag == EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack_from("<H", body, 24)
    header = Header(tag, channels, rate, block, bits)
    if bits not in FORMATS.get(tag, ()):
        kind = {PCM: "whole numbers", FLOAT: "floats"}.get(tag, f"the format {tag}")
        raise InputError(
            f"samples of {bits} bits in {kind} are not read",
            why="8, 16, 24 and 32 bits are, and floats",
            do="save it as 16-bit PCM",
        )
    if not channels or block != channels * bits // 8:
        raise InputError(
            "the sound is damaged",
            why=f"{channels} channels of {bits} bits do not take {block} bytes",
        )
    return header


def _waves(header: Header, body: memoryview, size: int) -> Waves:
    if len(body) < size:
        why = f"its header tells of {size:,} bytes of samples, and {len(body):,} are there"
        raise InputError("the sound is truncated", why=why)
    if size % header.block:
        raise InputError("the sound is truncated", why="it ends within a sample")
    samples, clipped = _numbers(body, header)
    return Waves(samples.reshape(-1, header.channels), header.rate, clipped)


def _numbers(body: memoryview, header: Header) -> tuple[NDArray[np.float64], float]:
    """All numbers on the scale of [-1, 1], and the share of them at full scale."""
    if header.tag == FLOAT:
        floats = np.frombuffer(body, f"<f{header.bits // 8}").astype(np.float64)
        if not np.isfinite(floats).all():
            raise InputError("the sound is damaged", why="it holds numbers that are not finite")
        return np.clip(floats, -1, 1), share(np.abs(floats) >= 1)
    return scaled(_integers(body, header.bits), header.bits)


def _integers(body: memoryview, bits: int) -> NDArray[np.int32]:
    if bits == 8:  # the only ones without a sign
        return np.frombuffer(body, np.uint8).astype(np.int32) - 128
    if bits == 24:
        wide = np.zeros((len(body) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0] >> 8
    return np.frombuffer(body, f"<i{bits // 8}").astype(np.int32)


def scaled(numbers: NDArray[np.int32], bits: int) -> tuple[NDArray[np.float64], float]:
    """Whole numbers of so many bits on the scale of [-1, 1], and the share at full scale."""
    top = 1 << (bits - 1)
    return numbers / top, share((numbers >= top - 1) | (numbers <= -top))


def share(which: NDArray[np.bool_]) -> float:
    """Of those that are true; 0 of none."""
    return float(which.mean()) if which.size else 0.0
