import pytest
import torch
from torch import nn

from netwright.nn.dropout import LockedDropout, WeightDropout, make_dropout


def test_a_locked_mask_is_one_along_a_row_and_another_for_the_next_row() -> None:
    torch.manual_seed(0)
    y = LockedDropout(0.5)(torch.ones(40, 7, 30))
    assert torch.equal(y, y[:, :1].expand_as(y))
    assert not torch.equal(y[0], y[1])
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert abs(float((y[:, 0] == 0).float().mean()) - 0.5) < 0.05


def test_a_locked_mask_keeps_the_mean_and_passes_its_gradient() -> None:
    torch.manual_seed(0)
    x = torch.ones(200, 3, 50, requires_grad=True)
    y = LockedDropout(0.2)(x)
    assert abs(float(y.detach().mean()) - 1) < 0.02
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, y.detach())


def test_nothing_is_dropped_outside_of_training_or_where_nothing_is_asked() -> None:
    x = torch.randn(2, 3, 4)
    assert torch.equal(LockedDropout(0.9).eval()(x), x)
    assert torch.equal(LockedDropout(0.0)(x), x)
    assert torch.equal(WeightDropout(0.9).eval()(x), x)
    assert torch.equal(WeightDropout(0.0)(x), x)


@pytest.mark.parametrize(
    ("share", "locked", "kind"),
    [(0.0, True, nn.Identity), (0.1, True, LockedDropout), (0.1, False, nn.Dropout)],
)
def test_the_kind_of_mask_follows_the_configuration(
    share: float, locked: bool, kind: type[nn.Module]
) -> None:
    assert isinstance(make_dropout(share, locked=locked), kind)


def test_dropped_weights_are_zero_or_scaled_up_and_take_no_gradient_where_zero() -> None:
    torch.manual_seed(0)
    w = torch.full((60, 60), 3.0, requires_grad=True)
    y = WeightDropout(0.25)(w)
    assert sorted(y.unique().tolist()) == [0.0, 4.0]
    assert abs(float((y == 0).float().mean()) - 0.25) < 0.05
    y.sum().backward()
    assert w.grad is not None
    assert torch.equal(w.grad == 0, y == 0)
