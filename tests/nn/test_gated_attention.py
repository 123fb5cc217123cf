import pytest
import torch
from torch import nn

from netwright.nn.attention import Attention
from netwright.nn.cache import window
from netwright.nn.flops import forward_flops
from netwright.nn.gated_attention import GatedAttention
from netwright.nn.look import watching
from netwright.nn.positions import rotation

D, H, E = 7, 2, 4


def made(*, causal: bool, bias: bool = False) -> GatedAttention:
    torch.manual_seed(0)
    return GatedAttention(D, H, E, causal=causal, bias=bias)


@pytest.mark.parametrize("causal", [False, True])
def test_open_gates_are_ordinary_attention_and_closed_ones_let_nothing_through(
    causal: bool,
) -> None:
    net = made(causal=causal, bias=True)
    plain = Attention(D, H, E, causal=causal, bias=True)
    plain.project[0].load_state_dict(net.project.state_dict())
    plain.output.load_state_dict(net.output.state_dict())
    x, lengths, turn = torch.randn(2, 6, D), torch.tensor([6, 3]), rotation(torch.arange(6), E)
    kept = torch.arange(6) < lengths[:, None]
    nn.init.zeros_(net.gate.weight)
    nn.init.constant_(net.gate.bias, 50.0)
    wanted = plain(x, None, lengths, turn)
    torch.testing.assert_close(net(x, lengths, turn)[kept], wanted[kept])
    nn.init.constant_(net.gate.bias, -50.0)
    torch.testing.assert_close(net(x), net.output.bias.expand(2, 6, D))


def test_each_feature_of_each_head_has_a_gate_of_its_place() -> None:
    net, x = made(causal=False), torch.randn(1, 5, D)
    query, key, value = net.project(x).view(1, 5, 3, H, E).permute(2, 0, 3, 1, 4).unbind()
    mixed = (query @ key.mT / E**0.5).softmax(-1) @ value
    gate = 1 / (1 + torch.exp(-x @ net.gate.weight.T))
    wanted = (mixed.transpose(1, 2).flatten(2) * gate) @ net.output.weight.T
    torch.testing.assert_close(net(x), wanted)
    with watching() as seen:
        torch.testing.assert_close(net(x), wanted)
    torch.testing.assert_close(seen["attention.0"].sum(-1), torch.ones(1, H, 5))


def test_steps_equal_the_whole_even_ragged() -> None:
    net, x = made(causal=True), torch.randn(3, 9, D)
    whole, at = net(x), torch.zeros(3, dtype=torch.long)
    here = window(at, 5, torch.tensor([2, 5, 0]), 9)
    y, state = net.step(x[:, :5], net.state(3, 9), here)
    torch.testing.assert_close(y[1], whole[1, :5], rtol=0, atol=1e-5)
    rest = torch.stack([x[row, n : n + 4] for row, n in enumerate([2, 5, 0])])
    y, _ = net.step(rest, state, window(here.after, 4, None, 9))
    for row, n in enumerate([2, 5, 0]):
        torch.testing.assert_close(y[row], whole[row, n : n + 4], rtol=0, atol=1e-5)


def test_its_work_is_attention_and_one_more_projection() -> None:
    b, t = 3, 6
    with torch.device("meta"):
        counted = forward_flops(GatedAttention(D, H, E), {"x": torch.zeros(b, t, D)})
    assert counted.uncounted == {}
    assert counted.flops == 2 * b * t * 5 * D * H * E + 4 * b * H * t * t * E
