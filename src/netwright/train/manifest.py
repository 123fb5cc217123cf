"""What a checkpoint holds, said by its manifest; how tensors become bytes and back.

Cheapest check first, and nothing allocated on a file's own word: names, own hash, kind and age,
sizes, then the hash of every file, and only then the tensors.
"""

import hashlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import safetensors
import safetensors.torch
import torch
from pydantic import Field, ValidationError
from torch import Tensor

from netwright import files
from netwright.errors import DamagedError, InputError
from netwright.files import JSON
from netwright.specs import Frozen

FORMAT = "netwright-checkpoint"
SCHEMA = 1
WEIGHTS, TRAINER = "weights.safetensors", "trainer.safetensors"
STATE, MANIFEST = "state.json", "manifest.json"
MANIFEST_LIMIT = 16 << 20
"""Bytes of a manifest."""

Name = Annotated[str, Field(max_length=512)]


class Entry(Frozen):
    """One tensor."""

    dtype: str
    shape: Annotated[tuple[int, ...], Field(max_length=64)]


class FileEntry(Frozen):
    """One file; `tensors` and `aliases` are empty for what is no safetensors file."""

    size: int
    sha256: str
    tensors: dict[Name, Entry] = Field(default_factory=dict, max_length=100_000)
    aliases: dict[Name, Name] = Field(default_factory=dict, max_length=100_000)
    """Tied tensors: another name for one of `tensors`."""


class Manifest(Frozen):
    """What stands in `manifest.json` beside its own hash."""

    format: str
    version: int = Field(alias="schema")
    step: int
    run: str
    versions: dict[str, str]
    """Of the libraries that saved it; the run has all of them."""
    world: int
    """Processes that trained."""
    hashes: dict[str, str]
    files: dict[str, FileEntry]


@dataclass(frozen=True)
class Encoded:
    """A file's bytes and what is in it."""

    data: bytes
    tensors: Mapping[str, Entry] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


def dumps(
    step: int,
    run: str,
    versions: Mapping[str, str],
    hashes: Mapping[str, str],
    encoded: Mapping[str, Encoded],
) -> bytes:
    """The bytes of `manifest.json`."""
    entries: dict[str, JSON] = {
        name: {
            "size": len(part.data),
            "sha256": hashlib.sha256(part.data).hexdigest(),
            "tensors": {n: {"dtype": e.dtype, "shape": e.shape} for n, e in part.tensors.items()},
            "aliases": part.aliases,
        }
        for name, part in encoded.items()
    }
    return files.seal(
        {
            "format": FORMAT,
            "schema": SCHEMA,
            "step": step,
            "run": run,
            "versions": versions,
            "world": 1,
            "hashes": hashes,
            "files": entries,
        }
    )


def read(folder: Path, step: int, run: str) -> Manifest:
    """The manifest of a checkpoint, once its names, kind, age and sizes are right.

    Raises: DamagedError; InputError if it is newer than this netwright or of another run;
        FileNotFoundError if a file is missing.
    """
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise DamagedError("is no folder", file=folder.name)
    found = {path.name for path in folder.iterdir()}
    document = files.unseal(files.read(folder / MANIFEST, MANIFEST_LIMIT), MANIFEST)
    files.readable(document, FORMAT, SCHEMA, f"{folder.name}/{MANIFEST}")
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        raise DamagedError(
            "is no manifest", why=str(error.errors()[0]["msg"]), file=MANIFEST
        ) from error
    if manifest.run != run:
        raise InputError(
            "belongs to another run",
            why=f"its run is {manifest.run}, and this one is {run}",
            file=folder,
        )
    if manifest.step != step:
        raise DamagedError(f"is of step {manifest.step}", file=MANIFEST)
    if set(manifest.files) != {WEIGHTS, TRAINER, STATE}:
        raise DamagedError("does not list the files of a checkpoint", file=MANIFEST)
    for name in sorted({*manifest.files, MANIFEST} ^ found):
        raise DamagedError("is missing" if name not in found else "does not belong here", file=name)
    for name, entry in manifest.files.items():
        check_size((folder / name).lstat().st_size, name, entry)
    return manifest


def check_size(size: int, name: str, entry: FileEntry) -> None:
    """DamagedError unless a file has the size that the manifest says."""
    if size != entry.size:
        raise DamagedError(f"has {size} bytes and should have {entry.size}", file=name)


def check_hash(sha256: str, name: str, entry: FileEntry) -> None:
    """DamagedError unless a file has the hash that the manifest says."""
    if sha256 != entry.sha256:
        raise DamagedError("does not match its sha256 in the manifest", file=name)


def read_file(folder: Path, name: str, manifest: Manifest) -> bytes:
    """The bytes of a file, once their hash is right: the very bytes that will be decoded."""
    entry = manifest.files[name]
    data = files.read(folder / name, entry.size)
    check_hash(hashlib.sha256(data).hexdigest(), name, entry)
    return data


def encode(tensors: Mapping[str, Tensor]) -> Encoded:
    """Tensors as safetensors: on the CPU, contiguous, tied ones once, the others as aliases."""
    kept: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    first: dict[tuple[object, ...], str] = {}
    storages: set[tuple[torch.device, int]] = set()
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        storage = tensor.untyped_storage()
        place = (tensor.device, storage.data_ptr())
        key = (*place, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and first.setdefault(key, name) != name:
            aliases[name] = first[key]
            continue
        if place in storages or storage.nbytes() != tensor.nbytes:  # a part of something shared
            tensor = tensor.clone()
        storages.add(place)
        kept[name] = tensor.cpu().contiguous()
    entries = {name: _entry(tensor) for name, tensor in kept.items()}
    return Encoded(safetensors.torch.save(kept), entries, aliases)


def tensors_of(data: bytes, name: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file whose hash is right; DamagedError if it is none."""
    try:
        found: dict[str, Tensor] = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise DamagedError("cannot be decoded", why=str(error), file=name) from error
    return {n: found[n] for n in sorted(found)}


def decode(data: bytes, name: str, manifest: Manifest) -> dict[str, Tensor]:
    """The tensors of a file of a checkpoint whose hash is right, aliases filled in, by name."""
    entry = manifest.files[name]
    found = tensors_of(data, name)
    if {n: _entry(tensor) for n, tensor in found.items()} != entry.tensors:
        raise DamagedError("holds other tensors than the manifest says", file=name)
    for alias, original in entry.aliases.items():
        if alias in entry.tensors or original not in entry.tensors:
            raise DamagedError("has an alias that leads nowhere", file=MANIFEST)
        found[alias] = found[original]
    return {n: found[n] for n in sorted(found)}


def finite(tensor: Tensor) -> bool:
    """Whether no element is a NaN or an infinity."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    if tensor.element_size() == 1:  # `isfinite` does not know eight bits
        tensor = tensor.float()
    return bool(torch.isfinite(tensor).all())


def _entry(tensor: Tensor) -> Entry:
    return Entry(dtype=str(tensor.dtype).removeprefix("torch."), shape=tuple(tensor.shape))
