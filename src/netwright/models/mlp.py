"""Multi-layer perceptron: dense layers over the whole input as one vector, the plain baseline.

h <- f(Norm(W h + b)), layer after layer (Rumelhart et al. 1986). It knows nothing of neighbours,
order or time, so what it cannot do shows what the other structures know.
Dimensions: b batch, d features.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar, final

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from netwright.models.base import Structure, StructureConfig, Trunk
from netwright.nn.feedforward import Activation, activate
from netwright.nn.look import show
from netwright.nn.norm import NormKind, make_norm
from netwright.nn.stems import StemConfig
from netwright.specs import Classes, Form, Layout, Plan, Refusal


class MlpConfig(StructureConfig):
    """Size and parts."""

    widths: tuple[PositiveInt, ...] = (128,)
    """Features after each dense layer; with none of them the net is linear."""
    activation: Activation = "relu"
    norm: NormKind = "none"
    """Between each dense layer and its activation."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """After each activation."""


@final
class MlpTrunk(Trunk):
    """Dense, norm, activation, dropout; again and again."""

    def __init__(self, config: MlpConfig, plan: Plan) -> None:
        super().__init__()
        sizes = (plan.width, *config.widths)
        self.width, self.activation = sizes[-1], config.activation
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(make_norm(config.norm, b) for b in config.widths)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        h: Tensor,
        lengths: Tensor | None = None,
        memory: Tensor | None = None,
        memory_lengths: Tensor | None = None,
    ) -> Tensor:
        """(b, d) to (b, d'); a vector has no places, so nothing else is read."""
        del lengths, memory, memory_lengths
        for dense, norm in zip(self.dense, self.norms, strict=True):
            h = self.dropout(activate(norm(dense(h)), self.activation))
            show("block", h)
        return h


@final
class Mlp(Structure):
    """The family."""

    Config: ClassVar[type[StructureConfig]] = MlpConfig
    presets: ClassVar[Mapping[str, StructureConfig]] = {
        "classic": MlpConfig(widths=(128,)),
        "tiny": MlpConfig(stem=StemConfig(width=8), widths=(32,)),
        "small": MlpConfig(stem=StemConfig(width=16), widths=(256, 128), activation="gelu"),
        "base": MlpConfig(
            stem=StemConfig(width=32), widths=(512, 512, 256), activation="gelu", norm="layer"
        ),
    }

    def layouts(self, form: Form, output: Form) -> Sequence[Layout] | Refusal:
        """One vector, whatever comes out."""
        del output
        if isinstance(form, Classes):
            return Refusal("an mlp reads numbers, and one label alone is no input")
        return ("vector",)

    def trunk(self, config: StructureConfig, plan: Plan) -> Trunk | Refusal:
        """Its layers, their weights drawn from torch's current generator."""
        assert isinstance(config, MlpConfig)
        if plan.layout != "vector" or plan.memory is not None:
            return Refusal(
                "an mlp reads one vector and has no way to attend to a context; take transformer"
            )
        if plan.positions == "causal":
            return Refusal(
                "an mlp reads its whole input at once and would see the future; take rnn or "
                "transformer"
            )
        if plan.positions == "aligned":
            return Refusal(
                "an mlp keeps no places for its outputs to be aligned with; take cnn, rnn or "
                "transformer"
            )
        return MlpTrunk(config, plan)


structure = Mlp()
