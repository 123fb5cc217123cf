import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netwright.nn._counts import count
from netwright.nn.ngram import KneserNey, choose_order, discounts, fit

FEW = settings(max_examples=40)
TEXT = (
    "the cat sat on the mat and the dog sat on the log while the cat and the dog sang to the moon "
    "that the man on the mat had sung to when the moon had sat on the log and the man had a hat "
)


def symbols(text: str) -> tuple[np.ndarray, int]:
    index = {c: i for i, c in enumerate(sorted(set(text)))}
    return np.array([index[c] for c in text], dtype=np.int32), len(index)


def model(train: list[int] | np.ndarray, size: int, order: int) -> KneserNey:
    return KneserNey(count(np.array(train, dtype=np.int32), size, order))


class ByDictionary:
    """The same formula over dictionaries of tuples, one symbol after another."""

    def __init__(self, train: list[int], size: int, order: int) -> None:
        self.size, self.order = size, order
        padded = [None, *train]
        self.counts: list[Counter] = []
        for k in range(1, order + 1):
            if k == order:
                grams = (tuple(train[i : i + k]) for i in range(len(train) - k + 1))
                self.counts.append(Counter(grams))
            else:
                longer = {tuple(padded[i : i + k + 1]) for i in range(len(padded) - k)}
                self.counts.append(Counter(g[1:] for g in longer))
        self.taken = [discounts(np.array(list(c.values()))) for c in self.counts]
        self.after: list[dict] = []
        for c in self.counts:
            after = defaultdict(dict)
            for gram, n in c.items():
                after[gram[:-1]][gram[-1]] = n
            self.after.append(after)

    def p(self, symbol: int, context: tuple[int, ...]) -> float:
        p = 1 / self.size
        for k in range(1, self.order + 1):
            if k - 1 > len(context):
                break
            seen = self.after[k - 1].get(context[len(context) - k + 1 :])
            if not seen:
                break
            d = self.taken[k - 1]
            own = seen.get(symbol, 0) - d[min(seen.get(symbol, 0), 3)]
            mass = sum(d[min(n, 3)] for n in seen.values())
            p = (own + mass * p) / sum(seen.values())
        return p


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_its_nats_are_those_of_the_formula_over_dictionaries(order: int) -> None:
    text, size = symbols(TEXT)
    train, rest = text[:140], text[140:]
    peer = ByDictionary(train.tolist(), size, order)
    expected = [-math.log(peer.p(int(s), tuple(rest[:i].tolist()))) for i, s in enumerate(rest)]
    np.testing.assert_allclose(model(train, size, order).nats(rest), expected, rtol=1e-12)


SHORT = st.lists(st.integers(0, 4), max_size=60)


@FEW
@given(SHORT, st.lists(st.integers(0, 6), max_size=9), st.integers(1, 6))
@example([], [], 3)
@example([2], [2, 2], 4)
@example([0] * 30, [0, 0, 6], 2)
def test_probabilities_sum_to_one_after_any_context(
    train: list[int], context: list[int], order: int
) -> None:
    made = model(train, 7, order)
    p = made.distribution(np.array(context, dtype=np.int32))
    assert p.shape == (7,)
    assert p.min() > 0, "symbols 5 and 6 never occur, and yet"
    assert abs(p.sum() - 1) < 1e-9
    rows = made.following(np.array(context, dtype=np.int32))
    np.testing.assert_allclose(rows.sum(1), 1, rtol=0, atol=1e-9)


@FEW
@given(SHORT, st.lists(st.integers(0, 6), min_size=1, max_size=12), st.integers(1, 5))
def test_nats_and_distributions_agree(train: list[int], text: list[int], order: int) -> None:
    made, t = model(train, 7, order), np.array(text, dtype=np.int32)
    rows = np.stack([made.distribution(t[:i]) for i in range(len(t))])
    expected = -np.log(rows[np.arange(len(t)), t])
    np.testing.assert_allclose(made.nats(t), expected, rtol=1e-12)
    np.testing.assert_allclose(made.following(t)[:-1], rows[1:], rtol=1e-12)


def test_what_stands_before_a_text_is_its_context() -> None:
    text, size = symbols(TEXT)
    made = model(text[:140], size, 4)
    whole = made.nats(text[100:])
    np.testing.assert_array_equal(made.nats(text[120:], text[100:120]), whole[20:])
    np.testing.assert_array_equal(made.nats(text[120:], text[117:120]), whole[20:])
    assert made.nats(text[120:])[0] != whole[20]


def test_evidence_knows_the_context_and_not_the_symbol() -> None:
    text, size = symbols(TEXT)
    made = model(text, size, 4)
    some = made.evidence(np.append(text[:30], 0))
    other = made.evidence(np.append(text[:30], 1))
    np.testing.assert_array_equal(some, other)
    assert some.min() >= 0
    assert some.max() < made.buckets
    index = {c: i for i, c in enumerate(sorted(set(TEXT)))}
    often, once, never = (
        made.evidence(np.array([index[c] for c in context] + [0]))[-1]
        for context in ("the", "ile", "www")
    )
    assert often > once > never


def test_discounts_are_those_of_the_counts_of_counts() -> None:
    counts = np.repeat([1, 2, 3, 4, 9], [100, 40, 20, 12, 7])
    y = 100 / 180
    expected = [0, 1 - 2 * y * 40 / 100, 2 - 3 * y * 20 / 40, 3 - 4 * y * 12 / 20]
    np.testing.assert_allclose(discounts(counts), expected)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([7, 8, 9], [0, 0.5, 1, 1.5]),
        ([1, 1, 2, 7], [0, 0.5, 0.5, 0.5]),
        ([1, 1, 2, 3, 3, 3, 3, 3, 3, 4], [0, 0.5, 0.5, 0.5]),  # D_2 would be negative
    ],
    ids=["none counted once", "none counted 3 or 4 times", "a negative one"],
)
def test_too_few_counts_leave_safe_discounts(counts: list[int], expected: list[float]) -> None:
    np.testing.assert_allclose(discounts(np.array(counts)), expected)


def walk(n: int, memory: int) -> np.ndarray:
    """Symbols that hang on the one `memory` places before, mostly."""
    g = np.random.default_rng(0)
    made = list(g.integers(0, 5, memory))
    for _ in range(n - memory):
        made.append((made[-memory] * 2 + 1) % 5 if g.random() < 0.9 else int(g.integers(5)))
    return np.array(made, dtype=np.int32)


@pytest.mark.parametrize("memory", [1, 2, 3])
def test_the_order_that_is_chosen_is_that_of_the_source(memory: int) -> None:
    text = walk(4000, memory)
    orders = (1, 2, 3, 4, 5)
    assert choose_order(text[:3000], text[3000:], 5, orders) == memory + 1
    assert fit(text, 5, orders).order == choose_order(text[:3600], text[3600:], 5, orders)


def test_one_count_serves_every_lower_order() -> None:
    text, size = symbols(TEXT)
    counts = count(text[:140], size, 5)
    for order in (1, 2, 4):
        np.testing.assert_array_equal(
            KneserNey(counts, order).nats(text[140:]),
            model(text[:140], size, order).nats(text[140:]),
        )


def test_fit_counts_the_last_tenth_too() -> None:
    text = np.array([0, 1] * 45 + [2, 3] * 5, dtype=np.int32)
    made = fit(text, 4, (2,))
    assert made.distribution(np.array([2]))[3] > 0.5


def test_a_text_shorter_than_every_order_is_counted_all_the_same() -> None:
    made = fit(np.array([3, 1], dtype=np.int32), 5)
    assert made.nats(np.array([3, 1, 4])).shape == (3,)
    assert np.isfinite(made.nats(np.array([3, 1, 4]))).all()
    assert len(made.nats(np.array([], dtype=np.int32))) == 0
