"""What the families made of attention blocks share: positions, the pile of blocks, the cache.

Dimensions: b batch, t places, s places of a memory, d features, n places of one step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from netwright.errors import InputError
from netwright.models.base import Trunk
from netwright.nn.attention import Window, window
from netwright.nn.look import show
from netwright.nn.masks import zero_padding
from netwright.nn.positions import PositionKind, Positions, Rotation
from netwright.specs import Plan, Refusal


@dataclass(frozen=True, slots=True)
class Around:
    """What a block may see beside its places; the same for all blocks of a pile."""

    lengths: Tensor | None = None
    """(b,): valid places of a whole sequence."""
    memory: Tensor | None = None
    """(b, s, d'): a context."""
    memory_lengths: Tensor | None = None
    rotation: Rotation | None = None
    """Of the places, where positions are rotary."""


class Block(nn.Module):
    """One layer of a pile: (b, t, d) to the same."""

    def forward(self, h: Tensor, around: Around) -> Tensor:
        """All places at once."""
        raise NotImplementedError

    def state(self, batch: int, capacity: int) -> dict[str, Tensor]:
        """An empty cache."""
        raise NotImplementedError

    def step(
        self, h: Tensor, state: Mapping[str, Tensor], window: Window, around: Around
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places, and the new cache."""
        raise NotImplementedError


class Blocks(Trunk):
    """Positions, then blocks one after another, then a norm.

    Its state is `at` (b,), the places each row has taken in, and each block's cache under its
    number; it holds as many places as the plan says, and a longer sequence is an InputError.
    """

    def __init__(
        self,
        plan: Plan,
        blocks: Sequence[Block],
        norm: nn.Module,
        *,
        positions: PositionKind,
        head_width: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.width, self.causal = plan.width, plan.positions == "causal"
        self.capacity = plan.size[0] if plan.size else 0
        self.positions = Positions(positions, plan.width, self.capacity, head_width)
        self.dropout = nn.Dropout(dropout)
        self.blocks, self.norm = nn.ModuleList(blocks), norm

    def forward(
        self,
        h: Tensor,
        lengths: Tensor | None = None,
        memory: Tensor | None = None,
        memory_lengths: Tensor | None = None,
    ) -> Tensor:
        """(b, t, d) to the same; what lies beyond `lengths` is not read."""
        h, rotation = self.positions(h, torch.arange(h.shape[1], device=h.device))
        around = Around(lengths, _clean(memory, memory_lengths), memory_lengths, rotation)
        h = self.dropout(h)
        for block in self.blocks:
            h = block(h, around)
            show("block", h)
        y: Tensor = self.norm(h)
        return y

    def state(self, batch: int) -> dict[str, Tensor]:
        """An empty cache; InputError where the output is not causal."""
        self._must_be_causal()
        caches = (
            {f"{i}.{name}": value for name, value in block.state(batch, self.capacity).items()}
            for i, block in enumerate(self.blocks)
            if isinstance(block, Block)
        )
        device = next(self.blocks.parameters()).device
        state = {"at": torch.zeros(batch, dtype=torch.long, device=device)}
        for cache in caches:
            state |= cache
        return state

    def step(
        self,
        h: Tensor,
        state: Mapping[str, Tensor],
        lengths: Tensor | None = None,
        memory: Tensor | None = None,
        memory_lengths: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places (b, n, d); the given state stays as it is."""
        self._must_be_causal()
        here = window(state["at"], h.shape[1], lengths, self.capacity)
        h, rotation = self.positions(h, here.places)
        around = Around(None, _clean(memory, memory_lengths), memory_lengths, rotation)
        h = self.dropout(h)
        new = {"at": here.after}
        for i, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            mine = {name: state[f"{i}.{name}"] for name in ("key", "value")}
            h, cache = block.step(h, mine, here, around)
            new |= {f"{i}.{name}": value for name, value in cache.items()}
            show("block", h)
        return self.norm(h), new

    def _must_be_causal(self) -> None:
        if not self.causal:
            raise InputError(
                "this network cannot be run step by step",
                why="each of its outputs sees the whole input",
                do="give it the whole input at once",
            )


def _clean(memory: Tensor | None, lengths: Tensor | None) -> Tensor | None:
    """Zero padding, so that even an empty context does not depend on what its padding holds."""
    return None if memory is None else zero_padding(memory, lengths)


def misfit(family: str, plan: Plan, positions: PositionKind, head_width: int) -> Refusal | None:
    """Why blocks cannot stand on this plan with these positions; None where they can."""
    if plan.layout != "sequence":
        return Refusal(f"{family} reads a sequence, not a {plan.layout}")
    if positions == "rotary" and head_width % 2:
        return Refusal(
            f"rotary positions turn pairs of features, and a head of {head_width} has one left over"
        )
    if positions == "learned" and not plan.size:
        return Refusal(
            "learned positions need to know the longest sequence, which a generator does not say; "
            "take sinusoidal or rotary positions"
        )
    return None
