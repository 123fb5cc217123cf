import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.datasets._drawn import Rows, drawn, subsets
from netwright.datasets.base import Data
from netwright.errors import InputError
from netwright.specs import Schema, Symbols

SCHEMA = Schema(columns={"x": Symbols(vocabulary=8, length=2)})


def pairs(generator: np.random.Generator, n: int) -> Rows:
    return {"x": generator.integers(0, 8, (n, 2), dtype=np.int32)}


def opened(train: int, seed: int = 0) -> Data:
    return drawn(pairs, SCHEMA, {"train": train, "validation": 6, "test": 8}, seed)


def rows_of(data: Data, part: str) -> list[tuple[int, ...]]:
    return [tuple(row) for row in data.parts[part].columns["x"].tolist()]  # type: ignore[attr-defined]


def test_no_row_comes_twice_even_where_nearly_all_are_taken() -> None:
    data = opened(40)
    found = [row for part in data.parts for row in rows_of(data, part)]
    assert len(found) == len(set(found)) == 54
    assert list(data.parts) == ["train", "validation", "test"]


def test_more_rows_than_there_are_is_an_error_with_a_sentence() -> None:
    with pytest.raises(InputError, match="too few different rows"):
        opened(60)


def test_what_judges_does_not_hang_on_how_much_is_trained_on() -> None:
    few, many = opened(5), opened(40)
    for part in ("validation", "test"):
        assert rows_of(few, part) == rows_of(many, part)
    assert rows_of(opened(5, seed=1), "test") != rows_of(few, "test")


def test_the_fingerprint_is_of_every_byte() -> None:
    data = opened(5)
    assert data.fingerprint == opened(5).fingerprint
    assert data.fingerprint != opened(6).fingerprint
    assert len(data.fingerprint) == len(hashlib.sha256().hexdigest())


@settings(max_examples=15)
@given(st.integers(1, 6), st.integers(0, 5), st.integers(0, 9))
def test_a_subset_has_no_doubles_and_stays_below_its_total(size: int, more: int, seed: int) -> None:
    chosen = subsets(np.random.default_rng(seed), 50, size, size + more)
    assert chosen.shape == (50, size)
    assert all(len(set(row)) == size for row in chosen.tolist())
    assert chosen.min() >= 0
    assert chosen.max() < size + more


def test_every_ordered_subset_is_as_likely_as_every_other() -> None:
    chosen = subsets(np.random.default_rng(0), 24_000, 2, 4)
    _, counts = np.unique(chosen[:, 0] * 4 + chosen[:, 1], return_counts=True)
    assert len(counts) == 12
    assert abs(counts - 2_000).max() < 200, "4.5 deviations"
