"""Sound classification: one label out of several for each sound.

Sounds lie as 16-bit integers; a batch is made of their log-mel spectrograms, which networks read as
pictures: frequency down, low ones first, time across. In training a sound may come earlier or
later, and louder or softer. The loss is cross-entropy with label smoothing (Szegedy et al. 2016,
section 7).
Dimensions: b batch, n samples of a part, t places of a sound, m mels, s frames, k classes.
"""

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor

from netwright.errors import InputError
from netwright.metrics.base import Figure
from netwright.nn.spectrogram import LogMel
from netwright.specs import (
    Batch,
    Frozen,
    Image,
    Labels,
    Part,
    Schema,
    Scorer,
    Signature,
    Sound,
)
from netwright.tasks._labelled import (
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

JUDGED = 250
"""Sounds that are scored at once."""
APPLIED = 64
"""Foreign sounds that are scored at once; their answers come together."""
PLAYED = 8
"""Mistakes that can be listened to."""
FULL = 32_768
"""What full scale is stored as."""
READS = "sound-classification reads sounds and labels"
LAYOUT = "lay the sounds out as PATH/CLASS/*.wav, or PATH/CLASS_*.wav"


class Options(Frozen):
    """How sounds are varied in training, and what is reported."""

    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0)
    shift: int = Field(0, ge=0)
    """Samples by which a sound comes earlier or later at most; silence takes their place."""
    gain: float = Field(0.0, ge=0.0, le=60.0)
    """dB by which a sound is louder or softer at most."""
    top: int = Field(5, ge=1)
    """Classes that an answer lists, and the k of the figure for the k best guesses."""


class SoundClassification(Task):
    """A sound in, scores of its classes out."""

    Config = Options
    figure = "accuracy"
    data = "sound"

    def __init__(self, schema: Schema, config: Frozen) -> None:
        super().__init__(schema, config)
        assert isinstance(config, Options)
        self.options = config
        self.column, self.sound = column_of(schema, Sound, READS)
        self.label, self.labels = column_of(schema, Labels, READS, LAYOUT)
        length = self.sound.length
        try:
            hears = LogMel(self.sound.rate, length)
        except ValueError as error:
            raise InputError(
                f"sounds of {length} samples are too short", why=str(error), do="length=4096"
            ) from error
        self._seen_as = Image(1, hears.mels, hears.frames)
        self._hears = {torch.device("cpu"): hears}
        if config.shift >= length:
            raise InputError(
                f"shift is {config.shift}",
                why=f"the sounds are {length:,} samples long, so nothing of them would be left",
                do=f"shift={length // 8}",
            )

    def roles(self) -> Mapping[str, Role]:
        """One player, `net`, that reads spectrograms."""
        return {"net": Role(Signature(self._seen_as, self.labels.form))}

    def batch(self, part: Part, draw: Draw, generator: Generator, *, train: bool) -> Batch:
        """`x` (b, 1, m, s) spectrograms and `y` (b,) labels.

        Augmented when training; `generator` lies on the CPU.
        """
        stored = part.gather(draw.index)
        wave, y = stored[self.column].float() / FULL, stored[self.label].long()
        if train and self.options.shift:
            wave = shifted(wave, self.options.shift, generator)
        if train and self.options.gain:
            decibels = (2 * torch.rand(len(wave), generator=generator) - 1) * self.options.gain
            wave = wave * (10 ** (decibels / 20)).to(wave.device)[:, None]
        return {"x": self._spectrograms(wave), "y": y}

    def heard(self, stored: Tensor) -> Tensor:
        """(b, t) of 16 bits to (b, 1, m, s)."""
        return self._spectrograms(stored.float() / FULL)

    def objective(
        self,
        turn: Turn,  # noqa: ARG002
        nets: Nets,
        batch: Batch,
        carry: Mapping[str, Tensor],  # noqa: ARG002
        generator: Generator,  # noqa: ARG002
    ) -> Loss:
        """Sum of the cross-entropies in nats, over the number of samples."""
        logits = nets["net"](batch["x"]).float()
        smoothing = self.options.label_smoothing
        total = F.cross_entropy(logits, batch["y"], label_smoothing=smoothing, reduction="sum")
        return Loss(total, logits.new_full((), float(logits.shape[0])))

    def evaluate(self, nets: Nets, data: DataLike, part: str) -> Mapping[str, Figure]:
        """The figures of `figures_of`; nets are given in evaluation mode."""
        logits, y = self._scores(nets["net"], data.parts[part])
        return figures_of(logits, y, self.options.top)

    def floors(self) -> Sequence[str]:
        """Nearest neighbour, a linear one, and support vectors, on spectrograms."""
        return ("nearest-neighbour", "linear", "svm-rbf")

    def apply(
        self,
        nets: Nets,
        inputs: Iterator[tuple[str, Batch]],
        generator: Generator,  # noqa: ARG002
    ) -> Iterator[Answer]:
        """`class`, its `probability`, and `top`, [class, probability] pairs from the best on."""
        net, names = nets["net"], self.labels.names
        while chunk := list(itertools.islice(inputs, APPLIED)):
            stored = torch.cat([batch[self.column] for _, batch in chunk]).to(device_of(net))
            with torch.inference_mode():
                shares = net(self.heard(stored)).float().softmax(1).cpu()
            yield from answers([name for name, _ in chunk], shares, names, self.options.top)

    def exhibits(
        self,
        nets: Nets,
        data: DataLike,
        part: str,
        generator: Generator,  # noqa: ARG002
    ) -> Sequence[Exhibit]:
        """Figures per class, the confusion matrix, the surest mistakes, and where a net looks."""
        net, names = nets["net"], self.labels.names
        logits, y = self._scores(net, data.parts[part])
        made: list[Exhibit] = [*class_exhibits(logits, y, names)]
        surest, captions = surest_mistakes(logits, y, names)
        if captions:
            stored = data.parts[part].gather(surest.to(device_of(net)))[self.column]
            title = "mistakes made with the highest confidence"
            made.append(self._played(title, stored[:PLAYED], captions[:PLAYED]))
            made.append(self._seen(f"spectrograms of {title}", stored, captions))
        return (*made, *self._looked(net, data.parts[part]))

    def _spectrograms(self, wave: Tensor) -> Tensor:
        """(b, t) in [-1, 1] to (b, 1, m, s)."""
        if wave.device not in self._hears:
            self._hears[wave.device] = copy.deepcopy(self._hears[torch.device("cpu")]).to(
                wave.device
            )
        seen: Tensor = self._hears[wave.device](wave[..., None])
        return seen

    def _scores(self, net: Scorer, part: Part) -> tuple[Tensor, Tensor]:
        """(n, k) logits and (n,) labels, on the CPU."""
        if len(part) == 0:
            raise InputError("there are no sounds to judge by", why="this part is empty")
        unused, device = Generator(), device_of(net)
        scores, truth = [], []
        with torch.inference_mode():
            for index in torch.arange(len(part), device=device).split(JUDGED):
                batch = self.batch(part, Draw(index), unused, train=False)
                scores.append(net(batch["x"]).float())
                truth.append(batch["y"])
        return torch.cat(scores).cpu(), torch.cat(truth).cpu()

    def _played(self, title: str, stored: Tensor, captions: tuple[str, ...]) -> Exhibit:
        strings = {"rate": (str(self.sound.rate),), "captions": captions}
        return Exhibit("sound", title, {"sound": stored.cpu().float() / FULL}, strings)

    def _seen(self, title: str, stored: Tensor, captions: tuple[str, ...]) -> Exhibit:
        """Spectrograms on one scale of grey, low frequencies below."""
        seen = self.heard(stored).cpu().flip(2)
        low, high = torch.aminmax(seen)
        pictures = (seen - low) / (high - low).clamp(min=1e-6)
        return Exhibit("picture", title, {"pictures": pictures}, {"captions": captions})

    def _looked(self, net: Scorer, part: Part) -> Sequence[Exhibit]:
        """The last attention map of the first sound, if the net has one."""
        if not isinstance(net, Looks):
            return ()
        stored = part.gather(torch.zeros(1, dtype=torch.long, device=device_of(net)))
        with torch.inference_mode():
            weights = last_attention(net.look(self.heard(stored[self.column])))
        if weights is None:
            return ()
        caption = (self.labels.names[int(stored[self.label][0])],)
        return (
            self._seen("the spectrogram that is looked at", stored[self.column], caption),
            Exhibit(
                "map",
                "attention of the last layer, mean of its heads: from place (down) to place",
                {"map": weights},
            ),
        )


def shifted(wave: Tensor, most: int, generator: Generator) -> Tensor:
    """(b, t), each row moved by -`most` to `most` places; zeros come in."""
    by = torch.randint(-most, most + 1, (len(wave), 1), generator=generator).to(wave.device)
    place = torch.arange(wave.shape[1], device=wave.device) - by
    inside = (place >= 0) & (place < wave.shape[1])
    return wave.gather(1, place.clamp(0, wave.shape[1] - 1)) * inside


task = SoundClassification
"""What the registry finds here."""
