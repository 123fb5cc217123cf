"""CIFAR-10: photographs of 32 x 32 pixels in ten classes, the official binary version.

Source: Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images.
Format: records of 3,073 bytes: the label, then 1,024 red, green and blue values, row by row.
The validation part is the end of the last training batch, as papers that tune cut it.
"""

import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, cast, final

import torch
from pydantic import Field
from torch import Tensor

from netwright.datasets import _splits
from netwright.datasets._bounded import EXPANSION, Source, opened
from netwright.datasets.base import Data, Dataset
from netwright.errors import InputError, shown
from netwright.specs import Batch, Frozen, Pictures, Schema

NAMES = (
    "airplane", "automobile", "bird", "cat", "deer",
    "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32
BATCH = 10_000
"""Records of a whole batch; a shorter one is read and named, a longer one refused."""
VALIDATION = 5_000
TRAINING = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"
FILES = {f"{name}.bin": name for name in (*TRAINING, TEST)}
FOLDER = "cifar-10-batches-bin"
ARCHIVE = "cifar-10-binary.tar.gz"
ADDRESS = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
PICKLES = (*TRAINING, "batches.meta", "cifar-10-batches-py", "cifar-10-python.tar.gz")
UNPACKED = 256 << 20
"""Bytes that an archive may hold; the official one holds 176 MiB."""
MEMBERS = 1_000
"""Files that an archive may hold; the official one holds eight."""


class Cifar10Config(Frozen):
    """Where the batches lie, and how many images validate."""

    path: Path | None = None
    """The official archive, its folder, or a folder in which either lies."""
    validation: _splits.Share | None = None
    """Number or share of the training images, cut from their end; None: 5,000, or a tenth of
    fewer than 10,000."""
    expansion: int = Field(default=EXPANSION, ge=1)
    """By how much a packed archive may grow."""


@final
class Cifar10(Dataset):
    """CIFAR-10, also with batches missing."""

    Config = Cifar10Config
    task = "image-classification"
    also = ("image-generation",)

    def open(self, config: Frozen) -> Data:
        """Check, decode and split; InputError names the file, the record and the reason."""
        config = cast("Cifar10Config", config)
        place = _place(config.path)
        if place.is_dir():
            batches = _from_folder(place)
        else:
            root = place.parent if place != config.path else place.resolve().parent
            with opened(place, root, config.expansion, UNPACKED) as source:
                batches = _from_archive(source)
        present = [name for name in TRAINING if name in batches]
        if not present or TEST not in batches:
            lacking = TEST if present else "every training batch"
            raise InputError(f"{lacking} is missing", do=f"get {ADDRESS}", file=place)
        pixels, labels = (torch.cat(c) for c in zip(*(batches[n] for n in present), strict=True))
        tested = batches[TEST]
        marks = _splits.digests(pixels)
        held = _splits.together(marks, _tail(config, len(labels)))
        return _splits.labelled(
            {
                "train": (pixels[~held], labels[~held]),
                "validation": (pixels[held], labels[held]),
                "test": tested,
            },
            NAMES,
            top=255,
            fit="crop",
            notes=(
                *_missing(present),
                *_short(batches),
                *_splits.doubles(marks, _splits.digests(tested[0])),
            ),
        )

    def read(self, schema: Schema, inputs: Sequence[Path]) -> Iterator[tuple[str, Batch]]:
        """Photographs, scaled and cropped to 32 x 32."""
        from netwright.datasets._pictures import read_pictures

        column = cast("Pictures", schema.columns["image"])
        return ((name, {"image": image}) for name, image in read_pictures(column, inputs))

    def fits(self, path: Path) -> bool:
        """Pickled batches too, so that `open` can say why they are refused."""
        return path.name in {ARCHIVE, *PICKLES} or _inside(path) is not None or _pickled(path)


def _inside(path: Path) -> Path | None:
    """The folder of binary batches at or in `path`, or the archive in it."""
    for folder in (path, path / FOLDER):
        if any((folder / name).exists() for name in FILES):
            return folder
    archive = path / ARCHIVE
    return archive if archive.exists() else None


def _pickled(path: Path) -> bool:
    return path.is_dir() and any((path / name).exists() for name in PICKLES)


def _place(path: Path | None) -> Path:
    """The folder or the archive to read."""
    if path is None:
        raise InputError("cifar10 needs a path", do=f"get {ADDRESS} and give its path")
    if not path.exists():
        raise InputError("there is no such file or folder", do=f"get {ADDRESS}", file=path)
    if found := _inside(path):
        return found
    if path.name in FILES:
        raise InputError("this is one batch", do=f"give its folder, {path.parent}", file=path)
    if path.name in PICKLES or _pickled(path):
        raise _pickle(path)
    if path.is_dir():
        raise InputError("no batch of CIFAR-10 lies here", do=f"get {ADDRESS}", file=path)
    return path


def _pickle(path: Path, member: str = "") -> InputError:
    return InputError(
        f"{f'its member {shown(member)}' if member else 'this'} is the pickled version of CIFAR-10",
        why="a pickle can run code when it is read",
        do=f"the binary version, {ADDRESS}",
        file=path,
    )


def _from_folder(folder: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """The batches that lie in `folder`, by name."""
    batches: dict[str, tuple[Tensor, Tensor]] = {}
    for file, name in FILES.items():
        if (path := folder / file).exists():
            with opened(path, folder, 1) as source:
                if source.packed:
                    raise InputError(
                        "the batch is packed",
                        why=f"only a whole archive, {ARCHIVE}, may be",
                        do=f"gunzip {file}",
                        file=path,
                    )
                _check_size(source.left, str(path))
                batches[name] = _decoded(source.take(source.left), str(path))
    return batches


def _from_archive(source: Source) -> dict[str, tuple[Tensor, Tensor]]:
    """The batches in a tar archive, by name; it is read as a stream and never unpacked to disk."""
    batches: dict[str, tuple[Tensor, Tensor]] = {}
    seen: set[str] = set()
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", source), mode="r|") as archive:
            for member in archive:
                place = f"{source.file}, {shown(member.name)}"
                _check_member(member, seen, source.file)
                seen.add(member.name.casefold())
                file = PurePosixPath(member.name).name
                if not member.isfile() or file not in FILES:
                    continue
                _check_size(member.size, place)
                content = archive.extractfile(member)
                raw = bytearray(content.read() if content else b"")
                batches[FILES[file]] = _decoded(raw, place)
        while source.read():  # to the end, where gzip keeps its checksum
            pass
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise InputError(
            "this is no tar archive, or a damaged one",
            why=shown(error),
            do=f"get {ADDRESS} again",
            file=source.file,
        ) from error
    return batches


def _check_member(member: tarfile.TarInfo, seen: set[str], file: Path) -> None:
    """InputError for a member that no honest archive of CIFAR-10 holds."""
    path = PurePosixPath(member.name)
    reasons = {
        "its name leads out of the archive": path.is_absolute() or ".." in path.parts,
        "its name holds a backslash, a drive or a zero byte": any(
            c in member.name for c in "\\:\0"
        ),
        "it is a link or a device": not (member.isfile() or member.isdir()) or member.issparse(),
        "it stands there twice": member.name.casefold() in seen,
        f"it is one of more than {MEMBERS:,}": len(seen) >= MEMBERS,
    }
    if why := next((reason for reason, holds in reasons.items() if holds), ""):
        raise InputError(
            f"the archive's member '{shown(member.name)}' is refused",
            why=why,
            do=f"get {ADDRESS} again",
            file=file,
        )
    if path.name in PICKLES:
        raise _pickle(file, member.name)


def _check_size(size: int, place: str) -> None:
    """InputError unless `size` bytes are whole records, one batch of them at most."""
    records, rest = divmod(size, RECORD)
    if rest or not 1 <= records <= BATCH:
        raise InputError(
            f"the batch has {size:,} bytes",
            why=f"it breaks off in record {records} (from 0): each has {RECORD:,}"
            if rest
            else f"a batch has 1 to {BATCH:,} records of {RECORD:,}",
            do=f"get {ADDRESS} again",
            file=place,
        )


def _decoded(raw: bytearray, place: str) -> tuple[Tensor, Tensor]:
    """Pictures (n, 3, 32, 32) and labels (n,) of a batch; InputError names a wrong record."""
    records = torch.frombuffer(raw, dtype=torch.uint8).reshape(-1, RECORD)
    labels = records[:, 0]
    if (strange := (labels >= len(NAMES)).nonzero()).numel():
        first = int(strange[0])
        raise InputError(
            f"record {first} (from 0) has the label {int(labels[first])}",
            why="the classes are 0 to 9",
            do=f"get {ADDRESS} again",
            file=place,
        )
    return records[:, 1:].reshape(-1, *SHAPE), labels


def _tail(config: Cifar10Config, total: int) -> Tensor:
    """Which of the training images validate, (total,) of bool: the last ones."""
    share = config.validation or (0.1 if total < 2 * VALIDATION else VALIDATION)
    held = torch.zeros(total, dtype=torch.bool)
    held[-_splits.size_of(share, total) :] = True
    return held


def _missing(present: Sequence[str]) -> tuple[str, ...]:
    """The sentence that names the training batches which are not there."""
    absent = [name for name in TRAINING if name not in present]
    if not absent:
        return ()
    verb = "is" if len(absent) == 1 else "are"
    return (f"trained on {_counted(present)}: {_counted(absent)} {verb} missing",)


def _counted(names: Sequence[str]) -> str:
    """`data_batch_1 to 4`, `data_batch_1 and 3`."""
    numbers = [name.rpartition("_")[2] for name in names]
    if len(names) > 2 and int(numbers[-1]) - int(numbers[0]) == len(names) - 1:
        return f"{names[0]} to {numbers[-1]}"
    return " and ".join(filter(None, (", ".join([names[0], *numbers[1:-1]]), *numbers[1:][-1:])))


def _short(batches: Mapping[str, tuple[Tensor, Tensor]]) -> tuple[str, ...]:
    """A sentence for each batch that is not whole."""
    return tuple(
        f"{name} holds {len(labels):,} images instead of {BATCH:,}"
        for name, (_, labels) in batches.items()
        if len(labels) < BATCH
    )


dataset = Cifar10()
