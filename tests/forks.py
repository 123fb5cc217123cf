"""Real processes for real kills: a server that has imported netwright forks one for each command.

A start costs seconds and a fork none. Each command runs in a process of its own, with its own
locks and signals, and can be told to send itself a signal in the middle of its n-th operation on a
file: SIGKILL, or SIGSTOP to be looked at and then sent another.

    python tests/forks.py
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

OPERATIONS = [
    "create",
    "extend",
    "write",
    "cut",
    "sync",
    "rename",
    "sync_folder",
    "unlink",
    "rmdir",
    "mkdir",
]
MEASURED = {"latency": 1e-4, "memory": 1e6, "energy": None}
"""What a contest in a fork is told of every candidate: measuring takes long, and is tried apart."""
ENV = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Ended:
    """How a command ended; a negative code is the signal that killed it."""

    code: int
    out: str
    err: str


class Process:
    """A command under way."""

    def __init__(self, server: "Forks", pid: int, folder: Path) -> None:
        self.server, self.pid, self.folder = server, pid, folder

    def go_on(self, *numbers: int) -> None:
        """Send a stopped process signals, all of which are there before it takes another step."""
        for number in (*numbers, signal.SIGCONT):
            os.kill(self.pid, number)

    def wait(self) -> Ended:
        """Wait for its end."""
        code = int(self.server.ask({"wait": self.pid}))
        out, err = ((self.folder / name).read_text("utf-8") for name in ("out", "err"))
        return Ended(code, out, err)


class Forks:
    """The server, from the test's side; a context."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._count = folder, 0
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | ENV | {"NETWRIGHT_CACHE": str(folder / "cache")},
            text=True,
        )

    def ask(self, order: dict[str, Any]) -> Any:
        """Give an order and take the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(
        self, *words: object, cwd: Path, at: int | None = None, number: int = signal.SIGKILL
    ) -> Process:
        """Start a command, which sends itself a signal in its operation `at`, counted from 0."""
        self._count += 1
        folder = self.folder / str(self._count)
        folder.mkdir(parents=True)
        order = {"words": [*map(str, words)], "cwd": str(cwd), "out": str(folder)}
        return Process(self, int(self.ask(order | {"at": at, "number": number})), folder)

    def stopped(self, *words: object, cwd: Path, at: int) -> Process:
        """Start a command and wait until it has stopped itself in its operation `at`."""
        process = self.start(*words, cwd=cwd, at=at, number=signal.SIGSTOP)
        assert self.ask({"stopped": process.pid}), process.wait()
        return process

    def run(self, *words: object, cwd: Path, at: int | None = None) -> Ended:
        """Run a command to its end, or until it kills itself in its operation `at`."""
        return self.start(*words, cwd=cwd, at=at).wait()

    def count(self, *words: object, cwd: Path) -> int:
        """Run a command and count its operations on files."""
        process = self.start(*words, cwd=cwd)
        ended = process.wait()
        assert ended.code == 0, ended.err
        return int((process.folder / "operations").read_text("utf-8"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def serve() -> None:
    """The server: import everything once, then fork for each order."""
    import sklearn.svm  # noqa: F401
    import torch

    from netwright.compare import contest
    from netwright.report import card, page  # noqa: F401

    torch.use_deterministic_algorithms(mode=True)  # imports much, once
    contest.measure_runs = lambda folders, **_: [dict(MEASURED) for _ in folders]
    for line in sys.stdin:
        order = json.loads(line)
        answer = _answer(order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


CODES: dict[int, int] = {}
"""Of the processes that have ended."""


def _answer(order: dict[str, Any]) -> object:
    if "words" in order:
        pid = os.fork()
        if pid == 0:
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # a runner may have ignored them
                signal.signal(getattr(signal, name), signal.SIG_DFL)
            _child(order)
        return pid
    if "stopped" in order:
        pid, status = os.waitpid(order["stopped"], os.WUNTRACED)
        if os.WIFSTOPPED(status):
            return True
        CODES[pid] = os.waitstatus_to_exitcode(status)
        return False
    pid = order["wait"]
    if pid not in CODES:
        CODES[pid] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return CODES[pid]


def _child(order: dict[str, Any]) -> None:
    code = 1
    try:
        os.chdir(order["cwd"])
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(Path(order["out"], name), os.O_WRONLY | os.O_CREAT, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        counted = _watched(order["at"], order["number"])
        from netwright.cli.main import main

        code = main(order["words"])
        sys.stdout.flush()
        Path(order["out"], "operations").write_text(str(counted[0]), "utf-8")
    finally:
        os._exit(code)


def _watched(at: int | None, number: int) -> list[int]:
    """Count the operations on files from here on, and send us a signal in number `at`."""
    from netwright import files

    done = [0]

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(self: files.Layer, first: Any, *rest: Any) -> Any:
            done[0] += 1
            if done[0] - 1 == at:
                if name == "write" and number == signal.SIGKILL:  # half of it is there
                    call(self, first, rest[0][: len(rest[0]) // 2])
                os.kill(os.getpid(), number)
            return call(self, first, *rest)

        return wrapped

    for name in OPERATIONS:
        setattr(files.Layer, name, watched(name, getattr(files.Layer, name)))
    return done


if __name__ == "__main__":
    serve()
