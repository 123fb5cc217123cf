"""RAPL on a sysfs tree of our own, NVML behind a library of our own."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from netwright.cost.energy import Joules, Meter, NotMeasurable, energy, nvml, rapl


def zone(root: Path, place: str, name: str, energy_uj: int, most: int = 1_000_000_000) -> Path:
    folder = root / place
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return folder


def meter(root: Path) -> Meter:
    made = rapl(root)
    assert not isinstance(made, NotMeasurable), made
    return made


def test_packages_and_memory_are_summed_and_their_parts_and_the_platform_left_out(
    tmp_path: Path,
) -> None:
    (tmp_path / "intel-rapl").mkdir()  # the control type itself, without counters
    zones = {
        "intel-rapl:0": "package-0",
        "intel-rapl:0:0": "core",
        "intel-rapl:0:1": "dram",
        "intel-rapl:1": "package-1",
        "intel-rapl:2": "psys",
    }
    folders = [zone(tmp_path, place, name, 5_000_000) for place, name in zones.items()]
    made = meter(tmp_path)

    def work() -> None:
        for i, folder in enumerate(folders):
            (folder / "energy_uj").write_text(str(5_000_000 + 10**i * 1_000_000))

    spent = energy(work, made)
    assert spent == Joules(1 + 100 + 1000, "RAPL: package-0, dram, package-1")
    assert str(spent) == "1.1e+03 J (RAPL: package-0, dram, package-1)"


def test_a_counter_that_started_again_is_read_across_its_end(tmp_path: Path) -> None:
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 999_000_000)
    made = meter(tmp_path)
    spent = energy(lambda: (folder / "energy_uj").write_text("2000000"), made)
    assert isinstance(spent, Joules)
    assert spent.joules == pytest.approx(3.0)


def test_what_was_spent_before_the_work_is_not_charged_to_it(tmp_path: Path) -> None:
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    made = meter(tmp_path)
    (folder / "energy_uj").write_text("7000000")
    spent = energy(lambda: (folder / "energy_uj").write_text("9000000"), made)
    assert isinstance(spent, Joules)
    assert spent.joules == pytest.approx(2.0)


def test_the_same_counter_behind_a_second_interface_is_not_counted_twice(tmp_path: Path) -> None:
    one = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    other = zone(tmp_path, "intel-rapl-mmio:0", "package-0", 0)
    made = meter(tmp_path)
    spent = energy(lambda: [(f / "energy_uj").write_text("4000000") for f in (one, other)], made)
    assert spent == Joules(4.0, "RAPL: package-0")


def test_a_machine_without_counters_says_so_and_nothing_is_run_for_it(tmp_path: Path) -> None:
    done: list[int] = []
    answer = energy(lambda: done.append(1), rapl(tmp_path / "nowhere"))
    assert str(answer).startswith("not measurable: ")
    assert "no RAPL counter" in str(answer)
    assert done == []


def test_a_counter_that_only_root_may_read_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    read = Path.read_text

    def guarded(self: Path, encoding: str | None = None) -> str:
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(self))
        return read(self, encoding=encoding)

    monkeypatch.setattr(Path, "read_text", guarded)
    assert rapl(tmp_path) == NotMeasurable(f"{tmp_path} may be read by root alone")


def test_a_counter_that_vanishes_or_stands_still_is_no_measurement(tmp_path: Path) -> None:
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 5)
    made = meter(tmp_path)
    assert energy(lambda: None, made) == NotMeasurable("RAPL: package-0 did not move")
    answer = energy((folder / "energy_uj").unlink, made)
    assert "cannot be read" in str(answer)
    done: list[int] = []
    assert "cannot be read" in str(energy(lambda: done.append(1), made))
    assert done == []


def test_a_broken_counter_says_so(tmp_path: Path) -> None:
    (zone(tmp_path, "intel-rapl:0", "package-0", 5) / "energy_uj").write_text("soon")
    assert "cannot be read" in str(rapl(tmp_path))


def test_a_card_counts_millijoules(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = iter([1_000, 2_000, 6_500])
    library = SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda card: f"Card {card}",
        nvmlDeviceGetTotalEnergyConsumption=lambda card: next(counter),
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    assert energy(lambda: None, nvml(1)) == Joules(4.5, "NVML: Card 1")


def test_a_card_without_a_counter_and_a_missing_library_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails() -> None:
        raise RuntimeError("Driver Not Loaded")

    monkeypatch.setitem(
        sys.modules, "pynvml", SimpleNamespace(NVMLError=RuntimeError, nvmlInit=fails)
    )
    assert "Driver Not Loaded" in str(nvml())
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert "pynvml is not installed" in str(nvml())
