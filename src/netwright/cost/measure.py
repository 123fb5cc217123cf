"""Seconds and bytes of a piece of work that really runs.

This module and `train/budget.py` are the only ones that read a clock; it comes in as an argument.
Peaks of memory belong to a process: one candidate a process, else they mix.
"""

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from netwright.errors import InputError

Clock = Callable[[], float]
"""Seconds from any start; never going back."""
STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of one call: half, 90 % and 99 % of the calls took no longer."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """Samples in a second, over all calls together."""

    per_second: float
    samples: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What one call took, in seconds: of the wall clock, and of all threads of this process."""

    wall: float
    cpu: float


def waiter(device: torch.device) -> Callable[[], object]:
    """What waits until `device` has done all that was asked of it; nothing on a CPU."""
    if device.type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    return lambda: None


def latency(
    function: Callable[[], object],
    *,
    warmup: int,
    repeats: int,
    wait: Callable[[], object] = lambda: None,
    clock: Clock = time.perf_counter,
) -> Latency:
    """Each of `repeats` calls timed alone, after `warmup` that are not.

    Percentiles are interpolated, so p99 of fewer than 100 calls lies close to the slowest. `wait`
    (see `waiter`) ends each call.
    """
    took = np.array(_times(function, warmup, repeats, wait, clock))
    p50, p90, p99 = np.percentile(took, [50, 90, 99]).tolist()
    return Latency(p50, p90, p99)


def throughput(
    function: Callable[[], object],
    samples: int,
    *,
    warmup: int,
    repeats: int,
    wait: Callable[[], object] = lambda: None,
    clock: Clock = time.perf_counter,
) -> Throughput:
    """`function` works on `samples` samples; its calls follow each other without a pause.

    `wait` is called once, at the end, so that a device's queue is never drained between calls.
    """
    if samples < 1:
        raise InputError(f"throughput needs at least 1 sample a call, not {samples}")

    def all_calls() -> None:
        for _ in range(repeats):
            function()

    _check(warmup, repeats)
    for _ in range(warmup):
        function()
    (seconds,) = _times(all_calls, 0, 1, wait, clock)
    if seconds <= 0:
        raise InputError(
            f"{repeats} calls are too short for the clock", do="more repeats or larger batches"
        )
    return Throughput(repeats * samples / seconds, repeats * samples, seconds)


def spent(
    function: Callable[[], object],
    *,
    wait: Callable[[], object] = lambda: None,
    clock: Clock = time.perf_counter,
    cpu_clock: Clock = time.process_time,
) -> Spent:
    """One call, on both clocks."""
    wall, cpu = clock(), cpu_clock()
    function()
    wait()
    return Spent(clock() - wall, cpu_clock() - cpu)


def _check(warmup: int, repeats: int) -> None:
    if warmup < 0 or repeats < 1:
        raise InputError(
            f"measuring needs at least 1 repeat and no negative warm-up, not {repeats} and {warmup}"
        )


def _times(
    function: Callable[[], object],
    warmup: int,
    repeats: int,
    wait: Callable[[], object],
    clock: Clock,
) -> list[float]:
    _check(warmup, repeats)
    for _ in range(warmup):
        function()
    wait()
    took = []
    for _ in range(repeats):
        start = clock()
        function()
        wait()
        took.append(clock() - start)
    return took


def peak_memory(device: torch.device | None = None, status: Path = STATUS) -> int:
    """The most bytes that this process held at once since it started.

    Of a CUDA device: what tensors held there. Else resident memory: Linux' own high-water mark,
    which starts anew with each program (that of `getrusage` is inherited from the parent).
    """
    if device is not None and device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if status.exists():
        found = re.search(r"^VmHWM:\s*(\d+) kB$", status.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    return _peak_elsewhere()


def _peak_elsewhere() -> int:
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
