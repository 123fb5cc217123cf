import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from netwright.nn.flops import forward_flops
from netwright.nn.local_attention import PIECE, LocalAttention, attend_near, reaches
from netwright.nn.look import watching
from netwright.nn.positions import rotation

D, H, E = 7, 2, 4


def by_places(
    query: Tensor, key: Tensor, value: Tensor, reach: tuple[int, int], lengths: Tensor
) -> Tensor:
    """Softmax over the places that each place may see, one place after another."""
    made = torch.zeros_like(query)
    for row, n in enumerate(lengths.tolist()):
        for i in range(n):
            near = slice(max(i - reach[0], 0), min(i + reach[1] + 1, n))
            scores = torch.einsum("he,hse->hs", query[row, :, i], key[row, :, near])
            weights = (scores * query.shape[-1] ** -0.5).softmax(-1)
            made[row, :, i] = torch.einsum("hs,hse->he", weights, value[row, :, near])
    return made


@given(st.integers(1, 4 * PIECE), st.integers(2, 2 * PIECE), st.booleans(), st.integers(1, 9))
@settings(derandomize=True, deadline=None, max_examples=12)
def test_pieces_equal_the_softmax_over_near_places(
    t: int, window: int, causal: bool, shorter: int
) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, H, t, E, dtype=torch.double).unbind()
    lengths, reach = torch.tensor([t, max(t // shorter, 1)]), reaches(window, causal=causal)
    wanted = by_places(query, key, value, reach, lengths)
    made = attend_near(query, key, value, reach, lengths)
    with watching():
        square = attend_near(query, key, value, reach, lengths)
    for row, n in enumerate(lengths.tolist()):
        torch.testing.assert_close(made[row, :, :n], wanted[row, :, :n])
        torch.testing.assert_close(square[row, :, :n], wanted[row, :, :n])


@pytest.mark.parametrize(("causal", "before", "after"), [(True, 3, 0), (False, 3, 3)])
def test_a_place_sees_its_window_and_no_more(causal: bool, before: int, after: int) -> None:
    torch.manual_seed(0)
    net = LocalAttention(D, H, E, window=4, causal=causal)
    for t in (9, 3 * PIECE):
        x = torch.randn(1, t, D, requires_grad=True)
        (slope,) = torch.autograd.grad(net(x)[0, 5].sin().sum(), x)
        seen = slope[0].ne(0).any(-1).nonzero().flatten().tolist()
        assert seen == list(range(5 - before, 5 + after + 1))


def test_maps_are_shown_whole() -> None:
    torch.manual_seed(0)
    net, x = LocalAttention(D, H, E, window=3, causal=True), torch.randn(2, 3 * PIECE, D)
    with watching() as seen:
        net(x)
    weights = seen["attention.0"]
    assert weights.shape == (2, H, 3 * PIECE, 3 * PIECE)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, H, 3 * PIECE))
    assert weights.triu(1).eq(0).all()
    assert weights.tril(-3).eq(0).all()


def test_a_window_over_everything_is_ordinary_attention() -> None:
    torch.manual_seed(0)
    wide = LocalAttention(D, H, E, window=50, causal=True)
    x = torch.randn(2, 6, D)
    query, key, value = wide.project(x).view(2, 6, 3, H, E).permute(2, 0, 3, 1, 4).unbind()
    mixed = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(wide(x), wide.output(mixed.transpose(1, 2).flatten(2)))


@pytest.mark.parametrize("window", [2, 5, 30])
def test_steps_equal_the_whole_and_the_state_keeps_its_size(window: int) -> None:
    torch.manual_seed(0)
    net = LocalAttention(D, H, E, window=window, causal=True)
    t = 2 * PIECE + 6
    x, turn = torch.randn(2, t, D), rotation(torch.arange(t), E)
    whole, state = net(x, None, turn), net.state(2)
    shapes = {name: v.shape for name, v in state.items()}
    at = 0
    for size in (1, 1, 7, t - 9):
        places = torch.arange(at, at + size)
        y, state = net.step(x[:, at : at + size], state, None, rotation(places, E))
        torch.testing.assert_close(y, whole[:, at : at + size], rtol=0, atol=1e-5)
        assert {name: v.shape for name, v in state.items()} == shapes
        at += size


def test_rows_take_in_what_their_lengths_say() -> None:
    torch.manual_seed(0)
    net, x = LocalAttention(D, H, E, window=4, causal=True), torch.randn(3, 9, D)
    _, state = net.step(x[:, :5], net.state(3), torch.tensor([2, 5, 0]))
    rest = torch.stack([x[row, n : n + 4] for row, n in enumerate([2, 5, 0])])
    y, _ = net.step(rest, state)
    for row, n in enumerate([2, 5, 0]):
        torch.testing.assert_close(y[row], net(x)[row, n : n + 4], rtol=0, atol=1e-5)


def test_its_work_grows_with_the_window_and_not_with_the_length() -> None:
    b, t, window = 3, 8 * PIECE, 40
    for causal, piece, sees in ((True, 39, 78), (False, 39, 3 * 39)):
        with torch.device("meta"):
            net = LocalAttention(D, H, E, window=window, causal=causal)
            counted = forward_flops(net, {"x": torch.zeros(b, t, D)})
        asked = -(-t // piece) * piece
        projections = 2 * b * t * 4 * D * H * E
        assert counted.uncounted == {}
        assert counted.flops == projections + 4 * b * H * asked * sees * E
