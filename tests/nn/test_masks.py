"""Which places are valid, and nothing left of the others."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.nn.masks import (
    additive,
    in_sight,
    restarted,
    same_document,
    valid,
    zero_padding,
)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 9))
@settings(derandomize=True, deadline=None, max_examples=25)
def test_a_place_is_valid_before_its_rows_length(lengths: list[int], size: int) -> None:
    mask = valid(torch.tensor(lengths), size)
    assert mask is not None
    assert mask.tolist() == [[place < n for place in range(size)] for n in lengths]


def test_without_lengths_nothing_is_padded() -> None:
    h = torch.randn(2, 3, 4)
    assert valid(None, 3) is None
    assert zero_padding(h, None) is h


def test_what_lies_beyond_the_length_becomes_zero_and_the_rest_stays() -> None:
    h, lengths = torch.randn(3, 4, 5, 2), torch.tensor([4, 2, 0])
    clean = zero_padding(h, lengths)
    for row, n in enumerate(lengths.tolist()):
        assert torch.equal(clean[row, :n], h[row, :n])
        assert not clean[row, n:].any()


def test_padding_may_hold_what_is_not_finite() -> None:
    h = torch.tensor([[[1.0], [float("nan")]], [[float("inf")], [float("-inf")]]])
    clean = zero_padding(h, torch.tensor([1, 0]))
    assert clean.flatten().tolist() == [1, 0, 0, 0]


def test_padding_gets_no_gradient_and_types_stay() -> None:
    h = torch.randn(1, 3, 2, requires_grad=True)
    zero_padding(h, torch.tensor([2])).sum().backward()
    assert h.grad is not None
    assert h.grad[0].tolist() == [[1, 1], [1, 1], [0, 0]]
    assert zero_padding(torch.ones(1, 2).bfloat16(), torch.tensor([1])).dtype == torch.bfloat16
    assert zero_padding(torch.ones(1, 2).long(), torch.tensor([1])).tolist() == [[1, 0]]


@given(st.integers(1, 6), st.booleans(), st.integers(1, 7) | st.none())
@settings(derandomize=True, deadline=None, max_examples=25)
def test_in_sight_is_what_is_near_and_not_ahead(size: int, causal: bool, window) -> None:
    places = torch.arange(size)
    seen = in_sight(places[:, None] - places, causal=causal, window=window)
    for t in range(size):
        for s in range(size):
            near = window is None or abs(t - s) < window
            assert seen[t, s].item() == (near and (s <= t or not causal))


@given(st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=3))
@settings(derandomize=True, deadline=None, max_examples=25)
def test_places_start_anew_with_each_document(rows: list[list[int]]) -> None:
    rows = [sorted(row) for row in rows]
    documents = torch.tensor(rows)
    same = same_document(documents)
    for row, places in zip(rows, restarted(documents).tolist(), strict=True):
        assert places == [t - row.index(number) for t, number in enumerate(row)]
    for r, row in enumerate(rows):
        assert same[r, 0].tolist() == [[a == b for b in row] for a in row]


def test_what_is_not_seen_is_hidden_by_a_finite_number() -> None:
    made = additive(torch.tensor([True, False]), torch.float32)
    assert made[0] == 0
    assert made[1] < -1e38
    assert made.isfinite().all()
