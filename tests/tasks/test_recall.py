import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from netwright import registry
from netwright.datasets.base import Data
from netwright.errors import InputError
from netwright.models.base import Network, Structure
from netwright.nn.flops import on_meta
from netwright.specs import Batch, Schema, Series, Signature, Symbols, Tokens
from netwright.tasks.base import Draw
from netwright.tasks.recall import Options, Recall
from netwright.train.recipe import RoleRecipe, default_fields, structure_config


def opened(name: str, **config: int) -> Data:
    dataset = registry.load("datasets", name)
    found: Data = dataset.open(dataset.Config(**config))
    return found


@pytest.fixture(scope="module")
def pairs() -> Data:
    return opened(
        "associative-recall", length=16, pairs=2, vocabulary=24, samples=60, held=70, seed=3
    )


@pytest.fixture(scope="module")
def copies() -> Data:
    return opened("copy-memory", delay=4, samples=60, held=30)


def gen() -> Generator:
    return Generator().manual_seed(0)


def batch_of(task: Recall, data: Data, n: int = 8, part: str = "train") -> Batch:
    return task.batch(data.parts[part], Draw(torch.arange(n)), gen(), train=True)


class Embedding(nn.Module):
    """The smallest net of symbols: a row of logits a symbol."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(vocabulary, vocabulary)

    def forward(self, x: Tensor, **_: Any) -> Tensor:
        y: Tensor = self.table(x)
        return y


def oracle(x: Tensor, **_: Any) -> Tensor:
    """Looks a key's value up, in one pass: the symbol behind its first showing."""
    scores = torch.zeros(*x.shape, 24)
    for row, symbols in enumerate(x.tolist()):
        for place, symbol in enumerate(symbols):
            scores[row, place, symbols[symbols.index(symbol) + 1]] = 50.0
    return scores


def test_its_role_is_causal_from_symbols_to_symbols(pairs: Data) -> None:
    task = Recall(pairs.schema, Options())
    form = Tokens(24, 16)
    assert task.roles()["net"].signature == Signature(form, form, positions="causal")
    assert registry.load("tasks", "recall") is Recall


def test_a_batch_names_the_places_that_ask(pairs: Data) -> None:
    task = Recall(pairs.schema, Options())
    batch = batch_of(task, pairs)
    assert batch["x"].dtype == batch["y"].dtype == torch.long
    assert batch["asked"].tolist() == [
        16 * row + place
        for row, answers in enumerate(batch["y"].tolist())
        for place, answer in enumerate(answers)
        if answer >= 0
    ]
    assert len(batch["asked"]) == 16


@pytest.mark.parametrize("which", ["pairs", "copies"])
def test_the_loss_is_the_cross_entropy_at_asked_places_over_their_number(
    which: str, request: pytest.FixtureRequest
) -> None:
    data: Data = request.getfixturevalue(which)
    task = Recall(data.schema, Options())
    net, batch = Embedding(task.answers.vocabulary), batch_of(task, data)
    (turn,) = task.turns()
    loss = task.objective(turn, {"net": net}, batch, {}, gen())
    logits = net(batch["x"]).flatten(0, 1)
    by_hand = F.cross_entropy(logits, batch["y"].flatten(), ignore_index=-1, reduction="sum")
    torch.testing.assert_close(loss.total, by_hand)
    assert int(loss.weight) == {"pairs": 8 * 2, "copies": 8 * 24}[which]


def test_a_batch_in_which_nothing_is_asked_has_a_loss_of_zero(pairs: Data) -> None:
    task = Recall(pairs.schema, Options())
    x = torch.zeros(2, 16, dtype=torch.long)
    batch = {"x": x, "y": x - 1, "asked": torch.zeros(0, dtype=torch.long)}
    loss = task.objective(task.turns()[0], {"net": Embedding(24)}, batch, {}, gen())
    assert float(loss.total.detach()) == 0
    assert float(loss.weight) == 1


def test_figures_are_counted_as_by_hand(pairs: Data) -> None:
    task, net = Recall(pairs.schema, Options()), Embedding(24)
    figures = task.evaluate({"net": net}, pairs, "test")
    assert set(figures) <= set(task.means)
    batch = batch_of(task, pairs, 70, "test")
    hits, nats = [], []
    for symbols, answers in zip(batch["x"].tolist(), batch["y"].tolist(), strict=True):
        asked = [(s, a) for s, a in zip(symbols, answers, strict=True) if a >= 0]
        rows = [(net.table.weight[s].detach().log_softmax(0), a) for s, a in asked]
        hits.append([sum(int(row.argmax()) == a for row, a in rows), len(rows)])
        nats.append([-sum(float(row[a]) for row, a in rows), len(rows)])
    assert figures["recall"].rows.tolist() == hits
    torch.testing.assert_close(figures["nats"].rows, torch.tensor(nats).double(), atol=1e-4, rtol=0)
    assert figures["recall"].value == pytest.approx(sum(h for h, _ in hits) / 140)
    assert (figures["recall"].higher, figures["recall"].unit) == (True, "%")
    assert (figures["nats"].higher, figures["nats"].unit) == (False, "nats")


def test_a_lookup_is_exact(pairs: Data) -> None:
    figures = Recall(pairs.schema, Options()).evaluate({"net": oracle}, pairs, "test")
    assert figures["recall"].value == 1
    assert figures["nats"].value < 1e-9


def test_recall_of_a_copy_is_of_its_last_ten_places_and_nats_are_of_all(copies: Data) -> None:
    def zeros(x: Tensor, **_: Any) -> Tensor:
        return F.one_hot(torch.zeros_like(x), 10) * 50.0

    def due(x: Tensor, **_: Any) -> Tensor:
        """Zeros, then a guess among eight: 10 ln 8 / (T + 20) nats a place."""
        logits = zeros(x)
        logits[:, -10:] = torch.tensor([-50.0, *[0.0] * 8, -50.0])
        return logits

    task = Recall(copies.schema, Options())
    figures = task.evaluate({"net": zeros}, copies, "test")
    assert figures["recall"].value == 0
    assert figures["recall"].rows[:, 1].tolist() == [10] * 30
    figures = task.evaluate({"net": due}, copies, "test")
    assert figures["nats"].value == pytest.approx(10 * math.log(8) / 24, rel=1e-4)
    assert figures["nats"].rows[:, 1].tolist() == [24] * 30


def test_an_empty_part_is_an_error_with_a_sentence(pairs: Data) -> None:
    train = pairs.parts["train"].gather(torch.arange(0))
    empty = Data(pairs.schema, {"test": type(pairs.parts["train"])(train)}, "")  # type: ignore[call-arg]
    with pytest.raises(InputError, match="no rows to judge by"):
        Recall(pairs.schema, Options()).evaluate({"net": oracle}, empty, "test")


def test_other_data_are_refused() -> None:
    series = Series(features=1, length=4)
    with pytest.raises(InputError, match="no column 'x' of symbols"):
        Recall(Schema(columns={"x": series, "y": series}), Options())
    columns = {n: Symbols(vocabulary=5, length=k) for n, k in (("x", 8), ("y", 7))}
    with pytest.raises(InputError, match="8 symbols and 7 answers"):
        Recall(Schema(columns=columns), Options())


def built(family: str, data: Data) -> Network:
    """The small preset with what the default recipe changes of it."""
    own = default_fields("recall", family, "small")["roles"]["net"]
    role = RoleRecipe.model_validate({**own, "structure": family, "preset": "small"})
    structure: Structure = registry.load("models", family)
    torch.manual_seed(0)
    (player,) = Recall(data.schema, Options()).roles().values()
    return structure.build(player.signature, structure_config(role))


@pytest.mark.parametrize("which", ["pairs", "copies"])
@pytest.mark.parametrize("family", ["cnn", "rnn", "self_attention", "transformer"])
def test_every_family_takes_a_step_and_counts_it(
    family: str, which: str, request: pytest.FixtureRequest
) -> None:
    data: Data = request.getfixturevalue(which)
    task, net = Recall(data.schema, Options()), built(family, data)
    batch = batch_of(task, data, 16)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    losses = []
    for _ in range(2):
        loss = task.objective(task.turns()[0], {"net": net}, batch, {}, gen())
        optimizer.zero_grad()
        (loss.total / loss.weight).backward()
        optimizer.step()
        losses.append(float(loss.total.detach()))
    assert losses[1] < losses[0]
    shadow = {k: v.to("meta") for k, v in batch.items()}
    counted = task.objective(task.turns()[0], {"net": on_meta(net)}, shadow, {}, gen())
    assert counted.total.is_meta
    counted.total.backward()


def test_an_mlp_is_refused_since_it_sees_the_future(pairs: Data) -> None:
    mlp: Structure = registry.load("models", "mlp")
    (player,) = Recall(pairs.schema, Options()).roles().values()
    refusal = mlp.refuses(player.signature, mlp.presets["small"])
    assert refusal is not None
    assert "future" in refusal.reason


def test_exhibits_are_curves_of_recall_and_the_last_attention(pairs: Data) -> None:
    class Looking(Embedding):
        def look(self, x: Tensor) -> Mapping[str, Tensor]:
            return {"attention.0": torch.eye(16).expand(len(x), 2, 16, 16) / 2}

    task = Recall(pairs.schema, Options())
    by_gap, by_place = task.exhibits({"net": oracle}, pairs, "test", gen())
    asked = batch_of(task, pairs, 70, "test")["y"] >= 0
    assert by_place.tensors["x"].tolist() == asked.any(0).nonzero().flatten().tolist()
    for curve in (by_gap, by_place):
        assert curve.kind == "curve"
        assert curve.tensors["y"].tolist() == [1.0] * len(curve.tensors["x"])
    assert by_gap.tensors["x"].min() >= 1
    assert by_gap.tensors["x"].max() <= 13
    *_, attention = task.exhibits({"net": Looking(24)}, pairs, "test", gen())
    assert torch.equal(attention.tensors["map"], torch.eye(16) / 2)
    symbols = batch_of(task, pairs, 1, "test")["x"][0].tolist()
    assert attention.strings["rows"] == tuple(map(str, symbols)) == attention.strings["columns"]


def test_gaps_count_back_to_where_the_answer_was_shown(pairs: Data) -> None:
    def half(x: Tensor, **_: Any) -> Tensor:
        """Right where the value stands 5 places back, and nowhere else."""
        back = F.pad(x, (5, 0))[:, :-5]
        return F.one_hot(back, 24).float()

    task = Recall(pairs.schema, Options())
    curve = task.exhibits({"net": half}, pairs, "test", gen())[0].tensors
    found = dict(zip(curve["x"].tolist(), curve["y"].tolist(), strict=True))
    assert found[5] == 1
    assert sum(found.values()) == 1


def test_an_answer_is_the_best_symbol_of_every_place(pairs: Data) -> None:
    task, part = Recall(pairs.schema, Options()), pairs.parts["test"]

    def inputs() -> Iterator[tuple[str, Batch]]:
        yield "one", part.gather(torch.tensor([4]))

    (answer,) = task.apply({"net": oracle}, inputs(), gen())
    row = part.gather(torch.tensor([4]))
    said = answer.value["symbols"]
    assert isinstance(said, list)
    assert [s for s, y in zip(said, row["y"][0].tolist(), strict=True) if y >= 0] == [
        y for y in row["y"][0].tolist() if y >= 0
    ]


def test_every_floor_that_it_names_exists(pairs: Data) -> None:
    assert set(Recall(pairs.schema, Options()).floors()) <= set(registry.names("floors"))
