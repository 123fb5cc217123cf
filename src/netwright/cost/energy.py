"""Energy that a piece of work took, in joules, from counters of the machine; never an estimate.

Two meters: RAPL (Linux, /sys/class/powercap: processor packages and memory) and NVML (one NVIDIA
card). Both measure the whole package or card, whoever else works on it. Where there is no counter,
or none that may be read or that moves, the answer is `NotMeasurable`, with the reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, final

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True, slots=True)
class Joules:
    """Energy that was measured."""

    joules: float
    source: str
    """What was read: `RAPL: package-0, dram`."""

    def __str__(self) -> str:
        return f"{self.joules:.3g} J ({self.source})"


@dataclass(frozen=True, slots=True)
class NotMeasurable:
    """No energy, and why."""

    reason: str

    def __str__(self) -> str:
        return f"not measurable: {self.reason}"


class Meter(Protocol):
    """Something that counts energy."""

    source: str

    def joules(self) -> float:
        """Joules since the last call, or since it was made; OSError where it cannot be read."""
        ...


@final
class Rapl:
    """The counters of some zones, in microjoules; each starts again at 0 after its range.

    A wrap is seen if `joules` is called once a wrap: at 100 W a usual range lasts 40 minutes.
    """

    def __init__(self, zones: Sequence[Path]) -> None:
        self._zones = [(zone, _number(zone / "max_energy_range_uj")) for zone in zones]
        self._last = [_number(zone / "energy_uj") for zone in zones]
        self.source = "RAPL: " + ", ".join(_name(zone) for zone in zones)

    def joules(self) -> float:
        """Joules since the last call."""
        now = [_number(zone / "energy_uj") for zone, _ in self._zones]
        spent = 0
        for (_, most), before, after in zip(self._zones, self._last, now, strict=True):
            spent += after - before if after >= before else most - before + after
        self._last = now
        return spent / 1e6


def rapl(root: Path = POWERCAP) -> Meter | NotMeasurable:
    """Processor packages and their memory, of Intel and AMD; cores are parts of a package.

    `psys`, the whole platform, holds the packages and is left out; so is `intel-rapl-mmio`, a
    second way to the same counter.
    """
    try:
        zones = [z for z in sorted(root.glob("intel-rapl:*")) if _is_counted(_name(z))]
        if not zones:
            return NotMeasurable(f"{root} has no RAPL counter; virtual machines hide it")
        return Rapl(zones)
    except PermissionError:
        return NotMeasurable(f"{root} may be read by root alone")
    except (OSError, ValueError) as e:
        return NotMeasurable(f"{root} cannot be read ({e})")


@final
class Card:
    """The counter of one NVIDIA card, in millijoules."""

    def __init__(self, read: Callable[[], int], name: str) -> None:
        self._read, self.source = read, f"NVML: {name}"
        self._last = read()

    def joules(self) -> float:
        """Joules since the last call."""
        before, self._last = self._last, self._read()
        return (self._last - before) / 1e3


def nvml(index: int = 0) -> Meter | NotMeasurable:
    """The card at `index`, in NVML's order."""
    try:
        import pynvml
    except ImportError:
        return NotMeasurable("pynvml is not installed; pip install 'netwright[cuda]'")
    try:
        pynvml.nvmlInit()
        card = pynvml.nvmlDeviceGetHandleByIndex(index)
        name = pynvml.nvmlDeviceGetName(card)
        return Card(lambda: int(pynvml.nvmlDeviceGetTotalEnergyConsumption(card)), str(name))
    except pynvml.NVMLError as e:
        return NotMeasurable(f"card {index} has no energy counter ({e})")


def energy(function: Callable[[], object], meter: Meter | NotMeasurable) -> Joules | NotMeasurable:
    """Call `function` once; what its machine took meanwhile. Not called where there is no meter.

    `function` ends when its work is done: on CUDA it waits for the card. Work of less than a second
    or so is too short for counters that move every few milliseconds.
    """
    if isinstance(meter, NotMeasurable):
        return meter
    try:
        meter.joules()
    except (OSError, ValueError) as e:
        return NotMeasurable(f"{meter.source} cannot be read ({e})")
    function()
    try:
        spent = meter.joules()
    except (OSError, ValueError) as e:
        return NotMeasurable(f"{meter.source} cannot be read ({e})")
    if spent <= 0:
        return NotMeasurable(f"{meter.source} did not move")
    return Joules(spent, meter.source)


def _is_counted(name: str) -> bool:
    return name.startswith("package") or name == "dram"


def _name(zone: Path) -> str:
    return (zone / "name").read_text(encoding="utf-8").strip()


def _number(file: Path) -> int:
    return int(file.read_text(encoding="utf-8"))
