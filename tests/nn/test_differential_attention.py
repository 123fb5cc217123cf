import math

import pytest
import torch
from torch import Tensor, nn

from netwright.nn.cache import window
from netwright.nn.differential_attention import DifferentialAttention, first_share
from netwright.nn.flops import forward_flops
from netwright.nn.look import watching
from netwright.nn.positions import rotate, rotation

D, H, E = 7, 2, 8


def made(*, causal: bool, layer: int = 1) -> DifferentialAttention:
    torch.manual_seed(0)
    net = DifferentialAttention(D, H, E, layer=layer, causal=causal)
    nn.init.normal_(net.norm.weight)
    for p in (net.share_query, net.share_key):
        nn.init.normal_(p, std=0.4)
    return net


def openly(net: DifferentialAttention, x: Tensor, n: int, layer: int, *, turned: bool) -> Tensor:
    """The paper's formula for one sequence (n, d), head by head."""
    u1, u2 = net.share_query.detach()
    w1, w2 = net.share_key.detach()
    a = 0.8 - 0.6 * math.exp(-0.3 * (layer - 1))
    share = math.exp(float(u1 @ w1)) - math.exp(float(u2 @ w2)) + a
    parts = net.project(x[:n]).view(n, 3, H, E)
    heads = []
    for h in range(H):
        query, key, value = parts[:, :, h].unbind(1)
        maps = []
        for half in (slice(0, E // 2), slice(E // 2, E)):
            q, k = query[:, half], key[:, half]
            if turned:
                turn = rotation(torch.arange(n), E // 2)
                q, k = rotate(q[None, None], turn)[0, 0], rotate(k[None, None], turn)[0, 0]
            scores = q @ k.T / (E / 2) ** 0.5
            if net.causal:
                scores = scores.masked_fill(torch.ones(n, n).triu(1).bool(), -math.inf)
            maps.append(scores.softmax(-1))
        mixed = (maps[0] - share * maps[1]) @ value
        size = (mixed.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        heads.append((1 - a) * net.norm.weight * mixed / size)
    whole: Tensor = torch.cat(heads, -1) @ net.output.weight.T
    return whole


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_it_is_the_papers_formula(causal: bool, turned: bool) -> None:
    net, x, lengths = made(causal=causal, layer=3), torch.randn(2, 6, D), torch.tensor([6, 3])
    turn = rotation(torch.arange(6), E // 2) if turned else None
    y = net(x, lengths, turn)
    with watching() as seen:
        looked = net(x, lengths, turn)
    for row, n in enumerate([6, 3]):
        wanted = openly(net, x[row], n, 3, turned=turned)
        torch.testing.assert_close(y[row, :n], wanted, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(looked[row, :n], wanted, rtol=1e-4, atol=1e-5)
    sums = seen["attention.0"].sum(-1)
    torch.testing.assert_close(sums, (1 - net.share()).expand_as(sums))


def test_what_is_taken_away_grows_from_layer_to_layer() -> None:
    assert first_share(1) == pytest.approx(0.2)
    assert first_share(2) == pytest.approx(0.35551, abs=1e-5)
    assert first_share(99) == pytest.approx(0.8)


def test_steps_equal_the_whole_even_ragged() -> None:
    net, x = made(causal=True), torch.randn(3, 9, D)
    whole = net(x, None, rotation(torch.arange(9), E // 2))
    here = window(torch.zeros(3, dtype=torch.long), 5, torch.tensor([2, 5, 0]), 9)
    y, state = net.step(x[:, :5], net.state(3, 9), here, rotation(here.places, E // 2))
    torch.testing.assert_close(y[1], whole[1, :5], rtol=0, atol=1e-5)
    rest = torch.stack([x[row, n : n + 4] for row, n in enumerate([2, 5, 0])])
    here = window(here.after, 4, None, 9)
    y, _ = net.step(rest, state, here, rotation(here.places, E // 2))
    for row, n in enumerate([2, 5, 0]):
        torch.testing.assert_close(y[row], whole[row, n : n + 4], rtol=0, atol=1e-5)


def test_two_maps_of_half_heads_cost_one_and_a_half() -> None:
    b, t = 3, 6
    with torch.device("meta"):
        counted = forward_flops(DifferentialAttention(D, H, E), {"x": torch.zeros(b, t, D)})
    assert counted.uncounted == {}
    maps = 2 * (2 * b * H * t * t * (E // 2) + 2 * b * H * t * t * E)
    assert counted.flops == 2 * b * t * 4 * D * H * E + maps
