"""Text classification: one label out of several for each text.

Texts are padded to the longest of their batch, and batches are made of texts of about one length,
so that little padding is computed (bucketing, Khomenko et al. 2016). The loss is
cross-entropy with label smoothing (Szegedy et al. 2016, section 7).
Dimensions: b batch, n texts of a part, t places of the longest text of a batch, k classes.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor

from netwright.codecs import UNKNOWN, Words
from netwright.errors import InputError, escaped, shown
from netwright.metrics.base import Figure
from netwright.specs import Batch, Frozen, Labels, Part, Schema, Scorer, Signature, Text
from netwright.tasks._labelled import (
    MEANS,
    answers,
    class_exhibits,
    column_of,
    device_of,
    figures_of,
    last_attention,
    surest_mistakes,
)
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

READS = "text-classification reads texts and labels"
ROUND = 8
"""Places that a padded batch is a multiple of, as `Ragged` pads it."""
LARGEST = 4
"""Texts that a batch of short ones holds at most, in batch sizes."""
JUDGED_TOKENS, JUDGED = 16_384, 512
"""Padded symbols, and texts, that are scored at once at most."""
APPLIED = 64
"""Foreign texts that are scored at once; their answers come together."""
SENTENCE = (5, 20)
"""Symbols of the text whose attention is shown, so that a page can name them all."""
BROWSED = 256
"""Texts among which such a one is sought."""


class Options(Frozen):
    """How texts are batched and varied in training, and what is reported."""

    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0)
    buckets: int = Field(50, ge=1)
    """Batches that are cut together out of as many texts, sorted by length; 1: hardly sorted."""
    word_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of words that training reads as `<unk>`; Iyyer et al. 2015 leave them out."""
    top: int = Field(5, ge=1)
    """Classes that an answer lists, and the k of the figure for the k best guesses."""


@runtime_checkable
class Measured(Protocol):
    """A part that knows how long each of its texts is, without gathering it."""

    @property
    def lengths(self) -> Tensor:
        """(n,) symbols; on the CPU."""
        ...


class TextClassification(Task):
    """A text in, scores of its classes out."""

    Config = Options
    figure = "accuracy"
    means = MEANS
    data = "docstrings"

    def __init__(self, schema: Schema, config: Frozen) -> None:
        super().__init__(schema, config)
        assert isinstance(config, Options)
        self.options = config
        self.name, self.text = column_of(schema, Text, READS)
        self.label, self.labels = column_of(schema, Labels, READS)
        self._unknown = self._symbol_of_nothing() if config.word_dropout else 0

    def roles(self) -> Mapping[str, Role]:
        """One player, `net`."""
        return {"net": Role(Signature(self.text.form, self.labels.form))}

    def order(self, part: Part, size: int, generator: Generator) -> Sequence[Tensor]:
        """Batches of texts of about one length, in random order; no text is left out.

        Each holds at most `size` times the mean length of padded symbols: more of short texts, up
        to four times `size`, fewer of long ones, `size` on average. A part that does not know its
        lengths is cut as it comes.
        """
        if not isinstance(part, Measured):
            return super().order(part, size, generator)
        count = len(part)
        if count < size:
            return ()
        padded = self._padded(part.lengths)
        tokens = size * int(padded.sum()) // count
        batches: list[Tensor] = []
        shuffled = torch.randperm(count, generator=generator)
        for pool in shuffled.tensor_split(max(1, count // (self.options.buckets * size))):
            by_length = pool[padded[pool].argsort(stable=True)]
            sizes = even_cuts(padded[by_length].tolist(), tokens, LARGEST * size)
            batches += by_length.split(sizes)
        mixed = torch.randperm(len(batches), generator=generator).tolist()
        return [batches[i] for i in mixed]

    def batch(self, part: Part, draw: Draw, generator: Generator, *, train: bool) -> Batch:
        """`x` (b, t) symbols, `lengths` (b,), `y` (b,) labels; `generator` lies on the CPU.

        A text is cut at the length of the schema; one without a symbol is read as symbol 0.
        """
        stored = part.gather(draw.index)
        x, lengths = self._read(stored)
        if train and self.options.word_dropout:
            dropped = torch.rand(x.shape, generator=generator) < self.options.word_dropout
            x = x.masked_fill(dropped.to(x.device), self._unknown)
        return {"x": x, "lengths": lengths, "y": stored[self.label].long()}

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
        """Sum of the cross-entropies in nats, over the number of texts."""
        logits = nets["net"](batch["x"], lengths=batch["lengths"]).float()
        smoothing = self.options.label_smoothing
        total = F.cross_entropy(logits, batch["y"], label_smoothing=smoothing, reduction="sum")
        return Loss(total, logits.new_full((), float(logits.shape[0])))

    def evaluate(self, nets: Nets, data: DataLike, part: str) -> Mapping[str, Figure]:
        """The figures of `figures_of`, a row a text; nets are given in evaluation mode."""
        return figures_of(*self._scores(nets["net"], data.parts[part]), self.options.top)

    def floors(self) -> Sequence[str]:
        """Linear methods on weighted counts of words and pairs of words, and naive Bayes."""
        return ("tfidf-logistic", "tfidf-svm", "naive-bayes")

    def apply(
        self,
        nets: Nets,
        inputs: Iterator[tuple[str, Batch]],
        generator: Generator,  # noqa: ARG002
    ) -> Iterator[Answer]:
        """`class`, its `probability`, and `top`, [class, probability] pairs from the best on."""
        net, labels = nets["net"], self.labels.names
        device = device_of(net)
        while chunk := list(itertools.islice(inputs, APPLIED)):
            read = [self._read(batch) for _, batch in chunk]
            longest = max(x.shape[1] for x, _ in read)
            x = torch.cat([F.pad(x, (0, longest - x.shape[1])) for x, _ in read]).to(device)
            lengths = torch.cat([n for _, n in read]).to(device)
            with torch.inference_mode():
                shares = net(x, lengths=lengths).float().softmax(1).cpu()
            yield from answers([name for name, _ in chunk], shares, labels, self.options.top)

    def exhibits(
        self,
        nets: Nets,
        data: DataLike,
        part: str,
        generator: Generator,  # noqa: ARG002
    ) -> Sequence[Exhibit]:
        """Figures per class, the confusion matrix, the surest mistakes, and where a net looks."""
        net, names, texts = nets["net"], self.labels.names, data.parts[part]
        logits, y = self._scores(net, texts)
        made: list[Exhibit] = [*class_exhibits(logits, y, names)]
        surest, captions = surest_mistakes(logits, y, names)
        if captions:
            x, lengths = self._read(texts.gather(surest.to(device_of(net))))
            rows = zip(captions, x.cpu(), lengths.tolist(), strict=True)
            lines = tuple(f"{said}: {self._plain(row[:n])}" for said, row, n in rows)
            title = "mistakes made with the highest confidence"
            made.append(Exhibit("text", title, strings={"lines": lines}))
        return (*made, *self._looked(net, texts))

    def _symbol_of_nothing(self) -> int:
        """The symbol of an unknown word; InputError where the codec has none."""
        codec = self.text.codec
        if isinstance(codec, Words) and UNKNOWN in codec.words:
            return codec.words.index(UNKNOWN)
        raise InputError(
            f"word_dropout is {self.options.word_dropout}",
            why=f"symbols of the codec '{codec.kind}' are no words, so none can be unknown",
            do="word_dropout=0",
        )

    def _padded(self, lengths: Tensor) -> Tensor:
        """(n,) lengths to the places that each text takes in a batch of its like."""
        whole = torch.div(lengths.clamp(min=1) + ROUND - 1, ROUND, rounding_mode="floor") * ROUND
        return whole.clamp(max=self.text.length)

    def _read(self, stored: Batch) -> tuple[Tensor, Tensor]:
        """(b, t) symbols and (b,) lengths of 1 to t, of a batch as it is stored."""
        x = stored[self.name][:, : self.text.length].long()
        if "lengths" not in stored:
            return x, torch.full((len(x),), x.shape[1], device=x.device)
        return x, stored["lengths"].long().clamp(1, x.shape[1])

    def _scores(self, net: Scorer, part: Part) -> tuple[Tensor, Tensor]:
        """(n, k) logits and (n,) labels in the part's order, on the CPU; read by length."""
        if len(part) == 0:
            raise InputError("there are no texts to judge by", why="this part is empty")
        device, unused = device_of(net), Generator()
        order = torch.arange(len(part))
        padded = torch.full((len(part),), self.text.length)
        if isinstance(part, Measured):
            padded = self._padded(part.lengths)
            order = padded.argsort(stable=True)
        scored, truth = [], []
        with torch.inference_mode():
            for index in order.split(cuts(padded[order].tolist(), JUDGED_TOKENS, JUDGED)):
                batch = self.batch(part, Draw(index.to(device)), unused, train=False)
                scored.append(net(batch["x"], lengths=batch["lengths"]).float().cpu())
                truth.append(batch["y"].cpu())
        back = order.argsort()
        return torch.cat(scored)[back], torch.cat(truth)[back]

    def _plain(self, symbols: Tensor) -> str:
        """The text of (t,) symbols, on one line."""
        return escaped(" ".join(self.text.codec.decode(symbols.tolist()).split()))

    def _looked(self, net: Scorer, part: Part) -> Sequence[Exhibit]:
        """The last attention map of one sentence, if the net has one."""
        if not isinstance(net, Looks):
            return ()
        device = device_of(net)
        browsed = torch.arange(min(len(part), BROWSED), device=device)
        x, lengths = (t.cpu() for t in self._read(part.gather(browsed)))
        least, most = SENTENCE
        fitting = ((lengths >= least) & (lengths <= most)).nonzero()
        at = int(fitting[0]) if len(fitting) else int(lengths.argmin())
        count = int(lengths[at])
        symbols = x[at, :count]
        with torch.inference_mode():
            seen = net.look(symbols[None].to(device), lengths=lengths[at : at + 1].to(device))
        weights = last_attention(seen)
        if weights is None:
            return ()
        words = tuple(shown(self.text.codec.decode([i])).strip() for i in symbols.tolist())
        names = {count: words, count + 1: ("(class)", *words)}  # a class token stands first
        down, across = (names.get(side, ()) for side in weights.shape)
        strings = {"rows": down, "columns": across} if down and across else {}
        title = "attention of the last layer, mean of its heads: from word (down) to word"
        return (Exhibit("map", title, {"map": weights}, strings),)


def cuts(costs: Sequence[int], tokens: int, most: int) -> list[int]:
    """Sizes of batches of neighbours: each as large as `tokens` and `most` allow, at least 1.

    `costs` never fall: places of each text; all texts of a batch take as many as its longest.
    """
    sizes, size = [], 0
    for cost in costs:
        if size and ((size + 1) * cost > tokens or size == most):
            sizes.append(size)
            size = 0
        size += 1
    return [*sizes, size] if size else sizes


def even_cuts(costs: Sequence[int], tokens: int, most: int) -> list[int]:
    """As `cuts`, with the fewest tokens that need no more batches: smaller rests are rarer."""
    fewest, low = len(cuts(costs, tokens, most)), max(costs, default=0)
    while low < tokens:
        middle = (low + tokens) // 2
        if len(cuts(costs, middle, most)) == fewest:
            tokens = middle
        else:
            low = middle + 1
    return cuts(costs, tokens, most)


task = TextClassification
"""What the registry finds here."""
