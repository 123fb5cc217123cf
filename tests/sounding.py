"""Sound files for tests, written byte by byte."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def tone(hertz: float = 440, seconds: float = 0.1, rate: int = 8_000) -> NDArray[np.float64]:
    """A sine of half of full scale."""
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def hiss(seed: int, count: int = 800) -> NDArray[np.float64]:
    """Noise that no other seed gives, loud at both ends."""
    made = np.random.default_rng(seed).uniform(-0.5, 0.5, count)
    made[0] = made[-1] = 0.5
    return made


def packed(wave: NDArray[np.float64], bits: int, *, floats: bool = False) -> bytes:
    """Samples as a WAV file lays them out."""
    if floats:
        return wave.astype(f"<f{bits // 8}").tobytes()
    top = 1 << (bits - 1)
    whole = np.clip(np.round(wave * top), -top, top - 1).astype(np.int64)
    if bits == 8:
        return (whole + 128).astype(np.uint8).tobytes()
    return whole.astype("<i8").reshape(-1, 1).view(np.uint8)[:, : bits // 8].tobytes()


def wav(
    wave: NDArray[np.float64],
    rate: int = 8_000,
    bits: int = 16,
    *,
    floats: bool = False,
    extensible: bool = False,
    before: bytes = b"",
) -> bytes:
    """A WAV file of (n,) or (n, c) samples in [-1, 1]."""
    channels = 1 if wave.ndim == 1 else wave.shape[1]
    body = packed(wave.reshape(-1), bits, floats=floats)
    tag, block = 3 if floats else 1, channels * bits // 8
    head = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits)
    if extensible:
        guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
        head = struct.pack("<H", 0xFFFE) + head[2:] + struct.pack("<HHI", 22, bits, 0) + guid
    chunks = before + b"fmt " + struct.pack("<I", len(head)) + head
    chunks += b"data" + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def put(root: Path, name: str, data: bytes) -> Path:
    """Write a file, and its folders."""
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file
