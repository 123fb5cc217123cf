"""What the families made of attention blocks share: positions, the pile of blocks, the cache.

Dimensions: b batch, t places, s places of a memory, d features, n places of one step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from netwright.errors import InputError
from netwright.models.base import Trunk
from netwright.nn.cache import Window, window
from netwright.nn.look import show
from netwright.nn.masks import additive, in_sight, lowest, restarted, same_document, zero_padding
from netwright.nn.positions import PositionKind, Positions, Rotation, leaning, slopes
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
    bias: Tensor | None = None
    """(..., t, t), to add to the scores of a whole sequence, where places are seen or weighted
    otherwise than plainly; where positions are causal it hides what lies ahead itself."""
    first: list[Tensor] = field(default_factory=list)
    """Where the first block leaves its values, (b, g, t, e), for those above it."""


class Block(nn.Module):
    """One layer of a pile: (b, t, d) to the same."""

    keeps: ClassVar[tuple[str, ...]] = ("key", "value")
    """Names of what its cache holds."""
    packs: ClassVar[bool] = False
    """Whether it adds `Around.bias` to its scores, and so keeps packed documents apart."""

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
    number; it holds as many places as the plan says, and a longer sequence is an InputError. With a
    `reach`, a place sees that many places and caches are rings of as many: there is no longest
    sequence, save where positions were learned.

    Args:
        plan: where the trunk stands.
        blocks: one after another.
        norm: behind the last.
        positions: how places are told apart.
        head_width: e, for rotary positions.
        dropout: of the first places.
        heads: h, for "alibi" positions.
        reach: places that a place sees, itself among them, and on either side where not causal;
            None: all. It is the blocks that must add `Around.bias`.
    """

    slope: Tensor | None

    def __init__(
        self,
        plan: Plan,
        blocks: Sequence[Block],
        norm: nn.Module,
        *,
        positions: PositionKind,
        head_width: int,
        dropout: float = 0.0,
        heads: int = 1,
        reach: int | None = None,
    ) -> None:
        super().__init__()
        self.width, self.causal, self.reach = plan.width, plan.positions == "causal", reach
        self.places = plan.size[0] if plan.size else 0
        self.capacity = None if reach and positions != "learned" else self.places
        self.positions = Positions(positions, plan.width, self.places, head_width)
        self.dropout = nn.Dropout(dropout)
        self.blocks, self.norm = nn.ModuleList(blocks), norm
        self.packs = self.causal and all(block.packs for block in blocks)
        slope = slopes(heads) if positions == "alibi" else None
        self.register_buffer("slope", slope, persistent=False)

    def forward(
        self,
        h: Tensor,
        lengths: Tensor | None = None,
        memory: Tensor | None = None,
        memory_lengths: Tensor | None = None,
    ) -> Tensor:
        """(b, t, d) to the same; what lies beyond `lengths` is not read."""
        places = torch.arange(h.shape[1], device=h.device)
        h, rotation = self.positions(h, places)
        memory = _clean(memory, memory_lengths)
        return self._through(
            h, Around(lengths, memory, memory_lengths, rotation, self._bias(places))
        )

    def packed(self, h: Tensor, documents: Tensor) -> Tensor:
        """`forward` of several documents a sequence: places see their own, and start anew in it."""
        h, rotation = self.positions(h, restarted(documents))
        places = torch.arange(h.shape[1], device=h.device)
        bias = self._bias(places, same_document(documents))
        return self._through(h, Around(None, None, None, rotation, bias))

    def _through(self, h: Tensor, around: Around) -> Tensor:
        h = self.dropout(h)
        for block in self.blocks:
            h = block(h, around)
            show("block", h)
        y: Tensor = self.norm(h)
        return y

    def _bias(self, places: Tensor, same: Tensor | None = None) -> Tensor | None:
        """What is added to the scores of places (t,), where plain attention does not serve."""
        if self.reach is None and self.slope is None and same is None:
            return None
        distance = places[:, None] - places
        seen = in_sight(distance, causal=self.causal, window=self.reach)
        if same is not None:
            seen = seen & same
        if self.slope is None:
            return additive(seen, torch.get_default_dtype())
        leant = leaning(distance, self.slope)
        return torch.where(seen, leant, lowest(leant.dtype))

    def state(self, batch: int) -> dict[str, Tensor]:
        """An empty cache; InputError where the output is not causal."""
        need_causal(causal=self.causal)
        slots = self.reach or self.places
        # Weights that are quantised, and so stand on a CPU, are no parameters any more.
        device = next(self.parameters(), torch.empty(0)).device
        state = {"at": torch.zeros(batch, dtype=torch.long, device=device)}
        for i, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            state |= {f"{i}.{name}": value for name, value in block.state(batch, slots).items()}
        return state

    def step(
        self,
        h: Tensor,
        state: Mapping[str, Tensor],
        lengths: Tensor | None = None,
        memory: Tensor | None = None,
        memory_lengths: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places (b, n, d).

        The given state stays as it is, save in inference mode, where it is written into (see
        `nn.cache.remember`).
        """
        need_causal(causal=self.causal)
        here = window(
            state["at"], h.shape[1], lengths, self.capacity, ring=self.reach, slope=self.slope
        )
        h, rotation = self.positions(h, here.places)
        around = Around(None, _clean(memory, memory_lengths), memory_lengths, rotation)
        h = self.dropout(h)
        new = {"at": here.after}
        for i, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            h, cache = block.step(h, {n: state[f"{i}.{n}"] for n in block.keeps}, here, around)
            for name, value in cache.items():
                new[f"{i}.{name}"] = value
            show("block", h)
        return self.norm(h), new


def need_causal(*, causal: bool) -> None:
    """InputError where a network that sees its whole input is asked for steps."""
    if not causal:
        raise InputError(
            "this network cannot be run step by step",
            why="each of its outputs sees the whole input",
            do="give it the whole input at once",
        )


def _clean(memory: Tensor | None, lengths: Tensor | None) -> Tensor | None:
    """Zero padding, so that even an empty context does not depend on what its padding holds."""
    return None if memory is None else zero_padding(memory, lengths)


def misfit(
    family: str,
    plan: Plan,
    positions: PositionKind,
    head_width: int,
    *,
    weighs: bool = False,
) -> Refusal | None:
    """Why blocks cannot stand on this plan with these positions; None where they can.

    `weighs`: whether the family adds a bias to its scores, which "alibi" positions are.
    """
    if plan.layout != "sequence":
        return Refusal(f"{family} reads a sequence, not a {plan.layout}")
    if positions == "rotary" and head_width % 2:
        return Refusal(
            f"rotary positions turn pairs of features, and a head of {head_width} has one left over"
        )
    if positions == "alibi" and not weighs:
        return Refusal(
            f'"alibi" positions are added to scores, and {family} adds nothing to them; take '
            "rotary positions"
        )
    if positions == "learned" and not plan.size:
        return Refusal(
            "learned positions need to know the longest sequence, which a generator does not say; "
            "take sinusoidal or rotary positions"
        )
    return None
