import torch

from netwright.nn.norm import make_norm


def test_layer_norm_is_the_hand_formula() -> None:
    norm, x = make_norm("layer", 5), torch.randn(2, 3, 5)
    with torch.no_grad():
        gain, shift = norm.weight.normal_(), norm.bias.normal_()
        spread = x.var(-1, unbiased=False, keepdim=True)
        hand = gain * (x - x.mean(-1, keepdim=True)) / (spread + 1e-5).sqrt() + shift
        torch.testing.assert_close(norm(x), hand)


def test_rms_norm_is_the_hand_formula_and_has_no_shift() -> None:
    norm, x = make_norm("rms", 5), torch.randn(2, 3, 5)
    with torch.no_grad():
        gain = norm.weight.normal_()
        hand = gain * x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        torch.testing.assert_close(norm(x), hand)
    assert [name for name, _ in norm.named_parameters()] == ["weight"]


def test_no_norm_changes_nothing_and_learns_nothing() -> None:
    norm, x = make_norm("none", 5), torch.randn(2, 5)
    assert norm(x) is x
    assert not list(norm.parameters())


def test_zeros_stay_finite() -> None:
    for kind in ("layer", "rms"):
        assert make_norm(kind, 4)(torch.zeros(1, 4)).isfinite().all()  # type: ignore[arg-type]
