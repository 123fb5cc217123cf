"""A model of what a crash leaves, and layers that fail: shared by the tests of everything durable.

`Recorded` does each operation for real and writes it down. `Disk` replays the record and gives,
between any two operations, the trees that a crash could leave: all that was done (a kill), only
what was synced (a power loss), and random subsets of what was not, with torn and zeroed pieces.
What POSIX promises and no more: a file's bytes are durable after its sync, a name after the sync of
its folder, a rename is one step, and the rest may reach the disk in any order or not at all.
"""

import errno
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netwright.files import DOOMED, TEMPORARY, Layer

Tree = dict[str, "Tree | bytes"]
Op = tuple[Any, ...]
Missing = str
"""What is left out of the writer, to see that the harness sees."""
BLOCK = 16
"""Bytes that reach the disk together."""


class Swift(Layer):
    """For real, without waiting for the disk."""

    def sync(self, descriptor: int) -> None:
        pass

    def sync_folder(self, folder: Path) -> bool:
        return True


class Recorded(Swift):
    """Does what it is told and writes it down; `missing` names what it leaves out."""

    def __init__(self, missing: Missing = "") -> None:
        self.ops: list[Op] = []
        self._missing = missing
        self._held: dict[int, list[Op]] = {}

    def tell(self, value: object) -> None:
        """Note that the writer has acknowledged `value`."""
        self.ops.append(("acknowledge", value))

    def begin(self, value: object) -> None:
        """Note that the writer is about to make `value`."""
        self.ops.append(("begin", value))

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self.ops.append(("create", path, descriptor))
        return descriptor

    def extend(self, path: Path) -> int:
        descriptor = super().extend(path)
        self.ops.append(("extend", path, descriptor))
        return descriptor

    def write(self, descriptor: int, data: Any) -> int:
        count = super().write(descriptor, data)
        op: Op = ("write", descriptor, bytes(data)[:count])
        if self._missing == "no buffer":
            self._held.setdefault(descriptor, []).append(op)
        else:
            self.ops.append(op)
        return count

    def cut(self, descriptor: int, length: int) -> None:
        super().cut(descriptor, length)
        self.ops.append(("cut", descriptor, length))

    def sync(self, descriptor: int) -> None:
        if self._missing != "file sync":
            self.ops.append(("sync", descriptor))

    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        self.ops.extend(self._held.pop(descriptor, ()))
        self.ops.append(("close", descriptor))

    def rename(self, old: Path, new: Path) -> None:
        moved = sorted(p.name for p in old.iterdir()) if old.is_dir() else None
        super().rename(old, new)
        if self._missing != "atomic rename":
            self.ops.append(("rename", old, new))
        elif moved is None:
            self.ops.extend([("unlink", new), ("rename", old, new)])
        else:
            self.ops.append(("mkdir", new))
            self.ops.extend(("move", old / name, new / name) for name in moved)
            self.ops.append(("unlink", old))

    def sync_folder(self, folder: Path) -> bool:
        parent = not folder.name.startswith(TEMPORARY)
        if self._missing != ("parent sync" if parent else "folder sync"):
            self.ops.append(("sync folder", folder))
        return True

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self.ops.append(("unlink", path))

    def rmdir(self, folder: Path) -> None:
        super().rmdir(folder)
        self.ops.append(("unlink", folder))

    def mkdir(self, folder: Path) -> None:
        super().mkdir(folder)
        self.ops.append(("mkdir", folder))


@dataclass(eq=False)
class File:
    """Contents since the last sync, oldest first; the first is durable."""

    versions: list[bytes] = field(default_factory=lambda: [b""])


@dataclass(eq=False)
class Folder:
    """Names that are durable, and changes of names since, each of them one step."""

    durable: "dict[str, File | Folder]" = field(default_factory=dict)
    pending: "list[dict[str, File | Folder | None]]" = field(default_factory=list)

    def names(self, changes: "Sequence[dict[str, File | Folder | None]]") -> Any:
        """The names after `changes`."""
        found: dict[str, Any] = dict(self.durable)
        for change in changes:
            found.update(change)
        return {name: node for name, node in found.items() if node is not None}

    @property
    def live(self) -> "dict[str, File | Folder]":
        """The names as a process sees them."""
        found: dict[str, File | Folder] = self.names(self.pending)
        return found


class Disk:
    """A folder of files as the system and as the disk know it."""

    def __init__(self, root: Path) -> None:
        """All that is in `root` now is durable."""
        self.root = root
        self._open: dict[int, File] = {}
        self._top = self._snapshot(root)

    def _snapshot(self, path: Path) -> Folder:
        names: dict[str, File | Folder] = {
            p.name: self._snapshot(p) if p.is_dir() else File([p.read_bytes()])
            for p in path.iterdir()
        }
        return Folder(names)

    def _folder(self, path: Path) -> Folder:
        node = self._top
        for part in path.relative_to(self.root).parts:
            found = node.live[part]
            assert isinstance(found, Folder)
            node = found
        return node

    def apply(self, op: Op) -> None:
        """Do one operation."""
        kind, first, rest = op[0], op[1], op[2:]
        if kind in ("write", "cut", "sync"):
            self._change_file(kind, self._open[first].versions, *rest)
        elif kind != "close":
            self._change_names(kind, first, *rest)

    def _change_file(self, kind: str, versions: list[bytes], value: Any = None) -> None:
        if kind == "write":
            versions.append(versions[-1] + value)
        elif kind == "cut":
            versions.append(versions[-1][:value])
        else:
            del versions[:-1]

    def _change_names(self, kind: str, path: Path, value: Any = None) -> None:
        if kind == "sync folder":
            folder = self._folder(path)
            folder.durable, folder.pending = folder.live, []
            return
        folder = self._folder(path.parent)
        if kind in ("create", "extend"):
            found = folder.live.get(path.name)
            if not isinstance(found, File):
                found = File()
                folder.pending.append({path.name: found})
            self._open[value] = found
        elif kind == "mkdir":
            folder.pending.append({path.name: Folder()})
        elif kind == "unlink":
            folder.pending.append({path.name: None})
        elif kind == "rename":
            assert path.parent == value.parent, "the model knows renames in one folder"
            folder.pending.append({value.name: folder.live[path.name], path.name: None})
        elif kind == "move":
            self._folder(value.parent).pending.append({value.name: folder.live[path.name]})
            folder.pending.append({path.name: None})

    def undo(self, descriptor: int) -> None:
        """Take back the last write."""
        self._open[descriptor].versions.pop()

    def killed(self) -> Tree:
        """What is there after a kill: all that was done."""
        return self._tree(self._top, lambda f: f.pending, lambda f: f.versions[-1])

    def unplugged(self) -> Tree:
        """What is there after a power loss that lost all that it may."""
        return self._tree(self._top, lambda f: (), lambda f: f.versions[0])

    def torn(self, rng: random.Random) -> Tree:
        """What is there after a power loss that kept some of what it may lose."""
        keep, whole = rng.choice((0.2, 0.5, 0.8, 1.0)), rng.choice((0.2, 0.7, 0.9))
        names: dict[int, Any] = {}
        content: dict[int, bytes] = {}

        def changes(folder: Folder) -> Any:
            kept = [change for change in folder.pending if rng.random() < keep]
            return names.setdefault(id(folder), kept)

        def data(file: File) -> bytes:
            torn = _tear(file, rng) if rng.random() > whole else file.versions[-1]
            return content.setdefault(id(file), torn)

        return self._tree(self._top, changes, data)

    def _tree(
        self, folder: Folder, changes: Callable[[Folder], Any], data: Callable[[File], bytes]
    ) -> Tree:
        return {
            name: data(node) if isinstance(node, File) else self._tree(node, changes, data)
            for name, node in sorted(folder.names(changes(folder)).items())
        }


def _tear(file: File, rng: random.Random) -> bytes:
    """Some version since the last sync; what is new in it is cut short or has holes of zeros."""
    data, start = bytearray(rng.choice(file.versions)), len(file.versions[0])
    if len(data) <= start:
        return bytes(data)
    if rng.random() < 0.5:
        return bytes(data[: rng.randrange(start, len(data))])
    holes = rng.choice((0.02, 0.2, 0.9))
    for place in range(start, len(data), BLOCK):
        if rng.random() < holes:
            end = min(place + BLOCK, len(data))
            data[place:end] = bytes(end - place)
    return bytes(data)


@dataclass(frozen=True)
class Crash:
    """One state that a crash can leave."""

    index: int
    """Operations that were done."""
    kind: str
    tree: Tree
    begun: tuple[Any, ...]
    acknowledged: tuple[Any, ...]


def crashes(ops: Sequence[Op], disk: Disk, *, torn: int, seed: int = 0) -> Iterator[Crash]:
    """Every state after every number of operations: a kill, a power loss, `torn` mixtures."""
    rng = random.Random(seed)
    told: dict[str, tuple[Any, ...]] = {"begin": (), "acknowledge": ()}
    for index in range(len(ops) + 1):
        said = (told["begin"], told["acknowledge"])
        yield Crash(index, "kill", disk.killed(), *said)
        yield Crash(index, "power loss", disk.unplugged(), *said)
        for _ in range(torn):
            yield Crash(index, "mixture", disk.torn(rng), *said)
        if index == len(ops):
            break
        op = ops[index]
        if op[0] in told:
            told[op[0]] += (op[1],)
            continue
        if op[0] == "write" and len(op[2]) > 1:  # a kill while the bytes are written
            half = (*op[:2], op[2][: rng.randrange(1, len(op[2]))])
            disk.apply(half)
            yield Crash(index, "kill in a write", disk.killed(), *said)
            disk.undo(op[1])
        disk.apply(op)


def lay(tree: Tree, root: Path) -> None:
    """Make `root` hold `tree` and nothing else."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    _lay(tree, str(root))


def _lay(tree: Tree, root: str) -> None:
    for name, node in tree.items():
        path = f"{root}/{name}"
        if isinstance(node, dict):
            os.mkdir(path)  # noqa: PTH102
            _lay(node, path)
        else:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
            os.write(descriptor, node)
            os.close(descriptor)


def frozen(tree: Tree) -> Any:
    """`tree` as a key; names that were never published do not tell two states apart."""
    return tuple(
        (name, frozen(node) if isinstance(node, dict) else node)
        for name, node in tree.items()
        if not name.startswith((TEMPORARY, DOOMED))
    )


def failures(
    found: Iterator[Crash], root: Path, judge: Callable[[Path, Crash], str], until: str = ""
) -> tuple[int, list[str]]:
    """How many states there are, and those that `judge` finds wrong, in words.

    `judge` gets the state laid out in `root` and says "" or what is wrong. It is asked once for all
    states that it cannot tell apart. The first that is wrong by the word `until` ends it.
    """
    count, wrong = 0, []
    known: dict[Any, str] = {}
    for crash in found:
        count += 1
        key = (frozen(crash.tree), crash.begun, crash.acknowledged)
        if key not in known:
            lay(crash.tree, root)
            known[key] = judge(root, crash)
        if known[key]:
            wrong.append(f"{crash.kind} after {crash.index} operations: {known[key]}")
            if until and until in known[key]:
                break
    return count, wrong


class Failing(Swift):
    """The operation with this number fails, or, with `forever`, it and all after it.

    `code` is an errno, or 0 for a write that takes half of what it is given; then the disk is full.
    """

    def __init__(self, number: int, code: int, *, forever: bool = False) -> None:
        self.left, self.code, self.forever = number, code, forever
        self.failed = False

    def _count(self, *, writing: bool = False) -> bool:
        """Raise if it is this one's turn; True: write half."""
        self.left -= 1
        if self.left > 0 or (self.left < 0 and not self.forever):
            return False
        self.failed = True
        if self.code == 0 and writing:
            return True
        code = self.code or errno.ENOSPC
        raise OSError(code, os.strerror(code))

    def create(self, path: Path) -> int:
        self._count()
        return super().create(path)

    def extend(self, path: Path) -> int:
        self._count()
        return super().extend(path)

    def write(self, descriptor: int, data: Any) -> int:
        if self._count(writing=True):
            self.left += 1  # the next write finds the disk full
            self.code = errno.ENOSPC
            return super().write(descriptor, memoryview(data)[: len(data) // 2])
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._count()

    def rename(self, old: Path, new: Path) -> None:
        self._count()
        super().rename(old, new)

    def sync_folder(self, folder: Path) -> bool:
        self._count()
        return True

    def unlink(self, path: Path) -> None:
        self._count()
        super().unlink(path)

    def rmdir(self, folder: Path) -> None:
        self._count()
        super().rmdir(folder)

    def mkdir(self, folder: Path) -> None:
        self._count()
        super().mkdir(folder)


class Killing(Swift):
    """The process is killed before the operation with this number."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name in ("create", "write", "sync", "rename", "sync_folder", "unlink", "rmdir", "mkdir"):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return found
