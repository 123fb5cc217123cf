"""What a training runs on: device, threads, memory, determinism; and the record of it.

A run repeats bit for bit under the same record; `differences` names what is not the same.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch

import netwright
from netwright.errors import InputError, MachineError, OutOfMemoryError
from netwright.specs import Frozen

DeviceName = Literal["auto", "cpu", "cuda"]
EXACT = (
    "netwright",
    "torch",
    "numpy",
    "python",
    "capability",
    "threads",
    "device",
    "card",
    "compile",
)
"""Keys of the record on which bit-equality depends."""


class Options(Frozen):
    """How a training is executed; beside the recipe, which says what it is."""

    device: DeviceName = "auto"
    threads: int | None = None
    """None: as many as the process may use."""
    channels_last: bool | None = None
    """None: where the network has convolutions."""
    compile: bool = False
    """torch.compile the networks: seconds to start, worth it for long inference."""
    deterministic: bool = True
    save_every: float = 300.0
    """Seconds between checkpoints."""


def pick_device(name: DeviceName) -> torch.device:
    """The device for a name; MachineError where it is not there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise MachineError("there is no CUDA device here", do="--device cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def usable_threads() -> int:
    """How many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@contextmanager
def prepared(options: Options) -> Iterator[torch.device]:
    """Threads, allocator and determinism as the options say; the old ones are given back."""
    device = pick_device(options.device)
    if options.threads is not None and options.threads < 1:
        raise InputError(f"cannot run on {options.threads} threads", do="--threads 1")
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    tf32, benchmark = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(options.threads or usable_threads())
    keep_freed_memory()
    if options.deterministic:
        _deterministic(on=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = False
    try:
        yield device
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = tf32, benchmark
        _deterministic(on=deterministic)
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


@contextmanager
def memory_told() -> Iterator[None]:
    """Say in one sentence that memory is short, whichever allocator found out."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        said = str(error)
        short = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not short and "allocate memory" not in said and "not enough memory" not in said:
            raise
        raise OutOfMemoryError(
            "out of memory", do="a smaller batch, or a smaller preset"
        ) from error


def _deterministic(*, on: bool) -> None:
    """The switch behind `torch.use_deterministic_algorithms`, which also imports torch's compiler.

    That import takes 2 seconds, and the compiler has nothing to do here unless it is asked for.
    """
    torch._C._set_deterministic_algorithms(on)


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed blocks, so that steps do not pay page faults again and again.

    M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD of mallopt(3). False where there is no glibc.
    """
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    settings = ((-4, 0), (-1, 2**31 - 1), (-2, 64 << 20))
    return all(libc.mallopt(option, value) == 1 for option, value in settings)


def record(device: torch.device, options: Options | None = None) -> dict[str, Any]:
    """What bit-equality depends on; no host name, no path."""
    return {
        "netwright": netwright.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": ".".join(map(str, sys.version_info[:2])),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "device": device.type,
        "compile": bool(options and options.compile),
        "card": torch.cuda.get_device_name(device) if device.type == "cuda" else "",
        "system": f"{platform.system()} {platform.machine()}",
        "cores": usable_threads(),
    }


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What is not as it was, in words: `threads 4, were 8`."""
    return [f"{k} {new.get(k)}, were {old.get(k)}" for k in EXACT if old.get(k) != new.get(k)]


def has_bf16(device: torch.device) -> bool:
    """Whether the processor computes in bf16 itself rather than by emulation."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(getattr(torch.cpu, p, lambda: False)()) for p in probes)
