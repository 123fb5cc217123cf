"""Recall: symbols in, and at the places that ask, a symbol that was seen before.

The loss is the cross-entropy at the places that ask (target 0 or more), over their number; the
figure is the share of right answers among those that ask for more than the filler, symbol 0.
Dimensions: b batch, n rows of a part, t places, m asked places of a batch, v symbols.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from netwright.errors import InputError
from netwright.metrics.base import Figure
from netwright.specs import Batch, Frozen, Part, Schema, Scorer, Signature, Symbols
from netwright.tasks._columns import column
from netwright.tasks._labelled import device_of, last_attention
from netwright.tasks.base import (
    Answer,
    DataLike,
    Draw,
    Exhibit,
    Looks,
    Loss,
    Nets,
    Role,
    Task,
    Turn,
)

READS = "recall reads symbols `x`, and `y`, -1 where nothing is asked"
LOGITS = 2**24
"""Logits that are held at once in judging: 64 MiB."""


class Options(Frozen):
    """Nothing is varied."""


class Judged(NamedTuple):
    """The asked places of a whole part, in order; each field (m,)."""

    row: Tensor
    place: Tensor
    answer: Tensor
    gap: Tensor
    """Places since the answer was last shown; 0 where it was not."""
    hit: Tensor
    nats: Tensor


class Recall(Task):
    """Symbols to symbols, each seeing the past alone."""

    Config = Options
    figure = "recall"
    means: ClassVar = {
        "recall": "symbols that were asked for and recalled",
        "nats": "how surprised it is by a symbol that was asked for; 0: never",
    }
    data = "associative-recall"

    def __init__(self, schema: Schema, config: Frozen) -> None:
        super().__init__(schema, config)
        self.symbols = column(schema, "x", Symbols, READS)
        self.answers = column(schema, "y", Symbols, READS)
        if self.symbols.length != self.answers.length:
            raise InputError(
                f"there are {self.symbols.length} symbols and {self.answers.length} answers a row",
                why="every place has one of each",
            )

    def roles(self) -> Mapping[str, Role]:
        """One player, `net`."""
        signature = Signature(self.symbols.form, self.answers.form, positions="causal")
        return {"net": Role(signature)}

    def batch(
        self,
        part: Part,
        draw: Draw,
        generator: Generator,  # noqa: ARG002
        *,
        train: bool,  # noqa: ARG002
    ) -> Batch:
        """`x` and `y`, (b, t), and `asked` (m,): places row t + place where something is asked.

        The places are found here and not in the objective, where their number could not be known
        without their values. With the head at these places alone, a step of the default data, 4 of
        64 places asked and 8,192 symbols, takes less: 0.08 seconds against 2.2 on head
        and loss, measured once beside other work.
        """
        stored = part.gather(draw.index)
        y = stored["y"].long()
        asked = (y.flatten() >= 0).nonzero().squeeze(1)
        return {"x": stored["x"].long(), "y": y, "asked": asked}

    def prepare(self, nets: Mapping[str, object], part: Part, generator: Generator) -> None:
        """Nothing: no stem that reads symbols must see data first."""

    def objective(
        self,
        turn: Turn,  # noqa: ARG002
        nets: Nets,
        batch: Batch,
        carry: Mapping[str, Tensor],  # noqa: ARG002
        generator: Generator,  # noqa: ARG002
    ) -> Loss:
        """Sum of the cross-entropies in nats, over the number of asked places."""
        logits, answers = _at_asked(nets["net"], batch)
        total = F.cross_entropy(logits, answers, reduction="sum")
        return Loss(total, logits.new_full((), float(max(1, len(answers)))))

    def evaluate(self, nets: Nets, data: DataLike, part: str) -> Mapping[str, Figure]:
        """`recall`, (hits, asked) a row, and `nats`, (nats, asked) a row of all that is asked."""
        rows, judged = len(data.parts[part]), self._judged(nets["net"], data.parts[part])
        wanted = (judged.answer > 0).double()
        recall = _by_row(judged.row, judged.hit.double() * wanted, wanted, rows)
        nats = _by_row(judged.row, judged.nats.double(), torch.ones_like(wanted), rows)
        return {
            "recall": Figure(recall, "ratio", higher=True, unit="%"),
            "nats": Figure(nats, "ratio", higher=False, unit="nats"),
        }

    def floors(self) -> Sequence[str]:
        """Any of the symbols that were shown."""
        return ("shown-before",)

    def apply(
        self,
        nets: Nets,
        inputs: Iterator[tuple[str, Batch]],
        generator: Generator,  # noqa: ARG002
    ) -> Iterator[Answer]:
        """`symbols`: the best one at every place of a row."""
        net = nets["net"]
        for name, batch in inputs:
            with torch.inference_mode():
                best = net(batch["x"].long().to(device_of(net))).argmax(-1)[0].tolist()
            yield Answer(name, {"symbols": best}, words=" ".join(map(str, best)))

    def exhibits(
        self,
        nets: Nets,
        data: DataLike,
        part: str,
        generator: Generator,  # noqa: ARG002
    ) -> Sequence[Exhibit]:
        """Recall by gap and by place, and where a net that attends looks."""
        judged = self._judged(nets["net"], data.parts[part])
        wanted = judged.answer > 0
        hit, shown = judged.hit[wanted].double(), []
        for title, by in (
            ("recall by places since the answer was last shown", judged.gap[wanted]),
            ("recall by place of the question", judged.place[wanted]),
        ):
            x, inverse = by.unique(return_inverse=True)
            y = torch.zeros(len(x), dtype=torch.double).index_add_(0, inverse, hit)
            y = y / torch.bincount(inverse, minlength=len(x)).clamp(min=1)
            if len(x) > 1:
                shown.append(Exhibit("curve", title, {"x": x, "y": y}))
        return (*shown, *_looked(nets["net"], data.parts[part]))

    def _judged(self, net: Scorer, part: Part) -> Judged:
        """All asked places of a part; on the CPU."""
        if len(part) == 0:
            raise InputError("there are no rows to judge by", why="this part is empty")
        unused, device, length = Generator(), device_of(net), self.symbols.length
        size = max(1, LOGITS // self.answers.vocabulary)
        found: list[Judged] = []
        with torch.inference_mode():
            for index in torch.arange(len(part), device=device).split(size):
                batch = self.batch(part, Draw(index), unused, train=False)
                logits, answer = _at_asked(net, batch)
                row, place = batch["asked"] // length, batch["asked"] % length
                hit = logits.argmax(1) == answer
                nats = F.cross_entropy(logits, answer, reduction="none")
                gap = _gaps(batch["x"][row], place, answer)
                fields = (index[row], place, answer, gap, hit, nats)
                found.append(Judged(*(f.cpu() for f in fields)))
        return Judged(*(torch.cat(f) for f in zip(*found, strict=True)))


def _at_asked(net: Scorer, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits (m, v) and answers (m,) at the places that ask."""
    logits = net(batch["x"], places=batch["asked"])
    if logits.dim() == 3:  # a floor says something at every place
        logits = logits.flatten(0, 1).index_select(0, batch["asked"])
    return logits.float(), batch["y"].flatten().index_select(0, batch["asked"])


def _by_row(row: Tensor, first: Tensor, second: Tensor, rows: int) -> Tensor:
    """(m,) statistics of places to (n, 2) sums of each row."""
    sums = torch.zeros(rows, 2, dtype=torch.double)
    return sums.index_add_(0, row, torch.stack([first, second], 1))


def _gaps(x: Tensor, place: Tensor, answer: Tensor) -> Tensor:
    """How long before `place` (m,) its row of `x` (m, t) last showed `answer` (m,); 0: never."""
    places = torch.arange(x.shape[1], device=x.device)
    seen = (x == answer[:, None]) & (places < place[:, None])
    last = torch.where(seen, places, -1).amax(1)
    return torch.where(last < 0, 0, place - last)


def _looked(net: Scorer, part: Part) -> Sequence[Exhibit]:
    """The last attention map of the first row, if the net has one."""
    if not isinstance(net, Looks):
        return ()
    x = part.gather(torch.zeros(1, dtype=torch.long, device=device_of(net)))["x"].long()
    with torch.inference_mode():
        weights = last_attention(net.look(x))
    if weights is None:
        return ()
    names = tuple(map(str, x[0].tolist()))
    title = "attention of the last layer, mean of its heads: from symbol (down) to symbol"
    return (Exhibit("map", title, {"map": weights}, {"rows": names, "columns": names}),)


task = Recall
"""What the registry finds here."""
