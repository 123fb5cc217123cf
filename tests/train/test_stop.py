"""Signals ask once, leave the second time, and find the old handlers again after."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from netwright.train import stop as stop_module
from netwright.train.stop import NAMES, Stop, listening

NUMBERS = [getattr(signal, name) for name in NAMES]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of Unix")


@pytest.fixture(autouse=True)
def handlers() -> Iterator[dict[int, object]]:
    """Handlers of our own, however the tests were started; the real ones are given back."""
    real = {n: signal.signal(n, lambda number, frame: None) for n in NUMBERS}
    yield {n: signal.getsignal(n) for n in NUMBERS}
    for number, handler in real.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_asks_and_nothing_else(number: int) -> None:
    with listening() as stop:
        assert stop.asked is None
        os.kill(os.getpid(), number)
        assert stop.asked == number


def test_the_second_signal_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(stop_module.os, "_exit", left.append)
    with listening():
        os.kill(os.getpid(), signal.SIGINT)
        assert left == []
        os.kill(os.getpid(), signal.SIGTERM)
    assert left == [128 + signal.SIGTERM]


def test_old_handlers_are_given_back_even_on_an_error(handlers: dict[int, object]) -> None:
    with pytest.raises(ValueError, match="inside"), listening() as stop:  # noqa: PT012
        assert all(signal.getsignal(n) == stop.handle for n in NUMBERS)
        raise ValueError("inside")
    assert {n: signal.getsignal(n) for n in NUMBERS} == handlers


def test_each_listening_asks_anew() -> None:
    with listening() as first:
        os.kill(os.getpid(), signal.SIGTERM)
    with listening() as second:
        assert second.asked is None
    assert first.asked == signal.SIGTERM


def test_what_was_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup starts its program
    with listening() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.asked is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked == signal.SIGTERM
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_another_thread_listens_to_nothing_and_works_on(handlers: dict[int, object]) -> None:
    seen: list[Stop] = []

    def work() -> None:
        with listening() as stop:
            seen.append(stop)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [stop.asked for stop in seen] == [None]
    assert {n: signal.getsignal(n) for n in NUMBERS} == handlers
