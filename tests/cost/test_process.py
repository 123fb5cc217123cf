"""A finished run measured in a process of its own."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from netwright import face
from netwright.cost import process
from netwright.cost.energy import Joules
from netwright.cost.process import measure_here, measure_runs, per_place
from netwright.errors import InputError, MachineError
from netwright.models import rnn
from netwright.models import transformer as attention
from netwright.specs import Signature, Tokens

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measured") / "run"
    face.train("digits", structure="mlp/tiny", budget="2steps", threads=1, out=folder, quiet=True)
    return folder


def test_runs_are_measured_each_in_a_fresh_process(run: Path, tmp_path: Path) -> None:
    found, lost = measure_runs([run, tmp_path / "no run"], device="cpu", threads=1)
    assert 0 < found["latency"] <= found["latency_p90"] <= found["latency_p99"]
    assert found["throughput"] > 0
    assert (found["throughput_batch"], found["threads"]) == (process.BATCH, 1)
    assert found["memory"] > 1e7
    assert found["energy"] is None or found["energy"] > 0
    assert found["energy_note"]
    assert found["per_place"] == []
    assert "there is no such run" in lost["error"]


def test_one_more_place_is_timed_behind_each_length_that_is_kept() -> None:
    form = Tokens(7, 80)
    causal = Signature(form, form, positions="causal")
    nets = [s.structure.build(causal, s.structure.presets["tiny"]).eval() for s in (rnn, attention)]
    with torch.inference_mode():
        lengths = [
            [t for t, seconds in per_place(n, lambda: None, CPU) if seconds > 0] for n in nets
        ]
    assert lengths == [list(process.PLACES), [16, 32, 64]]


def test_energy_is_of_one_answer(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def metered(work, _meter):
        calls.append(work())
        return Joules(512.0, "made up")

    monkeypatch.setattr(process, "METERED", 1e-9)  # one call under the meter
    monkeypatch.setattr(process, "energy", metered)
    threads = torch.get_num_threads()
    try:
        found = measure_here(run, "cpu", 1)
    finally:
        torch.set_num_threads(threads)
    assert len(calls) == 1
    assert found["energy"] == 512.0 / process.BATCH
    assert found["energy_note"] == "joules of one answer"


def test_the_words_of_the_process_are_ours(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def done(words: list[str], **_: object) -> SimpleNamespace:
        seen.append(words)
        return SimpleNamespace(stdout='{"latency": 1}\n')

    monkeypatch.setattr(subprocess, "run", done)
    assert measure_runs([run], device="cpu", threads=2) == [{"latency": 1}]
    assert seen == [[sys.executable, "-P", "-m", "netwright.cost.process", "cpu", "2", str(run)]]


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (
            subprocess.CalledProcessError(1, "x", stderr="a trace\nno\x1b memory\n"),
            "no\\x1b memory",
        ),
        (subprocess.TimeoutExpired("x", 120), "timed out after 120 seconds"),
        (None, "Expecting value"),
        ("", "0 answers for 1 runs"),
    ],
)
def test_a_measurement_that_fails_is_told_in_a_sentence(
    run: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception | str | None, why: str
) -> None:
    def fails(*_: object, **__: object) -> SimpleNamespace:
        if isinstance(fault, Exception):
            raise fault
        return SimpleNamespace(stdout="no JSON" if fault is None else fault)

    monkeypatch.setattr(subprocess, "run", fails)
    with pytest.raises(MachineError) as raised:
        measure_runs([run], device="cpu", threads=1)
    assert raised.value.sentence.startswith("the runs could not be measured: ")
    assert why in raised.value.sentence


def test_what_is_no_run_cannot_be_measured(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such run"):
        measure_here(tmp_path / "run", "cpu", torch.get_num_threads())
