"""The one exception a user sees, and how its sentence is formed.

`NetwrightError` carries what is wrong, where, why, the nearest right name and what to do; `cli/`
prints it and leaves with its `code`. The kinds, and the exit code of each:

    InputError    2  the user's input: usage, configuration, data, a refusal
    MachineError  3  the machine: disk, memory, permission, device
    DamagedError  4  a damaged run or checkpoint
    BusyError     5  somebody else owns the run
    DivergedError 6  training diverged
    StoppedError  130, 143, 129  stopped by a signal, after saving
"""

import difflib
import unicodedata
from collections.abc import Iterable

__all__ = [
    "BusyError",
    "DamagedError",
    "DivergedError",
    "InputError",
    "MachineError",
    "NetwrightError",
    "OutOfMemoryError",
    "StoppedError",
    "nearest",
    "shown",
    "unknown",
]

SHOWN = 200
"""Characters of foreign text that a message shows at most."""


class NetwrightError(Exception):
    """What is wrong in one sentence, and what would work.

    Args:
        what: what is wrong, with the value, without a full stop.
        why: the reason, where it is not plain.
        do: what would work; printed on a line of its own that begins with `try:`.
        near: the nearest right name.
        file, line, column: where.
    """

    code = 1
    kind = "bug"

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        do: str = "",
        near: str = "",
        file: object = "",
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(what)
        self.what, self.why, self.do, self.near = what, why, do, near
        self.file, self.line, self.column = str(file), line, column

    @property
    def sentence(self) -> str:
        """`FILE:LINE:COLUMN: what, why; nearest is 'name'`, control characters escaped."""
        places = [str(p) for p in (self.file, self.line, self.column) if p not in ("", None)]
        text = ":".join(places) + ": " if places else ""
        text += self.what
        if self.why:
            text += f": {self.why}"
        if self.near:
            text += f"; nearest is '{self.near}'"
        return escaped(text)

    def __str__(self) -> str:
        return self.sentence + (f"\ntry: {escaped(self.do)}" if self.do else "")

    def document(self) -> dict[str, object]:
        """The same as one JSON object, for `--json`."""
        keys = ("kind", "what", "why", "near", "do", "file", "line", "column")
        fields: dict[str, object] = {key: getattr(self, key) or None for key in keys}
        fields["nearest"] = fields.pop("near")
        return {"code": self.code, **fields}


class InputError(NetwrightError):
    """The user's input is wrong: usage, configuration, data, or a combination that is refused."""

    code = 2
    kind = "input"


class MachineError(NetwrightError):
    """The machine cannot: disk full, out of memory, no permission, no such device."""

    code = 3
    kind = "machine"


class OutOfMemoryError(MachineError):
    """The machine has too little memory for this work; other work may fit."""


class DamagedError(NetwrightError):
    """A run or a checkpoint is damaged."""

    code = 4
    kind = "damaged"


class BusyError(NetwrightError):
    """Another process owns the run folder."""

    code = 5
    kind = "busy"


class DivergedError(NetwrightError):
    """Training met non-finite numbers too often to go on."""

    code = 6
    kind = "diverged"


class StoppedError(NetwrightError):
    """A signal stopped the work after it was saved; `code` is 128 + the signal's number."""

    kind = "stopped"

    def __init__(self, what: str, *, number: int, do: str = "") -> None:
        super().__init__(what, do=do)
        self.code = 128 + number


def nearest(name: str, names: Iterable[str]) -> str:
    """The one of `names` at an edit distance of at most 2 from `name`, else ''."""
    best = min(((distance(name.lower(), n.lower()), n) for n in names), default=(9, ""))
    if best[0] <= 2:
        return best[1]
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.75)
    return close[0] if close else ""


def distance(a: str, b: str) -> int:
    """Levenshtein distance, counting the swap of two neighbours as one."""
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            best = min(row[j - 1] + 1, rows[-1][j] + 1, rows[-1][j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def unknown(kind: str, name: str, names: Iterable[str], *, do: str = "") -> InputError:
    """The error for a name that is not among `names`, which the message lists."""
    offered = sorted(names)
    known = ", ".join(offered)
    near = nearest(name, offered)
    return InputError(
        f"no {kind} '{shown(name)}'", why=f"there are {known}" if known else "", near=near, do=do
    )


def escaped(text: str) -> str:
    r"""`text` with control, bidirectional and escape characters written as `\x1b` is."""
    return "".join(
        c
        if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn")
        else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in text
    )


def shown(text: object) -> str:
    """Foreign text made safe to print: escaped, on one line, at most 200 characters."""
    safe = escaped(str(text)).replace("\n", "\\n")
    return safe if len(safe) <= SHOWN else safe[: SHOWN - 1] + "…"
