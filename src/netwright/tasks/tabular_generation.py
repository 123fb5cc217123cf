"""Table generation: whole rows out of noise, numbers and words together, with empty cells.

Rows lie as `rows.encode` lays them out; the generator's raw output goes through `rows.activate`.
With columns of words, training is by sampling and both players are told a word (`_sampling.py`).
Dimensions: b batch, n rows, w width of a row, q places of all columns of words.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from pydantic import Field
from torch import Generator, Tensor

from netwright import rows
from netwright.errors import InputError, nearest
from netwright.metrics.base import Figure
from netwright.specs import Batch, Categorical, Frozen, Part, Schema, Signature, Table, Vector
from netwright.tasks import _tabular_figures
from netwright.tasks._game import Game, GameTask
from netwright.tasks._labelled import column_of, device_of
from netwright.tasks._sampling import Rows, rows_by_word, words_of
from netwright.tasks.base import Answer, DataLike, Draw, Exhibit, Nets, Role

DRAWS, FEWER = 5, 2
"""Draws of the test part; of others, which are judged again and again."""
AT_ONCE = 10_000
"""Rows that are made at once."""
MOST = 20_000
"""Rows of a draw, and rows that a learner is fitted on, at most."""
POOR = 0.8
"""Share of what real rows teach below which made ones are said to teach little."""
SHOWN, FEW = 12, 3
"""Rows that the report shows, at the end and at each time."""


class Options(Game):
    """The rules, and how rows are drawn."""

    conditional: bool = True
    """Whether training is by sampling, where there are columns of words."""
    temperature: float = Field(0.2, gt=0.0)
    """Of the Gumbel-softmax: lower is nearer to a hard choice."""
    samples: int = Field(2_500, ge=20)
    """Rows of one draw that is judged."""


class Asked(Frozen):
    """What `generate` can be asked for."""

    count: int = Field(16, ge=1, le=10_000_000)
    classes: tuple[str, ...] = ()
    """Values of the target column, taken in turn."""
    truncation: float = Field(1.0, gt=0.0, le=1.0)
    """By what the noise is multiplied: less is more typical and less varied."""


class TabularGeneration(GameTask):
    """Rows out of noise."""

    Config = Options
    Request = Asked
    data = "table"
    structure = "mlp/small"
    means = _tabular_figures.MEANS
    asked = "--count 100 --out FOLDER"

    def __init__(self, schema: Schema, config: Frozen) -> None:
        super().__init__(schema, config)
        assert isinstance(config, Options)
        self.options = self.game = config
        self.column, self.table = column_of(
            schema, Table, "tabular-generation learns from rows of a table"
        )
        self.words = words_of(self.table)
        self.conditional = config.conditional and self.words.width > 0
        self.figure = (
            "f1_on_made" if self.table.target else "good" if self.table.centres else "marginal"
        )
        self._rows: dict[int, Rows] = {}
        self._on_real: dict[str, dict[str, Figure]] = {}

    @classmethod
    def remarks(cls, values: Mapping[str, float]) -> Sequence[str]:
        """That made rows teach far less than real ones."""
        made, real = values.get("f1_on_made", 1.0), values.get("f1_on_real", 0.0)
        if made >= POOR * real:
            return ()
        return (
            f"Made rows teach little: a learner reaches an F1 of {100 * made:.0f} % from them and "
            f"of {100 * real:.0f} % from as many real ones; a longer --budget may help.",
        )

    def roles(self) -> Mapping[str, Role]:
        """Two players, both told a word where training is by sampling."""
        told = Vector(self.words.width) if self.conditional else None
        form = self.table.form
        return {
            "generator": Role(Signature(Vector(self.game.noise), form, condition=told)),
            "discriminator": Role(Signature(form, Vector(1), condition=told), applied=False),
        }

    def floors(self) -> Sequence[str]:
        """Columns on their own, a Gaussian copula, and places between neighbours."""
        return ("independent-columns", "gaussian-copula", "interpolation")

    def made(self, raw: Tensor, generator: Generator | None = None) -> Tensor:
        """Numbers by tanh, choices by the Gumbel-softmax."""
        return rows.activate(self.table, raw, generator, self.options.temperature)

    def batch(self, part: Part, draw: Draw, generator: Generator, *, train: bool) -> Batch:
        """`x` (b, w) rows, `z` (b, m) noise, and `condition` (b, q) where a word is told."""
        device = draw.index.device
        if not self.conditional:
            x = part.gather(draw.index)[self.column]
            return {"x": x, "z": self.noise(len(x), generator, device)}
        if train:
            index, column, choice = self._by_word(part).drawn(len(draw.index), generator)
            x = part.gather(index.to(device))[self.column]
            told = self.words.condition(column, choice)
        else:
            x = part.gather(draw.index)[self.column]
            told = self.words.drawn(len(x), generator)
        z = self.noise(len(x), generator, device)
        return {"x": x, "z": z, "condition": told.to(device)}

    def asked_too(self, raw: Tensor, batch: Batch) -> Tensor | None:
        """Cross-entropy of the word that was told, in nats (Xu et al. 2019, section 4.3)."""
        if not self.conditional:
            return None
        total, at = raw.new_zeros(()), 0
        for place in self.words.slices:
            told = batch["condition"][:, at : at + place.stop - place.start]
            at += place.stop - place.start
            total = total - (told * raw[:, place].log_softmax(1)).sum()
        return total

    def evaluate(self, nets: Nets, data: DataLike, part: str) -> Mapping[str, Figure]:
        """Figures of draws beside the real rows of a part, and of what is learned from them."""
        table, device = self.table, device_of(nets["generator"])
        real = self._real(data.parts[part])
        size = min(self.options.samples, len(data.parts[part]))
        keyed = Generator().manual_seed(size)
        count = DRAWS if part == "test" else FEWER
        drawn = [self.drawn(nets, size, keyed, device) for _ in range(count)]
        draws = [rows.decode(table, x) for x in drawn]
        test = rows.decode(table, real)
        figures = _tabular_figures.distances(test, draws)
        if table.centres:
            figures |= _tabular_figures.modes(table, draws)
        train = self._real(data.parts["train"])
        hard = [rows.hard(table, x).cpu() for x in drawn]
        figures |= _tabular_figures.novelty(train, real, hard)
        if table.target:
            many = min(len(data.parts["train"]), MOST)
            made = rows.decode(table, self.drawn(nets, many, keyed, device))
            figures |= {
                f"{name}_on_made": figure
                for name, figure in _tabular_figures.learned(table, made, test).items()
            }
            if part not in self._on_real:
                found = _tabular_figures.learned(table, rows.decode(table, train[:many]), test)
                self._on_real[part] = {f"{name}_on_real": figure for name, figure in found.items()}
            figures |= self._on_real[part]
        return figures

    def drawn(
        self,
        nets: Nets,
        count: int,
        generator: Generator,
        device: torch.device,
        *,
        told: Tensor | None = None,
        truncation: float = 1.0,
    ) -> Tensor:
        """(count, w) made rows, choices still soft."""
        pieces = []
        for at in range(0, count, AT_ONCE):
            size = min(AT_ONCE, count - at)
            z = self.noise(size, generator, device) * truncation
            beside = {}
            if self.conditional:
                here = self.words.drawn(size, generator) if told is None else told[at : at + size]
                beside["condition"] = here.to(device)
            with torch.inference_mode():
                pieces.append(self.made(nets["generator"](z, **beside).float(), generator))
        return torch.cat(pieces)

    def generate(self, nets: Nets, request: Frozen, generator: Generator) -> Iterator[Answer]:
        """One answer, `columns` and `rows` of plain cells."""
        assert isinstance(request, Asked)
        x = self.drawn(
            nets,
            request.count,
            generator,
            device_of(nets["generator"]),
            told=self._told(request),
            truncation=request.truncation,
        )
        cells = rows.records(self.table, rows.decode(self.table, x))
        yield Answer(
            "rows", {"columns": list(self.table.names), "rows": cells}, words=f"{len(cells)} rows"
        )

    def exhibits(
        self, nets: Nets, data: DataLike, part: str, generator: Generator
    ) -> Sequence[Exhibit]:
        """Made rows beside real ones, and how far each column is."""
        device = device_of(nets["generator"])
        real = self._real(data.parts[part])
        made = self.drawn(nets, min(len(real), self.options.samples), generator, device).cpu()
        return _tabular_figures.shown(self.table, real, made, SHOWN)

    def timeline(self, nets: Nets, generator: Generator) -> Sequence[Exhibit]:
        """Rows of the same noise."""
        made = self.drawn(nets, FEW, generator, device_of(nets["generator"])).cpu()
        lines = _tabular_figures.lines(self.table, made)
        return (Exhibit("text", "rows made from the same noise", strings={"lines": lines}),)

    def _told(self, request: Asked) -> Tensor | None:
        """Conditions for the values of the target that are asked for."""
        if not request.classes:
            return None
        target = next((c for c in self.table.columns if c.name == self.table.target), None)
        columns = [
            c
            for c in self.table.columns
            if isinstance(c, Categorical) and c.shares and c.choices > 1
        ]
        if not isinstance(target, Categorical) or not self.conditional or target not in columns:
            raise InputError("this generator knows no classes", do="leave --class out")
        for name in request.classes:
            if name not in target.values:
                raise InputError(
                    f"there is no {target.name} '{name}'",
                    why=f"values are {', '.join(target.values[:20])}",
                    near=nearest(name, target.values),
                )
        numbers = torch.tensor([target.values.index(name) for name in request.classes])
        choice = numbers[torch.arange(request.count) % len(numbers)]
        return self.words.condition(torch.full_like(choice, columns.index(target)), choice)

    def _real(self, part: Part) -> Tensor:
        """At most `MOST` encoded rows of a part, the same each time."""
        index = torch.randperm(len(part), generator=Generator().manual_seed(0))[:MOST]
        return part.gather(index)[self.column].cpu()

    def _by_word(self, part: Part) -> Rows:
        if id(part) not in self._rows:
            encoded = part.gather(torch.arange(len(part)))[self.column]
            self._rows[id(part)] = rows_by_word(encoded, self.words)
        return self._rows[id(part)]


task = TabularGeneration
"""What the registry finds here."""
