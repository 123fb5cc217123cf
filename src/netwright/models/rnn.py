"""Recurrent nets: LSTM, GRU, minGRU, minLSTM or gated delta rule; the state has a constant size.

Sources: Hochreiter & Schmidhuber 1997 (LSTM); Gers et al. 2000 (forget gate); Cho et al. 2014
(GRU); Schuster & Paliwal 1997 (both directions); Merity et al. 2018 (how an LSTM is regularised);
Feng et al. 2024 (minGRU, minLSTM); Yang, Kautz & Hatamizadeh 2024 (gated delta rule). LSTM and GRU
lie on one another, the others in residual blocks. Pictures are read as rows, columns or patches.
Dimensions: b batch, t places, d features.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar, Literal, Self, final

from pydantic import Field, model_validator
from torch import Tensor

from netwright.models._residual import Parts, ResidualLayers
from netwright.models.base import Structure, StructureConfig, Trunk
from netwright.nn.delta import GatedDelta
from netwright.nn.dropout import make_dropout
from netwright.nn.heads import HeadConfig
from netwright.nn.recurrence import STATES, Recurrent
from netwright.nn.scan import MinRecurrence
from netwright.nn.stems import StemConfig
from netwright.specs import Classes, Form, Layout, Plan, Refusal, Vector

LANGUAGE, TIED = StemConfig(width=64), HeadConfig(tied=True)


class Config(StructureConfig):
    """Size of the net."""

    kind: Literal["lstm", "gru", "mingru", "minlstm", "gated_delta"] = "lstm"
    width: int = Field(128, ge=1)
    """Hidden features of a layer, in each direction; of the gated delta rule, of all heads."""
    layers: int = Field(2, ge=1)
    bidirectional: bool | None = None
    """None: forwards where the output sees only the past or is read at the last place, where a net
    that reads backwards has just begun; else in both directions."""
    heads: int = Field(4, ge=1)
    """Of the gated delta rule: memories that a layer keeps, each (width / heads) squared."""
    convolution: int = Field(0, ge=0)
    """Places that a convolution of each feature by itself reads before a minGRU, a minLSTM or a
    gated delta rule; 0: none."""
    feedforward: int = Field(0, ge=0)
    """Hidden features of a feed-forward layer behind each of these; 0: none."""
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Between layers, or of each residual branch."""
    locked: bool = False
    """Whether dropout takes one mask for all places of a sequence (Gal & Ghahramani 2016)."""
    input_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Of what the first layer reads."""
    output_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Of what the last layer gives."""
    weight_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Of the entries of U, an LSTM's or GRU's matrix from state to state (Merity et al. 2018)."""

    @model_validator(mode="after")
    def _uses_what_it_names(self) -> Self:
        if self.kind in STATES and (self.convolution or self.feedforward):
            raise ValueError(
                f"{self.kind} layers lie on one another, without convolution or feed-forward layer;"
                " take mingru, minlstm or gated_delta"
            )
        if self.kind not in STATES and self.weight_dropout:
            raise ValueError(f"{self.kind} has no matrix from state to state to drop weights of")
        if self.kind == "gated_delta" and self.width % self.heads:
            raise ValueError(f"a width of {self.width} does not divide into {self.heads} heads")
        return self


@final
class RnnTrunk(Trunk):
    """A sequence (b, t, d) through all layers, dropout before and behind them."""

    def __init__(self, config: Config, layers: Recurrent | ResidualLayers) -> None:
        super().__init__()
        self.before = make_dropout(config.input_dropout, locked=config.locked)
        self.layers, self.width = layers, layers.width
        self.behind = make_dropout(config.output_dropout, locked=config.locked)

    def forward(
        self,
        h: Tensor,
        lengths: Tensor | None = None,
        memory: Tensor | None = None,  # noqa: ARG002 refused
        memory_lengths: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """(b, t, d) to (b, t, d'); zeros beyond `lengths`."""
        y: Tensor = self.behind(self.layers(self.before(h), lengths))
        return y

    def state(self, batch: int) -> dict[str, Tensor]:
        """Zeros: `h` and, of an LSTM, `c`, (b, layers, hidden); of residual layers as they say."""
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
        y, new = self.layers.step(self.before(h), state, lengths)
        return self.behind(y), new


def make_layers(config: Config, width: int, *, bidirectional: bool) -> Recurrent | ResidualLayers:
    """All layers of a configuration, for places of `width` features."""
    c = config
    if c.kind == "lstm" or c.kind == "gru":  # noqa: PLR1714 tells mypy which kinds are left
        return Recurrent(
            c.kind,
            width,
            c.width,
            c.layers,
            bidirectional=bidirectional,
            dropout=c.dropout,
            locked=c.locked,
            weight_dropout=c.weight_dropout,
        )
    parts = Parts(c.convolution, c.feedforward, c.dropout, c.locked)
    make = (
        partial(GatedDelta, width, c.heads, c.width // c.heads)
        if c.kind == "gated_delta"
        else partial(MinRecurrence, c.kind, width, c.width)
    )
    return ResidualLayers(make, parts, width, c.layers, bidirectional=bidirectional)


@final
class Rnn(Structure):
    """Recurrent layers over a sequence."""

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
        # For text: of 65 symbols, 990,881 parameters, 786,432 of them in U.
        "language": Config(
            kind="gru",
            width=512,
            layers=1,
            stem=StemConfig(width=96),
            head=HeadConfig(pooling="last", tied=True),
            output_dropout=0.1,
            locked=True,
        ),
        "mingru": Config(
            kind="mingru", width=96, convolution=4, feedforward=128, stem=LANGUAGE, head=TIED
        ),
        "minlstm": Config(
            kind="minlstm", width=96, convolution=4, feedforward=128, stem=LANGUAGE, head=TIED
        ),
        "gated_delta": Config(
            kind="gated_delta", width=64, convolution=4, feedforward=128, stem=LANGUAGE, head=TIED
        ),
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
        return RnnTrunk(config, make_layers(config, plan.width, bidirectional=both))


structure = Rnn()
