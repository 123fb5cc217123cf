"""The only code that writes files: whole or not at all, and durable when it returns.

Every write goes through a `Layer`, the system's own calls, so that a test can fail any of them or
model a crash between any two. A name is bound to bytes only after the bytes are synced, and a
folder is synced after its names change (Pillai et al. 2014, "All File Systems Are Not Created
Equal"; leveldb's `SetCurrentFile`). JSON is written in one canonical form and read strictly.
"""

import errno
import hashlib
import os
import secrets
import shutil
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from netwright._json import JSON, dumps, loads, number, parse_lines, readable, seal, unseal
from netwright.errors import BusyError, DamagedError, MachineError, shown

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "DOOMED",
    "JSON",
    "OS",
    "TEMPORARY",
    "Layer",
    "Lock",
    "UnsyncedError",
    "create",
    "dumps",
    "loads",
    "make_folder",
    "number",
    "opened",
    "parse_lines",
    "publish",
    "read",
    "readable",
    "remove",
    "replace",
    "seal",
    "sha256",
    "sweep",
    "sync",
    "sync_folder",
    "told",
    "unseal",
    "write",
    "write_crash",
    "write_new",
]

TEMPORARY = ".tmp-"
"""A name that begins so was never published; the owner of the folder may remove it."""
DOOMED = ".del-"
"""A name that begins so is no longer published; the owner of the folder may remove it."""
PIECE = 4 << 20
"""Bytes a `write` is given at most."""
READ = 1 << 30
"""Bytes that `read` takes at most, unless told."""

WHY = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than the system allows",
    errno.EIO: "the disk failed",
    errno.EACCES: "there is no permission",
    errno.EPERM: "there is no permission",
    errno.EROFS: "the disk is read-only",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.ENOLCK: "this file system has no locks",
}


class UnsyncedError(MachineError):
    """The system could not promise that what was written is on the disk; it counts as lost."""


class Layer:
    """The system's calls that change files, one method each; tests put their own in its place."""

    def create(self, path: Path) -> int:
        """A descriptor to a new file; FileExistsError if there is one, or a link."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o666)

    def extend(self, path: Path) -> int:
        """A descriptor to the end of a file, which is made if there is none."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _FLAGS, 0o666)

    def write(self, descriptor: int, data: "Buffer") -> int:
        """How many bytes were written, which may be fewer than given."""
        return os.write(descriptor, data)

    def cut(self, descriptor: int, length: int) -> None:
        """Shorten a file to `length` bytes."""
        os.ftruncate(descriptor, length)

    def sync(self, descriptor: int) -> None:
        """Wait until the file's bytes are on the disk."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Rename in one step; a file called `new` is replaced."""
        os.rename(old, new)  # noqa: PTH104

    def sync_folder(self, folder: Path) -> bool:
        """Wait until the folder's names are on the disk; False where the system cannot."""
        if sys.platform == "win32":
            return False
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
            return False
        finally:
            os.close(descriptor)
        return True

    def unlink(self, path: Path) -> None:
        path.unlink()

    def rmdir(self, folder: Path) -> None:
        folder.rmdir()

    def mkdir(self, folder: Path) -> None:
        folder.mkdir()

    def lock(self, descriptor: int) -> None:
        """Take the file's lock or raise BlockingIOError; it is freed when its process ends."""
        if sys.platform == "win32":
            raise OSError(errno.ENOLCK, "no POSIX locks")
        import fcntl

        try:
            # Not flock: a forked data worker would go on holding it after its owner's death.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except PermissionError as error:  # what some systems say for "held by another"
            raise BlockingIOError(errno.EAGAIN, "held") from error

    def free(self, folder: Path) -> int:
        """Bytes free for us on the folder's disk."""
        return shutil.disk_usage(folder).free


_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
OS = Layer()


@contextmanager
def told(path: Path, doing: str = "cannot be written") -> Iterator[None]:
    """Turn the machine's refusals (`WHY`) into a MachineError that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in WHY:
            raise
        _refuse(error, path, doing)


def _refuse(error: OSError, path: Path, doing: str, kind: type[MachineError] = MachineError) -> Any:
    why = WHY.get(error.errno or 0, error.strerror or "")
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    do = "free some space and give the same command again" if full else ""
    raise kind(doing, why=why, do=do, file=shown(path)) from error


def create(path: Path, data: "Buffer", layer: Layer = OS) -> None:
    """Write and sync a new file; its name is durable only after `sync_folder`.

    Raises: FileExistsError; MachineError; UnsyncedError. What it leaves then is for the caller to
    remove: to be whole under its name at once, a file takes `replace` or `write_new`.
    """
    with told(path):
        descriptor = layer.create(path)
        try:
            write(descriptor, data, layer)
            sync(descriptor, path, layer)
        finally:
            layer.close(descriptor)


def write(descriptor: int, data: "Buffer", layer: Layer) -> None:
    """Write all of `data`, in pieces; OSError, as the system gives it, where it cannot."""
    left = memoryview(data)
    left = left.cast("B") if left.nbytes else memoryview(b"")
    while left:
        written = layer.write(descriptor, left[:PIECE])
        if written <= 0:
            raise OSError(errno.ENOSPC, "nothing was written")
        left = left[written:]


def sync(descriptor: int, path: Path, layer: Layer) -> None:
    """Bring what was written to the disk, or raise UnsyncedError: then it counts as lost.

    A sync that failed is never tried again on the same file: the system may have dropped the bytes
    and say yes the second time (PostgreSQL, "PANIC on fsync() failure").
    """
    try:
        layer.sync(descriptor)
    except OSError as error:
        _refuse(error, path, "could not be brought to the disk", UnsyncedError)


def sync_folder(folder: Path, layer: Layer = OS) -> bool:
    """Make the names in `folder` durable; False where the file system cannot promise it."""
    try:
        return layer.sync_folder(folder)
    except OSError as error:
        return bool(_refuse(error, folder, "could not be brought to the disk", UnsyncedError))


def replace(path: Path, data: "Buffer", layer: Layer = OS) -> None:
    """Bind `path` to `data` in one step: a reader, or a crash, sees the old or the new whole."""
    temporary = path.with_name(f"{TEMPORARY}{path.name}-{secrets.token_hex(4)}")
    try:
        create(temporary, data, layer)
        with told(path):
            layer.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            layer.unlink(temporary)
        raise
    sync_folder(path.parent, layer)


def write_new(path: Path, data: "Buffer", layer: Layer = OS) -> None:
    """`replace` for a file that is written once; FileExistsError if it is there already.

    Only for the owner of the folder: between the look and the rename nobody else may write.
    """
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "is written once, and is there", str(path))
    replace(path, data, layer)


def write_crash(text: str) -> Path | None:
    """Write the trace of a bug to a new `crash-*.txt` among the caches; None where that fails."""
    with suppress(OSError, MachineError, RuntimeError):
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(os.environ.get("NETWRIGHT_CACHE") or Path(caches) / "netwright")
        if not folder.exists():
            make_folder(folder)
        path = folder / f"crash-{secrets.token_hex(4)}.txt"
        write_new(path, text.encode("utf-8", "backslashreplace"))
        return path
    return None


def make_folder(folder: Path, layer: Layer = OS) -> None:
    """Make a new folder, durably, with the parents that are missing; FileExistsError if there."""
    if not folder.parent.exists():
        with suppress(FileExistsError):  # somebody else made it meanwhile
            make_folder(folder.parent, layer)
    with told(folder, "cannot be made"):
        layer.mkdir(folder)
    sync_folder(folder.parent, layer)


def publish(temporary: Path, final: Path, layer: Layer = OS) -> None:
    """Rename a folder of synced files to its final name, durably. It is public when this returns.

    Raises: FileExistsError (a rename would quietly replace an empty folder); MachineError.
    """
    sync_folder(temporary, layer)
    if os.path.lexists(final):
        raise FileExistsError(errno.EEXIST, "is there already", str(final))
    with told(final):
        layer.rename(temporary, final)
    sync_folder(final.parent, layer)


def remove(path: Path, layer: Layer = OS) -> None:
    """Remove a file, a link (never what it points at) or a folder with all that is in it."""
    with told(path, "cannot be removed"):
        if not stat.S_ISDIR(path.lstat().st_mode):
            layer.unlink(path)
            return
        for inside in sorted(path.iterdir()):
            remove(inside, layer)
        layer.rmdir(path)


def sweep(folder: Path, layer: Layer = OS) -> None:
    """Remove what was never or is no longer published; for the owner of `folder` only."""
    with told(folder, "cannot be read"):
        found = sorted(folder.iterdir())
    for path in found:
        if path.name.startswith((TEMPORARY, DOOMED)):
            remove(path, layer)


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """A regular file, to read; links are not followed, and a pipe does not block.

    Raises: FileNotFoundError; MachineError without permission; DamagedError if it is no regular
    file, or the disk cannot give it.
    """
    flags = os.O_RDONLY | _FLAGS | getattr(os, "O_NONBLOCK", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DamagedError("is no regular file", file=shown(path))
            yield file
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            _refuse(error, path, "cannot be read")
        if error.errno in (errno.ELOOP, errno.EIO, errno.EISDIR):
            reason = "the disk failed" if error.errno == errno.EIO else "it is no regular file"
            raise DamagedError("cannot be read", why=reason, file=shown(path)) from error
        raise


def read(path: Path, limit: int = READ) -> bytes:
    """All bytes of a regular file, as `opened`; DamagedError if there are more than `limit`."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise DamagedError(f"has {size} bytes, over the limit of {limit}", file=shown(path))
        return file.read(size)


def sha256(path: Path) -> str:
    """The hash of a regular file in hexadecimal, read as a stream, as `opened`."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_HELD: set[tuple[int, int]] = set()
"""Folders that this process owns, by device and inode: a second descriptor of a lock file must not
be opened, for closing it would free the lock (leveldb's `env_posix.cc` keeps such a table too)."""
_GUARD = threading.Lock()


@final
class Lock:
    """Ownership of a folder, kept until `release` or the end of the process, however it ends.

    `folder` holds the empty file `lock`, which is never deleted and which nobody else opens, and
    `owner.json`, which tells people who the owner is and which nothing else relies on.
    """

    def __init__(self, folder: Path, layer: Layer = OS) -> None:
        """Raises BusyError, naming the owner, if there is one; MachineError without locks."""
        found = folder.stat()
        self._key, self._layer = (found.st_dev, found.st_ino), layer
        with _GUARD:
            if self._key in _HELD:
                raise BusyError("is already open in this process", file=shown(folder.parent))
            with told(folder / "lock", "cannot be locked"):
                descriptor = layer.extend(folder / "lock")
                try:
                    layer.lock(descriptor)
                except BlockingIOError as error:
                    layer.close(descriptor)
                    raise _busy(folder) from error
                except BaseException:
                    layer.close(descriptor)
                    raise
            self._descriptor: int | None = descriptor
            _HELD.add(self._key)
        try:
            owner = dumps({"pid": os.getpid(), "program": Path(sys.argv[0]).name})
            replace(folder / "owner.json", owner, layer)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Give the folder up; once more does nothing."""
        with _GUARD:
            if self._descriptor is not None:
                self._layer.close(self._descriptor)
                self._descriptor = None
                _HELD.discard(self._key)


def _busy(folder: Path) -> BusyError:
    owner: Any = None
    with suppress(OSError, DamagedError, MachineError):
        owner = loads(read(folder / "owner.json", 1 << 16), "owner.json")
    known = isinstance(owner, dict)
    who = f"process {shown(owner.get('pid'))}" if known else "another process"
    return BusyError(f"is in use by {who}", do="wait until it has ended", file=shown(folder.parent))
