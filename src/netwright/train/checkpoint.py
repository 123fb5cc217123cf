"""Checkpoints: written whole or not at all, verified before they are used, the newest two kept.

A checkpoint is a folder `step-000000001200` of four files. `manifest.json`, written last, holds the
size and sha256 of the other three and of itself. The folder is written under a temporary name, each
file synced, then the folder, then renamed, then the parent synced; only then does it count. There
is no pointer to the newest: it is the highest step that verifies (after leveldb's recovery, which
trusts complete sets alone).
"""

import errno
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from netwright import files
from netwright.errors import DamagedError, DivergedError, InputError, MachineError
from netwright.files import DOOMED, JSON, OS, TEMPORARY, Layer
from netwright.train import manifest as contents
from netwright.train.manifest import MANIFEST, STATE, TRAINER, WEIGHTS

KEEP = 2
"""Newest verified checkpoints that stay."""
SPARE = 64 << 20
"""Bytes that have to stay free on the disk beside the checkpoints when a run starts."""
ATTEMPTS = 5
"""Times a reader lists again because the owner retired what it was reading."""
TRANSIENT = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Failures that cost one save and not the run."""
NAME = re.compile(r"step-(\d{12})")


@dataclass(frozen=True)
class Loaded:
    """A checkpoint that passed every check; its tensors lie on the CPU."""

    step: int
    weights: dict[str, Tensor]
    trainer: dict[str, Tensor]
    state: dict[str, Any]
    hashes: dict[str, str]
    """What `save` was given."""
    damaged: list[str]
    """A sentence for each newer checkpoint that was refused."""


@contextmanager
def _present(path: Path) -> Iterator[None]:
    """Where something of a checkpoint is not there, it is damaged."""
    try:
        with files.told(path, "cannot be read"):
            yield
    except FileNotFoundError as error:
        missing = Path(str(error.filename or path)).name
        raise DamagedError("is missing", file=missing) from error


@final
class Checkpoints:
    """The folder `checkpoints` of a run.

    Args:
        folder: has to exist.
        run_id: a checkpoint of another run is refused.
        owner: whether we own the run. Without, nothing is written, not even a damaged one renamed.
    """

    def __init__(self, folder: Path, run_id: str, *, owner: bool = True, layer: Layer = OS) -> None:
        self.folder, self.run_id, self.owner = folder, run_id, owner
        self._layer = layer
        self._reserve = folder.parent / ".run" / "reserve"
        self._good: set[int] = set()
        """Steps that we read and found whole."""
        self._failures = 0
        self.damaged: list[str] = []
        """A sentence for each checkpoint that was refused."""

    def path(self, step: int) -> Path:
        """The folder of the checkpoint after `step` rounds."""
        return self.folder / f"step-{step:012d}"

    def steps(self) -> list[int]:
        """Steps under their final names, ascending, not verified."""
        try:
            with files.told(self.folder, "cannot be read"):
                found = [NAME.fullmatch(path.name) for path in self.folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError("there is no such folder", file=str(self.folder)) from error
        return sorted(int(name[1]) for name in found if name)

    def save(
        self,
        step: int,
        weights: Mapping[str, Tensor],
        trainer: Mapping[str, Tensor],
        state: Mapping[str, JSON],
        *,
        hashes: Mapping[str, str] | None = None,
        pinned: Collection[int] = (),
    ) -> MachineError | None:
        """Save, verify, and then retire older ones. None: it is durable, whatever happens next.

        A step that is saved already stays as it is. Tensors may lie on any device; tied ones are
        written once. `hashes` (of specification, data, schema) come back with `load_newest`;
        `pinned` are steps that stay beside the newest two.

        Returns: the error, if the disk was full or failed: nothing older was touched, and training
            may go on.
        Raises: MachineError if that happened twice in a row, or cannot pass by itself;
            DivergedError if a weight is not finite.
        """
        if not self.owner:
            raise ValueError("a reader does not save")
        self._refuse_non_finite(weights, step)
        if step in self.steps() and self._verified(step):
            return None
        if any(newer > step for newer in self.steps()):
            raise ValueError(f"step {step} is older than what is saved; load_newest comes first")
        content = self._content(step, weights, trainer, state, hashes or {})
        try:
            self._write_verified(step, content)
        except MachineError as error:
            self._after_failure(step, error)
            return error
        self._failures = 0
        self._retire(pinned)
        return None

    def load_newest(self) -> Loaded | None:
        """The newest that passes every check; None if none was ever saved.

        An owner renames what is damaged to `damaged-step-N`.

        Raises: DamagedError if there were some and none is good; InputError if one was made by a
            newer netwright or another run; MachineError without permission. These three are never
            a reason to fall back to an older one.
        """
        for _ in range(ATTEMPTS):
            self.damaged.clear()
            vanished = False
            for step in reversed(self.steps()):
                try:
                    return self._load(step)
                except DamagedError as error:
                    if not self.owner and not self.path(step).exists():
                        vanished = True  # the owner retired it while we were reading
                        break
                    self._refuse(step, error)
            if not vanished:
                break
        if self.damaged or any(self.folder.glob("damaged-step-*")):
            raise DamagedError(
                "no good checkpoint is left", why="; ".join(self.damaged), file=self.folder
            )
        return None

    # ------------------------------------------------------------ reading

    def _load(self, step: int) -> Loaded:
        path = self.path(step)
        with _present(path):
            manifest = contents.read(path, step, self.run_id)
            data = {name: contents.read_file(path, name, manifest) for name in manifest.files}
        weights = contents.decode(data[WEIGHTS], WEIGHTS, manifest)
        trainer = contents.decode(data[TRAINER], TRAINER, manifest)
        state = files.loads(data[STATE], STATE)
        if not isinstance(state, dict):
            raise DamagedError("is no JSON object", file=STATE)
        self._good.add(step)
        return Loaded(step, weights, trainer, state, dict(manifest.hashes), list(self.damaged))

    def _verify(self, step: int) -> None:
        """As `_load`, but the bytes are hashed as a stream and not kept."""
        path = self.path(step)
        with _present(path):
            manifest = contents.read(path, step, self.run_id)
            for name, entry in manifest.files.items():
                contents.check_hash(files.sha256(path / name), name, entry)
        self._good.add(step)

    def _verified(self, step: int) -> bool:
        """Whether a checkpoint is whole; one that is not is refused."""
        try:
            if step not in self._good:
                self._verify(step)
        except DamagedError as error:
            self._refuse(step, error)
        return step in self._good

    def _refuse(self, step: int, error: DamagedError) -> None:
        """Tell what is damaged and, as the owner, take it out of the way."""
        path = self.path(step)
        self.damaged.append(f"{path.name} is damaged: {error.sentence}")
        self._good.discard(step)
        if not self.owner:
            return
        taken = sum(1 for _ in self.folder.glob(f"damaged-{path.name}*"))
        final = self.folder / f"damaged-{path.name}{f'-{taken + 1}' if taken else ''}"
        with files.told(path, "is damaged and cannot be renamed"):
            self._layer.rename(path, final)
        files.sync_folder(self.folder, self._layer)

    # ------------------------------------------------------------ writing

    def _refuse_non_finite(self, weights: Mapping[str, Tensor], step: int) -> None:
        for name, tensor in weights.items():
            if not contents.finite(tensor):
                good = f"; the newest good checkpoint is {self._newest()}" if self.steps() else ""
                raise DivergedError(
                    f"'{name}' is not finite after step {step}, so it is not saved{good}"
                )

    def _newest(self) -> str:
        return self.path(max(self._good)).name if self._good else "none"

    def _content(
        self,
        step: int,
        weights: Mapping[str, Tensor],
        trainer: Mapping[str, Tensor],
        state: Mapping[str, JSON],
        hashes: Mapping[str, str],
    ) -> dict[str, bytes]:
        """The files in the order in which they are written, the manifest last."""
        encoded = {WEIGHTS: contents.encode(weights), TRAINER: contents.encode(trainer)}
        encoded[STATE] = contents.Encoded(files.dumps(state))
        content = {name: part.data for name, part in encoded.items()}
        versions = {"torch": torch.__version__}
        content[MANIFEST] = contents.dumps(step, self.run_id, versions, hashes, encoded)
        return content

    def _write_verified(self, step: int, content: Mapping[str, bytes]) -> None:
        files.sweep(self.folder, self._layer)
        if not self.steps():
            self._need_room(sum(map(len, content.values())))
        try:
            self._write(step, content)
        except files.UnsyncedError:
            # A failed sync is never tried again on the same files: they are written anew, once.
            self._discard(step)
            if any(self.path(step).name in path.name for path in self.folder.iterdir()):
                raise
            self._write(step, content)
        try:
            self._verify(step)
        except DamagedError as error:
            raise MachineError(
                "what was saved reads back changed", why=error.sentence, file=self.path(step)
            ) from OSError(errno.EIO, "read back changed")

    def _write(self, step: int, content: Mapping[str, bytes]) -> None:
        temporary = self.folder / f"{TEMPORARY}{self.path(step).name}"
        with files.told(temporary):
            self._layer.mkdir(temporary)
        for name, data in content.items():
            files.create(temporary / name, data, self._layer)
        files.publish(temporary, self.path(step), self._layer)

    def _need_room(self, size: int) -> None:
        need, free = (KEEP + 1) * size + SPARE, self._layer.free(self.folder)
        if free < need:
            raise MachineError(
                f"{need >> 20} MiB of free disk are needed for checkpoints",
                why=f"there are {free >> 20}",
                do="free some space, or choose another folder with --out",
                file=self.folder,
            )

    def _discard(self, step: int) -> None:
        """Remove what a failed save left; what cannot be removed waits for the next sweep."""
        with suppress(OSError, MachineError):
            if step in self.steps():
                self._good.discard(step)
                doomed = self.folder / f"{DOOMED}{self.path(step).name}"
                self._layer.rename(self.path(step), doomed)
        with suppress(OSError, MachineError):
            files.sweep(self.folder, self._layer)

    def _after_failure(self, step: int, error: MachineError) -> None:
        """Raise unless it may pass by itself; then make room and count it."""
        cause = error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in TRANSIENT:
            raise error
        self._discard(step)
        with suppress(OSError):
            self._layer.unlink(self._reserve)
        self._failures += 1
        if self._failures > 1:
            raise MachineError(
                "two saves in a row failed, so the run stops; the newest good checkpoint is "
                + self._newest(),
                why=error.sentence,
                do="free some space and give the same command again: it goes on from there",
                file=self.folder,
            ) from error

    def _retire(self, pinned: Collection[int]) -> None:
        """Remove all but the newest verified ones and the pinned; what fails waits for later.

        The rename takes one out of sight in a step. It need not be durable before the files go: a
        power loss may then leave a doomed one half there, which is older than two good ones.
        """
        kept, doomed = 0, []
        with suppress(OSError, MachineError):
            for step in reversed(self.steps()):
                if kept < KEEP:
                    kept += self._verified(step)
                elif step not in pinned:
                    doomed.append(step)
            for step in doomed:
                self._layer.rename(self.path(step), self.folder / f"{DOOMED}{self.path(step).name}")
            if doomed:
                files.sweep(self.folder, self._layer)
