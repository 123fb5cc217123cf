"""Pictures decoded once: kept in a memory-mapped cache where they fit, else decoded by threads.

A cache is two files: `KEY.bin`, the pictures one after another as (c, h, w) of uint8, and
`KEY.json`, written last, which says what they are. A cache that does not verify is made anew; a
cache that nobody needs may be deleted at any time.

Dimensions: n samples, m samples of a part, c channels, h height, w width.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from math import prod, sqrt
from pathlib import Path, PurePath

import numpy as np
import PIL
import psutil
import torch
from torch import Tensor

from netwright import files
from netwright.datasets import _splits
from netwright.datasets._folder import Sample, Scan
from netwright.datasets._pictures import Limits, contents, crop, decode, decoder, is_grey
from netwright.datasets.base import Tensors
from netwright.errors import DamagedError, InputError, MachineError
from netwright.specs import Batch, Image

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif"} | {
    *(".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2")  # never read, always told
}
"""Files that someone called a picture: one that cannot be read is told, not passed over."""
LOOKED = 100
"""Pictures looked at to tell grey from colour."""
PIECE = 256
"""Pictures decoded before any is stored."""
SPARE = 64 << 20
"""Bytes of the disk that a cache leaves free."""
SCHEMA = 1
TOO_LARGE = (
    "the pictures take {:.1f} GiB and may take {:.1f}, so they are decoded anew for each batch"
)


@dataclass(frozen=True)
class Mapped:
    """A part that lies in a tensor shared by all parts, in memory or mapped from the cache."""

    pixels: Tensor
    """(n, c, h, w) of uint8."""
    rows: Tensor
    """(m,): which of them are this part's."""
    labels: Tensor
    """(m,) of int64."""

    def __len__(self) -> int:
        return len(self.rows)

    def gather(self, index: Tensor) -> Batch:
        """The samples at `index`, (b,) of integers, on its device."""
        place = index.cpu()
        image = self.pixels.index_select(0, self.rows.index_select(0, place))
        made = {"image": image, "label": self.labels.index_select(0, place)}
        return {name: column.to(index.device) for name, column in made.items()}

    def to(self, device: torch.device) -> Tensors:
        """The same part, resident on `device`."""
        return Tensors(self.gather(torch.arange(len(self)))).to(device)


@dataclass(frozen=True)
class Decoded:
    """A part that is decoded each time, by threads."""

    root: Path
    samples: Sequence[Sample]
    labels: Tensor
    """(m,) of int64."""
    form: Image
    limits: Limits

    def __len__(self) -> int:
        return len(self.samples)

    def gather(self, index: Tensor) -> Batch:
        """The samples at `index`, (b,); InputError if a file has changed since it was listed."""
        one = partial(picture, self.root, form=self.form, limits=self.limits)
        with ThreadPoolExecutor(workers()) as pool:
            found = list(pool.map(one, [self.samples[i] for i in index.tolist()]))
        f = self.form
        image = torch.stack(found) if found else torch.empty(0, f.channels, f.height, f.width)
        label = self.labels.index_select(0, index.cpu())
        return {"image": image.to(index.device, torch.uint8), "label": label.to(index.device)}


@dataclass(frozen=True)
class Store:
    """The pictures of a folder, all decoded once."""

    form: Image
    rows: Sequence[int]
    """(n,): which samples of the scan are good pictures."""
    marks: Sequence[bytes]
    """(n,): equal pictures, and no others, have equal marks."""
    pixels: Tensor | None
    """(n, c, h, w); None: they do not fit."""
    sums: Tensor | None
    """(n, 2, c) of int64: of the values and of their squares, where there are no pixels."""
    bad: Sequence[tuple[int, str]]
    """Samples that cannot be read, and why."""
    passed: Sequence[int]
    """Files that are no pictures and are not called so."""
    note: str = ""

    def statistics(self, rows: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation per channel of the pictures at `rows`, on the scale of 0 to 1."""
        if self.pixels is not None:
            return _splits.statistics(self.pixels.index_select(0, rows), 255)
        assert self.sums is not None
        # The same integers as `_splits.statistics`, summed a sample at a time.
        first, second = self.sums.index_select(0, rows).sum(0).tolist()
        count = len(rows) * self.form.height * self.form.width
        spread = (count * q - s * s for s, q in zip(first, second, strict=True))
        mean = tuple(s / (count * 255) for s in first)
        return mean, tuple(sqrt(v) / (count * 255) or 1.0 for v in spread)


def workers() -> int:
    """Threads that decode."""
    return min(8, os.cpu_count() or 1)


def default_folder() -> Path:
    """$NETWRIGHT_CACHE, else `netwright` in $XDG_CACHE_HOME, else in ~/.cache."""
    if own := os.environ.get("NETWRIGHT_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netwright"


def picture(root: Path, sample: Sample, *, form: Image, limits: Limits) -> Tensor:
    """(c, h, w): one sample, cropped to `form`; InputError if its file changed or is damaged."""
    path = root / sample.name
    made = crop(decode(contents(path, limits), path, limits, (form.width, form.height)), form)
    _unchanged(path, sample)
    return made


def _unchanged(path: Path, sample: Sample) -> None:
    found = path.stat() if path.exists() else None
    if found is None or (found.st_size, found.st_mtime_ns) != (sample.size, sample.stamps[0]):
        raise InputError(
            "the file has changed since it was listed", do="try again when it is written", file=path
        )


def decode_all(
    scan: Scan, size: tuple[int, int], channels: int | None, limits: Limits, memory: int
) -> Store:
    """Decode every sample, keeping the pixels where they take at most `memory` bytes.

    Args:
        scan: what there is.
        size: (height, width).
        channels: 1 or 3; None: 1 if the pictures looked at hold no colour.
        limits: of one picture.
        memory: bytes.

    Raises:
        InputError: a picture has colours where those looked at first had none; a file changed.
    """
    with ThreadPoolExecutor(workers()) as pool:
        strict = channels is None
        if channels is None:
            some = scan.samples[:: max(1, len(scan.samples) // LOOKED)]
            seen = pool.map(partial(_grey, scan.root, limits=limits), some)
            channels = 1 if all(seen) else 3
        form = Image(channels, *size)
        one = partial(_one, scan.root, form=form, limits=limits, strict=strict and channels == 1)
        pieces = (scan.samples[i : i + PIECE] for i in range(0, len(scan.samples), PIECE))
        return _collect(scan, form, memory, chain.from_iterable(pool.map(one, p) for p in pieces))


def _grey(root: Path, sample: Sample, *, limits: Limits) -> bool:
    """Whether a sample holds no colour; what cannot be read holds none."""
    try:
        return is_grey(decode(contents(root / sample.name, limits), limits=limits))
    except InputError:
        return True


def _one(
    root: Path, sample: Sample, *, form: Image, limits: Limits, strict: bool
) -> Tensor | str | None:
    """(c, h, w), or why it cannot be read, or None where it is no picture and not called one."""
    path = root / sample.name
    made: Tensor | str | None
    try:
        data = contents(path, limits)
        if decoder(data[:16]) is None and PurePath(sample.name).suffix.lower() not in SUFFIXES:
            made = None
        else:
            image = decode(data, path, limits, (form.width, form.height))
            made = crop(image, form)
            strict = strict and not is_grey(image)
    except InputError as error:
        made, strict = f"{error.what}: {error.why}" if error.why else error.what, False
    _unchanged(path, sample)
    if strict and made is not None:
        raise InputError(
            "this picture has colours, but those looked at first have none",
            do="channels=3, or channels=1 to make all of them grey",
            file=path,
        )
    return made


def _collect(scan: Scan, form: Image, memory: int, found: Iterator[Tensor | str | None]) -> Store:
    shape = (form.channels, form.height, form.width)
    fits = len(scan.samples) * prod(shape) <= memory
    pixels = torch.empty(len(scan.samples) if fits else 0, *shape, dtype=torch.uint8)
    rows: list[int] = []
    marks: list[bytes] = []
    sums: list[Tensor] = []
    bad: list[tuple[int, str]] = []
    passed: list[int] = []
    for place, made in enumerate(found):
        if made is None:
            passed.append(place)
        elif isinstance(made, str):
            bad.append((place, made))
        else:
            if fits:
                pixels[len(rows)] = made
            else:
                values = made.to(torch.int64).flatten(1)
                sums.append(torch.stack([values.sum(1), values.square().sum(1)]))
            rows.append(place)
            marks += _splits.digests(made[None])
    return Store(
        form=form,
        rows=rows,
        marks=marks,
        pixels=pixels[: len(rows)] if fits else None,
        sums=None if fits or not sums else torch.stack(sums),
        bad=bad,
        passed=passed,
        note="" if fits else TOO_LARGE.format(len(rows) * prod(shape) / 2**30, memory / 2**30),
    )


def key(scan: Scan, size: tuple[int, int], channels: int | None, limits: Limits) -> str:
    """The name of a cache: where its pictures lie, how their files stand, how they are decoded."""
    sha = hashlib.sha256(repr((SCHEMA, PIL.__version__, size, channels, limits)).encode())
    sha.update(os.fsencode(scan.root))
    for s in scan.samples:
        sha.update(f"\0{s.size}/{s.stamps}\0".encode() + os.fsencode(s.name))
    return sha.hexdigest()


def load(folder: Path, name: str) -> Store | None:
    """The cache called `name`, mapped into memory; None where there is none that verifies."""
    try:
        text = files.unseal(files.read(folder / f"{name}.json"), name)
        form = Image(*text["form"])
        shape = (len(text["rows"]), form.channels, form.height, form.width)
        file = folder / f"{name}.bin"
        if file.stat().st_size != prod(shape):
            return None
        pixels = torch.from_numpy(np.memmap(file, np.uint8, mode="c", shape=shape))
        marks = _splits.digests(pixels)
        if hashlib.sha256(b"".join(marks)).hexdigest() != text["marks"]:
            return None
        bad = [(place, reason) for place, reason in text["bad"]]
        return Store(form, text["rows"], marks, pixels, None, bad, text["passed"])
    except (OSError, MachineError, DamagedError):
        return None


def save(folder: Path, name: str, store: Store) -> Store:
    """Write the cache and give it back mapped; where it cannot be written, as it was, and why."""
    if store.pixels is None:
        return store
    form = store.form
    text: dict[str, files.JSON] = {
        "form": [form.channels, form.height, form.width],
        "rows": store.rows,
        "bad": [list(entry) for entry in store.bad],
        "passed": store.passed,
        "marks": hashlib.sha256(b"".join(store.marks)).hexdigest(),
    }
    try:
        with suppress(FileExistsError):
            files.make_folder(folder)
        if shutil.disk_usage(folder).free < store.pixels.numel() + SPARE:
            return replace(store, note="the pictures are not cached: the disk is full")
        files.replace(folder / f"{name}.bin", store.pixels.numpy().data)
        files.replace(folder / f"{name}.json", files.seal(text))
    except (OSError, MachineError) as error:
        why = getattr(error, "why", "") or getattr(error, "strerror", "") or "it cannot be written"
        return replace(store, note=f"the pictures are not cached: {why}")
    return load(folder, name) or store


def stored(
    scan: Scan,
    size: tuple[int, int],
    channels: int | None,
    limits: Limits,
    memory: int | None,
    folder: Path | None,
) -> Store:
    """The pictures of `scan`, from the cache or decoded now.

    Args:
        scan: what there is.
        size: (height, width).
        channels: as `decode_all` takes it.
        limits: of one picture.
        memory: bytes that they may take; None: a quarter of the machine's memory.
        folder: of the cache; None: the default one.
    """
    folder = (folder or default_folder()) / "pictures"
    if memory is None:
        memory = psutil.virtual_memory().total // 4
    name = key(scan, size, channels, limits)
    found = load(folder, name)
    if found is None:
        return save(folder, name, decode_all(scan, size, channels, limits, memory))
    return found
