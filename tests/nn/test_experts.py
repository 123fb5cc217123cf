"""Experts: the same as the open mixture, with balanced loads and the arithmetic of the active."""

import pytest
import torch
from torch import Tensor

from netwright.nn.experts import FEWEST, RATE, Experts
from netwright.nn.flops import count

D, K = 6, 10


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def layer(count: int = 4, active: int = 2, activation="gelu") -> Experts:
    made = Experts(D, K, activation, count=count, active=active, bias=True)
    torch.nn.init.normal_(made.route.weight)
    return made.eval()


def openly(experts: Experts, x: Tensor) -> Tensor:
    """Every expert of every place, multiplied by its share or by zero."""
    share = (x @ experts.route.weight.T).softmax(-1)
    rank = (share + experts.balance).argsort(-1, descending=True).argsort(-1)
    every = torch.stack([expert(x) for expert in experts.experts], -1)
    return (every * (share * (rank < experts.active))[..., None, :]).sum(-1)


@pytest.mark.parametrize("active", [1, 2, 4])
@pytest.mark.parametrize("activation", ["relu2", "swiglu"])
def test_the_layer_is_the_open_mixture_with_its_gradients(active: int, activation) -> None:
    experts = layer(4, active, activation)
    experts.balance.copy_(torch.tensor([0.3, 0.0, -0.2, 0.1]))
    x = torch.randn(3, 7, D, requires_grad=True)
    made, wanted = experts(x), openly(experts, x)
    torch.testing.assert_close(made, wanted)
    among = [x, *experts.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(made.sin().sum(), among, materialize_grads=True),
        torch.autograd.grad(wanted.sin().sum(), among, materialize_grads=True),
    )


@pytest.mark.parametrize("places", [1, 2, 3])
def test_few_places_get_what_they_get_among_many(places: int) -> None:
    experts, x = layer(), torch.randn(1, 40, D)
    torch.testing.assert_close(experts(x[:, :places]), experts(x)[:, :places])


def test_where_a_place_goes_changes_no_bit_of_another() -> None:
    experts = Experts(24, 32, "gelu", count=4, active=2).eval()
    for _ in range(20):  # loads of 1, 2 and 3 places among them
        x = torch.randn(1, 9, 24)
        other = torch.cat([x[:, :4], torch.randn(1, 5, 24)], 1)
        assert torch.equal(experts(x)[:, :4], experts(other)[:, :4])


def test_the_bias_moves_the_choice_but_is_no_part_of_the_weight() -> None:
    experts, x = layer(4, 1), torch.randn(1, 9, D)
    share = (x @ experts.route.weight.T).softmax(-1)
    experts.balance.copy_(torch.tensor([0.0, 0.0, 9.0, 0.0]))
    torch.testing.assert_close(experts(x), experts.experts[2](x) * share[..., 2:3])


def test_in_training_the_bias_rises_where_load_is_short_and_rests_in_evaluation() -> None:
    experts, x = layer(3, 1), torch.randn(1, 30, D)
    experts(x)
    assert not experts.balance.any()
    load = (x @ experts.route.weight.T).argmax(-1).flatten().bincount(minlength=3)
    experts.train()(x)
    assert experts.balance.tolist() == pytest.approx((RATE * (10 - load).sign()).tolist())
    assert not experts.balance.requires_grad
    assert "balance" in experts.state_dict()


def test_balancing_evens_out_the_load() -> None:
    experts, x = layer(4, 1).train(), torch.randn(1, 400, D) + 1
    scores = (x @ experts.route.weight.T).softmax(-1)

    def load() -> Tensor:
        return (scores + experts.balance).argmax(-1).flatten().bincount(minlength=4)

    before = load()
    with torch.no_grad():
        for _ in range(600):
            experts(x)
    assert before.max() > 150
    assert load().max() < 125


def test_places_that_are_not_valid_are_no_load() -> None:
    experts, x = layer(2, 1).train(), torch.randn(1, 6, D)
    goes = (x @ experts.route.weight.T).argmax(-1)
    experts(x, goes == 0)
    assert experts.balance.tolist() == pytest.approx([-RATE, RATE])


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_arithmetic_is_that_of_the_active_experts(device: str) -> None:
    with torch.device(device):
        experts = Experts(D, K, "gelu", count=5, active=2)
        x = torch.zeros(2, 50, D) if device == "meta" else torch.randn(2, 50, D)
    with torch.no_grad():
        counted = count(lambda: experts(x))
    assert not counted.uncounted
    places = 100
    assert counted.flops == 2 * places * (D * 5 + 2 * 2 * D * K)


def test_on_the_meta_device_few_places_are_not_padded() -> None:
    with torch.device("meta"):
        experts, x = Experts(D, K, "gelu", count=4, active=1), torch.zeros(1, 2, D)
    assert FEWEST > 2
    assert count(lambda: experts(x)).flops == 2 * 2 * (D * 4 + 2 * D * K)
