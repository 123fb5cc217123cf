"""Measure finished runs, each in a fresh process, so that peaks of memory do not mix.

`python -m netwright.cost.process DEVICE THREADS RUN...` prints one line of JSON a run;
`measure_runs` starts it. It loads torch once and forks for each run: a forked process counts its
own peak from what it inherits.
Dimensions: t places.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from netwright.cost.energy import Joules, energy, nvml, rapl
from netwright.cost.measure import latency, peak_memory, throughput, waiter
from netwright.errors import MachineError, NetwrightError, shown
from netwright.models.base import Network
from netwright.nn.heads import numbers
from netwright.nn.toys import meta_inputs
from netwright.specs import Tokens
from netwright.train.machine import DeviceName, keep_freed_memory, pick_device
from netwright.train.work import load

BATCH = 256
"""Samples of one call when throughput is measured, at most."""
NUMBERS = 2**24
"""Numbers that such a call gives at most: a vocabulary makes large answers."""
PLACES = (16, 32, 64, 96, 128, 192, 256, 512, 1024)
"""Lengths behind which one more symbol is timed, where places are made one by one."""
METERED = 1.0
"""Seconds of answers under the meter; counters move slowly."""
LIMIT = 120.0
"""Seconds after which a measurement is given up."""


def measure_runs(
    folders: Sequence[Path], *, device: DeviceName, threads: int
) -> list[dict[str, Any]]:
    """Latency, throughput, peak memory and energy of the networks of finished runs.

    What could not be measured is a document with the one key `error`, a sentence.

    Raises: MachineError where the measuring process itself fails.
    """
    words = [sys.executable, "-P", "-m", "netwright.cost.process", device, str(threads)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module, words we chose
            [*words, *map(str, folders)],
            capture_output=True,
            check=True,
            timeout=LIMIT * len(folders),
            text=True,
        )
        found = [json.loads(line) for line in done.stdout.splitlines()]
        if len(found) != len(folders):
            raise ValueError(f"{len(found)} answers for {len(folders)} runs")
    except (subprocess.SubprocessError, ValueError) as error:
        said = getattr(error, "stderr", "") or str(error)
        last = str(said).strip().splitlines()[-1:]
        raise MachineError("the runs could not be measured", why=shown(*last or [""])) from None
    return found


def measure_here(folder: Path, device: DeviceName, threads: int) -> dict[str, Any]:
    """The measurements of this process."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    where = pick_device(device)
    nets = [n for n in load(folder, where).nets.values() if isinstance(n, Network)]

    def call(n: int) -> Any:
        # not zeros_like: asked of the meta device it loads torch's compiler, a second of imports
        inputs = [
            {
                k: torch.zeros(v.shape, dtype=v.dtype, device=where)
                for k, v in meta_inputs(net.signature, n).items()
            }
            for net in nets
        ]

        def answer() -> None:
            for net, mine in zip(nets, inputs, strict=True):
                net(**mine)

        return answer

    wait = waiter(where)
    batch = max(1, min(BATCH, NUMBERS // sum(numbers(n.signature.output) for n in nets)))
    with torch.inference_mode():
        took = latency(call(1), warmup=20, repeats=200, wait=wait)
        many = throughput(call(batch), batch, warmup=2, repeats=5, wait=wait)
        meter = nvml() if where.type == "cuda" else rapl()
        answer = call(batch)
        times = max(1, math.ceil(METERED * many.per_second / batch))

        def metered() -> None:
            for _ in range(times):
                answer()
            wait()

        used = energy(metered, meter)
        peak = peak_memory(where)
        tokens = [list(t) for net in nets for t in per_place(net, wait, where)]
    joules = used.joules / (batch * times) if isinstance(used, Joules) else None
    return {
        "latency": took.p50,
        "latency_p90": took.p90,
        "latency_p99": took.p99,
        "throughput": many.per_second,
        "throughput_batch": batch,
        "memory": peak,
        "energy": joules,
        "energy_note": "joules of one answer" if joules is not None else str(used),
        "per_place": tokens,
        "threads": threads,
    }


def per_place(
    net: Network, wait: Callable[[], object], where: torch.device
) -> list[tuple[int, float]]:
    """(t, seconds of one more place behind t of them), where places are made one by one.

    Half of the calls took no longer. Stops where the network keeps no more places.
    """
    form = net.signature.input
    if net.signature.positions != "causal" or not isinstance(form, Tokens):
        return []
    found = []
    for length in PLACES:
        if net.capacity is not None and length >= net.capacity:
            break
        before = torch.zeros(1, length, dtype=torch.long, device=where)
        one = torch.zeros(1, 1, dtype=torch.long, device=where)
        _, state = net.step(before, net.state(1))
        took = latency(partial(net.step, one, state), warmup=5, repeats=50, wait=wait)
        found.append((length, took.p50))
    return found


def _apart(folder: Path, device: DeviceName, threads: int) -> str:
    """One line of JSON out of a forked process, or of this one where none can be forked."""
    if not hasattr(os, "fork"):
        return _told(folder, device, threads)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, _told(folder, device, threads).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        line = answer.read().decode()
    os.waitpid(child, 0)
    return line or json.dumps({"error": "the measuring process was killed"})


def _told(folder: Path, device: DeviceName, threads: int) -> str:
    try:
        return json.dumps(measure_here(folder, device, threads))
    except NetwrightError as error:
        return json.dumps({"error": error.sentence})
    except Exception as error:  # noqa: BLE001 - told to whoever asked, in its own process
        return json.dumps({"error": shown(f"{type(error).__name__}: {error}")})


def main(words: Sequence[str]) -> None:
    """Device, threads and run folders; one line of JSON for each run."""
    device, threads, *folders = words
    for folder in folders:
        sys.stdout.write(_apart(Path(folder), device, int(threads)) + "\n")  # type: ignore[arg-type]
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
