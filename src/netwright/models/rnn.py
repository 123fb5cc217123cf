"""Recurrent nets: LSTM or GRU layers over a sequence, whose state has a constant size.

Sources: Hochreiter & Schmidhuber 1997 (LSTM); Gers et al. 2000 (forget gate); Cho et al. 2014
(GRU); Schuster & Paliwal 1997 (both directions). Pictures are read as rows, columns or patches.
Dimensions: b batch, t places, d features.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, final

from pydantic import Field
from torch import Tensor

from netwright.models.base import Structure, StructureConfig, Trunk
from netwright.nn.heads import HeadConfig
from netwright.nn.recurrence import Recurrent
from netwright.nn.stems import StemConfig
from netwright.specs import Classes, Form, Layout, Plan, Refusal, Vector


class Config(StructureConfig):
    """Size of the net."""

    kind: Literal["lstm", "gru"] = "lstm"
    width: int = Field(128, ge=1)
    """Hidden features of a layer, in each direction."""
    layers: int = Field(2, ge=1)
    bidirectional: bool | None = None
    """None: forwards where the output sees only the past or is read at the last place, where a net
    that reads backwards has just begun; else in both directions."""
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Between layers."""


@final
class RnnTrunk(Trunk):
    """A sequence (b, t, d) through all layers."""

    def __init__(self, config: Config, width: int, *, bidirectional: bool) -> None:
        super().__init__()
        self.layers = Recurrent(
            config.kind,
            width,
            config.width,
            config.layers,
            bidirectional=bidirectional,
            dropout=config.dropout,
        )
        self.width = self.layers.width

    def forward(
        self,
        h: Tensor,
        lengths: Tensor | None = None,
        memory: Tensor | None = None,  # noqa: ARG002 refused
        memory_lengths: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """(b, t, d) to (b, t, d'); zeros beyond `lengths`."""
        y: Tensor = self.layers(h, lengths)
        return y

    def state(self, batch: int) -> dict[str, Tensor]:
        """`h` and, of an LSTM, `c`: (b, layers, hidden), zeros."""
        return self.layers.state(batch)

    def step(
        self,
        h: Tensor,
        state: Mapping[str, Tensor],
        lengths: Tensor | None = None,
        memory: Tensor | None = None,  # noqa: ARG002 refused
        memory_lengths: Tensor | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places, through all layers."""
        return self.layers.step(h, state, lengths)


@final
class Rnn(Structure):
    """LSTM or GRU layers over a sequence."""

    Config = Config
    carries: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, StructureConfig]] = {
        # The textbook net: parameters 64 V + 98,816 + 131,584 + 129 V from V symbols to V symbols.
        "classic": Config(bidirectional=False, head=HeadConfig(pooling="last")),
        "tiny": Config(width=24, layers=1, stem=StemConfig(width=16)),
        "small": Config(width=64, layers=1),
        "base": Config(dropout=0.1),
        # For pictures: the head reads each row at its own place, where a mean forgets the order.
        "rows": Config(width=64, layers=1, head=HeadConfig(pooling="flatten")),
    }

    def layouts(self, form: Form, output: Form) -> Sequence[Layout] | Refusal:
        """Sequences; numbers only where places are made of them."""
        if isinstance(form, Classes):
            return Refusal("a recurrent net reads one place after another, but a label is one")
        if isinstance(form, Vector) and isinstance(output, Classes | Vector):
            return Refusal("a recurrent net reads places in order, but a row of numbers has none")
        return ("sequence",)

    def trunk(self, config: StructureConfig, plan: Plan) -> Trunk | Refusal:
        """The layers, forwards alone where the output sees only the past."""
        assert isinstance(config, Config)
        causal, pooling = plan.positions == "causal", config.head.pooling
        last = plan.positions == "free" and pooling == "last"
        both = not (causal or last) if config.bidirectional is None else config.bidirectional
        if plan.memory is not None:
            return Refusal("a recurrent net does not attend to a context yet")
        if causal and both:
            return Refusal("a net that reads backwards would see the future of a causal output")
        if last and both:
            return Refusal(
                "a net that reads backwards has just begun at the last place; pool by mean or max"
            )
        if plan.positions == "free" and pooling == "class_token" and not both:
            return Refusal(
                "a class token stands before all places, so a net that reads forwards alone has "
                "seen none of them there"
            )
        return RnnTrunk(config, plan.width, bidirectional=both)


structure = Rnn()
