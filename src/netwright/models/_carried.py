"""A pile of blocks whose state has one size, however many places it has taken in.

The twin of `_blocks.py`, whose blocks keep every place: here a step knows no places but how many it
has taken in, and there is no capacity.
Dimensions: b batch, t places, d features, n places of one step.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, final

import torch
from torch import Tensor, nn

from netwright.models._blocks import need_causal
from netwright.models.base import Trunk
from netwright.nn.look import show
from netwright.nn.positions import PositionKind, Positions, Rotation
from netwright.specs import Plan


class CarriedAttention(Protocol):
    """What mixes places: a module of `nn/` with a state of one size."""

    def __call__(
        self, x: Tensor, lengths: Tensor | None = None, rotation: Rotation | None = None
    ) -> Tensor: ...
    def state(self, batch: int) -> dict[str, Tensor]: ...
    def step(
        self,
        x: Tensor,
        state: Mapping[str, Tensor],
        lengths: Tensor | None = None,
        rotation: Rotation | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]: ...


@final
class CarriedBlock(nn.Module):
    """h + attention(norm(h)): (b, t, d) to the same."""

    def __init__(self, attention: CarriedAttention, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm, self.attention, self.dropout = norm, attention, nn.Dropout(dropout)

    def forward(self, h: Tensor, lengths: Tensor | None, rotation: Rotation | None) -> Tensor:
        """All places at once."""
        y: Tensor = h + self.dropout(self.attention(self.norm(h), lengths, rotation))
        return y

    def state(self, batch: int) -> dict[str, Tensor]:
        """What `step` starts from."""
        return self.attention.state(batch)

    def step(
        self,
        h: Tensor,
        state: Mapping[str, Tensor],
        lengths: Tensor | None,
        rotation: Rotation | None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places, and the state behind `lengths` of them."""
        mixed, new = self.attention.step(self.norm(h), state, lengths, rotation)
        return h + self.dropout(mixed), new


@final
class Carried(Trunk):
    """Positions, then blocks one after another, then a norm.

    Its state is `at` (b,), the places each row has taken in, and each block's under its number.
    """

    like: Tensor

    def __init__(
        self,
        plan: Plan,
        blocks: Sequence[CarriedBlock],
        norm: nn.Module,
        *,
        positions: PositionKind,
        head_width: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.width, self.causal = plan.width, plan.positions == "causal"
        longest = plan.size[0] if plan.size else 0
        self.positions = Positions(positions, plan.width, longest, head_width)
        self.dropout = nn.Dropout(dropout)
        self.blocks, self.norm = nn.ModuleList(blocks), norm
        self.register_buffer("like", torch.empty(0, dtype=torch.long), persistent=False)

    def forward(
        self,
        h: Tensor,
        lengths: Tensor | None = None,
        memory: Tensor | None = None,  # noqa: ARG002 refused
        memory_lengths: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """(b, t, d) to the same; valid places do not read those beyond `lengths`."""
        h, rotation = self.positions(h, torch.arange(h.shape[1], device=h.device))
        h = self.dropout(h)
        for block in self.blocks:
            h = block(h, lengths, rotation)
            show("block", h)
        y: Tensor = self.norm(h)
        return y

    def state(self, batch: int) -> dict[str, Tensor]:
        """No places taken in; InputError where the output is not causal."""
        need_causal(causal=self.causal)
        state = {"at": self.like.new_zeros(batch)}
        for i, block in self._numbered():
            state |= {f"{i}.{name}": value for name, value in block.state(batch).items()}
        return state

    def step(
        self,
        h: Tensor,
        state: Mapping[str, Tensor],
        lengths: Tensor | None = None,
        memory: Tensor | None = None,  # noqa: ARG002 refused
        memory_lengths: Tensor | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places (b, n, d); the given state stays as it is."""
        need_causal(causal=self.causal)
        at, n = state["at"], h.shape[1]
        h, rotation = self.positions(h, at[:, None] + torch.arange(n, device=h.device))
        h = self.dropout(h)
        new = {"at": at + (n if lengths is None else lengths.to(at))}
        for i, block in self._numbered():
            own = f"{i}."
            mine = {k.removeprefix(own): v for k, v in state.items() if k.startswith(own)}
            h, after = block.step(h, mine, lengths, rotation)
            new |= {own + name: value for name, value in after.items()}
            show("block", h)
        return self.norm(h), new

    def _numbered(self) -> list[tuple[int, CarriedBlock]]:
        return [(i, b) for i, b in enumerate(self.blocks) if isinstance(b, CarriedBlock)]
