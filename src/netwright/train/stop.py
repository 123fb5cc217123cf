"""Signals: the first one asks, the second one leaves at once.

The handler sets a flag and nothing else; every loop polls it. Leaving at once without saving is
harmless, because a save under way is invisible until it is whole.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Stop:
    """Whether somebody asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.asked: int | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """What a signal does."""
        if self.asked is not None:
            os._exit(128 + number)
        self.asked = number


@contextmanager
def listening() -> Iterator[Stop]:
    """Listen for signals inside; the old handlers are given back. Only the main thread can."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = [getattr(signal, n) for n in NAMES if hasattr(signal, n)]
    # what is ignored stays so (nohup), and what was not set from Python could not be given back
    kept = (signal.SIG_IGN, None)
    old = {n: signal.signal(n, stop.handle) for n in numbers if signal.getsignal(n) not in kept}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
