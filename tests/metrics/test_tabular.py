"""Distances of tables: known answers, outside references, and what they must not depend on."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ks_2samp, pearsonr
from scipy.stats.contingency import association

from netwright.errors import InputError
from netwright.metrics.tabular import Table, associations, marginal_distance, pairwise_distance

quick = settings(derandomize=True, deadline=None, max_examples=20)
seeds = st.integers(0, 10**6)
NAN = float("nan")


def numbers(*x: float) -> NDArray[np.float64]:
    return np.array(x, np.float64)


def words(*x: str | None) -> NDArray[Any]:
    return np.array(x, object)


def people(n: int, seed: int) -> dict[str, NDArray[Any]]:
    """Columns of both kinds that hang together, each with empty cells."""
    draw = np.random.default_rng(seed)
    age = draw.normal(40, 10, n)
    pay = 100 * age + draw.normal(0, 300, n)
    rank = np.where(age > 45, "chief", np.where(draw.random(n) < 0.3, "clerk", "cook"))
    town = np.where((rank == "cook") & (draw.random(n) < 0.8), "Ulm", "Graz")
    pay[draw.random(n) < 0.1] = NAN
    rank, town = rank.astype(object), town.astype(object)
    rank[draw.random(n) < 0.05] = None
    return {"age": age, "pay": pay, "rank": rank, "town": town}


def shuffled(table: Table, seed: int, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    draw = np.random.default_rng(seed)
    return {k: draw.permutation(x) if k in names else x for k, x in table.items()}


@given(seeds, st.integers(1, 60))
@quick
def test_a_table_in_another_order_of_rows_is_at_no_distance(seed: int, n: int) -> None:
    table = people(n, seed)
    order = np.random.default_rng(seed).permutation(n)
    mixed = {name: column[order] for name, column in reversed(table.items())}
    assert list(marginal_distance(table, mixed)) == list(table)
    assert marginal_distance(table, mixed) == pytest.approx(dict.fromkeys(table, 0), abs=1e-12)
    assert pairwise_distance(table, mixed) == pytest.approx(0, abs=1e-7)


@given(seeds, st.integers(1, 60), st.integers(1, 60))
@quick
def test_distances_are_symmetric_and_within_their_range(seed: int, n: int, m: int) -> None:
    real, fake = people(n, seed), people(m, seed + 1)
    found = marginal_distance(real, fake)
    assert all(0 <= x <= 1 for x in found.values())
    assert marginal_distance(fake, real) == pytest.approx(found)
    both = pairwise_distance(real, fake)
    assert 0 <= both <= 2
    assert pairwise_distance(fake, real) == pytest.approx(both)


@given(seeds, st.integers(4, 50), st.integers(4, 50), st.booleans())
@quick
def test_numbers_without_empty_cells_have_scipys_statistic(
    seed: int, n: int, m: int, tied: bool
) -> None:
    draw = np.random.default_rng(seed)
    real, fake = draw.normal(size=n), draw.normal(0.5, 2, m)
    if tied:
        real, fake = real.round(), fake.round()
    known = ks_2samp(real, fake, method="asymp").statistic
    assert marginal_distance({"x": real}, {"x": fake})["x"] == pytest.approx(known)


@pytest.mark.parametrize(
    ("real", "fake", "known"),
    [
        (numbers(1, 2, 3, 4), numbers(1, 2, 30, 40), 0.5),
        (numbers(1, 2), numbers(3, 4), 1),
        (numbers(1, 1, NAN, NAN), numbers(1, 1, 1, NAN), 0.25),
        (numbers(1, 2, NAN, NAN), numbers(3, 4, NAN, NAN), 0.5),
        (numbers(1, 2, 3, NAN), numbers(4, 5, NAN, NAN), 0.5 + 0.25),
        (numbers(1, 2), numbers(NAN, NAN), 1),
        (numbers(NAN), numbers(NAN, NAN), 0),
        (words("a", "a", "b", "b"), words("a", "b", "b", "b"), 0.25),
        (words("a", "b"), words("c", "d", "e"), 1),
        (words("a", None), words("a", "a"), 0.5),
        (words("", "a"), words(None, "a"), 0.5),
        (words(None), words(None, None), 0),
    ],
)
def test_marginal_distances_are_known(real: NDArray[Any], fake: NDArray[Any], known: float) -> None:
    assert marginal_distance({"x": real}, {"x": fake}) == pytest.approx({"x": known})


@given(seeds, st.integers(3, 60))
@quick
def test_two_columns_of_numbers_have_pearsons_correlation(seed: int, n: int) -> None:
    draw = np.random.default_rng(seed)
    a = draw.normal(size=n)
    b = 1e200 * (a + draw.normal(size=n))
    known = pearsonr(a, b / 1e200).statistic
    a, b = np.append(a, [NAN, 5]), np.append(b, [3, NAN])
    assert associations({"a": a, "b": b})[0, 1] == pytest.approx(known)


def test_numbers_and_words_have_the_correlation_ratio() -> None:
    # Means 2, 6 and 10 of 2 rows each about 6: 64 of a whole of 64 + 6 lies between the words.
    x = numbers(1, 3, 5, 7, 9, 11, NAN)
    found = associations({"x": x, "w": words("a", "a", "b", "b", None, None, "b")})
    assert found[0, 1] == pytest.approx((64 / 70) ** 0.5)
    assert found[1, 0] == found[0, 1]


def test_numbers_that_a_word_settles_hang_wholly_on_it() -> None:
    table = {"w": words("a", "b", "a", "c"), "x": numbers(1, 2, 1, 7)}
    assert associations(table)[0, 1] == pytest.approx(1)


@given(seeds, st.integers(10, 80), st.integers(2, 6), st.integers(2, 4))
@quick
def test_two_columns_of_words_have_cramers_v(seed: int, n: int, a: int, b: int) -> None:
    draw = np.random.default_rng(seed)
    one = np.append(np.arange(a), draw.integers(a, size=n))
    other = np.append(np.arange(a) % b, np.where(draw.random(n) < 0.5, one[a:] % b, 0))
    counts = np.zeros((a, b), int)
    np.add.at(counts, (one, other), 1)
    known = association(counts[:, counts.any(0)], method="cramer")
    names = np.array([None, "b", "c", "d", "e", "f"], object)
    found = associations({"a": names[one], "b": names[other]})
    assert found[0, 1] == pytest.approx(known, abs=1e-7)


def test_ten_thousand_words_a_column_are_no_trouble() -> None:
    many = np.array([f"w{i}" for i in range(10_000)], object)
    assert associations({"a": many, "b": many[::-1]})[0, 1] == pytest.approx(1)


@pytest.mark.parametrize("other", ["age", "rank", "town"])
def test_constant_columns_hang_on_nothing(other: str) -> None:
    column = people(40, 0)[other]
    for still in (
        numbers(*[0.1] * 40),
        words(*["a"] * 40),
        numbers(*[NAN] * 40),
        words(*[None] * 40),
    ):
        found = associations({"still": still, other: column})
        np.testing.assert_array_equal(found, np.eye(2))


def test_a_column_that_is_constant_where_the_other_is_filled_hangs_on_nothing() -> None:
    table = {"a": numbers(1, 1, 2), "b": numbers(5, 6, NAN)}
    assert associations(table)[0, 1] == 0


@given(seeds, st.floats(0.01, 100), st.floats(-100, 100))
@quick
def test_associations_do_not_hang_on_units_or_names(seed: int, unit: float, zero: float) -> None:
    table = people(50, seed)
    names = {"chief": "x", "clerk": "y", "cook": "z", None: None}
    other = {**table, "pay": zero + unit * table["pay"]}
    other["rank"] = words(*(names[word] for word in table["rank"]))
    np.testing.assert_allclose(associations(other), associations(table), atol=1e-7)


def test_pairwise_distance_is_the_mean_over_pairs() -> None:
    x = numbers(1, 2, 3, 4)
    real = {"a": x, "b": x, "c": numbers(1, 1, 1, 1)}
    fake = {"c": numbers(1, 1, 1, 1), "b": -x, "a": x}
    assert pairwise_distance(real, fake) == pytest.approx(2 / 3)
    assert pairwise_distance({"a": x}, {"a": -x}) == 0


def test_independence_lowers_associations_and_leaves_the_margins() -> None:
    real = people(2000, 0)
    some, every = shuffled(real, 1, ("age",)), shuffled(real, 1, tuple(real))
    assert (associations(every) - np.eye(4) < 0.1).all()
    new, part, whole = (pairwise_distance(real, t) for t in (people(2000, 1), some, every))
    assert new < 0.05 < part < whole
    assert max(marginal_distance(real, every).values()) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("measure", [marginal_distance, pairwise_distance])
@pytest.mark.parametrize(
    ("real", "fake", "said"),
    [
        ({"age": numbers(1)}, {"agee": numbers(1)}, "made table has no column 'age'.*is 'agee'"),
        ({"a": numbers(1)}, {"a": numbers(1), "b": words("x")}, "real table has no column 'b'"),
        ({"a": numbers(1)}, {"a": words("x")}, "'a' holds numbers in one table and words in the"),
        ({"a": numbers(1)}, {"a": numbers()}, "the made table has no rows"),
        ({}, {}, "the real table has no rows"),
        (
            {"a": numbers(1, 2), "b": numbers(1)},
            {"a": numbers(1), "b": numbers(1)},
            "columns of the real table differ in length: 2 in 'a', 1 in 'b'",
        ),
        (
            {"a": numbers(1)},
            {"a": numbers(1, np.inf, -np.inf)},
            "column 'a' of the made table holds 2 infinite numbers",
        ),
    ],
)
def test_tables_that_cannot_be_compared_are_refused(
    measure: Any, real: Table, fake: Table, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        measure(real, fake)
