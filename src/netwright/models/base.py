"""A network is stem, trunk, head. A family gives the trunk and nothing else.

`Structure.build` puts a network together for any signature; `Structure.refuses` says, on the meta
device, why it cannot. So F families, S stems and H heads make the F x T matrix.
Dimensions: b batch, t places, d features.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from netwright.errors import InputError
from netwright.nn.heads import Head, HeadConfig, make_head, tie
from netwright.nn.look import watching
from netwright.nn.spectral import spectral
from netwright.nn.stems import Condition, Prefixed, Stem, StemConfig, make_stem
from netwright.nn.toys import zeros
from netwright.specs import (
    Classes,
    Form,
    Frames,
    Frozen,
    Image,
    Layout,
    Plan,
    Refusal,
    Signature,
    Tokens,
    Vector,
)


class StructureConfig(Frozen):
    """What every family's configuration holds beside its own fields."""

    stem: StemConfig = StemConfig()
    head: HeadConfig = HeadConfig()
    spectral: bool = False
    """Whether dense and convolutional weights and embeddings are divided by their largest singular
    value (Miyato et al. 2018); recurrent matrices are not."""


class Trunk(nn.Module):
    """What a family builds: grid (b, d, h, w), sequence (b, t, d) or vector (b, d) to the same."""

    width: int
    """Features of what it gives."""
    scale: int = 1
    """By how much it multiplies its places (each side of a grid), where the plan asks to grow."""
    capacity: int | None = None
    """Places that its state can hold; None: any number."""
    packs: bool = False
    """Whether `packed` can keep several documents in one sequence apart."""

    def forward(
        self,
        h: Tensor,
        lengths: Tensor | None = None,
        memory: Tensor | None = None,
        memory_lengths: Tensor | None = None,
    ) -> Tensor:
        """`lengths` (b,): valid places of a sequence; `memory` (b, s, d'): what it attends to."""
        raise NotImplementedError

    def packed(self, h: Tensor, documents: Tensor) -> Tensor:
        """`forward` of sequences that each hold several documents, which do not see each other.

        `documents` (b, t): a number for each place, the same within one document, never falling.
        """
        raise NotImplementedError

    def prepare(self, h: Tensor) -> None:
        """Once, before step 0: what must see data. `h` is what the stem gives for some samples."""

    def state(self, batch: int) -> dict[str, Tensor]:
        """What `step` starts from: flat, first axis the batch, on the weights' device."""
        raise NotImplementedError

    def step(
        self,
        h: Tensor,
        state: Mapping[str, Tensor],
        lengths: Tensor | None = None,
        memory: Tensor | None = None,
        memory_lengths: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places of a causal sequence, any number; row r advances by `lengths[r]`.

        Equal to `forward` over the whole within 1e-5. Gives as many places as it is given; those
        beyond a row's length hold anything.
        """
        raise NotImplementedError


class Network(nn.Module):
    """Stem, trunk, head, and an encoder of the context where there is one."""

    def __init__(
        self,
        signature: Signature,
        stem: Stem,
        trunk: Trunk,
        head: Head,
        *,
        encoder: "Encoder | None" = None,
        condition: Condition | None = None,
        carries: bool = False,
        inner: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.signature, self.carries, self.inner = signature, carries, inner
        self.stem, self.condition, self.encoder = stem, condition, encoder
        self.trunk, self.head = trunk, head

    def forward(
        self,
        x: Tensor,
        *,
        lengths: Tensor | None = None,
        context: Tensor | None = None,
        context_lengths: Tensor | None = None,
        condition: Tensor | None = None,
        documents: Tensor | None = None,
        places: Tensor | None = None,
    ) -> Tensor:
        """A batch of the input form to the output form; padding beyond `lengths` is not read.

        `places` (m,): indices into all places of the batch, one row behind the other, where an
        output a place is asked for: (m, ...), and the head computes no others.

        `documents` (b, t): which document each place belongs to, where several are packed into one
        sequence; an InputError where the trunk cannot keep them apart.
        """
        x = self.stem.clean(x, lengths)  # a stride may straddle the end
        h = self._read(x, condition)
        if documents is not None:
            if lengths is not None or context is not None or places is not None:
                raise InputError("packed documents go with no lengths, context or places")
            return self._packed(h, documents)
        inner = self.stem.lengths(lengths)
        memory = self._remember(context, context_lengths)
        h = self.trunk(h, inner, memory, context_lengths if memory is not None else None)
        if places is not None:
            h = h.flatten(0, 1).index_select(0, places)[None]
            asked: Tensor = self.head(h)[0]
            return asked
        y: Tensor = self.head(h, inner, condition)
        return y

    def lengths(self, lengths: Tensor) -> Tensor:
        """Lengths of the output, after the stem's stride."""
        inner = self.stem.lengths(lengths)
        assert inner is not None
        return inner

    def state(
        self,
        batch: int,
        *,
        context: Tensor | None = None,
        context_lengths: Tensor | None = None,
        condition: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """What `step` starts from; runs the encoder once. A beam is `{k: v[rows]}` of it."""
        state = {f"trunk.{k}": v for k, v in self.trunk.state(batch).items()}
        memory = self._remember(context, context_lengths)
        if memory is not None:
            full = torch.full((batch,), memory.shape[1], device=memory.device)
            state["memory"] = memory
            state["memory_lengths"] = full if context_lengths is None else context_lengths
        if condition is not None:
            state["condition"] = condition
        return state

    def step(
        self, x: Tensor, state: Mapping[str, Tensor], lengths: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next positions: one (decoding), a prompt (prefill) or a window (with gradient)."""
        h = self._read(x, state.get("condition"))
        mine = {k[6:]: v for k, v in state.items() if k.startswith("trunk.")}
        h, new = self.trunk.step(h, mine, lengths, state.get("memory"), state.get("memory_lengths"))
        y: Tensor = self.head(h, lengths, state.get("condition"))
        return y, {**state, **{f"trunk.{k}": v for k, v in new.items()}}

    def look(self, x: Tensor, **inputs: Tensor | None) -> Mapping[str, Tensor]:
        """Named inner results, with gradient: `attention.0`, `block.0`, `pooled.0`, ..."""
        with watching() as seen:
            self(x, **inputs)
        return seen

    @torch.no_grad()
    def prepare(self, x: Tensor, condition: Tensor | None = None) -> None:
        """Once, before step 0, with some training inputs: what must see data (whitening)."""
        self.trunk.prepare(self._read(x, condition))

    @property
    def capacity(self) -> int | None:
        """Places that its state can hold; None: any number."""
        return self.trunk.capacity

    @property
    def packs(self) -> bool:
        """Whether documents that are packed into one sequence are kept apart."""
        return self.trunk.packs and self.encoder is None and self.signature.positions == "causal"

    def _packed(self, h: Tensor, documents: Tensor) -> Tensor:
        if not self.packs:
            raise InputError(
                "this network cannot keep packed documents apart",
                why="what it carries from place to place knows no documents",
                do="one document a sequence",
            )
        y: Tensor = self.head(self.trunk.packed(h, documents))
        return y

    def _read(self, x: Tensor, condition: Tensor | None) -> Tensor:
        h: Tensor = self.stem(x)
        if self.condition is not None:
            assert condition is not None, "the signature declares a condition"
            h = self.condition(h, condition)
        return h

    def _remember(self, context: Tensor | None, lengths: Tensor | None) -> Tensor | None:
        if self.encoder is None or context is None:
            return None
        memory: Tensor = self.encoder(context, lengths)
        return memory


class Encoder(nn.Module):
    """What reads the context: a stem and a trunk of the same family."""

    def __init__(self, stem: Stem, trunk: Trunk) -> None:
        super().__init__()
        self.stem, self.trunk = stem, trunk

    def forward(self, context: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, s) or (b, s, f) to (b, s, d)."""
        memory: Tensor = self.trunk(self.stem(context), lengths)
        return memory


class Structure(ABC):
    """A family of networks."""

    Config: ClassVar[type[StructureConfig]]
    presets: ClassVar[Mapping[str, StructureConfig]]
    """`classic`, `tiny`, `small`, `base`."""
    carries: ClassVar[bool] = False
    """Whether its state has a constant size and may be carried for ever."""

    @abstractmethod
    def layouts(self, form: Form, output: Form) -> Sequence[Layout] | Refusal:
        """Layouts in which it reads `form`, in order of taste, or why it reads none."""

    @abstractmethod
    def trunk(self, config: StructureConfig, plan: Plan) -> Trunk | Refusal:
        """The trunk for a plan, its weights drawn from torch's current generator."""

    @final
    def refuses(self, signature: Signature, config: StructureConfig) -> Refusal | None:
        """Why this cell makes no sense; None where it does. Builds on the meta device."""
        with torch.device("meta"):
            made = self.attempt(signature, config)
        return made if isinstance(made, Refusal) else None

    @final
    def build(self, signature: Signature, config: StructureConfig) -> Network:
        """A network, its weights drawn from torch's current generator; InputError if refused."""
        made = self.attempt(signature, config)
        if isinstance(made, Refusal):
            raise InputError("this structure does not fit this task", why=made.reason)
        return made

    @final
    def attempt(self, signature: Signature, config: StructureConfig) -> Network | Refusal:
        """`build`, with a refusal as a value."""
        if signature.positions == "causal" and not isinstance(signature.input, Tokens | Frames):
            return Refusal("a causal output needs tokens or frames as input")
        layouts = self.layouts(signature.input, signature.output)
        if isinstance(layouts, Refusal):
            return layouts
        made: Network | Refusal = Refusal("no layout")
        for layout in layouts:
            made = self._lay(signature, config, layout)
            if not isinstance(made, Refusal):
                break
        return made

    def _lay(
        self, signature: Signature, config: StructureConfig, layout: Layout
    ) -> Network | Refusal:
        encoder = self._encoder(signature.context, config) if signature.context else None
        if isinstance(encoder, Refusal):
            return encoder
        memory = encoder.trunk.width if encoder else None
        grows = isinstance(signature.input, Vector) and layout != "vector"
        body = (
            self._generator(signature, config, layout, memory)
            if grows
            else self._reader(signature, config, layout, memory)
        )
        if isinstance(body, Refusal):
            return body
        stem, trunk = body
        shape = _given(stem, trunk, signature, memory)
        head = make_head(layout, shape, signature, config.head)
        if isinstance(head, Refusal):
            return head
        if config.head.tied:
            tie(stem, head)
        beside = None
        if signature.condition is not None and not head.told:
            beside = Condition(signature.condition, stem.width, stem.size if grows else ())
        made = Network(
            signature,
            stem,
            trunk,
            head,
            encoder=encoder,
            condition=beside,
            carries=self.carries,
            inner=shape,
        )
        if config.spectral:
            spectral(made)
        return made

    def _reader(
        self, signature: Signature, config: StructureConfig, layout: Layout, memory: int | None
    ) -> tuple[Stem, Trunk] | Refusal:
        serial = isinstance(signature.output, Tokens | Frames) and signature.positions != "free"
        stem = make_stem(signature.input, layout, config.stem, columns=serial)
        if isinstance(stem, Refusal):
            return stem
        if (
            config.head.pooling == "class_token"
            and signature.positions == "free"
            and stem.size[1:] == ()
        ):
            if layout != "sequence":
                return Refusal("a class token needs a sequence to stand in")
            stem = Prefixed(stem)
        shrinks = layout == "grid" and signature.positions == "free"
        scale = "shrink" if shrinks else "keep"
        plan = Plan(layout, stem.width, stem.size, signature.positions, scale, memory)  # type: ignore[arg-type]
        trunk = self.trunk(config, plan)
        return trunk if isinstance(trunk, Refusal) else (stem, trunk)

    def _generator(
        self, signature: Signature, config: StructureConfig, layout: Layout, memory: int | None
    ) -> tuple[Stem, Trunk] | Refusal:
        """Numbers to places: the first grid is what the output leaves over after all growth."""
        output = signature.output
        if isinstance(output, Classes | Vector):
            return Refusal(f"numbers have no places to read as a {layout}")
        plan = Plan(layout, config.stem.width, (), signature.positions, "grow", memory)
        trunk = self.trunk(config, plan)
        if isinstance(trunk, Refusal):
            return trunk
        if isinstance(output, Image):
            growth = trunk.scale * config.head.growth if layout == "grid" else 1
            if output.height % growth or output.width % growth:
                return Refusal(
                    f"a picture of {output.height} x {output.width} does not grow by {growth} "
                    "from a whole number of places"
                )
            grid = (output.height // growth, output.width // growth)
            size: tuple[int, ...] = grid if layout == "grid" else (output.height,)
        else:
            stride = config.head.stride if isinstance(output, Frames) else 1
            if output.length % (trunk.scale * stride):
                return Refusal(
                    f"{output.length} places do not grow by {trunk.scale * stride} from a whole "
                    "number of places"
                )
            size = (output.length // (trunk.scale * stride),)
        stem = make_stem(signature.input, layout, config.stem, size=size)
        return stem if isinstance(stem, Refusal) else (stem, trunk)

    def _encoder(self, context: Form, config: StructureConfig) -> Encoder | Refusal:
        stem = make_stem(context, "sequence", config.stem)
        if isinstance(stem, Refusal):
            return stem
        trunk = self.trunk(config, Plan("sequence", stem.width, stem.size, "aligned", "keep"))
        return trunk if isinstance(trunk, Refusal) else Encoder(stem, trunk)


@torch.no_grad()
def _given(stem: Stem, trunk: Trunk, signature: Signature, memory: int | None) -> tuple[int, ...]:
    """What the trunk gives for one sample: by running it on two zeros, not by formula."""
    context = torch.zeros(2, 3, memory) if memory else None
    h = trunk.eval()(stem.eval()(zeros(signature.input, 2)), None, context)
    stem.train()
    trunk.train()
    return tuple(h.shape[1:])
