import pytest
import torch
from torch import nn

from netwright.nn.attention import Attention
from netwright.nn.cache import window
from netwright.nn.flops import count, forward_flops
from netwright.nn.latent_attention import LatentAttention
from netwright.nn.look import watching
from netwright.nn.positions import rotate, rotation
from netwright.train.quantise import quantise

D, H, E, L, P = 9, 2, 4, 5, 6


def made(*, causal: bool, turned: int = 0) -> LatentAttention:
    torch.manual_seed(0)
    net = LatentAttention(D, H, E, latent=L, turned=turned, causal=causal)
    for p in net.parameters():
        nn.init.normal_(p, std=0.4)
    return net


@pytest.mark.parametrize("causal", [False, True])
def test_it_is_ordinary_attention_with_the_matrices_multiplied_out(causal: bool) -> None:
    net, x, lengths = made(causal=causal), torch.randn(2, 6, D), torch.tensor([6, 3])
    plain = Attention(D, H, E, causal=causal, projections="separate")
    with torch.no_grad():
        plain.project[0].weight.copy_(net.query.weight)
        plain.project[1].weight.copy_(net.key.weight @ net.compress.weight)
        plain.project[2].weight.copy_(net.value.weight @ net.compress.weight)
        plain.output.weight.copy_(net.output.weight)
    kept = torch.arange(6) < lengths[:, None]
    wanted = plain(x, None, lengths)
    torch.testing.assert_close(net(x, lengths)[kept], wanted[kept], rtol=1e-4, atol=1e-5)
    with watching() as seen:
        looked = net(x, lengths)
    torch.testing.assert_close(looked, net(x, lengths), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen["attention.0"].sum(-1), torch.ones(2, H, 6))


def test_one_turned_key_is_shared_by_all_heads() -> None:
    net, x, turn = made(causal=False, turned=P), torch.randn(1, 5, D), rotation(torch.arange(5), P)
    assert net.turn is not None
    query = net.query(x).view(1, 5, H, E + P).transpose(1, 2)
    latent = net.compress(x)
    key, value = (part(latent).view(1, 5, H, E).transpose(1, 2) for part in (net.key, net.value))
    shared = rotate(net.turn(x)[:, None], turn)
    scores = query[..., :E] @ key.mT + rotate(query[..., E:], turn) @ shared.mT
    mixed = (scores / (E + P) ** 0.5).softmax(-1) @ value
    wanted = net.output(mixed.transpose(1, 2).flatten(2))
    torch.testing.assert_close(net(x, None, turn), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("turned", [0, P])
def test_steps_on_latents_equal_the_whole_even_ragged(turned: int) -> None:
    net, x = made(causal=True, turned=turned), torch.randn(3, 9, D)
    whole = net(x, None, rotation(torch.arange(9), P) if turned else None)
    here = window(torch.zeros(3, dtype=torch.long), 5, torch.tensor([2, 5, 0]), 9)
    turn = rotation(here.places, P) if turned else None
    y, state = net.step(x[:, :5], net.state(3, 9), here, turn)
    torch.testing.assert_close(y[1], whole[1, :5], rtol=0, atol=1e-5)
    rest = torch.stack([x[row, n : n + 4] for row, n in enumerate([2, 5, 0])])
    here = window(here.after, 4, None, 9)
    y, _ = net.step(rest, state, here, rotation(here.places, P) if turned else None)
    for row, n in enumerate([2, 5, 0]):
        torch.testing.assert_close(y[row], whole[row, n : n + 4], rtol=0, atol=1e-5)


def test_the_cache_holds_latents_and_one_turned_key_and_the_old_one_stays() -> None:
    net = made(causal=True, turned=P)
    old = net.state(2, 9)
    assert {k: v.shape for k, v in old.items()} == {"latent": (2, 10, L + P)}
    here = window(torch.zeros(2, dtype=torch.long), 3, None, 9)
    net.step(torch.randn(2, 3, D), old, here, rotation(here.places, P))
    assert not any(v.any() for v in old.values())


def test_it_steps_when_its_dense_layers_are_quantised() -> None:
    net, x = made(causal=True, turned=P).eval(), torch.randn(2, 3, D)
    quantise(net, "int8", torch.device("cpu"))
    here = window(torch.zeros(2, dtype=torch.long), 3, None, 9)
    turn = rotation(here.places, P)
    made_by_steps, _ = net.step(x, net.state(2, 9), here, turn)
    torch.testing.assert_close(made_by_steps, net(x, None, turn), rtol=0, atol=0.1)


def test_its_work_forward_and_in_a_step() -> None:
    b, t = 3, 6
    with torch.device("meta"):
        net, x = LatentAttention(D, H, E, latent=L, turned=P, causal=True), torch.zeros(b, t, D)
        whole = forward_flops(net, {"x": x})
        here = window(torch.zeros(b, dtype=torch.long), 1, None, t)
        state = net.state(b, t)
        step = count(lambda: net.step(x[:, :1], state, here))
    inner = H * (E + P)
    maps = D * inner + D * L + D * P + H * E * D
    hand = 2 * b * t * (maps + 2 * L * H * E) + 2 * b * H * t * t * (E + P + E)
    assert (whole.flops, whole.uncounted) == (hand, {})
    hand = 2 * b * (maps + 2 * L * H * E) + 2 * b * H * t * (L + P + L)
    assert (step.flops, step.uncounted) == (hand, {})
