"""Run commands in this process, on small pictures and small runs."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netwright import files
from netwright.cli.main import main
from netwright.errors import StoppedError
from netwright.train import work
from netwright.train.run import RunView
from netwright.train.stop import Stop

TINY = ("--structure", "mlp/tiny", "--budget", "8steps", "--threads", "1")
MEASURED = {"latency": 1e-4, "memory": 1e6, "energy": None}
"""What a contest is told of every candidate where the measuring itself is not tried."""


def measured(folders: Sequence[Path], **_: object) -> list[dict[str, Any]]:
    """In the place of `measure_runs`."""
    return [dict(MEASURED) for _ in folders]


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def last(self) -> str:
        """The last line on stdout."""
        return self.out.splitlines()[-1]


class Say:
    """`say("list", "--json")` runs a command in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: object) -> Said:
        self._capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as left:  # --help, --version
            code = int(left.code or 0)
        return Said(code, *self._capsys.readouterr())

    def well(self, *words: object) -> Said:
        """A command that has to go well."""
        said = self(*words)
        assert said.code == 0, said.err
        return said

    def refused(self, sentence: str, *words: object, code: int = 2) -> Said:
        """A command that has to be refused in a sentence that holds `sentence`; no traceback."""
        said = self(*words)
        assert said.code == code, said
        assert said.err.startswith("netwright: ")
        assert sentence in said.err.splitlines()[0], said.err
        assert len(said.err.splitlines()) <= 2, said.err
        return said


def pictures(
    root: Path, classes: tuple[str, ...] = ("cat", "dog"), count: int = 12, side: int = 8
) -> Path:
    """A folder of noise, `count` pictures a class, each class of a colour of its own."""
    rng = np.random.default_rng(0)
    for number, label in enumerate(classes):
        (root / label).mkdir(parents=True)
        for k in range(count):
            pixels = rng.integers(0, 128, (side, side, 3), dtype=np.uint8)
            pixels[..., number % 3] += 100
            Image.fromarray(pixels).save(root / label / f"{k:02}.png")
    return root


def digit(path: Path) -> Path:
    """A picture of a one, as somebody would draw it."""
    image = Image.new("L", (40, 40), 255)
    image.paste(0, (18, 6, 23, 34))
    image.save(path)
    return path


def weights(run: Path) -> bytes:
    """The weights of a run that has ended, byte for byte."""
    step = RunView.open(run).status()["step"]
    return (run / "checkpoints" / f"step-{step:012d}" / "weights.safetensors").read_bytes()


def trail(run: Path) -> tuple[bytes, ...]:
    """All that a resumed run must have in common with one that was never stopped."""
    last = run / "checkpoints" / f"step-{RunView.open(run).status()['step']:012d}"
    names = ("weights.safetensors", "trainer.safetensors")
    return (*((last / n).read_bytes() for n in names), (run / "metrics.jsonl").read_bytes())


class After(Stop):
    """A signal that comes in after a number of rounds."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    @property
    def asked(self) -> int | None:  # type: ignore[override]
        self.rounds -= 1
        return 15 if self.rounds < 0 else None


@contextmanager
def stopped_after(rounds: int) -> Iterator[None]:
    """The training inside is told to stop after that many rounds, and has to."""

    @contextmanager
    def listening() -> Iterator[Stop]:
        yield After(rounds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "listening", listening)
        with pytest.raises(StoppedError):
            yield


def flip(path: Path) -> None:
    """Change a bit in the middle of a file; in JSON, of a letter in a string."""
    data = bytearray(path.read_bytes())
    word = (
        re.compile(rb'"[a-z]{3}').search(data, len(data) // 2) if path.suffix == ".json" else None
    )
    data[word.start() + 1 if word else len(data) // 2] ^= 0x20
    path.write_bytes(data)


def reseal(path: Path, **changed: object) -> None:
    """Change fields of a sealed document, and seal it again."""
    document = files.unseal(path.read_bytes(), path.name)
    path.write_bytes(files.seal({**document, **changed}))  # type: ignore[dict-item]


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Inode, time of change and content of every file in a folder but the lock's."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and ".run" not in path.parts:
            stat = path.stat()
            name = str(path.relative_to(folder))
            found[name] = (stat.st_ino, stat.st_mtime_ns, path.read_bytes())
    return found
