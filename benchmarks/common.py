"""What the benchmark scripts share: the machine, the result file, arguments, paired rounds."""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
RECIPES = Path(__file__).parent / "recipes"


def arguments(about: str) -> argparse.ArgumentParser:
    """A parser with what every script takes."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(
        "--out", type=Path, help="where the JSON goes (default: benchmarks/results)"
    )
    parser.add_argument("--threads", type=int, default=2)
    return parser


def machine() -> dict[str, Any]:
    """Processor and versions; no host name."""
    import numpy as np
    import torch

    model = platform.processor() or platform.machine()
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        names = [ln for ln in cpu.read_text("utf-8").splitlines() if ln.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return {
        "processor": model,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "card": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "cores": len(__import__("os").sched_getaffinity(0)),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def write(name: str, values: Mapping[str, Any], out: Path | None = None) -> Path:
    """Write one result with machine, versions, date and command."""
    path = out or RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    words = [Path(sys.argv[0]).name, *(Path(w).name if "/" in w else w for w in sys.argv[1:])]
    document = {
        "name": path.stem,
        "command": f"python benchmarks/{' '.join(words)}",
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        **values,
    }
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", "utf-8")
    print(f"{path.name}: {json.dumps(values)[:2000]}")
    return path


class Contestant:
    """A live process that runs a trial when told: one JSON line in, one out."""

    def __init__(
        self, name: str, words: Sequence[str], env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.process = subprocess.Popen(
            list(words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Run a trial."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
        raise RuntimeError(f"{self.name} ended")

    def close(self) -> None:
        """Let it end."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(timeout=60)


def interleaved(
    contestants: Sequence[Contestant], question: Mapping[str, Any], rounds: int, warm: int = 2
) -> dict[str, list[dict[str, Any]]]:
    """Rounds A B C A B C; the warm-up rounds are thrown away."""
    found: dict[str, list[dict[str, Any]]] = {c.name: [] for c in contestants}
    for number in range(warm + rounds):
        for c in contestants:
            trial = c.ask(question)
            if number >= warm:
                found[c.name].append(trial)
    return found


def ratio(over: Sequence[float], under: Sequence[float]) -> dict[str, float]:
    """Median and range of ratios paired by round."""
    ratios = sorted(a / b for a, b in zip(over, under, strict=True))
    return {"median": statistics.median(ratios), "low": ratios[0], "high": ratios[-1]}
