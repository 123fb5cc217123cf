"""What a training runs on is set while it runs, given back after, and named where it differs."""

import os
import platform

import pytest
import torch
from pydantic import ValidationError

from netwright.errors import InputError, MachineError
from netwright.train.machine import (
    EXACT,
    Options,
    differences,
    has_bf16,
    keep_freed_memory,
    pick_device,
    prepared,
    record,
    usable_threads,
)

CPU = torch.device("cpu")


def settings() -> tuple[object, ...]:
    return (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
    )


def test_threads_and_determinism_hold_inside_and_are_given_back() -> None:
    before = settings()
    with prepared(Options(device="cpu", threads=2)) as device:
        assert device == CPU
        assert settings() == (2, True, False)
    assert settings() == before


def test_they_are_given_back_after_an_error_too() -> None:
    before = settings()
    with pytest.raises(ValueError, match="inside"), prepared(Options(device="cpu", threads=2)):
        raise ValueError("inside")
    assert settings() == before


def test_without_a_number_it_takes_all_the_threads_that_it_may_use() -> None:
    with prepared(Options(device="cpu")):
        assert torch.get_num_threads() == usable_threads()


def test_determinism_is_a_choice() -> None:
    with prepared(Options(device="cpu", threads=1, deterministic=False)):
        assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity here")
def test_the_processors_that_a_process_may_use_are_those_that_it_is_bound_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5})
    assert usable_threads() == 3


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_are_refused(threads: int) -> None:
    before = settings()
    refused = pytest.raises(InputError, match=f"cannot run on {threads} threads")
    with refused as told, prepared(Options(device="cpu", threads=threads)):
        pass
    assert told.value.do == "--threads 1"
    assert settings() == before


def test_a_device_that_is_not_there_is_told_and_auto_takes_what_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == pick_device("cpu") == CPU
    with pytest.raises(MachineError, match="no CUDA device here") as told:
        pick_device("cuda")
    assert (told.value.code, told.value.do) == (3, "--device cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == pick_device("cuda") == torch.device("cuda")


def test_an_unknown_device_is_no_option() -> None:
    with pytest.raises(ValidationError, match="device"):
        Options.model_validate({"device": "tpu"})


def test_the_record_holds_what_bits_depend_on_and_no_name_of_the_machine() -> None:
    found = record(CPU)
    assert set(EXACT) <= set(found)
    assert (found["threads"], found["device"]) == (torch.get_num_threads(), "cpu")
    assert platform.node() not in map(str, found.values())
    assert not any("/" in str(value) for value in found.values())


def test_differences_are_told_in_words_and_only_those_that_bits_depend_on() -> None:
    now = record(CPU)
    assert differences(now, dict(now)) == []
    old = {**now, "threads": 8, "cores": 64, "system": "other"}
    assert differences(old, {**now, "threads": 4}) == ["threads 4, were 8"]
    assert differences({}, {"torch": "2.13"}) == ["torch 2.13, were None"]


def test_a_processor_without_its_units_has_no_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    for name in probes:
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not has_bf16(CPU)
    monkeypatch.setattr(torch.cpu, probes[1], lambda: True)
    assert has_bf16(CPU)
    for name in probes:
        monkeypatch.delattr(torch.cpu, name)
    assert not has_bf16(CPU), "a torch without the probes"


def test_memory_is_kept_only_where_glibc_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", "1.2"))
    assert keep_freed_memory() is False
