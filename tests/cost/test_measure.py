"""Clocks are lists here: nothing depends on how fast the machine is."""

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from netwright.cost.measure import (
    Latency,
    Spent,
    Throughput,
    latency,
    peak_memory,
    spent,
    throughput,
    waiter,
)
from netwright.errors import InputError


def clock(times: Iterable[float]) -> Callable[[], float]:
    moments = iter(times)
    return lambda: next(moments)


def test_latency_is_percentiles_of_single_calls_without_the_warm_up() -> None:
    took = [float(n) for n in range(1, 101)]
    moments = itertools.chain.from_iterable(
        (1000.0 * i, 1000.0 * i + t) for i, t in enumerate(took)
    )
    calls: list[str] = []
    found = latency(
        lambda: calls.append("call"),
        warmup=3,
        repeats=100,
        wait=lambda: calls.append("wait"),
        clock=clock(moments),
    )
    assert found == Latency(*np.percentile(took, [50, 90, 99]))
    assert calls[:6] == ["call"] * 3 + ["wait"] + ["call", "wait"]
    assert calls.count("call") == 103


def test_the_device_is_waited_for_before_the_clock_is_read() -> None:
    events: list[str] = []

    def read() -> float:
        events.append("clock")
        return 0.0

    latency(
        lambda: events.append("call"),
        warmup=0,
        repeats=1,
        wait=lambda: events.append("wait"),
        clock=read,
    )
    assert events == ["wait", "clock", "call", "wait", "clock"]


def test_throughput_is_samples_over_the_time_of_all_calls() -> None:
    calls: list[str] = []
    found = throughput(
        lambda: calls.append("call"),
        samples=8,
        warmup=1,
        repeats=5,
        wait=lambda: calls.append("wait"),
        clock=clock([10.0, 12.0]),
    )
    assert found == Throughput(per_second=20.0, samples=40, seconds=2.0)
    assert calls == ["call", "wait", *["call"] * 5, "wait"]


def test_both_clocks_are_told_apart() -> None:
    found = spent(lambda: None, clock=clock([1.0, 4.0]), cpu_clock=clock([2.0, 7.0]))
    assert found == Spent(wall=3.0, cpu=5.0)


@pytest.mark.parametrize(("warmup", "repeats"), [(-1, 5), (0, 0)])
def test_counts_that_measure_nothing_are_refused(warmup: int, repeats: int) -> None:
    with pytest.raises(InputError, match="at least 1 repeat"):
        latency(lambda: None, warmup=warmup, repeats=repeats)
    with pytest.raises(InputError, match="at least 1 repeat"):
        throughput(lambda: None, 1, warmup=warmup, repeats=repeats)


def test_a_throughput_without_samples_or_time_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1 sample"):
        throughput(lambda: None, 0, warmup=0, repeats=1)
    with pytest.raises(InputError, match="too short"):
        throughput(lambda: None, 1, warmup=0, repeats=1, clock=lambda: 5.0)


def test_the_clocks_that_are_taken_by_default_go_on() -> None:
    found = latency(lambda: None, warmup=0, repeats=3)
    assert 0 <= found.p50 <= found.p90 <= found.p99
    assert spent(lambda: None).wall >= 0


def test_waiting_for_a_cpu_is_nothing() -> None:
    assert waiter(torch.device("cpu"))() is None


def test_the_peak_is_the_high_water_mark_in_bytes(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmPeak:\t  999 kB\nVmHWM:\t  123 kB\nVmRSS:\t  77 kB\n")
    assert peak_memory(status=status) == 123 * 1024
    assert peak_memory(torch.device("cpu"), status=status) == 123 * 1024


def test_the_peak_holds_what_was_allocated_with_and_without_a_status_file(tmp_path: Path) -> None:
    block = torch.ones(8_000_000)
    for status in ({}, {"status": tmp_path / "nothing"}):
        assert peak_memory(**status) > block.nbytes
        assert peak_memory(**status) < 2**40
