from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from torch import Generator, Tensor

from netwright.codecs import Words
from netwright.datasets.base import ragged
from netwright.errors import InputError
from netwright.floors._bags import (
    ENOUGH,
    Bags,
    Reader,
    Weighed,
    chosen,
    refusal,
    two_sided,
    vocabulary_of,
)
from netwright.specs import Image, Labels, Pictures, Schema, Text

TEXTS = st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=12), min_size=1, max_size=12)


def padded(texts: list[list[int]], garbage: int = 0) -> tuple[Tensor, Tensor]:
    """Symbols and lengths, with `garbage` as padding."""
    batch = ragged("x", texts, {}).gather(torch.arange(len(texts)))
    inside = torch.arange(batch["x"].shape[1]) < batch["lengths"][:, None]
    return torch.where(inside, batch["x"], garbage).long(), batch["lengths"]


def by_hand(text: list[int]) -> Counter[Any]:
    return Counter(text) + Counter(pairwise(text))


def key(gram: int, vocabulary: int) -> Any:
    return gram if gram < vocabulary else divmod(gram - vocabulary, vocabulary)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(texts=TEXTS, others=TEXTS)
def test_words_and_pairs_that_occur_twice_are_counted_as_by_hand(
    texts: list[list[int]], others: list[list[int]]
) -> None:
    bags = Bags.of(*padded(texts, garbage=3), 7)
    times = sum(map(by_hand, texts), Counter())
    wanted = {g for g, n in times.items() if isinstance(g, int) or n >= 2}
    grams = [key(int(g), 7) for g in bags.grams]
    assert set(grams) == wanted
    assert len(grams) == len(wanted)
    for sample in (texts, others):
        counts = bags.counts(*padded(sample, garbage=3)).toarray()
        for row, text in zip(counts, sample, strict=True):
            found = {g: int(n) for g, n in zip(grams, row, strict=True) if n}
            assert found == {g: n for g, n in by_hand(text).items() if g in wanted}


def test_pairs_of_a_large_vocabulary_do_not_collide() -> None:
    most = 2_000_000
    x = torch.tensor([[most - 1, most - 2, 0, most - 1, most - 2]] * 2)
    bags = Bags.of(x, torch.tensor([5, 5]), most)
    assert bags.grams.min() >= 0
    pairs = {key(int(g), most) for g in bags.grams if g >= most}
    assert pairs == {(most - 1, most - 2), (most - 2, 0), (0, most - 1)}


def test_weights_are_those_of_scikit_learn_on_the_texts_themselves() -> None:
    g = Generator().manual_seed(0)
    draws = (torch.rand(40, 30, generator=g) ** 3 * 9).long()
    texts = [
        row[: int(n)].tolist() for row, n in zip(draws, torch.arange(40) % 29 + 1, strict=True)
    ]
    strings = [" ".join(map(str, t)) for t in texts]
    peer = CountVectorizer(ngram_range=(1, 2), tokenizer=str.split, token_pattern=None)
    counts = peer.fit_transform(strings)
    often = np.asarray(counts.sum(0))[0] >= 2
    names = peer.get_feature_names_out()
    kept = [i for i, name in enumerate(names) if often[i] or " " not in name]
    wanted = TfidfTransformer(sublinear_tf=True).fit_transform(counts[:, kept]).toarray()
    features, rows = Weighed.of(*padded(texts), 9)
    order = {names[i]: place for place, i in enumerate(kept)}
    mine = [key(int(gram), 9) for gram in features.bags.grams]
    places = [order[str(m) if isinstance(m, int) else f"{m[0]} {m[1]}"] for m in mine]
    np.testing.assert_allclose(rows.toarray(), wanted[:, places], atol=1e-12)
    np.testing.assert_allclose(features(*padded(texts)).toarray(), rows.toarray())
    np.testing.assert_allclose(np.linalg.norm(rows.toarray(), axis=1), 1)


def test_a_text_of_nothing_known_is_a_row_of_zeros() -> None:
    features, _ = Weighed.of(*padded([[1, 2], [1, 2]]), 9)
    row = features(*padded([[5, 6, 7]])).toarray()
    assert row.shape == (1, 3)
    assert not row.any()


def test_a_reader_gives_every_class_a_column_and_reads_no_padding() -> None:
    bags = Bags.of(*padded([[1, 2], [1, 2]]), 9)
    net = Reader(
        bags.counts, lambda rows: rows.toarray()[:, :2], np.array([2, 0]), 4, torch.device("cpu")
    )
    x, lengths = padded([[1, 1], [2]], garbage=1)
    scores = net(x, lengths=lengths)
    assert scores.shape == (2, 4)
    assert scores.argmax(1).tolist() == [2, 0]
    assert scores[:, 1].tolist() == [-1, -1], "a class that was never seen stands below the least"
    assert net(x).argmax(1).tolist() == [2, 2], "without lengths every place is read"


def test_a_margin_of_two_classes_is_the_difference_of_their_scores() -> None:
    scores = torch.from_numpy(two_sided(np.array([-1.5, 0.5])))
    torch.testing.assert_close(
        scores.softmax(1)[:, 1], torch.tensor([-1.5, 0.5]).double().sigmoid()
    )
    assert two_sided(np.ones((3, 4))).shape == (3, 4)


class Guesser:
    """Right about the first `share` of each hundred, by a feature that is the sample's number."""

    def __init__(self, share: float) -> None:
        self.share = share

    def predict(self, rows: Any) -> Any:
        return np.where(rows[:, 0] % 100 < self.share, rows[:, 1], 9)


def test_the_value_with_the_most_hits_on_held_out_samples_is_chosen() -> None:
    labels = np.arange(5000) % 3
    rows: Any = np.stack([np.arange(5000), labels], 1)
    seen: list[set[int]] = []

    def fitted(value: float, fit_rows: Any, fit_labels: Any) -> Guesser:
        assert (fit_rows[:, 1] == fit_labels).all()
        seen.append(set(fit_rows[:, 0].tolist()))
        return Guesser({1.0: 20, 2.0: 80, 3.0: 80, 4.0: 50}[value])

    g = Generator().manual_seed(0)
    assert chosen((1.0, 2.0, 3.0, 4.0), 7.0, fitted, rows, labels, g) == 2.0, "of equals the first"
    assert {len(s) for s in seen} == {4500}
    assert all(s == seen[0] for s in seen)


def test_of_very_many_samples_a_part_does() -> None:
    labels = np.arange(2 * ENOUGH) % 2
    rows: Any = np.stack([np.arange(2 * ENOUGH), labels], 1)
    sizes = []

    def fitted(value: float, fit_rows: Any, fit_labels: Any) -> Guesser:
        sizes.append(len(fit_rows))
        return Guesser(value)

    assert chosen((1.0, 50.0), 7.0, fitted, rows, labels, Generator()) == 50.0
    assert sizes == [ENOUGH * 9 // 10] * 2


@pytest.mark.parametrize(("n", "one"), [(499, False), (5000, True)])
def test_the_default_stands_where_nothing_can_be_chosen_by(n: int, one: bool) -> None:
    labels = np.zeros(n, dtype=np.int64) if one else np.arange(n) % 2
    rows: Any = labels[:, None]

    def fitted(*_: Any) -> Any:
        raise AssertionError

    assert chosen((1.0, 2.0), 7.0, fitted, rows, labels, Generator()) == 7.0


def test_data_without_texts_or_labels_are_refused() -> None:
    text, labels = Text(codec=Words.of(["a b"]), length=9), Labels(names=("a", "b"))
    pictures = Pictures(form=Image(1, 2, 2), mean=(0.0,), deviation=(1.0,))
    full = Schema(columns={"label": labels, "text": text})
    assert refusal(full) is None
    assert vocabulary_of(full) == 4
    bare = Schema(columns={"text": text})
    assert "no labels" in (refusal(bare) or "")
    seen = Schema(columns={"image": pictures, "label": labels})
    assert "hold none" in (refusal(seen) or "")
    with pytest.raises(InputError, match="need texts"):
        vocabulary_of(seen)
