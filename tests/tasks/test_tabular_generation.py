"""Rows out of noise: training by sampling, the learner, modes, and what can be asked for."""

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from netwright import registry, rows
from netwright.datasets.base import Data, Tensors
from netwright.errors import InputError
from netwright.specs import Categorical, Continuous, Mode, Schema, Signature, Table, Vector
from netwright.tasks._sampling import rows_by_word, words_of
from netwright.tasks._tabular_figures import WIDE, lines
from netwright.tasks.base import Draw
from netwright.tasks.tabular_generation import Asked, Options, TabularGeneration

SIZE = 200


def table() -> Table:
    return Table(
        columns=(
            Continuous(
                name="height",
                modes=(Mode(share=1.0, mean=0.0, deviation=1.0),),
                low=-4,
                high=4,
                decimals=2,
            ),
            Categorical(name="kind", values=("rare", "common"), shares=(0.1, 0.9)),
        ),
        target="kind",
    )


def cells(n: int = SIZE) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    kind = np.where(np.arange(n) % 10 == 0, "rare", "common").astype(object)
    return {"height": draw.normal(np.where(kind == "rare", 2.0, -1.0), 0.3), "kind": kind}


def made() -> Data:
    part = Tensors({"row": rows.encode(table(), cells())})
    return Data(
        Schema(columns={"row": table()}), dict.fromkeys(("train", "validation", "test"), part), ""
    )


class Copier(nn.Module):
    """Answers with training rows."""

    def __init__(self, encoded: Tensor, *, shuffled: bool = False) -> None:
        super().__init__()
        if shuffled:
            encoded = encoded.clone()
            encoded[:, 0] = encoded[torch.randperm(len(encoded)), 0]
        self.raw = rows.invert(table(), encoded)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        del condition
        return self.raw[(z[:, 0].abs() * 1e4).long() % len(self.raw)] * self.scale


def task_of(data: Data, **options: object) -> TabularGeneration:
    return TabularGeneration(data.schema, Options(samples=100, noise=3, **options))


def test_both_players_are_told_a_word_where_there_are_words() -> None:
    assert registry.load("tasks", "tabular-generation") is TabularGeneration
    roles = task_of(made()).roles()
    assert roles["generator"].signature == Signature(Vector(3), Vector(3), condition=Vector(2))
    assert roles["discriminator"].signature == Signature(Vector(3), Vector(1), condition=Vector(2))
    assert task_of(made(), conditional=False).roles()["generator"].signature.condition is None
    assert task_of(made()).figure == "f1_on_made"


def test_rare_words_are_seen_often_and_the_row_holds_the_word_that_is_told() -> None:
    data = made()
    task, part = task_of(data), data.parts["train"]
    batch = task.batch(
        part, Draw(torch.arange(4000) % SIZE), Generator().manual_seed(0), train=True
    )
    assert torch.equal(batch["x"][:, 1:], batch["condition"])
    log = np.log1p([20, 180])
    share = float(batch["condition"][:, 0].mean())
    assert abs(share - log[0] / log.sum()) < 0.03
    drawn = words_of(table()).drawn(4000, Generator().manual_seed(0))
    assert abs(float(drawn[:, 0].mean()) - 0.1) < 0.02


def test_rows_of_each_word_are_all_drawn() -> None:
    encoded = rows.encode(table(), cells())
    index, _, choice = rows_by_word(encoded, words_of(table())).drawn(
        6000, Generator().manual_seed(0)
    )
    assert torch.equal(encoded[index, 1:].argmax(1), choice)
    assert len(set(index.tolist())) == SIZE


def test_the_word_that_was_told_is_asked_for() -> None:
    task = task_of(made())
    told = {"condition": torch.tensor([[1.0, 0.0], [0.0, 1.0]])}
    right = torch.tensor([[0.0, 0.9, 0.1], [0.0, 0.2, 0.8]])
    right[:, 1:] = right[:, 1:].log() + 3.0
    found = task.asked_too(right, told)
    torch.testing.assert_close(found, -torch.tensor([0.9, 0.8]).log().sum())
    assert task_of(made(), conditional=False).asked_too(right, told) is None


def test_copies_teach_as_much_as_real_rows_and_shuffled_ones_do_not() -> None:
    data = made()
    encoded = data.parts["train"].gather(torch.arange(SIZE))["row"]
    task = task_of(data)
    good = task.evaluate({"generator": Copier(encoded)}, data, "test")
    bad = task.evaluate({"generator": Copier(encoded, shuffled=True)}, data, "test")
    assert set(good) <= set(task.means)
    assert good["f1_on_made"].value > 0.9
    assert good["f1_on_real"].value > 0.9
    assert bad["f1_on_made"].value < 0.8
    assert good["pairwise"].value < bad["pairwise"].value
    assert not task.remarks({name: figure.value for name, figure in good.items()})
    (remark,) = task.remarks({"f1_on_made": 0.47, "f1_on_real": 0.62})
    assert "an F1 of 47 % from them and of 62 % from as many real ones" in remark
    assert not task.remarks({})
    shown = task.exhibits({"generator": Copier(encoded)}, data, "validation", Generator())
    assert [e.kind for e in shown] == ["text", "text", "table"]


def test_modes_are_counted_by_good_samples_alone() -> None:
    from netwright.tasks._tabular_figures import modes

    grid = table().model_copy(
        update={
            "columns": tuple(
                table().columns[0].model_copy(update={"name": name}) for name in ("x", "y")
            ),
            "centres": ((0.0, 0.0), (2.0, 2.0)),
            "spread": 0.1,
        }
    )
    draw = {"x": np.array([0.0, 0.1, 2.0, 1.0]), "y": np.array([0.0, 0.1, 2.0, 1.0])}
    found = {k: f.value for k, f in modes(grid, [draw, draw]).items()}
    assert found["good"] == 0.75
    assert found["modes"] == 2
    expected = sum(p * np.log(2 * p) for p in (2 / 3, 1 / 3))
    assert found["kl"] == pytest.approx(expected)


def test_rows_are_made_with_legal_cells_and_the_value_that_is_asked_for() -> None:
    data = made()
    encoded = data.parts["train"].gather(torch.arange(SIZE))["row"]
    task, nets = task_of(data), {"generator": Copier(encoded)}
    (answer,) = task.generate(nets, Asked(count=7), Generator().manual_seed(0))
    assert answer.value["columns"] == ["height", "kind"]
    assert len(answer.value["rows"]) == 7
    assert all(kind in ("rare", "common") for _, kind in answer.value["rows"])
    assert all(round(h, 2) == h for h, _ in answer.value["rows"])
    with pytest.raises(InputError, match="there is no kind 'rar'"):
        list(task.generate(nets, Asked(classes=("rar",)), Generator()))


def test_of_a_wide_table_the_first_columns_that_vary_are_shown() -> None:
    columns = tuple(Categorical(name=f"c{i}", values=("a", "b")) for i in range(12))
    names = tuple(c.name for c in columns)
    wide = Table(columns=columns, fixed=(("one", 7),), order=("one", *names))
    encoded = rows.encode(wide, dict.fromkeys(names, np.array(["a", "b"], object)), Generator())
    head, first, _ = lines(wide, encoded)
    assert head == " | ".join([*names[:WIDE], "2 more"])
    assert first == " | ".join("a" * WIDE)
    with pytest.raises(ValueError, match="the order names other columns"):
        Table(columns=columns, fixed=(("one", 7),))
