"""Foreign files read within limits: regular, inside their root, unchanged, unpacked as a stream.

Sizes come from the file system, not from headers. Nothing is unpacked to disk.
"""

import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from netwright.errors import InputError, MachineError

EXPANSION = 200
"""By how much a packed file may grow."""
FREE = 1 << 20
"""Bytes to which any packed file may grow; short files of one colour pack very well."""
PIECE = 1 << 20
"""Bytes that are asked for at once, so that memory follows what is there, not what is claimed."""
GZIP = b"\x1f\x8b"


class Source(io.RawIOBase):
    """A file as a stream of bytes, unpacked where it is gzip."""

    def __init__(self, stream: BinaryIO, file: Path, expansion: int, most: int | None) -> None:
        super().__init__()
        size = os.fstat(stream.fileno()).st_size
        self.file, self._expansion, self._most = file, expansion, most
        self.packed = stream.read(2) == GZIP
        """Whether it is gzip, by its first bytes: browsers unpack and keep the name."""
        stream.seek(0)
        self.left = max(FREE, expansion * size) if self.packed else size
        """Bytes still to come: exactly so many, or at most, where it is packed."""
        if most is not None and most < self.left:
            self.left, self._expansion = most, 0
        self._stream = cast("BinaryIO", gzip.GzipFile(fileobj=stream)) if self.packed else stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, at most a piece; none at the end. InputError if it is damaged."""
        try:
            piece = self._stream.read(min(size, PIECE) if size >= 0 else PIECE)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(
                "the file cannot be unpacked",
                why="its gzip data is damaged or cut short",
                do="get the file again",
                file=self.file,
            ) from error
        except OSError as error:
            raise _unreadable(self.file, error) from error
        self.left -= len(piece)
        if self.left < 0:
            raise self.bomb()
        return piece

    def take(self, size: int) -> bytearray:
        """The next `size` bytes, fewer where the file ends before."""
        taken = bytearray()
        while len(taken) < size and (piece := self.read(size - len(taken))):
            taken += piece
        return taken

    def bomb(self) -> InputError:
        """The error for a file that holds more than the limit."""
        if not self._expansion:
            return InputError(f"the file holds more than {self._most:,} bytes", file=self.file)
        return InputError(
            f"the file unpacks to more than {self._expansion} times its size",
            why="so small a file that grows so much is made to fill the memory",
            do=f"expansion={10 * self._expansion}, if you trust it",
            file=self.file,
        )


@contextmanager
def opened(
    path: Path, root: Path, expansion: int = EXPANSION, most: int | None = None
) -> Iterator[Source]:
    """The file at `path`, open; InputError if it is no regular file below `root`, or changes.

    Reading stops with an InputError where a packed file grows to more than `expansion` times its
    size, or where any holds more than `most` bytes.
    """
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise InputError(
            "the file is a link that leads out of the folder given",
            do="give the folder in which the file itself lies",
            file=path,
        )
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError("a folder, pipe or device stands where a file is read", file=path)
        stream = path.open("rb")
    except FileNotFoundError as error:
        raise InputError("there is no such file", file=path) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    with stream:
        before = os.fstat(stream.fileno())
        yield Source(stream, path, expansion, most)
        after = os.fstat(stream.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InputError(
            "the file changed while it was read", do="try again when it is written", file=path
        )


def _unreadable(path: Path, error: OSError) -> MachineError:
    return MachineError("the file cannot be read", why=error.strerror or str(error), file=path)
