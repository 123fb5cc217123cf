import warnings

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Generator, Tensor

from netwright import registry
from netwright.codecs import Words
from netwright.datasets.base import ragged
from netwright.errors import InputError
from netwright.floors._bags import Weighed
from netwright.floors.tfidf_logistic import floor
from netwright.specs import Batch, Labels, Schema, Text

WORDS = Words.of([" ".join(f"w{i}" for i in range(60))])


def schema(classes: int) -> Schema:
    labels = Labels(names=tuple(map(str, range(classes))))
    return Schema(columns={"text": Text(codec=WORDS, length=30), "label": labels})


def drawn(n: int, classes: int, seed: int = 0) -> Batch:
    """Texts whose words lean to a class."""
    g = Generator().manual_seed(seed)
    y = torch.randint(classes, (n,), generator=g)
    leaning = torch.rand(classes, WORDS.size - 2, generator=Generator().manual_seed(9)) ** 2
    sizes = torch.randint(1, 30, (n,), generator=g).tolist()
    rows = [
        (torch.multinomial(leaning[c], s, replacement=True, generator=g) + 2).tolist()
        for c, s in zip(y.tolist(), sizes, strict=True)
    ]
    batch = ragged("x", rows, {"y": y}).gather(torch.arange(n))
    return {**batch, "x": batch["x"].long()}


def scores(batch: Batch, held: Batch, classes: int) -> Tensor:
    net = floor.fit(batch, schema(classes), Generator())["net"]
    return net(held["x"], lengths=held["lengths"])


@pytest.mark.parametrize("classes", [2, 4])
def test_its_shares_are_those_of_scikit_learn(classes: int) -> None:
    batch, held = drawn(400, classes), drawn(150, classes, seed=1)
    features, rows = Weighed.of(batch["x"], batch["lengths"], WORDS.size)
    peer = LogisticRegression(C=1.0, max_iter=1000).fit(rows, batch["y"])
    shares = peer.predict_proba(features(held["x"], held["lengths"]))
    mine = scores(batch, held, classes).softmax(1)
    torch.testing.assert_close(mine, torch.from_numpy(shares).float(), atol=0.01, rtol=0)
    assert float((mine.argmax(1) == held["y"]).float().mean()) > 0.75


def test_it_takes_a_weaker_penalty_where_that_answers_better() -> None:
    batch = drawn(1000, 4)
    held = drawn(150, 4, seed=1)
    sure = scores(batch, held, 4).softmax(1).amax(1).mean()
    unsure = scores({k: v[:499] for k, v in batch.items()}, held, 4).softmax(1).amax(1).mean()
    assert sure > unsure + 0.1, "fewer than 500 texts take C = 1"


def test_a_fit_is_repeated_to_the_bit_without_a_warning() -> None:
    batch = drawn(600, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = scores(batch, batch, 3), scores(batch, batch, 3)
    assert torch.equal(first, second)


def test_one_class_alone_or_other_data_are_an_error_with_a_sentence() -> None:
    batch = drawn(50, 2)
    with pytest.raises(InputError, match="two classes"):
        scores({**batch, "y": torch.zeros(50).long()}, batch, 2)
    bare = Schema(columns={"text": schema(2).columns["text"]})
    assert floor.refuses(bare) == "these data hold no labels"
    with pytest.raises(InputError, match="no labels"):
        floor.fit(batch, bare, Generator())


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "tfidf-logistic") is floor
    assert (floor.title, floor.limit) == ("TF-IDF + logistic regression", 200_000)
    assert floor.refuses(schema(2)) is None
