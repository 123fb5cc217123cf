import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from netwright.nn.flops import forward_flops, on_meta, training_flops
from netwright.nn.look import watching
from netwright.nn.recurrence import Recurrent, RecurrentLayer, mirrored
from netwright.train.quantise import quantise

KINDS = ("lstm", "gru")


def by_hand(layer: RecurrentLayer, x: Tensor) -> Tensor:
    """The equations of the module's docstring, one row, place and gate at a time."""
    w, u, b, zero = (p.detach().double() for p in layer.core.parameters())
    assert not zero.any()
    n, result = layer.core.hidden_size, torch.zeros(*x.shape[:2], layer.core.hidden_size).double()
    for row in range(len(x)):
        h, c = torch.zeros(n).double(), torch.zeros(n).double()
        for t in range(x.shape[1]):
            read, kept = (w @ x[row, t].double() + b).split(n), (u @ h).split(n)
            if layer.kind == "lstm":
                i, f, g, o = (a + k for a, k in zip(read, kept, strict=True))
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                h = o.sigmoid() * c.tanh()
            else:
                r, z = ((a + k).sigmoid() for a, k in zip(read[:2], kept[:2], strict=True))
                new = (read[2] + r * kept[2]).tanh()
                h = (1 - z) * new + z * h
            result[row, t] = h
    return result


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_equals_its_equations(kind: str) -> None:
    torch.manual_seed(0)
    layer, x = RecurrentLayer(kind, 5, 7), torch.randn(3, 6, 5)
    torch.testing.assert_close(layer(x)[0].double(), by_hand(layer, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "both", "layers"), [*itertools.product(KINDS, (False, True), (1, 2))]
)
def test_layers_equal_torchs_with_the_same_weights(kind: str, both: bool, layers: int) -> None:
    torch.manual_seed(0)
    ours = Recurrent(kind, 5, 7, layers, bidirectional=both)
    theirs = (nn.LSTM if kind == "lstm" else nn.GRU)(
        5, 7, layers, batch_first=True, bidirectional=both
    )
    with torch.no_grad():
        for i in range(layers):
            for suffix, stack in (("", ours.ahead), ("_reverse", ours.back)):
                for name, p in stack[i].core.named_parameters() if len(stack) else ():
                    getattr(theirs, name.replace("l0", f"l{i}{suffix}")).copy_(p)
    x = torch.randn(3, 6, 5)
    torch.testing.assert_close(ours(x), theirs(x)[0], rtol=1e-5, atol=1e-6)
    lengths = torch.tensor([4, 6, 1])
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    padded, _ = nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    torch.testing.assert_close(ours(x, lengths), padded, rtol=1e-5, atol=1e-6)


def test_an_lstm_starts_with_its_forget_gate_open_and_a_second_bias_that_is_not_trained() -> None:
    w, u, bias, second = RecurrentLayer("lstm", 5, 4).core.parameters()
    assert bias.tolist() == [0] * 4 + [1] * 4 + [0] * 8
    assert not second.any()
    assert [p.requires_grad for p in (w, u, bias, second)] == [True, True, True, False]
    gates = u.detach().view(4, 4, 4)
    torch.testing.assert_close(gates @ gates.mT, torch.eye(4).expand(4, 4, 4))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4))
@settings(derandomize=True, deadline=None, max_examples=30)
def test_mirrored_turns_each_row_inside_its_own_length(lengths: list[int]) -> None:
    x = torch.randn(len(lengths), 6, 2)
    turned = mirrored(x, torch.tensor(lengths))
    for row, n in enumerate(lengths):
        assert turned[row].tolist() == [*x[row, :n].flip(0).tolist(), *x[row, n:].tolist()]
    torch.testing.assert_close(mirrored(turned, torch.tensor(lengths)), x, rtol=0, atol=0)


@pytest.mark.parametrize("both", [False, True])
def test_padding_is_not_read_and_gives_zeros(both: bool) -> None:
    torch.manual_seed(0)
    net, x, lengths = Recurrent("lstm", 5, 7, 2, bidirectional=both), torch.randn(2, 6, 5), [3, 6]
    other = x.clone()
    other[0, 3:] = 9.0
    one, two = net(x, torch.tensor(lengths)), net(other, torch.tensor(lengths))
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert not one[0, 3:].any()
    torch.testing.assert_close(one[:1, :3], net(x[:1, :3]), rtol=1e-5, atol=1e-6)


@given(
    st.sampled_from(KINDS),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4),
)
@settings(derandomize=True, deadline=None, max_examples=40)
def test_ragged_steps_equal_forward(kind: str, windows: list[tuple[int, int]]) -> None:
    torch.manual_seed(1)
    net, x = Recurrent(kind, 5, 7, 2), torch.randn(2, 12, 5)
    whole, state, at = net(x), net.state(2), torch.zeros(2, dtype=torch.long)
    for counts in windows:
        window = torch.full((2, 3, 5), 7.0)  # what is beyond a row's count is not read
        for row, n in enumerate(counts):
            window[row, :n] = x[row, at[row] : at[row] + n]
        y, state = net.step(window, state, torch.tensor(counts))
        for row, n in enumerate(counts):
            expected = whole[row, at[row] : at[row] + n]
            torch.testing.assert_close(y[row, :n], expected, rtol=1e-5, atol=1e-5)
        at += torch.tensor(counts)
    assert {k: v.shape for k, v in state.items()} == dict.fromkeys(state, (2, 2, 7))


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_without_lengths_carries_the_whole_window_and_its_gradient(kind: str) -> None:
    torch.manual_seed(0)
    net, x = Recurrent(kind, 5, 7, 2), torch.randn(2, 8, 5, requires_grad=True)
    first, state = net.step(x[:, :5], net.state(2))
    state = dict(sorted(state.items()))  # the order of a file's tensors does not matter
    second, _ = net.step(x[:, 5:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), net(x), rtol=1e-5, atol=1e-6)
    (stepped,) = torch.autograd.grad(second.square().sum(), x)
    (whole,) = torch.autograd.grad(net(x)[:, 5:].square().sum(), x)
    torch.testing.assert_close(stepped, whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_ragged_step_has_the_gradient_of_each_rows_own_places(kind: str) -> None:
    torch.manual_seed(0)
    net, x, counts = Recurrent(kind, 5, 7), torch.randn(3, 6, 5), torch.tensor([2, 6, 0])
    _, state = net.step(x, net.state(3), counts)
    ragged = torch.autograd.grad(sum(v.sin().sum() for v in state.values()), _trained(net))
    total = torch.zeros(())
    for row, n in enumerate(counts.tolist()):
        start = net.state(1)
        end = net.step(x[row : row + 1, :n], start)[1] if n else start
        torch.testing.assert_close({k: v[row : row + 1] for k, v in state.items()}, end)
        total = total + sum(v.sin().sum() for v in end.values())
    alone = torch.autograd.grad(total, _trained(net))
    torch.testing.assert_close(ragged, alone, rtol=1e-4, atol=1e-6)


def _trained(net: nn.Module) -> list[nn.Parameter]:
    return [p for p in net.parameters() if p.requires_grad]


def test_a_ragged_step_holds_the_cell_in_half_the_precision_too() -> None:
    torch.manual_seed(0)
    net, x = Recurrent("lstm", 5, 7).bfloat16(), torch.randn(2, 6, 5).bfloat16()
    with torch.no_grad():
        _, ragged = net.step(x, net.state(2), torch.tensor([3, 6]))
        _, alone = net.step(x[:1, :3], net.state(1))
    torch.testing.assert_close(ragged["c"][:1], alone["c"], rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_autocast_trains_and_steps_on_every_cpu(kind: str) -> None:
    torch.manual_seed(0)
    net, x = Recurrent(kind, 5, 7, 2), torch.randn(2, 6, 5)
    whole = net(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = net(x)
        stepped, state = net.step(x.bfloat16(), net.state(2), torch.tensor([6, 3]))
        again, _ = net.step(x[1:, 3:].bfloat16(), {k: v[1:] for k, v in state.items()})
    y.float().sum().backward()
    assert all(p.grad is not None for p in _trained(net))
    for got, expected in ((y, whole), (stepped[:1], whole[:1]), (again, whole[1:, 3:])):
        torch.testing.assert_close(got.float(), expected, rtol=3e-2, atol=3e-2)


def test_dropout_lies_between_layers_and_not_behind_the_last() -> None:
    torch.manual_seed(0)
    net, x = Recurrent("lstm", 5, 7, 2, dropout=0.5), torch.randn(2, 6, 5)
    with watching() as seen:
        one = net(x)
    with watching() as again:
        net(x)
    torch.testing.assert_close(seen["block.0"], again["block.0"])
    assert not torch.equal(one, again["block.1"])
    assert (one != 0).all()
    net.eval()
    torch.testing.assert_close(net(x), net(x), rtol=0, atol=0)


def test_a_step_drops_what_forward_drops() -> None:
    net, x = Recurrent("lstm", 5, 7, 2, dropout=0.5), torch.randn(2, 6, 5)
    torch.manual_seed(3)
    whole = net(x)
    torch.manual_seed(3)
    torch.testing.assert_close(net.step(x, net.state(2))[0], whole, rtol=1e-5, atol=1e-6)


def test_reading_backwards_leaves_no_state() -> None:
    with pytest.raises(ValueError, match="backwards"):
        Recurrent("lstm", 5, 7, bidirectional=True).state(1)


@pytest.mark.parametrize(("kind", "gates", "states"), [("lstm", 4, 2), ("gru", 3, 1)])
def test_on_the_meta_device_shapes_and_flops_are_those_of_the_equations(
    kind: str, gates: int, states: int
) -> None:
    net = on_meta(Recurrent(kind, 5, 8))
    x = torch.zeros(2, 6, 5, device="meta", requires_grad=True)
    flops = 2 * 2 * 6 * gates * 8 * (5 + 8)
    counted = forward_flops(net, {"x": x})
    assert (counted.flops, counted.uncounted) == (flops, {})
    total = training_flops(lambda: net(x).sum(), [*_trained(net), x])
    assert total.flops == 3 * flops
    y, state = net.step(x, net.state(2), torch.zeros(2, dtype=torch.long, device="meta"))
    assert y.shape == (2, 6, 8)
    assert [tuple(s.shape) for s in state.values()] == [(2, 1, 8)] * states


@pytest.mark.parametrize("kind", KINDS)
def test_dropped_weights_are_those_of_the_state_and_the_same_at_all_places(kind: str) -> None:
    net, x = RecurrentLayer(kind, 5, 7, weight_dropout=0.5), torch.randn(3, 6, 5)
    torch.manual_seed(3)
    y, _ = net(x)
    torch.manual_seed(3)
    other = RecurrentLayer(kind, 5, 7)
    with torch.no_grad():
        for p, q in zip(other.core.parameters(), net.core.parameters(), strict=True):
            p.copy_(q)
        torch.manual_seed(3)
        other.core.weight_hh_l0.copy_(F.dropout(net.core.weight_hh_l0, 0.5))
    torch.testing.assert_close(y, other(x)[0], rtol=1e-5, atol=1e-6)
    assert not torch.equal(y, net(x)[0])
    y.square().sum().backward()
    dead = other.core.weight_hh_l0 == 0
    assert torch.equal(net.core.weight_hh_l0.grad == 0, dead)
    net.eval()
    torch.testing.assert_close(net(x), net(x), rtol=0, atol=0)


def test_a_locked_mask_between_layers_holds_for_a_whole_sequence() -> None:
    torch.manual_seed(0)
    net = Recurrent("gru", 5, 30, 2, dropout=0.5, locked=True)
    seen: list[Tensor] = []
    net.ahead[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net(torch.randn(2, 6, 5))
    zero = seen[0] == 0
    assert torch.equal(zero, zero[:, :1].expand_as(zero))
    assert 0.2 < zero.float().mean() < 0.8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [1, 2])
def test_eight_bit_layers_answer_and_step_like_their_own(kind: str, layers: int) -> None:
    torch.manual_seed(0)
    net, x = Recurrent(kind, 5, 8, layers).eval(), torch.randn(3, 6, 5)
    lengths = torch.tensor([2, 6, 0])
    with torch.no_grad():
        whole, (_, ragged) = net(x), net.step(x, net.state(3), lengths)
        quantise(net, "int8", torch.device("cpu"))
        assert not list(net.parameters())
        torch.testing.assert_close(net(x), whole, rtol=0, atol=0.05)
        first, state = net.step(x[:, :2], net.state(3))
        second, _ = net.step(x[:, 2:], state)
        torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=0, atol=0.05)
        _, again = net.step(x, net.state(3), lengths)
    torch.testing.assert_close(again, ragged, rtol=0, atol=0.05)
    assert not any(v[2].any() for v in again.values())


def test_a_state_follows_the_layers_to_another_precision() -> None:
    net = Recurrent("lstm", 5, 7).double()
    assert {v.dtype for v in net.state(2).values()} == {torch.float64}
    assert "origin" not in net.state_dict()
