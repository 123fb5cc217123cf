"""Where places stand in a cache, plain or ring, and what a step sees of it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from netwright.errors import InputError
from netwright.nn.cache import empty_cache, recall, remember, window
from netwright.nn.positions import slopes

B, H, E = 2, 3, 4


def new_cache(size: int) -> dict[str, Tensor]:
    return empty_cache(torch.empty(0), B, H, size, E)


def numbered(places: Tensor) -> Tensor:
    """Keys that tell their place: (b, h, n, e)."""
    return places[:, None, :, None].expand(-1, H, -1, E).float() + 1


def walk(pieces: list[list[int]], size: int, *, ring: bool, in_place: bool, beside: bool) -> None:
    """Take ragged steps, and compare what each place sees with what it must see."""
    with torch.inference_mode(in_place):
        cache, at = new_cache(size), torch.zeros(B, dtype=torch.long)
        for lengths in pieces:
            count = max(*lengths, 1)
            given = torch.tensor(lengths) if beside or len(set(lengths)) > 1 else None
            if given is None and lengths[0] == 0:
                continue
            here = window(at, count, given, None if ring else size, ring=size if ring else None)
            keys = numbered(at[:, None] + torch.arange(count))
            cache, key, _ = recall(cache, keys, keys, here)
            seen = here.seen if here.bias is not None else torch.ones(1, 1, 1, key.shape[2]).bool()
            assert here.distance.shape[-1] == key.shape[2]
            for row, length in enumerate(lengths):
                mask = seen.expand(B, 1, count, -1)[row, 0]
                for n in range(length):
                    place = int(at[row]) + n
                    first = max(0, place - size + 1) if ring else 0
                    found = key[row, 0, mask[n], 0].sort().values.tolist()
                    assert found == [p + 1 for p in range(first, place + 1)]
                    back = here.distance.expand(B, 1, count, -1)[row, 0, n, mask[n]]
                    assert sorted(back.tolist()) == list(range(len(found)))
            at = here.after


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    pieces=st.lists(st.lists(st.integers(0, 6), min_size=B, max_size=B), min_size=1, max_size=6),
    ring=st.booleans(),
    in_place=st.booleans(),
    beside=st.booleans(),
    even=st.booleans(),
)
def test_each_place_sees_what_its_row_has_taken_in_or_its_last_few(
    pieces: list[list[int]], ring: bool, in_place: bool, beside: bool, even: bool
) -> None:
    pieces = [[p[0]] * B for p in pieces] if even else pieces
    walk(pieces, 4 if ring else 40, ring=ring, in_place=in_place, beside=beside)


@pytest.mark.parametrize("ring", [None, 4])
def test_a_new_cache_is_made_outside_of_inference_mode_and_the_old_one_stays(ring) -> None:
    cache, at = new_cache(ring or 5), torch.tensor([1, 1])
    for count, lengths in ((1, None), (3, None), (2, torch.tensor([2, 1]))):
        here = window(at, count, lengths, 5, ring=ring)
        new = remember(cache, *[torch.ones(B, H, count, E)] * 2, here)
        assert not any(v.any() for v in cache.values())
        assert all(v.any() for v in new.values())


@pytest.mark.parametrize("ring", [None, 4])
def test_in_inference_mode_the_cache_is_written_into(ring) -> None:
    with torch.inference_mode():
        cache, at = new_cache(ring or 5), torch.tensor([1, 1])
        where = {k: v.data_ptr() for k, v in cache.items()}
        for count, lengths in ((1, None), (3, None), (2, torch.tensor([2, 1]))):
            here = window(at, count, lengths, 5, ring=ring)
            cache = remember(cache, *[torch.ones(B, H, count, E)] * 2, here)
            assert {k: v.data_ptr() for k, v in cache.items()} == where


def test_in_inference_mode_what_stood_before_a_step_stays() -> None:
    with torch.inference_mode():
        here = window(torch.tensor([2, 2]), 2, None, 6)
        cache = {k: torch.full_like(v, 5.0) for k, v in new_cache(6).items()}
        new = remember(cache, *[torch.zeros(B, H, 2, E)] * 2, here)
    assert new["key"][0, 0, :, 0].tolist() == [5, 5, 0, 0, 5, 5, 5]


def test_rows_that_stand_apart_or_lean_need_a_bias_and_one_place_alone_none() -> None:
    together, apart = torch.tensor([2, 2]), torch.tensor([2, 1])
    assert window(together, 1, None, 6).bias is None
    for here in (window(apart, 1, None, 6), window(together, 2, None, 6)):
        assert here.bias is not None
        assert (here.bias == 0).equal(here.seen)
    leant = window(together, 1, None, 6, slope=slopes(2)).bias
    assert leant is not None
    assert leant[0, :, 0].tolist() == [
        pytest.approx([-2 / 16, -1 / 16, 0]),
        pytest.approx([-2 / 256, -1 / 256, 0]),
    ]


def test_a_full_cache_is_a_sentence_and_padding_may_hang_over() -> None:
    at = torch.tensor([4, 1])
    assert window(at, 3, torch.tensor([1, 3]), 5).after.tolist() == [5, 4]
    with pytest.raises(InputError, match="longer than 5 places"):
        window(at, 2, None, 5)
    with pytest.raises(InputError, match="longer than 5 places"):
        window(at, 2, None, 5, ring=2)
    assert window(at + 1000, 2, None, None, ring=3).after.tolist() == [1006, 1003]


def test_gradients_pass_through_a_cache() -> None:
    for ring, at in ((None, [1, 1]), (4, [3, 3]), (4, [3, 1])):
        key = torch.randn(B, H, 2, E, requires_grad=True)
        cache = new_cache(ring or 5)
        here = window(torch.tensor(at), 2, None, None if ring else 5, ring=ring)
        cache = remember(cache, key, key, here)
        (grad,) = torch.autograd.grad(cache["key"].sum(), key)
        assert grad.eq(1).all()
