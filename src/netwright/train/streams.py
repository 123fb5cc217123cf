"""Keyed random streams: every generator is a function of (seed, purpose, place).

So no random state is saved, evaluation cannot disturb training, and resume needs only counters.
torch's global generator, which dropout cannot avoid, is keyed at each turn and given back after.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Generator


def key(seed: int, *place: object) -> int:
    """A number below 2^56 that depends on every part of the place."""
    digest = hashlib.sha256(repr((seed, *place)).encode()).digest()
    return int.from_bytes(digest[:7], "big")


def stream(seed: int, *place: object) -> Generator:
    """A new generator on the CPU, keyed by the place."""
    return Generator().manual_seed(key(seed, *place))


@contextmanager
def outer_states_kept() -> Iterator[None]:
    """Give torch's global generators back as they were, whatever is keyed inside."""
    cpu = torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


def key_global(number: int) -> None:
    """Key torch's global generators; call inside `outer_states_kept`."""
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(number)
