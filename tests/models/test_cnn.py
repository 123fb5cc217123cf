import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from netwright.errors import InputError
from netwright.models._stages import Config, Stage, Wave, remains
from netwright.models.base import Network
from netwright.models.cnn import structure
from netwright.nn.flops import forward_flops
from netwright.nn.heads import HeadConfig
from netwright.specs import (
    Classes,
    Frames,
    Image,
    Plan,
    Refusal,
    Signature,
    Tokens,
    Vector,
)
from netwright.train.quantise import quantise

DIGITS = Signature(Image(1, 8, 8), Classes(10))
MNIST = Signature(Image(1, 28, 28), Classes(10))
CIFAR = Signature(Image(3, 32, 32), Classes(10))
TEXT = Signature(Tokens(20, 12), Tokens(20, 12), positions="causal")
TAGS = Signature(Tokens(20, 12), Tokens(5, 12), positions="aligned")
RESTORED = Signature(Image(3, 9, 10), Image(3, 9, 10), positions="aligned")

NORMS = [
    Config(norm=norm, whiten=2, stages=(Stage(width=8, pool=pool), Stage(width=8, kind=kind)))
    for norm, pool, kind in (
        ("batch", "max", "residual"),
        ("group", "mean", "convnext"),
        ("layer", "stride", "plain"),
        ("none", "none", "residual"),
    )
]
SMALL = [*(structure.presets[n] for n in ("tiny", "small", "residual", "convnext")), *NORMS]


def built(signature: Signature, config: Config, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return structure.build(signature, config)


def trained(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def test_classic_has_exactly_93322_parameters() -> None:
    by_hand = 9 * 32 + 32 + 9 * 32 * 64 + 64 + 9 * 64 * 64 + 64 + 576 * 64 + 64 + 64 * 10 + 10
    assert trained(built(MNIST, structure.presets["classic"])) == by_hand == 93_322


def test_classic_equals_its_layers_in_the_textbooks_order() -> None:
    net = built(MNIST, structure.presets["classic"]).eval()
    weights = list(net.parameters())
    textbook = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    with torch.no_grad():
        for p, q in zip(textbook.parameters(), weights, strict=True):
            p.copy_(q)
    x = torch.randn(3, 1, 28, 28)
    torch.testing.assert_close(net(x), textbook(x))


def test_a_picture_that_is_too_small_is_refused_with_the_least_size() -> None:
    refusal = structure.refuses(DIGITS, structure.presets["classic"])
    assert refusal == Refusal(
        "a picture of 8 x 8 is too small: this net halves and trims it, and needs at least 18 x 18"
    )
    assert structure.refuses(Signature(Image(1, 18, 18), Classes(10)), Config()) is None
    with pytest.raises(InputError, match="at least 18 x 18"):
        structure.build(DIGITS, structure.presets["classic"])


@given(
    st.lists(
        st.builds(
            lambda blocks, kernel, pool, padding: Stage(
                width=2,
                blocks=blocks,
                kernel=kernel + (padding and kernel % 2 == 0),
                pool=pool,
                padding=padding,
            ),
            st.integers(1, 2),
            st.integers(1, 4),
            st.sampled_from(["max", "mean", "stride", "none"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 3),
    st.integers(1, 20),
)
@settings(derandomize=True, deadline=None, max_examples=40)
def test_what_remains_of_a_side_is_what_the_trunk_gives(
    stages: list[Stage], whiten: int, side: int
) -> None:
    config = Config(stages=tuple(stages), whiten=whiten, norm="none")
    with torch.device("meta"):
        trunk = structure.trunk(config, Plan("grid", 1, (side, side), "free", "shrink"))
        left = remains(config, side)
        assert isinstance(trunk, Refusal) == (left < 1)
        if not isinstance(trunk, Refusal):
            assert trunk(torch.zeros(2, 1, side, side)).shape == (2, trunk.width, left, left)


@pytest.mark.parametrize("name", ["tiny", "small", "residual", "convnext"])
def test_small_presets_read_digits_and_larger_pictures(name: str) -> None:
    for signature in (DIGITS, MNIST, CIFAR):
        assert structure.refuses(signature, structure.presets[name]) is None
    assert trained(built(DIGITS, structure.presets["tiny"])) < 5_000


def test_base_is_whitening_and_three_groups_down_to_three_places() -> None:
    with torch.device("meta"):
        for signature, filters in ((MNIST, 8), (CIFAR, 24)):
            net = structure.build(signature, structure.presets["base"])
            seen = net.look(torch.zeros(2, *_size(signature)))
            shapes = [tuple(v.shape[1:]) for k, v in seen.items() if k.startswith("block")]
            assert [s[0] for s in shapes] == [32, 32, 128, 128, 128, 128]
            assert [s[1] for s in shapes][1::2] == (
                [13, 6, 3] if signature == MNIST else [15, 7, 3]
            )
            assert net.trunk.whiten.width == filters


def _size(signature: Signature) -> tuple[int, int, int]:
    form = signature.input
    assert isinstance(form, Image)
    return form.channels, form.height, form.width


def test_a_dirac_net_starts_by_passing_channels_on() -> None:
    config = Config(stages=(Stage(width=4),), norm="none", dirac=True)
    net = built(Signature(Image(4, 6, 6), Classes(3)), config)
    x = torch.rand(2, 4, 6, 6)
    torch.testing.assert_close(net.look(x)["block.0"], x)


def test_prepare_whitens_what_the_first_convolution_gives_and_it_is_saved() -> None:
    torch.manual_seed(0)
    x = torch.rand(200, 3, 9, 9) + torch.rand(200, 1, 9, 9)
    net = built(Signature(Image(3, 9, 9), Classes(3)), NORMS[0])
    net.prepare(x)
    y = net.trunk.whiten(x).detach()[:, :12]
    torch.testing.assert_close(
        torch.cov(y.transpose(0, 1).flatten(1)), torch.eye(12), atol=2e-2, rtol=0
    )
    assert "trunk.whiten.weight" in net.state_dict()
    assert "trunk.whiten.weight" not in dict(net.named_parameters())


@pytest.mark.parametrize("config", SMALL)
def test_every_parameter_gets_a_gradient_within_three_steps(config: Config) -> None:
    net = built(Signature(Image(2, 9, 9), Classes(10)), config)
    x, y = torch.randn(8, 2, 9, 9), torch.arange(8)
    net.prepare(x)
    _all_learn(net, x, y)


def _all_learn(net: Network, x: torch.Tensor, y: torch.Tensor) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    largest: dict[str, float] = {}
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x).flatten(0, -2), y.flatten()).backward()
        for name, p in net.named_parameters():
            assert p.grad is not None, name
            largest[name] = max(largest.get(name, 0.0), p.grad.abs().max().item())
        optimizer.step()
    top = max(largest.values())
    assert not {n: g for n, g in largest.items() if g <= 1e-7 * top}


@pytest.mark.parametrize("config", SMALL)
def test_examples_in_a_batch_do_not_mix(config: Config) -> None:
    net = built(Signature(Image(2, 9, 9), Classes(10)), config).eval()
    x, order = torch.randn(5, 2, 9, 9), torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(net(x)[order], net(x[order]))
    torch.testing.assert_close(net(x)[:1], net(x[:1]))


@pytest.mark.parametrize("config", [*SMALL, structure.presets["classic"]])
def test_two_builds_from_one_seed_agree_and_the_configuration_survives_json(
    config: Config,
) -> None:
    again = Config.model_validate_json(config.model_dump_json())
    assert again == config
    one, two, other = (built(MNIST, c, s) for c, s in ((config, 3), (again, 3), (config, 4)))
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name])
    assert any(
        not torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True)
    )


@pytest.mark.parametrize("config", SMALL)
def test_an_aligned_picture_keeps_its_size_and_its_places(config: Config) -> None:
    net = built(RESTORED, config).eval()
    x = torch.randn(1, 3, 9, 10, requires_grad=True)
    y = net(x)
    assert y.shape == (1, 3, 9, 10)
    (gradient,) = torch.autograd.grad(y[0, :, 4, 5].sum(), x)
    assert gradient[0, :, 4, 5].abs().sum() > 0


def test_an_even_kernel_is_refused_where_places_must_stay() -> None:
    config = Config(stages=(Stage(width=4, kernel=2, padding=False),))
    assert structure.refuses(CIFAR, config) is None
    refusal = structure.refuses(RESTORED, config)
    assert refusal is not None
    assert "no middle" in refusal.reason


def test_one_symbol_a_column_is_read_from_a_picture() -> None:
    plates = Signature(Image(1, 8, 16), Tokens(11, 16), positions="aligned")
    assert built(plates, structure.presets["tiny"])(torch.randn(2, 1, 8, 16)).shape == (2, 16, 11)


def test_misfits_have_sentences() -> None:
    config, text = structure.presets["tiny"], Tokens(20, 12)
    for signature, words in (
        (Signature(text, text, context=text, positions="causal"), "attend to a context"),
        (Signature(Vector(9), Image(1, 10, 10)), "does not grow by 4"),
        (Signature(Vector(9), Classes(2)), "needs neighbours"),
        (Signature(Classes(9), Image(1, 8, 8)), "needs neighbours"),
    ):
        refusal = structure.refuses(signature, config)
        assert refusal is not None
        assert words in refusal.reason
    token = config.model_copy(update={"head": HeadConfig(pooling="class_token")})
    refusal = structure.refuses(Signature(text, Classes(2)), token)
    assert refusal is not None
    assert "neighbours alone" in refusal.reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "residual", "padding": False},
        {"kind": "convnext", "kernel": 4},
        {"kernel": 2},
        {"width": 0},
        {"pool": "median"},
        {"strides": 2},
    ],
)
def test_a_wrong_stage_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Stage(**wrong)


@pytest.mark.parametrize("signature", [TEXT, TAGS])
def test_along_a_sequence_every_parameter_learns(signature: Signature) -> None:
    net = built(signature, structure.presets["tiny"])
    assert isinstance(signature.output, Tokens)
    x, y = torch.randint(20, (8, 12)), torch.randint(signature.output.vocabulary, (8, 12))
    _all_learn(net, x, y)


def test_padding_does_not_change_valid_outputs_along_a_sequence() -> None:
    for signature in (TEXT, TAGS, Signature(Tokens(20, 12), Classes(3))):
        net = built(signature, structure.presets["tiny"]).eval()
        x, lengths = torch.randint(20, (3, 12)), torch.tensor([5, 12, 1])
        other = x.clone()
        other[0, 5:], other[2, 1:] = 7, 3
        one, two = net(x, lengths=lengths), net(other, lengths=lengths)
        if one.dim() == 2:
            torch.testing.assert_close(one, two, rtol=0, atol=0)
        for row, n in enumerate(lengths.tolist()):
            torch.testing.assert_close(one[row, :n], two[row, :n], rtol=0, atol=0)


def test_language_sees_far_back_and_not_ahead_and_has_its_hand_formula() -> None:
    chars = Signature(Tokens(65, 256), Tokens(65, 256), positions="causal")
    net = built(chars, structure.presets["language"])
    level = 2 * (3 * 128 * 128 + 128) + 2 * 128
    assert trained(net.trunk) == 8 * level + 256 == 790_784
    assert trained(net) == 790_784 + 65 * 128 + 128 * 65 + 65 == 807_489
    h = torch.randn(1, 1030, 128, requires_grad=True)
    (slope,) = torch.autograd.grad(net.trunk(h)[0, 1025].sin().sum(), h)
    seen = slope[0].ne(0).any(-1).nonzero().flatten()
    assert (int(seen[0]), int(seen[-1]), len(seen)) == (1025 - 1020, 1025, 1021)


def test_no_statistic_is_shared_along_time_while_a_causal_net_trains() -> None:
    net = built(TEXT, structure.presets["language"]).train()
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in net.modules())
    x = torch.randint(20, (2, 12))
    other = x.clone()
    other[:, 6:] = (other[:, 6:] + 1) % 20
    assert torch.equal(net(x)[:, :6], net(other)[:, :6])


REVIEWS = Signature(Tokens(20, 12), Classes(3))


def test_text_takes_the_largest_answer_of_each_kernel_over_time() -> None:
    net = built(REVIEWS, structure.presets["text"]).eval()
    x = torch.randint(20, (3, 12))
    embedded, pooled = net.stem(x).mT, []
    for branch, (left, right) in zip(
        net.trunk.phrases.branches, ((1, 1), (1, 2), (2, 2)), strict=True
    ):
        padded = nn.functional.pad(embedded, (left, right))
        answers = nn.functional.conv1d(padded, branch.conv.weight, branch.conv.bias).relu()
        assert answers.shape == (3, 64, 12)
        pooled.append(answers.amax(-1))
    wanted = net.head.last(torch.cat(pooled, 1))
    torch.testing.assert_close(net(x), wanted)
    by_hand = 20 * 128 + (3 + 4 + 5) * 128 * 64 + 192 + 192 * 3 + 3
    assert trained(net) == by_hand


def test_text_never_reads_padding_and_reads_texts_shorter_than_its_kernels() -> None:
    net = built(REVIEWS, structure.presets["text"]).eval()
    x, lengths = torch.randint(20, (3, 12)), torch.tensor([12, 5, 1])
    other = x.clone()
    other[1, 5:], other[2, 1:] = 7, 3
    torch.testing.assert_close(net(x, lengths=lengths), net(other, lengths=lengths))
    for row, n in enumerate(lengths.tolist()):
        torch.testing.assert_close(net(x, lengths=lengths)[row], net(x[row : row + 1, :n])[0])


def test_text_learns_in_every_parameter_and_drops_out_in_its_head_alone() -> None:
    net = built(REVIEWS, structure.presets["text"])
    x = torch.randint(20, (8, 12))
    assert torch.equal(net.trunk(net.stem(x)), net.trunk(net.stem(x)))
    assert not torch.equal(net(x), net(x))
    _all_learn(net, x, torch.arange(8) % 3)


def test_tags_are_read_by_kernels_side_by_side_too() -> None:
    assert built(TAGS, structure.presets["text"])(torch.randint(20, (2, 12))).shape == (2, 12, 5)


@pytest.mark.parametrize(
    ("signature", "words"),
    [(MNIST, "a picture is a grid"), (RESTORED, "a picture is a grid"), (TEXT, "look ahead")],
)
def test_text_refuses_pictures_and_what_comes_next(signature: Signature, words: str) -> None:
    refusal = structure.refuses(signature, structure.presets["text"])
    assert refusal is not None
    assert words in refusal.reason


def test_the_work_along_a_sequence_is_its_hand_formula() -> None:
    for signature, name, hand in (
        (TEXT, "language", 8 * 2 * 3 * 128 * 128 * 12 + 12 * 128 * 20),
        (REVIEWS, "text", (3 + 4 + 5) * 128 * 64 * 12 + 192 * 3),
    ):
        with torch.device("meta"):
            net = structure.build(signature, structure.presets[name])
            counted = forward_flops(net, {"x": torch.zeros(2, 12, dtype=torch.long)})
        assert (counted.flops, counted.uncounted) == (2 * 2 * hand, {})


def test_quantised_nets_step_as_they_read() -> None:
    net = built(TEXT, structure.presets["tiny"]).eval()
    quantise(net, "int8", torch.device("cpu"))
    x = torch.randint(20, (2, 12))
    y, state = net.step(x[:, :7], net.state(2))
    z, _ = net.step(x[:, 7:], state)
    # what is quantised as it comes has one scale a call
    torch.testing.assert_close(torch.cat([y, z], 1), net(x), rtol=0, atol=0.05)


def test_places_beyond_the_end_are_zero_so_that_a_flat_head_does_not_read_padding() -> None:
    net = built(Signature(Tokens(20, 12), Classes(3)), structure.presets["tiny"]).eval()
    h = net.trunk(torch.randn(2, 12, 16), torch.tensor([5, 12]))
    assert not h[0, 5:].any()
    assert h[0, :5].all()


def test_the_past_does_not_see_the_future() -> None:
    net = built(
        Signature(Frames(3, 12), Frames(2, 12), positions="causal"), structure.presets["tiny"]
    )
    x = torch.randn(1, 12, 3, requires_grad=True)
    for t in (0, 5, 11):
        (gradient,) = torch.autograd.grad(net(x)[0, t].sum(), x)
        assert not gradient[0, t + 1 :].any()
        assert gradient[0, t].any()


def test_steps_equal_forward_also_ragged_and_as_a_beam() -> None:
    net = built(TEXT, structure.presets["tiny"]).eval()
    x = torch.randint(20, (3, 12))
    whole, state = net(x), net.state(3)
    assert all(v.shape[0] == 3 for v in state.values())
    prompt, state = net.step(x[:, :4], state, torch.tensor([2, 4, 0]))
    torch.testing.assert_close(prompt[0, :2], whole[0, :2], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(prompt[1], whole[1, :4], rtol=1e-5, atol=1e-5)
    beam = {k: v[[1, 0, 2, 0]] for k, v in state.items()}
    following = torch.stack([x[1, 4:7], x[0, 2:5], x[2, :3], x[0, 2:5]])
    y, _ = net.step(following, beam)
    expected = torch.stack([whole[1, 4:7], whole[0, 2:5], whole[2, :3], whole[0, 2:5]])
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)


def test_every_stage_and_every_level_is_shown() -> None:
    for signature, x in ((DIGITS, torch.randn(2, 1, 8, 8)), (TEXT, torch.randint(20, (2, 12)))):
        net = built(signature, structure.presets["tiny"])
        count = len(net.trunk.stages if signature == DIGITS else net.trunk.levels)
        assert sum(k.startswith("block.") for k in net.look(x)) == count


def test_dropout_is_still_when_it_is_judged() -> None:
    net = built(DIGITS, Config(dropout=0.5, norm="none"))
    x = torch.randn(4, 1, 8, 8)
    assert not torch.equal(net(x), net(x))
    still = copy.deepcopy(net).eval()
    torch.testing.assert_close(still(x), still(x), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["tiny", "small", "residual", "convnext", "sagan", "r3gan"])
@pytest.mark.parametrize("side", [8, 28, 32])
def test_the_same_stages_make_a_picture_and_read_it(name: str, side: int) -> None:
    config, picture, label = structure.presets[name], Image(3, side, side), Classes(4)
    maker = built(Signature(Vector(5), picture, condition=label), config)
    critic = built(Signature(picture, Vector(1), condition=label), config)
    y = torch.tensor([0, 3])
    made = maker(torch.randn(2, 5), condition=y)
    assert made.shape == (2, 3, side, side)
    score = critic(made, condition=y)
    assert score.shape == (2, 1)
    gradients = torch.autograd.grad(score.sum(), [*maker.parameters()], allow_unused=True)
    assert any(g is not None and g.abs().sum() > 0 for g in gradients)


def test_waves_make_a_sound_and_read_it() -> None:
    waves = tuple(Wave(width=w, factor=4, kernel=9) for w in (4, 8))
    config = Config(waves=waves, shuffle=1, head=HeadConfig(pooling="flatten"))
    sound = Frames(1, 64)
    made = built(Signature(Vector(5), sound), config)(torch.randn(2, 5))
    assert made.shape == (2, 64, 1)
    assert built(Signature(sound, Vector(1)), config)(made).shape == (2, 1)
    refusal = structure.refuses(Signature(Vector(5), Frames(1, 60)), config)
    assert refusal is not None
    assert "do not grow by 16" in refusal.reason
    text = Tokens(9, 16)
    refusal = structure.refuses(Signature(text, text, positions="causal"), config)
    assert refusal is not None
    assert "one place for many" in refusal.reason
