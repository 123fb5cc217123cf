import math

import pytest
import torch
from torch import Generator, Tensor

from netwright import registry
from netwright.codecs import Words
from netwright.datasets.base import ragged
from netwright.errors import InputError
from netwright.floors.naive_bayes import floor
from netwright.specs import Batch, Labels, Schema, Text

WORDS = Words.of(["a b c d"])


def schema(classes: int = 2) -> Schema:
    labels = Labels(names=tuple(map(str, range(classes))))
    return Schema(columns={"text": Text(codec=WORDS, length=9), "label": labels})


def batch_of(*said: tuple[str, int]) -> Batch:
    rows = [WORDS.encode(text) for text, _ in said]
    batch = ragged("x", rows, {"y": torch.tensor([y for _, y in said])}).gather(
        torch.arange(len(said))
    )
    return {**batch, "x": batch["x"].long()}


def scores(batch: Batch, held: Batch, classes: int = 2) -> Tensor:
    net = floor.fit(batch, schema(classes), Generator())["net"]
    return net(held["x"], lengths=held["lengths"])


def test_its_posterior_is_that_of_the_formula() -> None:
    batch = batch_of(("a b", 0), ("a b a b", 0), ("c", 0), ("b c", 1))
    held = batch_of(("a b b d", 0), ("c c", 1))
    # counted: a, b, c and the pair "a b", which occurs three times; each once a text
    texts_of = {0: {"a": 2, "b": 2, "c": 1, "a b": 2}, 1: {"a": 0, "b": 1, "c": 1, "a b": 0}}
    prior = {0: 3 / 4, 1: 1 / 4}

    def joint(grams: list[str], label: int) -> float:
        counts = texts_of[label]
        total = sum(counts.values()) + 1.0 * len(counts)
        return math.log(prior[label]) + sum(math.log((counts[g] + 1.0) / total) for g in grams)

    wanted = torch.tensor([[joint(g, c) for c in (0, 1)] for g in (["a", "b", "a b"], ["c"])])
    torch.testing.assert_close(scores(batch, held), wanted)


@pytest.mark.parametrize(("n", "smoothing"), [(400, 1.0), (800, 3.0)])
def test_of_many_texts_the_plainest_of_equally_good_smoothings_is_taken(
    n: int, smoothing: float
) -> None:
    batch = batch_of(*[("a", 0), ("b", 1)] * (n // 2))
    share = (n / 2 + smoothing) / (n / 2 + 2 * smoothing)
    found = scores(batch, batch_of(("a", 0))).softmax(1)
    torch.testing.assert_close(found[0, 0], torch.tensor(share), rtol=1e-6, atol=0)


def test_classes_never_seen_have_their_columns() -> None:
    batch = batch_of(("a b", 1), ("c d", 3))
    found = scores(batch, batch, 5)
    assert found.argmax(1).tolist() == [1, 3]
    assert found.shape == (2, 5)


def test_one_class_alone_is_an_error_with_a_sentence() -> None:
    batch = batch_of(("a", 0), ("b", 0))
    with pytest.raises(InputError, match="two classes"):
        scores(batch, batch)


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "naive-bayes") is floor
    assert (floor.title, floor.limit) == ("naive Bayes, uni- and bigrams", 200_000)
    assert floor.refuses(schema()) is None
    assert "texts" in (floor.refuses(Schema(columns={"l": Labels(names=("a", "b"))})) or "")
