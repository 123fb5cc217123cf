import math
from typing import Any

import pytest
import torch
from torch import Generator

from netwright import registry
from netwright.datasets.base import Data
from netwright.errors import InputError
from netwright.floors.shown_before import floor
from netwright.metrics.base import Figure
from netwright.specs import Schema, Symbols
from netwright.tasks.recall import Options, Recall


def judged(name: str, **config: Any) -> dict[str, Figure]:
    dataset = registry.load("datasets", name)
    data: Data = dataset.open(dataset.Config(**config))
    task = Recall(data.schema, Options())
    batch, _ = task.sample(data.parts["train"], floor.limit, Generator())
    return dict(task.evaluate(floor.fit(batch, data.schema, Generator()), data, "test"))


@pytest.mark.parametrize(("pairs", "length"), [(4, 32), (8, 64)])
def test_on_associative_recall_it_is_chance_among_the_values_shown(pairs: int, length: int) -> None:
    config = {"length": length, "pairs": pairs, "vocabulary": 64, "samples": 2_000, "held": 800}
    figures = judged("associative-recall", **config)
    assert figures["recall"].value == pytest.approx(1 / pairs, abs=0.02)
    assert figures["nats"].value == pytest.approx(math.log(pairs), abs=1e-4)


def test_on_copy_memory_it_knows_when_an_answer_is_due() -> None:
    figures = judged("copy-memory", delay=20, samples=2_000, held=500)
    blind = (20 + 20) * math.log(10) / 40
    uniform = 10 * math.log(8) / 40
    due = (math.log(11) + 10 * math.log(11 / 10)) / 40
    assert figures["nats"].value < uniform + due < blind
    assert 0.125 < figures["recall"].value < 0.25


def test_its_scores_are_the_probabilities_by_hand() -> None:
    x = torch.tensor([[1, 4, 2, 5, 1, 3]])
    y = torch.tensor([[-1, -1, -1, -1, 4, 0], [5, 6, -1, -1, -1, -1]])
    column = Symbols(vocabulary=7, length=6)
    schema = Schema(columns={"x": column, "y": column})
    net = floor.fit({"x": x.expand(2, -1), "y": y}, schema, Generator())["net"]
    shares = net(x).exp()
    assert shares.shape == (1, 6, 7)
    torch.testing.assert_close(shares[0, 4, [4, 5, 6]], torch.tensor([0.5, 0.5, 0.0]))
    torch.testing.assert_close(shares[0, 1, [4, 5]], torch.tensor([1.0, 0.0]))
    assert float(shares[0, 5, 0]) == 1
    torch.testing.assert_close(shares[0, 1:].sum(1), torch.ones(5))


def test_rows_that_ask_nothing_are_an_error_with_a_sentence() -> None:
    column = Symbols(vocabulary=7, length=6)
    x = torch.zeros(2, 6)
    with pytest.raises(InputError, match="nothing is asked"):
        floor.fit({"x": x, "y": x - 1}, Schema(columns={"x": column, "y": column}), Generator())


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "shown-before") is floor
