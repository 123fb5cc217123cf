import pytest
import torch
from torch import nn

from netwright.models.base import Network
from netwright.models.rnn import Config, structure
from netwright.nn.flops import forward_flops, on_meta, training_flops
from netwright.nn.heads import HeadConfig
from netwright.nn.recurrence import Recurrent
from netwright.nn.stems import StemConfig
from netwright.specs import Classes, Frames, Image, Signature, Tokens, Vector
from netwright.train.quantise import quantise

DIGITS = Signature(Image(1, 8, 8), Classes(10))
TEXT = Signature(Tokens(20, 12), Tokens(20, 12), positions="causal")
TAGS = Signature(Tokens(20, 12), Tokens(5, 12), positions="aligned")
MOOD = Signature(Tokens(20, 12), Classes(3))

LITTLE = StemConfig(width=6)
SMALL = [
    Config(kind=kind, width=5, layers=2, stem=LITTLE, head=HeadConfig(pooling=pooling))
    for kind in ("lstm", "gru")
    for pooling in ("mean", "last")
]


def built(signature: Signature, config: Config, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return structure.build(signature, config)


def trained(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def test_classic_has_one_bias_a_gate_and_the_parameters_of_its_formula() -> None:
    for v in (20, 96):
        signature = Signature(Tokens(v, 16), Tokens(v, 16), positions="causal")
        count = trained(built(signature, structure.presets["classic"]))
        assert count == 64 * v + 98_816 + 131_584 + 129 * v
    assert count == 248_928


def test_classic_equals_embedding_two_lstms_and_a_dense_layer_of_torch() -> None:
    net = built(TEXT, structure.presets["classic"])
    theirs = nn.LSTM(64, 128, 2, batch_first=True)
    with torch.no_grad():
        for i, layer in enumerate(net.trunk.layers.ahead):
            for name, p in layer.core.named_parameters():
                getattr(theirs, name.replace("l0", f"l{i}")).copy_(p)
    x = torch.randint(20, (3, 12))
    expected = net.head.read(theirs(net.stem.embed(x))[0])
    torch.testing.assert_close(net(x), expected, rtol=1e-5, atol=1e-5)


def test_a_picture_is_read_row_by_row_or_by_patches() -> None:
    x = torch.randn(2, 1, 8, 8)
    for read, places in (("rows", 8), ("columns", 8), ("patches", 4)):
        config = Config(width=5, layers=1, stem=StemConfig(width=6, read=read))
        net = built(DIGITS, config)
        assert net(x).shape == (2, 10)
        assert net.look(x)["block.0"].shape == (2, places, 10)


def test_directions_follow_the_task_unless_they_are_asked_for() -> None:
    for signature, asked, width in (
        (TEXT, None, 5), (TEXT, False, 5), (TAGS, None, 10), (MOOD, None, 10),
        (MOOD, False, 5), (DIGITS, True, 10),
    ):  # fmt: skip
        net = built(signature, Config(width=5, stem=LITTLE, bidirectional=asked))
        assert net.trunk.width == width
    last = Config(width=5, head=HeadConfig(pooling="last"))
    assert [built(s, last).trunk.width for s in (MOOD, TAGS)] == [5, 10]


def test_misfits_have_sentences() -> None:
    text, token = Tokens(20, 12), HeadConfig(pooling="class_token")
    for signature, config, words in (
        (TEXT, Config(bidirectional=True), "would see the future"),
        (MOOD, Config(bidirectional=True, head=HeadConfig(pooling="last")), "has just begun"),
        (Signature(text, text, context=text, positions="causal"), Config(), "context yet"),
        (MOOD, Config(bidirectional=False, head=token), "a class token stands before"),
        (Signature(Vector(9), Classes(2)), Config(), "a row of numbers has none"),
        (Signature(Classes(9), text), Config(), "a label is one"),
    ):
        refusal = structure.refuses(signature, config)
        assert refusal is not None
        assert words in refusal.reason
    assert structure.refuses(MOOD, Config(head=token)) is None


@pytest.mark.parametrize("name", ["classic", "tiny", "small", "base", "rows"])
def test_every_preset_fits_pictures_text_and_series(name: str) -> None:
    series = Signature(Frames(3, 9), Frames(3, 4))
    for signature in (DIGITS, TEXT, TAGS, MOOD, series):
        assert structure.refuses(signature, structure.presets[name]) is None


@pytest.mark.parametrize("config", SMALL)
@pytest.mark.parametrize("signature", [TEXT, TAGS, MOOD])
def test_every_trained_parameter_gets_a_gradient(config: Config, signature: Signature) -> None:
    net = built(signature, config)
    x = torch.randint(20, (8, 12))
    scores = net(x, lengths=torch.tensor([12, 3, 7, 12, 1, 9, 5, 2]))
    scores.logsumexp(-1).sum().backward()
    frozen = {n for n, p in net.named_parameters() if not p.requires_grad}
    assert all(n.endswith("bias_hh_l0") for n in frozen)
    sizes = {n: p.grad.abs().max().item() for n, p in net.named_parameters() if n not in frozen}
    assert min(sizes.values()) > 1e-7 * max(sizes.values())


@pytest.mark.parametrize("config", SMALL)
def test_examples_do_not_mix_and_padding_does_not_matter(config: Config) -> None:
    for signature in (TEXT, TAGS, MOOD):
        net = built(signature, config).eval()
        x, lengths = torch.randint(20, (3, 12)), torch.tensor([5, 12, 1])
        other = x.clone()
        other[0, 5:], other[2, 1:] = 7, 3
        one, two = net(x, lengths=lengths), net(other, lengths=lengths)
        for row, n in enumerate(lengths.tolist()):
            alone = net(x[row : row + 1, :n])[0]
            valid = slice(None) if signature == MOOD else slice(n)
            torch.testing.assert_close(one[row, valid], two[row, valid], rtol=0, atol=0)
            torch.testing.assert_close(one[row, valid], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("config", [*SMALL, structure.presets["tiny"]])
def test_two_builds_from_one_seed_agree_and_the_configuration_survives_json(
    config: Config,
) -> None:
    again = Config.model_validate_json(config.model_dump_json())
    assert again == config
    one, two, other = (built(MOOD, c, s) for c, s in ((config, 3), (again, 3), (config, 4)))
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name])
    assert any(
        not torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True)
    )


@pytest.mark.parametrize("config", SMALL)
def test_the_past_does_not_see_the_future(config: Config) -> None:
    net = built(Signature(Frames(3, 12), Frames(2, 12), positions="causal"), config)
    x = torch.randn(1, 12, 3, requires_grad=True)
    for t in (0, 5, 11):
        (gradient,) = torch.autograd.grad(net(x)[0, t].sum(), x)
        assert not gradient[0, t + 1 :].any()
        assert gradient[0, : t + 1].any(1).all()


@pytest.mark.parametrize("config", SMALL)
def test_steps_equal_forward_also_ragged_and_as_a_beam(config: Config) -> None:
    net = built(TEXT, config).eval()
    assert net.carries
    x = torch.randint(20, (3, 12))
    whole, state = net(x), net.state(3)
    assert {k: tuple(v.shape) for k, v in state.items()} == dict.fromkeys(state, (3, 2, 5))
    prompt, state = net.step(x[:, :4], state, torch.tensor([2, 4, 0]))
    torch.testing.assert_close(prompt[0, :2], whole[0, :2], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(prompt[1], whole[1, :4], rtol=1e-5, atol=1e-5)
    beam = {k: v[[1, 0, 2, 0]] for k, v in state.items()}
    following = torch.stack([x[1, 4:7], x[0, 2:5], x[2, :3], x[0, 2:5]])
    y, _ = net.step(following, beam)
    expected = torch.stack([whole[1, 4:7], whole[0, 2:5], whole[2, :3], whole[0, 2:5]])
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)


def test_the_trunk_is_the_component() -> None:
    net = built(MOOD, SMALL[0])
    assert isinstance(net.trunk.layers, Recurrent)
    x = torch.randint(20, (2, 12))
    seen = net.look(x)
    assert [k for k in seen if k.startswith("block")] == ["block.0", "block.1"]
    torch.testing.assert_close(seen["block.1"], net.trunk.layers(net.stem(x)))


def test_a_preset_learns_which_row_is_bright() -> None:
    net = built(DIGITS, structure.presets["tiny"])
    labels = torch.arange(8).repeat(4)
    x = 0.1 * torch.randn(32, 1, 8, 8)
    x[torch.arange(32), 0, labels] += 1.0
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-2)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), labels).backward()
        optimizer.step()
    assert (net(x).argmax(1) == labels).float().mean() > 0.9


NEW = ["mingru", "minlstm", "gated_delta"]
RESIDUAL = [
    Config(
        kind=kind,
        width=6,
        heads=2,
        layers=2,
        stem=LITTLE,
        convolution=convolution,
        feedforward=wide,
    )
    for kind in NEW
    for convolution, wide in ((0, 0), (3, 8), (1, 0))
]


@pytest.mark.parametrize("config", RESIDUAL)
def test_residual_kinds_step_as_they_read_also_ragged_and_as_a_beam(config: Config) -> None:
    net = built(TEXT, config).eval()
    x = torch.randint(20, (3, 12))
    whole, state = net(x), net.state(3)
    prompt, state = net.step(x[:, :4], state, torch.tensor([2, 4, 0]))
    torch.testing.assert_close(prompt[1], whole[1, :4], rtol=1e-5, atol=1e-5)
    beam = {k: v[[1, 0, 2, 0]] for k, v in state.items()}
    following = torch.stack([x[1, 4:7], x[0, 2:5], x[2, :3], x[0, 2:5]])
    expected = torch.stack([whole[1, 4:7], whole[0, 2:5], whole[2, :3], whole[0, 2:5]])
    y, end = net.step(following, beam)
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)
    for t in range(3):
        y, beam = net.step(following[:, t : t + 1], beam)
        torch.testing.assert_close(y[:, 0], expected[:, t], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(beam, end, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("config", RESIDUAL)
def test_residual_kinds_neither_see_the_future_nor_padding(config: Config) -> None:
    net = built(Signature(Frames(3, 40), Frames(2, 40), positions="causal"), config)
    x = torch.randn(1, 40, 3, requires_grad=True)
    for t in (0, 35, 39):
        (gradient,) = torch.autograd.grad(net(x)[0, t].sum(), x)
        assert not gradient[0, t + 1 :].any()
        assert gradient[0, t].any()
    for signature in (TEXT, TAGS, MOOD):
        net = built(signature, config).eval()
        words, lengths = torch.randint(20, (3, 12)), torch.tensor([5, 12, 1])
        one = net(words, lengths=lengths)
        for row, n in enumerate(lengths.tolist()):
            alone = net(words[row : row + 1, :n])[0]
            valid = slice(None) if signature == MOOD else slice(n)
            torch.testing.assert_close(one[row, valid], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("config", RESIDUAL)
@pytest.mark.parametrize("signature", [TEXT, TAGS, MOOD])
def test_residual_kinds_train_every_parameter(config: Config, signature: Signature) -> None:
    net = built(signature, config)
    scores = net(torch.randint(20, (8, 12)), lengths=torch.tensor([12, 3, 7, 12, 1, 9, 5, 2]))
    nn.functional.cross_entropy(
        scores.flatten(0, -2), torch.zeros(scores[..., 0].numel()).long()
    ).backward()
    sizes = {n: float(p.grad.abs().max()) for n, p in net.named_parameters()}
    assert min(sizes.values()) > 1e-7 * max(sizes.values())


def test_residual_kinds_read_both_ways_where_the_output_sees_all() -> None:
    for config in RESIDUAL:
        net = built(Signature(Frames(3, 12), Frames(2, 12), positions="aligned"), config)
        x = torch.randn(1, 12, 3, requires_grad=True)
        (gradient,) = torch.autograd.grad(net(x)[0, 5].sum(), x)
        assert gradient[0].any(1).all()


@pytest.mark.parametrize("config", [*SMALL, *RESIDUAL])
def test_windows_with_a_carried_state_have_the_gradient_of_the_whole(config: Config) -> None:
    net = built(TEXT, config)
    x, state, total = torch.randint(20, (2, 12)), net.state(2), torch.zeros(())
    for window in x.split(4, 1):
        y, state = net.step(window, state)
        total = total + y.square().sum()
    moved = [p for p in net.parameters() if p.requires_grad]
    carried = torch.autograd.grad(total, moved)
    whole = torch.autograd.grad(net(x).square().sum(), moved)
    torch.testing.assert_close(carried, whole, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["language", *NEW])
def test_presets_for_text_are_tied_fit_every_task_and_have_few_parameters(name: str) -> None:
    for signature in (DIGITS, TEXT, TAGS, MOOD, Signature(Frames(3, 9), Frames(3, 4))):
        assert structure.refuses(signature, structure.presets[name]) is None
    text = Signature(Tokens(65, 16), Tokens(65, 16), positions="causal")
    net = built(text, structure.presets[name])
    assert net.head.read.weight is net.stem.embed.weight
    gru = 3 * 512 * (96 + 512 + 1) + 96 * 512 + 65 * 96 + 65
    assert trained(net) == gru if name == "language" else trained(net) < 100_000


@pytest.mark.parametrize("kind", ["lstm", "mingru"])
def test_dropout_stands_before_between_and_behind_and_steps_draw_the_same(kind: str) -> None:
    plain = Config(kind=kind, width=6, stem=LITTLE)
    x = torch.randint(20, (3, 12))
    for field in ("dropout", "input_dropout", "output_dropout"):
        for locked in (False, True):
            config = plain.model_copy(update={field: 0.5, "locked": locked})
            net = built(TEXT, config)
            torch.manual_seed(1)
            one = net(x)
            assert not torch.equal(one, net(x)), field
            torch.manual_seed(1)
            stepped, _ = net.step(x, net.state(3))
            torch.testing.assert_close(stepped, one, rtol=1e-5, atol=1e-5)
            assert torch.equal(net.eval()(x), built(TEXT, plain).eval()(x))


def test_a_locked_output_mask_is_one_for_all_places() -> None:
    net = built(TEXT, Config(width=40, stem=LITTLE, output_dropout=0.5, locked=True))
    zero = net.trunk(net.stem(torch.randint(20, (3, 12)))) == 0
    assert zero.any()
    assert torch.equal(zero, zero[:, :1].expand_as(zero))


def test_fields_that_a_kind_does_not_use_are_refused() -> None:
    for fields, words in (
        ({"kind": "lstm", "feedforward": 8}, "without convolution or feed-forward"),
        ({"kind": "gru", "convolution": 4}, "take mingru"),
        ({"kind": "minlstm", "weight_dropout": 0.1}, "no matrix from state to state"),
        ({"kind": "gated_delta", "width": 30}, "does not divide into 4 heads"),
    ):
        with pytest.raises(ValueError, match=words):
            Config(**fields)


@pytest.mark.parametrize("name", ["classic", "language", *NEW])
def test_eight_bit_nets_carry_a_state_too(name: str) -> None:
    net = built(TEXT, structure.presets[name]).eval()
    x = torch.randint(20, (2, 12))
    with torch.no_grad():
        whole = net(x)
        quantise(net, "int8", torch.device("cpu"))
        state = net.state(2)
        first, state = net.step(x[:, :5], state)
        second, _ = net.step(x[:, 5:], state)
    wrong = torch.cat([first, second], 1) - whole
    assert wrong.square().mean() < 0.02 * whole.square().mean()


@pytest.mark.parametrize("name", ["classic", *NEW])
def test_a_causal_cell_counts_all_its_arithmetic_on_the_meta_device(name: str) -> None:
    text = Signature(Tokens(20, 40), Tokens(20, 40), positions="causal")
    net = on_meta(built(text, structure.presets[name]))
    x = torch.zeros(2, 40, dtype=torch.long, device="meta")
    forwards = forward_flops(net, {"x": x})
    moved = [p for p in net.parameters() if p.requires_grad]
    total = training_flops(lambda: torch.sum(net(x)), moved)
    assert (forwards.uncounted, total.uncounted) == ({}, {})
    assert 2 * forwards.flops < total.flops <= 3 * forwards.flops
