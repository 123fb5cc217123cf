"""Inner results by name, without hooks: a component shows, `watching` sees.

Outside of `watching` showing costs one look-up. Components that have a fast path without the result
(fused attention) ask `looked_at()` and take the explicit one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

_seen: ContextVar[dict[str, Tensor] | None] = ContextVar("seen", default=None)


def looked_at() -> bool:
    """Whether somebody watches."""
    return _seen.get() is not None


def show(label: str, value: Tensor) -> None:
    """Give `value` to whoever watches, as `label.0`, `label.1`, ... in the order of showing."""
    seen = _seen.get()
    if seen is not None:
        seen[f"{label}.{sum(k.startswith(f'{label}.') for k in seen)}"] = value


@contextmanager
def watching() -> Iterator[dict[str, Tensor]]:
    """Collect what is shown inside; gradients are kept."""
    seen: dict[str, Tensor] = {}
    token = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(token)
