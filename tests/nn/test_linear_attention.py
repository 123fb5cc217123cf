import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from netwright.nn.flops import forward_flops
from netwright.nn.linear_attention import (
    CHUNK,
    EPSILON,
    LinearAttention,
    causal_products,
    feature_map,
)
from netwright.nn.look import watching
from netwright.nn.positions import rotate, rotation

D, H, E = 7, 2, 4


def made(*, causal: bool, bias: bool = False) -> LinearAttention:
    torch.manual_seed(0)
    net = LinearAttention(D, H, E, causal=causal, bias=bias).double()
    for p in net.parameters():
        nn.init.normal_(p, std=0.7)
    return net


def by_pairs(net: LinearAttention, x: Tensor, lengths: Tensor | None, *, turned: bool) -> Tensor:
    """The weight of every pair of places, one after another."""
    b, t, _ = x.shape
    query, key, value = net.project(x).view(b, t, 3, H, E).unbind(2)
    fq, fk = (nn.functional.elu(z) + 1 for z in (query, key))
    tq, tk = fq, fk
    if turned:
        turn = rotation(torch.arange(t), E)
        tq, tk = (rotate(z.transpose(1, 2), turn).transpose(1, 2) for z in (fq, fk))
    mixed = torch.zeros(b, t, H, E, dtype=x.dtype)
    for row in range(b):
        end = t if lengths is None else int(lengths[row])
        for i in range(t):
            past = range(min(i + 1, t) if net.causal else end)
            for h in range(H):
                top = sum((tq[row, i, h] @ tk[row, j, h]) * value[row, j, h] for j in past)
                low = sum(fq[row, i, h] @ fk[row, j, h] for j in past)
                mixed[row, i, h] = top / (low + EPSILON)
    whole: Tensor = net.output(mixed.flatten(2))
    return whole


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_it_is_the_sum_over_pairs(causal: bool, turned: bool) -> None:
    net, x = made(causal=causal, bias=True), torch.randn(2, 6, D, dtype=torch.double)
    lengths = torch.tensor([6, 3])
    turn = rotation(torch.arange(6), E) if turned else None
    wanted = by_pairs(net, x, lengths, turned=turned)
    for row, n in enumerate([6, 3]):
        torch.testing.assert_close(net(x, lengths, turn)[row, :n], wanted[row, :n])
    with watching() as seen:
        looked = net(x, lengths, turn)
    torch.testing.assert_close(looked, net(x, lengths, turn))
    weights = seen["attention.0"]
    assert weights.shape == (2, H, 6, 6)
    if causal:
        assert weights.triu(1).eq(0).all()
    else:
        assert weights[1, :, :, 3:].eq(0).all()
    if not turned:
        sums = weights.sum(-1)
        torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=1e-5)
        assert weights.ge(0).all()


@given(st.integers(1, 3 * CHUNK + 2))
@settings(derandomize=True, deadline=None, max_examples=8)
def test_chunks_change_nothing(t: int) -> None:
    query, key, value = torch.randn(3, 1, 2, t, 3, dtype=torch.double).unbind()
    wanted = (query @ key.mT).tril() @ value
    torch.testing.assert_close(causal_products(query, key, value), wanted)


def test_what_follows_changes_no_bit_of_what_came_before_even_over_chunks() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 1, 2 * CHUNK + 9, 8).unbind()
    other = key.clone()
    at = CHUNK + 5
    other[:, :, at:] = 100 * torch.randn_like(other[:, :, at:])
    before, after = causal_products(query, key, value), causal_products(query, other, value)
    assert torch.equal(before[:, :, :at], after[:, :, :at])
    assert not torch.equal(before[:, :, at:], after[:, :, at:])


def test_steps_equal_the_whole_and_the_state_keeps_its_size() -> None:
    torch.manual_seed(0)
    net = LinearAttention(D, H, E, causal=True).float()
    t = 2 * CHUNK + 10
    x, turn = torch.randn(2, t, D), rotation(torch.arange(t), E)
    whole, state = net(x, None, turn), net.state(2)
    shapes = {name: v.shape for name, v in state.items()}
    at = 0
    for size in (1, 5, CHUNK + 3, t - CHUNK - 9):
        places = torch.arange(at, at + size)
        y, state = net.step(x[:, at : at + size], state, None, rotation(places, E))
        torch.testing.assert_close(y, whole[:, at : at + size], rtol=0, atol=1e-5)
        assert {name: v.shape for name, v in state.items()} == shapes
        at += size


def test_rows_take_in_what_their_lengths_say() -> None:
    net = made(causal=True)
    x = torch.randn(3, 5, D, dtype=torch.double)
    _, ragged = net.step(x, net.state(3), torch.tensor([2, 5, 0]))
    for row, n in enumerate([2, 5, 0]):
        _, alone = net.step(x[row : row + 1, : max(n, 1)], net.state(1), torch.tensor([n]))
        for name, value in alone.items():
            torch.testing.assert_close(ragged[name][row], value[0])


def test_a_feature_is_positive() -> None:
    torch.testing.assert_close(
        feature_map(torch.tensor([-1.0, 0.0, 2.0])), torch.tensor([1 / torch.e, 1.0, 3.0])
    )


def test_its_work_grows_with_the_chunk_and_not_with_the_length() -> None:
    b = 3
    for t, causal in ((20, True), (4 * CHUNK, True), (20, False)):
        with torch.device("meta"):
            net, x = LinearAttention(D, H, E, causal=causal), torch.zeros(b, t, D)
        projections = 2 * b * t * 4 * D * H * E
        sums = 2 * b * H * t * 2 * E * E
        pairs = 2 * b * H * t * min(t, CHUNK) * 2 * E if causal else 0
        products = pairs + (sums if t > CHUNK or not causal else 0)
        counted = forward_flops(net, {"x": x})
        assert counted.uncounted == {}
        assert counted.flops == projections + products
