import warnings

import pytest
import torch
from sklearn.svm import LinearSVC
from torch import Generator, Tensor

from netwright import registry
from netwright.codecs import Words
from netwright.datasets.base import ragged
from netwright.errors import InputError
from netwright.floors._bags import Weighed
from netwright.floors.tfidf_svm import floor
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
def test_its_answers_are_those_of_scikit_learn(classes: int) -> None:
    batch, held = drawn(300, classes), drawn(150, classes, seed=1)
    features, rows = Weighed.of(batch["x"], batch["lengths"], WORDS.size)
    peer = LinearSVC(C=1.0, random_state=0).fit(rows, batch["y"])
    wanted = peer.predict(features(held["x"], held["lengths"]))
    mine = scores(batch, held, classes)
    assert mine.shape == (150, classes)
    assert mine.argmax(1).tolist() == wanted.tolist()
    assert float((mine.argmax(1) == held["y"]).float().mean()) > 0.7


def test_classes_never_seen_have_their_columns() -> None:
    batch = drawn(200, 2)
    found = scores({**batch, "y": batch["y"] * 3 + 1}, batch, 6)
    assert found.shape == (200, 6)
    assert set(found.argmax(1).tolist()) == {1, 4}
    assert found.isfinite().all()


def test_a_limit_that_is_reached_is_not_a_warning() -> None:
    batch = drawn(600, 3)
    noise = torch.randint(3, (600,), generator=Generator().manual_seed(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = scores({**batch, "y": noise}, batch, 3)
        assert torch.equal(first, scores({**batch, "y": noise}, batch, 3))


def test_one_class_alone_is_an_error_with_a_sentence() -> None:
    batch = drawn(50, 2)
    with pytest.raises(InputError, match="two classes"):
        scores({**batch, "y": torch.zeros(50).long()}, batch, 2)


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "tfidf-svm") is floor
    assert (floor.title, floor.limit) == ("TF-IDF + linear SVM", 200_000)
    assert floor.refuses(schema(2)) is None
    assert "texts" in (floor.refuses(Schema(columns={"l": Labels(names=("a", "b"))})) or "")
