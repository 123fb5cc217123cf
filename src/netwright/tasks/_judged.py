"""A game whose samples a classifier of our own can judge: pictures and sounds.

The judge is a role that is *given*: a network out of its own finished run, frozen, known by the
hash of its weights. Its last pooled features are the space in which made and real samples are
compared. Where there is none, means over fields of the samples are.

The discriminator's score is told the class (Miyato & Koyama 2018). Where `classify` is above 0, it
also names the class of real samples beside the score, without being told, and the generator
minimises the cross entropy of what its own are taken for (Odena et al. 2017).
Dimensions: b batch, n samples, d features, k classes.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

from netwright.errors import InputError, nearest
from netwright.metrics.base import Figure
from netwright.specs import (
    Batch,
    Form,
    Frozen,
    Image,
    Labels,
    Part,
    Schema,
    Scorer,
    Signature,
    Vector,
)
from netwright.tasks._game import Game, GameTask
from netwright.tasks._labelled import device_of
from netwright.tasks._learner import learned
from netwright.tasks._likeness import (
    MEANS,
    REALS,
    Real,
    alike,
    failures,
    real_samples,
    recognised,
    saturated,
    words,
)
from netwright.tasks.base import DataLike, Draw, Exhibit, Helper, Looks, Nets, Role

DRAWS, FEWER = 5, 2
"""Draws of the test part; of others, which are judged again and again."""
FIELDS = 8
AT_ONCE = 250
"""Samples that are made, or looked at, at once."""


class Options(Game):
    """The rules, and how what is made is judged."""

    conditional: bool = True
    """Whether a class is asked for, where the data are labelled."""
    classify: float = Field(0.0, ge=0.0)
    """Weight with which the discriminator also names the class; 0: it does not."""
    judge: str = ""
    """Run folder of a classifier trained on the same data; by default one is trained."""
    samples: int = Field(1_000, ge=20)
    """Samples of one draw that is judged."""
    truncation: float = Field(1.0, gt=0.0, le=1.0)
    """By what the noise is multiplied of all that is judged and shown, and of what is made unless
    `generate` asks otherwise: less is more typical and less varied (Brock et al. 2019)."""
    learner: Literal["test", "always", "never"] = "test"
    """When a classifier is trained on made samples and tested on real ones."""


class Asked(Frozen):
    """What `generate` can be asked for."""

    count: int = Field(16, ge=1, le=100_000)
    classes: tuple[str, ...] = ()
    """Names of classes, taken in turn; none: all of them."""
    truncation: float | None = Field(None, gt=0.0, le=1.0)
    """By what the noise is multiplied; none: by what it was in what was judged."""
    interpolate: bool = False
    """Whether the samples lie on the way from one noise to another."""


class JudgedGame(GameTask):
    """What picture and sound games share."""

    Request = Asked
    figure = "frechet"
    means = MEANS
    form: Form
    column: str
    label: str | None
    labels: Labels | None
    options: Options
    judged_by: ClassVar[Helper]
    """What is trained where no judge is named."""

    def __init__(self, schema: Schema, config: Frozen) -> None:
        super().__init__(schema, config)
        assert isinstance(config, Options)
        self.options = self.game = config
        found = [(n, c) for n, c in schema.columns.items() if isinstance(c, Labels)]
        self.label, self.labels = found[0] if found else (None, None)
        if config.judge and self.labels is None:
            raise InputError(
                "a judge is named, but these data have no classes to judge by",
                do="leave `judge` out: means over fields of the samples are compared then",
            )
        self._told: dict[str, Mapping[str, Figure]] = {}
        self._learned_real: dict[str, Figure] = {}
        self._real: dict[str, tuple[Real, tuple[Tensor, Tensor] | None]] = {}

    @classmethod
    def remarks(cls, values: Mapping[str, float]) -> Sequence[str]:
        """Collapse, failure and copying."""
        return failures(values)

    @abstractmethod
    def real(self, stored: Tensor) -> Tensor:
        """Samples as they are stored, as floats in [-1, 1]."""

    @abstractmethod
    def seen(self, x: Tensor) -> Tensor:
        """Samples in [-1, 1] as the judge reads them."""

    @property
    def presented_form(self) -> Form:
        """The form in which the discriminator reads samples."""
        return self.form

    @abstractmethod
    def judged_form(self) -> Image:
        """The form of what the judge reads."""

    def small(self, x: Tensor) -> Tensor:
        """Samples as they are compared where there is no judge: means over 8 x 8 fields, (b, d)."""
        seen = self.seen(x)
        sides = (min(seen.shape[2], FIELDS), min(seen.shape[3], FIELDS))
        return F.adaptive_avg_pool2d(seen, sides).flatten(1)

    @property
    def conditional(self) -> bool:
        """Whether a class is asked for."""
        return self.options.conditional and self.labels is not None

    def helpers(self) -> Mapping[str, Helper]:
        """A classifier of the same samples, where they are labelled and no judge is named."""
        if self.options.judge or self.labels is None or len(self.labels.names) < 2:
            return {}
        return {"judge": self.judged_by}

    def roles(self) -> Mapping[str, Role]:
        """The two players, and the judge where one is named."""
        asked = self.labels.form if self.conditional and self.labels else None
        said = Vector(1 + (asked.count if asked and self.options.classify else 0))
        roles = {
            "generator": Role(Signature(Vector(self.game.noise), self.form, condition=asked)),
            "discriminator": Role(
                Signature(self.presented_form, said, condition=asked), applied=False
            ),
        }
        if self.options.judge and self.labels is not None:
            seen = Signature(self.judged_form(), self.labels.form)
            roles["judge"] = Role(seen, given=Path(self.options.judge))
        return roles

    def made(self, raw: Tensor, generator: Generator | None = None) -> Tensor:  # noqa: ARG002
        """tanh: samples lie in [-1, 1]."""
        return raw.tanh()

    def taken_for(self, said: Tensor, batch: Batch) -> Tensor | None:
        """Cross entropy of the classes, where the discriminator names them."""
        if not said.shape[1]:
            return None
        return self.options.classify * F.cross_entropy(said, batch["y"], reduction="sum")

    def batch(self, part: Part, draw: Draw, generator: Generator, *, train: bool) -> Batch:  # noqa: ARG002
        """`x` real samples, `z` (b, m) noise, `y` labels, and `condition` where one is asked."""
        stored = part.gather(draw.index)
        x = self.real(stored[self.column])
        batch = {"x": x, "z": self.noise(len(x), generator, x.device)}
        if self.label is not None:
            batch["y"] = stored[self.label].long()
        if self.conditional:
            batch["condition"] = batch["y"]
        return batch

    def evaluate(self, nets: Nets, data: DataLike, part: str) -> Mapping[str, Figure]:
        """Figures over draws of the generator beside the real samples of the part."""
        device = device_of(nets["generator"])
        real, opinion = self._reals(nets, data, part, device)
        size = min(self.options.samples, len(data.parts[part]))
        keyed = Generator().manual_seed(size)
        made = [
            self.drawn(nets, size, keyed, device) for _ in range(DRAWS if part == "test" else FEWER)
        ]
        looked = [self._looked(nets, x) for x, _ in made]
        figures = alike(real, [real.project(f) for f, _ in looked])
        shares = [s for _, s in looked if s is not None]
        if len(shares) == len(made) and opinion is not None:
            draws = [(s, y) for s, (_, y) in zip(shares, made, strict=True)]
            figures |= recognised(draws, opinion)
        if self._learns(part) and made[0][1] is not None:
            figures |= self._learned(made, data, part, device)
        self._told[part] = figures
        return figures

    def how_it_stands(self, nets: Nets, data: DataLike, part: str) -> Exhibit:
        """What the last figures of a part and the discriminator's scores say, in words."""
        figures = self._told.get(part) or self.evaluate(nets, data, part)
        lines = words({name: figure.value for name, figure in figures.items()})
        if "discriminator" in nets:
            device = device_of(nets["generator"])
            z = self.noise(AT_ONCE, Generator().manual_seed(0), device)
            x, classes = self.drawn(nets, AT_ONCE, Generator(), device, z=z)
            real, labels = self._stored(data.parts[part], device, AT_ONCE)
            scores, drawn = [], Generator().manual_seed(0)
            for samples, y in ((real, labels), (x, classes)):
                known = y if self.conditional else None
                beside = {} if known is None else {"condition": known.to(device)}
                with torch.no_grad():
                    read = self.as_read(samples, drawn)  # what it was trained to tell apart
                    scores.append(self.read(nets["discriminator"], read, beside)[0].flatten())
            lines += saturated(*scores)
        return Exhibit("text", "how the game stands", strings={"lines": tuple(lines)})

    def typical(self, net: Scorer, z: Tensor, share: float | None = None) -> Tensor:
        """Noise times `truncation`; a floor's stays whole, for it draws by the noise's law."""
        return z * (share or self.options.truncation) if isinstance(net, nn.Module) else z

    def drawn(
        self,
        nets: Nets,
        count: int,
        generator: Generator,
        device: torch.device,
        *,
        classes: Tensor | None = None,
        z: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """(count, ...) made samples and the classes that were asked for, in turn."""
        if z is None:
            z = self.typical(nets["generator"], self.noise(count, generator, device))
        if self.conditional and self.labels is not None and classes is None:
            classes = torch.arange(count) % len(self.labels.names)
        pieces = []
        with torch.inference_mode():
            for at in range(0, count, AT_ONCE):
                here = slice(at, at + AT_ONCE)
                beside = {} if classes is None else {"condition": classes[here].to(device)}
                pieces.append(self.made(nets["generator"](z[here], **beside).float()))
        return torch.cat(pieces), classes

    def classes_of(self, request: Asked) -> Tensor | None:
        """Numbers of the classes that are asked for, one a sample."""
        if not request.classes:
            return None
        if not self.conditional or self.labels is None:
            raise InputError("this generator knows no classes", do="leave --class out")
        names, numbers = self.labels.names, []
        for name in request.classes:
            if name not in names and not (name.isdecimal() and int(name) < len(names)):
                raise InputError(
                    f"there is no class '{name}'",
                    why=f"classes are {', '.join(names[:20])}",
                    near=nearest(name, names),
                )
            numbers.append(names.index(name) if name in names else int(name))
        return torch.tensor(numbers)[torch.arange(request.count) % len(numbers)]

    def requested(
        self, nets: Nets, request: Frozen, generator: Generator
    ) -> Iterator[tuple[str, Tensor, str]]:
        """Name, sample and class (or nothing) of each sample that is asked for."""
        assert isinstance(request, Asked)
        device = device_of(nets["generator"])
        count = request.count
        z = self.noise(2 if request.interpolate else count, generator, device)
        if request.interpolate:
            z = between(z[0], z[1], count)
        classes = self.classes_of(request)
        if request.interpolate and classes is None and self.conditional:
            classes = torch.zeros(count, dtype=torch.long)
        if classes is None and self.conditional and self.labels is not None:
            classes = torch.arange(count) % len(self.labels.names)
        names = self.labels.names if self.labels is not None else ()
        z = self.typical(nets["generator"], z, request.truncation)
        for at in range(0, count, AT_ONCE):
            here = slice(at, at + AT_ONCE)
            asked, some = None if classes is None else classes[here], z[here]
            x, _ = self.drawn(nets, len(some), generator, device, classes=asked, z=some)
            for i, sample in enumerate(x.cpu()):
                yield f"{at + i:05}", sample, "" if asked is None else names[int(asked[i])]

    # ------------------------------------------------------------ how it is judged

    def _reals(
        self, nets: Nets, data: DataLike, part: str, device: torch.device
    ) -> tuple[Real, tuple[Tensor, Tensor] | None]:
        """Real samples as the judge sees them, its opinion and the truth: looked at once."""
        if part not in self._real:
            train, _ = self._looked(nets, self._stored(data.parts["train"], device)[0])
            x, labels = self._stored(data.parts[part], device)
            here, shares = self._looked(nets, x)
            size = min(self.options.samples, len(here))
            opinion = None if shares is None or labels is None else (shares, labels)
            self._real[part] = real_samples(train, here, size), opinion
        return self._real[part]

    def _stored(
        self, part: Part, device: torch.device, most: int = REALS
    ) -> tuple[Tensor, Tensor | None]:
        """At most `most` real samples of a part and their labels, the same each time."""
        index = torch.randperm(len(part), generator=Generator().manual_seed(0))[:most]
        stored = part.gather(index.to(device))
        y = stored[self.label].long() if self.label is not None else None
        return self.real(stored[self.column]), y

    def _looked(self, nets: Nets, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features (n, d) of samples, and the judge's probabilities (n, k) where there is one."""
        judge = nets.get("judge")
        if not isinstance(judge, Looks):
            return torch.cat(
                [self.small(x[i : i + AT_ONCE]) for i in range(0, len(x), AT_ONCE)]
            ), None
        features, shares = [], []
        with torch.no_grad():
            for at in range(0, len(x), AT_ONCE):
                shown = self.seen(x[at : at + AT_ONCE])
                features.append(judge.look(shown)["pooled.0"].float())
                shares.append(judge(shown).float().softmax(1))
        return torch.cat(features), torch.cat(shares)

    def _learns(self, part: str) -> bool:
        when = self.options.learner
        return when == "always" or (when == "test" and part == "test")

    def _learned(
        self,
        made: Sequence[tuple[Tensor, Tensor | None]],
        data: DataLike,
        part: str,
        device: torch.device,
    ) -> dict[str, Figure]:
        """A fixed learner on made and on as many real samples, tested on real ones."""
        fakes = torch.cat([x for x, _ in made])[:REALS]
        asked = torch.cat([y for _, y in made if y is not None])[:REALS]
        test, truth = self._stored(data.parts[part], device)
        assert truth is not None
        size = min(len(fakes), len(data.parts["train"]))
        if part not in self._learned_real:  # the same each time
            train, labels = self._stored(data.parts["train"], device, size)
            assert labels is not None
            self._learned_real[part] = learned(self.seen(train), labels, self.seen(test), truth)
        found = learned(self.seen(fakes[:size]), asked[:size], self.seen(test), truth)
        return {"train_on_made": found, "train_on_real": self._learned_real[part]}


def between(a: Tensor, b: Tensor, count: int) -> Tensor:
    """(count, m) noises on the great circle from `a` to `b` (White 2016, section 2.1)."""
    share = torch.linspace(0, 1, count, device=a.device)[:, None]
    angle = torch.arccos((a @ b / (a.norm() * b.norm())).clamp(-1 + 1e-6, 1 - 1e-6))
    way = ((1 - share) * angle).sin() * a + (share * angle).sin() * b
    return way / angle.sin()
