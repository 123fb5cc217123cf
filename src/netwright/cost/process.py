"""Measure a finished run in a fresh process, so that peaks of memory do not mix.

`python -m netwright.cost.process RUN THREADS` prints one JSON document; `measure_run` starts it.
"""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from netwright.cost.energy import Joules, energy, nvml, rapl
from netwright.cost.measure import latency, peak_memory, throughput, waiter
from netwright.errors import MachineError, shown
from netwright.models.base import Network, meta_inputs
from netwright.train.machine import DeviceName, keep_freed_memory, pick_device
from netwright.train.work import load

BATCH = 256
"""Samples of one call when throughput is measured."""
METERED = 1.0
"""Seconds of answers under the meter; counters move slowly."""
LIMIT = 120.0
"""Seconds after which a measurement is given up."""


def measure_run(folder: Path, *, device: DeviceName, threads: int) -> dict[str, Any]:
    """Latency, throughput, peak memory and energy of a finished run's networks."""
    words = [
        sys.executable,
        "-P",
        "-m",
        "netwright.cost.process",
        str(folder),
        device,
        str(threads),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - our own module, words we chose
            words, capture_output=True, check=True, timeout=LIMIT, text=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        said = getattr(error, "stderr", "") or str(error)
        last = str(said).strip().splitlines()[-1:]
        raise MachineError("the run could not be measured", why=shown(*last or [""])) from None
    return found


def measure_here(folder: Path, device: DeviceName, threads: int) -> dict[str, Any]:
    """The measurements of this process."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    where = pick_device(device)
    nets = [n for n in load(folder, where).nets.values() if isinstance(n, Network)]

    def call(n: int) -> Any:
        inputs = [
            {k: torch.zeros_like(v, device=where) for k, v in meta_inputs(net.signature, n).items()}
            for net in nets
        ]

        def answer() -> None:
            for net, mine in zip(nets, inputs, strict=True):
                net(**mine)

        return answer

    wait = waiter(where)
    with torch.inference_mode():
        took = latency(call(1), warmup=20, repeats=200, wait=wait)
        many = throughput(call(BATCH), BATCH, warmup=2, repeats=5, wait=wait)
        meter = nvml() if where.type == "cuda" else rapl()
        answer = call(BATCH)
        times = max(1, math.ceil(METERED * many.per_second / BATCH))

        def metered() -> None:
            for _ in range(times):
                answer()
            wait()

        used = energy(metered, meter)
    joules = used.joules / (BATCH * times) if isinstance(used, Joules) else None
    return {
        "latency": took.p50,
        "latency_p90": took.p90,
        "latency_p99": took.p99,
        "throughput": many.per_second,
        "throughput_batch": BATCH,
        "memory": peak_memory(where),
        "energy": joules,
        "energy_note": "joules of one answer" if joules is not None else str(used),
        "threads": threads,
    }


if __name__ == "__main__":
    found = measure_here(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))  # type: ignore[arg-type]
    sys.stdout.write(json.dumps(found) + "\n")
