import re

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cells import meta_input
from netwright.errors import InputError
from netwright.models._blocks import Around
from netwright.models.base import Network
from netwright.models.self_attention import (
    CLASSIC,
    Score,
    SelfAttentionBlock,
    SelfAttentionConfig,
    Softmax,
    structure,
)
from netwright.nn.attention import Attention
from netwright.nn.flops import forward_flops
from netwright.nn.look import watching
from netwright.nn.stems import StemConfig
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
TEXT = Signature(Tokens(11, 9), Tokens(11, 9), positions="causal")
LABELS = Signature(Tokens(11, 9), Classes(3))
SMALL = {"stem": StemConfig(width=16), "heads": 2, "head_width": 6}
ROTARY = SelfAttentionConfig(**SMALL, norm="rms", positions="rotary")
LEARNED = SelfAttentionConfig(**SMALL, positions="learned")
OTHERS = ("windowed", "linear", "latent", "differential", "gated")
KINDS = {
    kind: SelfAttentionConfig(
        stem=StemConfig(width=16),
        heads=2,
        head_width=8,
        norm="rms",
        positions="rotary",
        kind=kind,
        window=4,
        latent=5,
    )
    for kind in OTHERS
}
CONFIGS = {"classic": CLASSIC, "rotary": ROTARY, "learned": LEARNED, **KINDS}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_classic_has_the_parameters_of_its_hand_formula() -> None:
    block = 3 * (64 * 512 + 512) + 512 * 64 + 64 + 128
    trunk = 2 * block + 128
    images = structure.build(Signature(Image(1, 28, 28), Classes(10)), CLASSIC)
    assert count(images.trunk) == trunk == 265_728
    assert count(images) == trunk + 28 * 64 + 64 + 64 * 10 + 10 == 268_234
    text = structure.build(Signature(Tokens(96, 32), Tokens(96, 32), positions="causal"), CLASSIC)
    assert count(text) == trunk + (64 + 65) * 96


def test_its_parts_have_names() -> None:
    block = SelfAttentionBlock(CLASSIC, Plan("sequence", 64, (6,), "free", "keep"))
    parts = {"query", "key", "value", "score", "softmax"}
    assert parts <= {name for name, _ in block.named_children()}


@pytest.mark.parametrize("causal", [False, True])
def test_score_and_softmax_are_the_librarys_attention(causal: bool) -> None:
    query, key, value = torch.randn(3, 2, 2, 5, 6).unbind()
    weights = Softmax()(Score(causal=causal)(query, key))
    wanted = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
    torch.testing.assert_close(weights @ value, wanted)
    plain = Score(causal=False)(query, key)
    torch.testing.assert_close(plain, torch.einsum("bhte,bhse->bhts", query, key) / 6**0.5)


@pytest.mark.parametrize("positions", ["free", "causal"])
def test_a_block_is_multi_head_attention_with_a_residual(positions) -> None:
    plan = Plan("sequence", 64, (6,), positions, "keep")
    ours, theirs = (
        SelfAttentionBlock(CLASSIC, plan),
        Attention(64, 8, 64, causal=positions == "causal", bias=True, projections="separate"),
    )
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.3)
    for mine, other in zip(
        (ours.query, ours.key, ours.value, ours.output),
        (*theirs.project, theirs.output),
        strict=True,
    ):
        other.load_state_dict(mine.state_dict())
    x, lengths = torch.randn(3, 6, 64), torch.tensor([6, 2, 4])
    kept = torch.arange(6) < lengths[:, None]
    made = ours(x, Around(lengths=lengths))
    wanted = x + theirs(ours.norm(x), lengths=lengths)
    torch.testing.assert_close(made[kept], wanted[kept], rtol=1e-4, atol=1e-4)


def test_maps_come_back_with_and_without_a_network_around_them() -> None:
    net, x = structure.build(TEXT, CLASSIC).eval(), torch.randint(11, (2, 9))
    seen = net.look(x)
    for name in ("attention.0", "attention.1"):
        weights = seen[name]
        assert weights.shape == (2, 8, 9, 9)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 8, 9))
        assert weights.triu(1).eq(0).all()
    assert seen["block.1"].shape == (2, 9, 64)
    with watching() as alone:
        Softmax()(torch.zeros(1, 1, 2, 2))
    assert alone["attention.0"].eq(0.5).all()


@pytest.mark.parametrize("name", structure.presets | CONFIGS)
def test_every_weight_gets_a_gradient_within_three_steps(name: str) -> None:
    config = {**structure.presets, **CONFIGS}[name]
    pictures, text = torch.randn(8, 1, 8, 8), torch.arange(72).view(8, 9) % 11
    for signature, x in ((DIGITS, pictures), (LABELS, text)):
        net, y = structure.build(signature, config), torch.arange(8) % 3
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        most = dict.fromkeys(dict(net.named_parameters()), 0.0)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            for key, p in net.named_parameters():
                assert p.grad is not None, key
                most[key] = max(most[key], p.grad.abs().max().item())
            optimizer.step()
        # A number that is added to all scores of a softmax changes nothing: it cannot learn.
        most = {key: value for key, value in most.items() if not key.endswith("key.bias")}
        largest = max(most.values())
        assert {key for key, value in most.items() if value <= 1e-7 * largest} == set()


def test_only_classic_has_biases_that_cannot_learn() -> None:
    for name, config in structure.presets.items():
        keys = [key for key, _ in structure.build(DIGITS, config).named_parameters()]
        assert any(key.endswith("key.bias") for key in keys) == (name == "classic")


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_examples_in_a_batch_do_not_mix(config: SelfAttentionConfig) -> None:
    net = structure.build(DIGITS, config)
    x, order = torch.randn(5, 1, 8, 8), torch.randperm(5)
    torch.testing.assert_close(net(x)[order], net(x[order]))
    torch.testing.assert_close(net(x)[:1], net(x[:1]))


def test_two_builds_from_one_seed_agree() -> None:
    for config in structure.presets.values():
        torch.manual_seed(7)
        first = structure.build(DIGITS, config)
        torch.manual_seed(7)
        second = structure.build(DIGITS, config)
        torch.testing.assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)


def test_configurations_survive_json() -> None:
    for config in (*structure.presets.values(), *CONFIGS.values()):
        assert SelfAttentionConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("positions", ["free", "aligned", "causal"])
def test_padding_changes_nothing_valid(config: SelfAttentionConfig, positions) -> None:
    output = Classes(4) if positions == "free" else Frames(2, 7)
    net = structure.build(Signature(Frames(3, 7), output, positions=positions), config)
    x, lengths = torch.randn(3, 7, 3), torch.tensor([7, 2, 4])
    other, padding = x.clone(), torch.arange(7) >= lengths[:, None]
    other[padding] = 9.0
    first, second = net(x, lengths=lengths), net(other, lengths=lengths)
    alone = net(x[1:2, :2], lengths=lengths[1:2])
    if positions == "free":
        torch.testing.assert_close(first, second)
        torch.testing.assert_close(first[1:2], alone)
    else:
        torch.testing.assert_close(first[~padding], second[~padding])
        torch.testing.assert_close(first[1:2, :2], alone)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_future_has_exactly_no_influence(config: SelfAttentionConfig) -> None:
    net = structure.build(TEXT, config)
    h = net.stem(torch.randint(11, (1, 9))).detach().requires_grad_()
    out = net.trunk(h)
    reach = 2 * (config.window - 1) if config.kind == "windowed" else 9  # of two blocks
    for t in range(9):
        (grad,) = torch.autograd.grad(out[0, t].sin().sum(), h, retain_graph=True)
        assert grad[0, t + 1 :].eq(0).all()
        assert grad[0, : max(t - reach, 0)].eq(0).all()
        assert grad[0, max(t - reach, 0) : t + 1].ne(0).any(-1).all()


def steps(net: Network, x: Tensor, plan: list[list[int]], state: dict[str, Tensor]) -> list[Tensor]:
    """Outputs of each row, its symbols given in ragged pieces."""
    at, made = [0] * len(x), [[] for _ in x]
    for lengths in plan:
        piece = torch.full((len(x), max(lengths)), 3)
        for row, n in enumerate(lengths):
            piece[row, :n] = x[row, at[row] : at[row] + n]
        y, state = net.step(piece, state, torch.tensor(lengths))
        for row, n in enumerate(lengths):
            made[row].append(y[row, :n])
            at[row] += n
    return [torch.cat(pieces) for pieces in made]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_steps_equal_the_whole_even_ragged(config: SelfAttentionConfig) -> None:
    net, x = structure.build(TEXT, config), torch.randint(11, (3, 9))
    whole = net(x)
    made = steps(net, x, [[4, 1, 3], [1, 1, 1], [0, 2, 1], [4, 3, 0]], net.state(3))
    for row, out in enumerate(made):
        torch.testing.assert_close(out, whole[row, : len(out)], rtol=0, atol=1e-5)
    y, state = net.step(x[:, :4], net.state(3))
    z, _ = net.step(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([y, z], 1), whole, rtol=0, atol=1e-5)
    assert all(v.shape[0] == 3 for v in state.values())
    assert y.requires_grad


@pytest.mark.parametrize("kind", ["windowed", "linear"])
def test_some_kinds_go_on_for_ever_in_a_state_of_one_size(kind: str) -> None:
    net = structure.build(TEXT, KINDS[kind])
    x, state = torch.randint(11, (2, 40)), net.state(2)
    assert net.capacity is None
    shapes, pieces = {name: v.shape for name, v in state.items()}, []
    for piece in x.split(8, 1):
        y, state = net.step(piece, state)
        pieces.append(y)
        assert {name: v.shape for name, v in state.items()} == shapes
    torch.testing.assert_close(torch.cat(pieces, 1), net(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", [ROTARY, *KINDS.values()], ids=["softmax", *KINDS])
def test_quantised_nets_step_as_they_read(config: SelfAttentionConfig) -> None:
    net, x = structure.build(TEXT, config).eval(), torch.randint(11, (2, 9))
    quantise(net, "int8", torch.device("cpu"))
    assert all(v.dtype in (torch.float32, torch.long) for v in net.state(2).values())
    y, state = net.step(x[:, :5], net.state(2))
    z, _ = net.step(x[:, 5:], state)
    # what is quantised as it comes has one scale a call
    torch.testing.assert_close(torch.cat([y, z], 1), net(x), rtol=0, atol=0.1)


@pytest.mark.parametrize("config", [ROTARY, *KINDS.values()], ids=["softmax", *KINDS])
def test_maps_of_every_kind_are_shown_and_looking_changes_nothing(
    config: SelfAttentionConfig,
) -> None:
    for signature in (TEXT, LABELS):
        net, x = structure.build(signature, config).eval(), torch.randint(11, (2, 9))
        plain, seen = net(x), net.look(x)
        shown = [v for name, v in seen.items() if name.startswith("attention.")]
        assert [v.shape for v in shown] == [(2, 2, 9, 9)] * 2
        assert sum(name.startswith("block.") for name in seen) == 2
        if signature == TEXT:
            assert all(v.triu(1).eq(0).all() for v in shown)
        assert torch.equal(plain, net(x))


CACHED = {"softmax": ROTARY, **{k: KINDS[k] for k in ("latent", "differential", "gated")}}


@pytest.mark.parametrize("positions", ["rotary", "alibi"])
@pytest.mark.parametrize("config", CACHED.values(), ids=CACHED)
def test_packed_documents_do_not_see_each_other(config: SelfAttentionConfig, positions) -> None:
    net = structure.build(TEXT, config.model_copy(update={"positions": positions}))
    x, documents = torch.randint(11, (2, 9)), torch.tensor([[0] * 4 + [1] * 5, [3] * 9])
    assert net.packs
    y = net(x, documents=documents)
    torch.testing.assert_close(y[:1, :4], net(x[:1, :4]))
    torch.testing.assert_close(y[:1, 4:], net(x[:1, 4:]))
    torch.testing.assert_close(y[1:], net(x[1:]))
    with watching() as seen:
        torch.testing.assert_close(net(x, documents=documents), y)
    assert seen["attention.0"][0, :, 4:, :4].eq(0).all()


@pytest.mark.parametrize("kind", ["windowed", "linear"])
def test_kinds_that_carry_a_sum_or_a_window_do_not_pack(kind: str) -> None:
    net = structure.build(TEXT, KINDS[kind])
    with pytest.raises(InputError, match="apart"):
        net(torch.zeros(2, 9, dtype=torch.long), documents=torch.zeros(2, 9, dtype=torch.long))


@pytest.mark.parametrize("config", CACHED.values(), ids=CACHED)
def test_linear_positions_step_as_they_read(config: SelfAttentionConfig) -> None:
    net = structure.build(TEXT, config.model_copy(update={"positions": "alibi"}))
    x, blind = torch.randint(11, (2, 9)), config.model_copy(update={"positions": "none"})
    whole, made = net(x), steps(net, x, [[4, 1], [1, 1], [4, 7]], net.state(2))
    torch.testing.assert_close(torch.stack(made), whole, rtol=0, atol=1e-5)
    other = structure.build(TEXT, blind)
    other.load_state_dict(net.state_dict())
    assert not torch.allclose(other(x), whole)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_decoding_in_inference_mode_equals_the_whole(config: SelfAttentionConfig) -> None:
    net, x = structure.build(TEXT, config).eval(), torch.randint(11, (3, 9))
    with torch.inference_mode():
        state = net.state(3)
        _, state = net.step(x[:, :4], state, torch.tensor([4, 1, 3]))
        state = {name: v[[0, 2, 2]] for name, v in state.items()}  # a beam
        y, state = net.step(torch.stack([x[0, 4:5], x[2, 3:4], x[2, 3:4]]), state)
        whole = net(x)
    torch.testing.assert_close(y[:, 0], whole[[0, 2, 2], [4, 3, 3]], rtol=0, atol=1e-5)


def test_language_has_the_parameters_of_its_hand_formula() -> None:
    chars = Signature(Tokens(65, 256), Tokens(65, 256), positions="causal")
    with torch.device("meta"):
        net = structure.build(chars, structure.presets["language"])
    trunk = 4 * (4 * 128 * 384 + 128) + 128
    assert count(net.trunk) == trunk == 787_072
    assert count(net) == trunk + 65 * 128 + 128 * 65 + 65 == 803_777


def test_presets_of_a_kind_are_the_small_net_with_that_kind() -> None:
    small = structure.presets["small"].model_dump()
    for kind in OTHERS:
        other = structure.presets[kind].model_dump()
        changed = {key for key in small if small[key] != other[key]}
        assert "kind" in changed <= {"kind", "window", "latent"}
        assert other["kind"] == kind


def products(config: SelfAttentionConfig, t: int) -> int:
    """Multiply-adds of one block on one text of 9 symbols, causal."""
    d, h, e = 16, config.heads, config.head_width
    projections, pairs = 4 * t * d * h * e, h * t * t * e
    match config.kind:
        case "latent":
            turned = e // 2
            maps = d * h * (e + turned) + d * (5 + turned) + 2 * 5 * h * e + h * e * d
            return t * maps + pairs + h * t * t * (e + turned)
        case "differential":
            return projections + 3 * pairs
        case "gated":
            return projections + t * d * h * e + 2 * pairs
    return projections + 2 * pairs


@pytest.mark.parametrize("config", [ROTARY, *KINDS.values()], ids=["softmax", *KINDS])
def test_the_work_of_every_kind_is_its_hand_formula(config: SelfAttentionConfig) -> None:
    with torch.device("meta"):
        net = structure.build(TEXT, config)
        counted = forward_flops(net, {"x": torch.zeros(2, 9, dtype=torch.long)})
    assert counted.uncounted == {}
    assert counted.flops == 2 * 2 * (2 * products(config, 9) + 9 * 16 * 11)


def test_stepping_too_far_is_a_sentence() -> None:
    net = structure.build(TEXT, ROTARY)
    _, state = net.step(torch.zeros(2, 9, dtype=torch.long), net.state(2))
    with pytest.raises(InputError, match="longer than 9 places"):
        net.step(torch.zeros(2, 1, dtype=torch.long), state)


def test_dropout_works_in_training_only() -> None:
    net = structure.build(DIGITS, SelfAttentionConfig(**SMALL, dropout=0.5))
    x = torch.randn(2, 1, 8, 8)
    assert net(x).ne(net(x)).any()
    net.eval()
    torch.testing.assert_close(net(x), net(x))


REFUSED = [
    (Signature(Vector(4), Classes(3)), ROTARY, "row of numbers"),
    (Signature(Classes(4), Classes(3)), ROTARY, "one label"),
    (Signature(Image(1, 8, 8), Image(1, 8, 8), positions="aligned"), ROTARY, "pixel by pixel"),
    (Signature(Tokens(9, 5), Tokens(9, 5), Tokens(9, 4), None, "causal"), ROTARY, "the context"),
    (DIGITS, SelfAttentionConfig(positions="rotary", head_width=5), "pairs of features"),
    (DIGITS, SelfAttentionConfig(**SMALL, kind="latent", positions="rotary"), "pairs of features"),
    (TEXT, SelfAttentionConfig(**SMALL, kind="linear", positions="learned"), "learned positions"),
    (TEXT, SelfAttentionConfig(**SMALL, kind="linear", positions="alibi"), "adds nothing to them"),
    *(
        (
            Signature(Tokens(9, 5), Tokens(9, 5), Tokens(9, 4), None, "causal"),
            config,
            f"{kind} self-attention .* the context",
        )
        for kind, config in KINDS.items()
    ),
    (Signature(Vector(4), Tokens(3, 5)), LEARNED, "longest sequence"),
]


@pytest.mark.parametrize(("signature", "config", "words"), REFUSED)
def test_every_misfit_has_its_own_sentence(signature, config, words: str) -> None:
    refused = structure.refuses(signature, config)
    assert isinstance(refused, Refusal)
    assert re.search(words, refused.reason)
    with pytest.raises(InputError, match=words):
        structure.build(signature, config)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kind": "latent", "bias": True}, "no biases"),
        ({"kind": "differential", "head_width": 5}, "5 is odd"),
        ({"kind": "additive"}, "kind"),
        ({"window": 1}, "window"),
    ],
)
def test_a_configuration_without_sense_is_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SelfAttentionConfig(**wrong)


@pytest.mark.parametrize("preset", structure.presets)
@pytest.mark.parametrize(
    ("signature", "shape"),
    [
        (DIGITS, (2, 10)),
        (Signature(Image(3, 32, 32), Classes(10)), (2, 10)),
        (TEXT, (2, 9, 11)),
        (LABELS, (2, 3)),
        (Signature(Image(1, 8, 12), Tokens(5, 12), positions="aligned"), (2, 12, 5)),
        (Signature(Image(1, 8, 8), Vector(1), condition=Classes(3)), (2, 1)),
        (Signature(Frames(3, 6), Frames(2, 4)), (2, 4, 2)),
        (Signature(Vector(3), Tokens(5, 4)), (2, 4, 5)),
    ],
)
def test_every_preset_fits_every_form_of_sequence(preset: str, signature, shape) -> None:
    with torch.device("meta"):
        net = structure.build(signature, structure.presets[preset])
        label = signature.condition
        inputs = {} if label is None else {"condition": meta_input(label, 2)}
        assert net(meta_input(signature.input, 2), **inputs).shape == shape
