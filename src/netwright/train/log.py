"""A log of a run: JSON lines that only grow, marked by a checkpoint and cut back on resume."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from netwright.errors import DamagedError
from netwright.files import (
    JSON,
    OS,
    Layer,
    dumps,
    parse_lines,
    read,
    sync,
    sync_folder,
    told,
    write,
)


@dataclass(frozen=True)
class Mark:
    """How far a log went: its first `length` bytes have this `sha256`."""

    length: int
    sha256: str


@final
class Log:
    """A file of JSON lines that only grows, one write a line; for its owner alone.

    Opening cuts off a torn last line, which a kill can leave; `torn` tells how many bytes it had.
    """

    def __init__(self, path: Path, layer: Layer = OS) -> None:
        new = not os.path.lexists(path)
        data = b"" if new else read(path)
        whole = data[: data.rfind(b"\n") + 1]
        self.path, self.torn, self._layer = path, len(data) - len(whole), layer
        with told(path):
            self._descriptor = layer.extend(path)
            if self.torn:
                layer.cut(self._descriptor, len(whole))
        if new:
            sync_folder(path.parent, layer)
        self._took(whole)

    def _took(self, data: bytes) -> None:
        self.length, self.lines = len(data), data.count(b"\n")
        self._hash = hashlib.sha256(data)

    def append(self, value: Mapping[str, JSON]) -> None:
        """Write one line; on MachineError the file is cut back to whole lines."""
        line = dumps(value)
        with told(self.path):
            try:
                write(self._descriptor, line, self._layer)
            except OSError:
                self._layer.cut(self._descriptor, self.length)
                raise
        self.length, self.lines = self.length + len(line), self.lines + 1
        self._hash.update(line)

    def mark(self) -> Mark:
        """Make all lines durable, and tell how far they go."""
        sync(self._descriptor, self.path, self._layer)
        return Mark(self.length, self._hash.hexdigest())

    def after(self, mark: Mark) -> bytes:
        """The lines after `mark`.

        Raises DamagedError, with the number of a bad line, if what stands before is not what was
        marked: the order of writing makes that impossible without damage from outside.
        """
        data, name = read(self.path), self.path.name
        kept = data[: mark.length]
        if hashlib.sha256(kept).hexdigest() != mark.sha256:
            parse_lines(kept, name)
            what = "was changed after the checkpoint recorded its sha256"
            if len(kept) < mark.length:
                what = f"has {len(kept)} bytes, fewer than the checkpoint's {mark.length}"
            raise DamagedError(what, file=name)
        return data[mark.length :]

    def rewind(self, mark: Mark) -> None:
        """Cut off the lines after `mark`. Raises as `after`."""
        self.after(mark)
        with told(self.path):
            self._layer.cut(self._descriptor, mark.length)
        sync(self._descriptor, self.path, self._layer)
        self._took(read(self.path))

    def close(self) -> None:
        self._layer.close(self._descriptor)


EMPTY = Mark(0, hashlib.sha256().hexdigest())
"""The mark of a log without lines."""
