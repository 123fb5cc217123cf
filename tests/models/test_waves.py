import torch
from torch import Tensor

from netwright.models._stages import Wave
from netwright.models._waves import GrowingTrunk, ShrinkingTrunk
from netwright.nn.flops import on_meta
from netwright.nn.look import watching
from netwright.nn.waves import Narrow, Widen

STAGES = (Wave(width=6, factor=4, kernel=9), Wave(width=5, factor=3, kernel=7, dilations=(1, 2)))


def waves(t: int, d: int = 3) -> Tensor:
    return torch.randn(2, t, d, generator=torch.Generator().manual_seed(0))


def test_a_growing_trunk_multiplies_by_its_scale() -> None:
    torch.manual_seed(0)
    trunk = GrowingTrunk(3, STAGES)
    assert (trunk.width, trunk.scale) == (5, 12)
    with watching() as seen:
        assert trunk(waves(2)).shape == (2, 24, 5)
    assert [h.shape[1:] for h in seen.values()] == [(8, 6), (24, 5)]


def test_a_shrinking_trunk_divides_and_rounds_up() -> None:
    trunk = ShrinkingTrunk(3, STAGES)
    assert trunk.width == 5
    with watching() as seen:
        assert trunk(waves(25)).shape == (2, 3, 5)
    assert [h.shape[1:] for h in seen.values()] == [(7, 6), (3, 5)]


def test_stages_are_what_their_configuration_says() -> None:
    for trunk in (GrowingTrunk(3, STAGES, activation="silu"), ShrinkingTrunk(3, STAGES)):
        for layer, stage in zip(trunk.stages, STAGES, strict=True):
            assert isinstance(layer, Widen | Narrow)
            assert layer.conv.kernel_size == (stage.kernel,)
            assert layer.factor == stage.factor
            assert len(layer.residuals) == len(stage.dilations)


def test_the_shuffle_stands_behind_every_stage_but_the_last() -> None:
    trunk, x = ShrinkingTrunk(3, (*STAGES, *STAGES), shuffle=2), waves(288)
    radii = [stage.shuffle.radius for stage in trunk.stages]
    assert radii == [2, 2, 2, 0]
    torch.manual_seed(0)
    assert not torch.equal(trunk(x), trunk(x))
    trunk.eval()
    assert torch.equal(trunk(x), trunk(x))


def test_what_lies_beyond_the_lengths_is_not_read() -> None:
    trunk, x, lengths = ShrinkingTrunk(3, STAGES).eval(), waves(48), torch.tensor([13, 48])
    with torch.no_grad():
        for stage in trunk.stages:
            stage.conv.bias.fill_(1.0)  # else silence stays silence
    other = x.clone()
    other[0, 13:] = float("nan")
    one, two = trunk(x, lengths), trunk(other, lengths)
    assert torch.equal(one, two)
    assert one[0, :2].all()
    assert not one[0, 2:].any()
    torch.testing.assert_close(one[1], trunk(x)[1])


def test_both_run_on_the_meta_device() -> None:
    grown = on_meta(GrowingTrunk(3, STAGES))(waves(2).to("meta"))
    shrunk = on_meta(ShrinkingTrunk(5, STAGES, shuffle=2))(grown)
    assert shrunk.shape == (2, 2, 5)
