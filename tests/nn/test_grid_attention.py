import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.nn.flops import count, on_meta
from netwright.nn.grid_attention import GridAttention
from netwright.nn.look import watching
from netwright.nn.spectral import spectral


def grid(channels: int = 16, height: int = 4, width: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, channels, height, width, generator=generator)


def attention(width: int = 16) -> GridAttention:
    torch.manual_seed(1)
    layer = GridAttention(width)
    with torch.no_grad():
        layer.gamma.fill_(0.7)
    return layer


def test_it_starts_as_the_identity() -> None:
    assert torch.equal(GridAttention(16)(grid()), grid())


def test_it_is_a_softmax_over_pooled_places() -> None:
    layer, x = attention(), grid()
    q, k, v = (F.conv2d(x, m.weight) for m in (layer.query, layer.key, layer.value))
    assert (q.shape[1], v.shape[1]) == (2, 8)
    expected = torch.empty_like(x)
    for b in range(2):
        for i in range(4):
            for j in range(6):
                scores, values = [], []
                for r in range(0, 4, 2):
                    for c in range(0, 6, 2):
                        near = k[b, :, r : r + 2, c : c + 2].amax((1, 2))
                        scores.append(q[b, :, i, j] @ near)
                        values.append(v[b, :, r : r + 2, c : c + 2].amax((1, 2)))
                share = torch.stack(scores).exp()
                seen = (share / share.sum()) @ torch.stack(values)
                expected[b, :, i, j] = x[b, :, i, j] + 0.7 * layer.out.weight[:, :, 0, 0] @ seen
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_its_map_is_shown() -> None:
    layer, x = attention(), grid()
    with watching() as seen:
        layer(x)
    weights = seen["attention.0"]
    assert weights.shape == (2, 1, 24, 6)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 1, 24))


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 3)])
def test_odd_sides_and_narrow_grids_are_read_whole(size: tuple[int, int]) -> None:
    layer, x = attention(3), grid(3, *size).requires_grad_()
    y = layer(x)
    assert y.shape == x.shape
    last = torch.autograd.grad(y[:, :, 0, 0].sum(), x)[0][:, :, -1, -1]
    assert size == (1, 1) or last.any()


def test_examples_do_not_mix() -> None:
    layer, x = attention(), grid()
    torch.testing.assert_close(layer(x)[:1], layer(x[:1]))


def test_gradients_of_gradients_are_right() -> None:
    layer = attention(2).double()
    names = [n for n, _ in layer.named_parameters()]

    def run(x: Tensor, *weights: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x,))

    weights = [p.detach().clone().requires_grad_() for p in layer.parameters()]
    x = grid(2, 2, 4)[:1].double().requires_grad_()
    assert torch.autograd.gradgradcheck(run, (x, *weights), fast_mode=True)


def test_it_is_counted_whole_on_the_meta_device() -> None:
    counted = count(lambda: on_meta(attention())(grid().to("meta")))
    assert not counted.uncounted
    maps = 24 * (16 * 2 + 16 * 2 + 16 * 8 + 8 * 16)
    assert counted.flops == 2 * 2 * (maps + 24 * 6 * (2 + 8))


def test_a_channels_last_grid_gives_the_same_and_weights_may_be_normalised() -> None:
    layer, x = attention(), grid()
    last: nn.Module = attention().to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x.to(memory_format=torch.channels_last)), layer(x))
    assert spectral(layer)(x).isfinite().all()
