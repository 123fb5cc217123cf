import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from cells import meta_input
from netwright.errors import InputError
from netwright.models._blocks import Around
from netwright.models.base import Network
from netwright.models.transformer import (
    CLASSIC,
    TransformerBlock,
    TransformerConfig,
    structure,
)
from netwright.nn.flops import forward_flops
from netwright.nn.heads import HeadConfig
from netwright.nn.stems import StemConfig
from netwright.nn.toys import meta_inputs
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

DIGITS = Signature(Image(1, 8, 8), Classes(10))
TEXT = Signature(Tokens(11, 9), Tokens(11, 9), positions="causal")
LABELS = Signature(Tokens(11, 9), Classes(3))
TRANSLATION = Signature(Tokens(11, 7), Tokens(13, 7), context=Tokens(13, 5), positions="causal")
SMALL = {"stem": StemConfig(width=16), "heads": 2, "head_width": 6, "feedforward": 20}
MODERN = TransformerConfig(
    **SMALL, norm="rms", positions="rotary", activation="swiglu", zero_residual=True
)
LEARNED = TransformerConfig(**SMALL, positions="learned", activation="relu2")
GROUPED = structure.presets["modern"]
EXPERTS = structure.presets["experts"]
CONFIGS = {
    "classic": CLASSIC,
    "rotary": MODERN,
    "learned": LEARNED,
    "modern": GROUPED,
    "experts": EXPERTS,
}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def stir(net: nn.Module) -> nn.Module:
    """No weight at zero, so that no branch is silent."""
    for parameter in net.parameters():
        if parameter.eq(0).all():
            nn.init.normal_(parameter, std=0.2)
    return net.eval()


def test_classic_has_the_parameters_of_its_hand_formula() -> None:
    attention = 3 * (64 * 512 + 512) + 512 * 64 + 64
    block = attention + 2 * (64 * 64 + 64) + 2 * 128
    trunk = 2 * block + 128
    images = structure.build(Signature(Image(1, 28, 28), Classes(10)), CLASSIC)
    assert count(images.trunk) == trunk == 282_624
    assert count(images) == trunk + 28 * 64 + 64 + 64 * 10 + 10 == 285_130
    text = structure.build(Signature(Tokens(96, 32), Tokens(96, 32), positions="causal"), CLASSIC)
    assert count(text) == trunk + (64 + 65) * 96


def test_a_block_equals_the_librarys() -> None:
    config = CLASSIC.model_copy(update={"heads": 8, "head_width": 8})
    ours = TransformerBlock(config, Plan("sequence", 64, (6,), "free", "keep"))
    theirs = nn.TransformerEncoderLayer(
        64, 8, dim_feedforward=64, dropout=0.0, norm_first=True, batch_first=True
    )
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.3)
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": ours.attention.project[0].weight,
            "self_attn.in_proj_bias": ours.attention.project[0].bias,
            "self_attn.out_proj.weight": ours.attention.output.weight,
            "self_attn.out_proj.bias": ours.attention.output.bias,
            "linear1.weight": ours.feedforward.up.weight,
            "linear1.bias": ours.feedforward.up.bias,
            "linear2.weight": ours.feedforward.output.weight,
            "linear2.bias": ours.feedforward.output.bias,
            "norm1.weight": ours.attention_norm.weight,
            "norm1.bias": ours.attention_norm.bias,
            "norm2.weight": ours.feedforward_norm.weight,
            "norm2.bias": ours.feedforward_norm.bias,
        }
    )
    x = torch.randn(3, 6, 64)
    torch.testing.assert_close(ours(x, Around()), theirs(x), rtol=1e-4, atol=1e-4)


def test_a_block_with_a_context_equals_the_librarys_decoder() -> None:
    config = CLASSIC.model_copy(update={"heads": 4, "head_width": 16})
    ours = TransformerBlock(config, Plan("sequence", 64, (6,), "causal", "keep", 64))
    theirs = nn.TransformerDecoderLayer(
        64, 4, dim_feedforward=64, dropout=0.0, norm_first=True, batch_first=True
    )
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.3)
    assert ours.context is not None
    pairs = {
        "self_attn": ours.attention,
        "multihead_attn": ours.context,
    }
    state: dict[str, Tensor] = {}
    for name, attention in pairs.items():
        state[f"{name}.in_proj_weight"] = torch.cat([p.weight for p in attention.project])
        state[f"{name}.in_proj_bias"] = torch.cat([p.bias for p in attention.project])
        state[f"{name}.out_proj.weight"] = attention.output.weight
        state[f"{name}.out_proj.bias"] = attention.output.bias
    norms = (ours.attention_norm, ours.context_norm, ours.feedforward_norm)
    parts = {f"norm{i}": norm for i, norm in enumerate(norms, 1)}
    parts |= {"linear1": ours.feedforward.up, "linear2": ours.feedforward.output}
    for name, part in parts.items():
        state |= {f"{name}.weight": part.weight, f"{name}.bias": part.bias}
    theirs.load_state_dict(state)
    x, memory, lengths = torch.randn(3, 6, 64), torch.randn(3, 5, 64), torch.tensor([5, 2, 3])
    wanted = theirs(
        x,
        memory,
        tgt_mask=nn.Transformer.generate_square_subsequent_mask(6),
        memory_key_padding_mask=torch.arange(5) >= lengths[:, None],
    )
    made = ours(x, Around(memory=memory, memory_lengths=lengths))
    torch.testing.assert_close(made, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [*structure.presets, "rotary", "learned"])
def test_every_weight_gets_a_gradient_within_three_steps(name: str) -> None:
    config = {**structure.presets, **CONFIGS}[name]
    for signature in (DIGITS, LABELS):
        net = structure.build(signature, config)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        x = torch.randn(8, 1, 8, 8) if signature is DIGITS else torch.arange(72).view(8, 9) % 11
        y = torch.arange(8) % 3
        most: dict[str, float] = {}
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            for key, p in net.named_parameters():
                inner = p.grad
                assert inner is not None, key
                parts = {key: inner}
                if key.endswith("project.0.bias"):  # queries, keys, values: keys never learn
                    query, _, value = inner.chunk(3)
                    parts = {f"{key}.query": query, f"{key}.value": value}
                for part, grad in parts.items():
                    most[part] = max(most.get(part, 0.0), grad.abs().max().item())
            optimizer.step()
        largest = max(most.values())
        assert {key for key, value in most.items() if value <= 1e-7 * largest} == set()


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_examples_in_a_batch_do_not_mix(config: TransformerConfig) -> None:
    net, x, order = (
        stir(structure.build(DIGITS, config)),
        torch.randn(5, 1, 8, 8),
        torch.randperm(5),
    )
    torch.testing.assert_close(net(x)[order], net(x[order]))
    torch.testing.assert_close(net(x)[:1], net(x[:1]))


def test_two_builds_from_one_seed_agree() -> None:
    for config in (*structure.presets.values(), MODERN):
        torch.manual_seed(7)
        first = structure.build(DIGITS, config)
        torch.manual_seed(7)
        torch.testing.assert_close(
            first.state_dict(), structure.build(DIGITS, config).state_dict(), rtol=0, atol=0
        )


def test_configurations_survive_json() -> None:
    for config in (*structure.presets.values(), *CONFIGS.values()):
        assert TransformerConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("positions", ["free", "aligned", "causal"])
def test_padding_changes_nothing_valid(config: TransformerConfig, positions) -> None:
    output = Classes(4) if positions == "free" else Frames(2, 7)
    net = stir(structure.build(Signature(Frames(3, 7), output, positions=positions), config))
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


def test_the_padding_of_a_context_changes_nothing_even_where_it_is_empty() -> None:
    net = stir(structure.build(TRANSLATION, MODERN))
    x, context, lengths = (
        torch.randint(11, (3, 7)),
        torch.randint(13, (3, 5)),
        torch.tensor([5, 2, 0]),
    )
    other = context.clone()
    other[torch.arange(5) >= lengths[:, None]] = 0
    first = net(x, context=context, context_lengths=lengths)
    second = net(x, context=other, context_lengths=lengths)
    torch.testing.assert_close(first, second)
    assert first.isfinite().all()
    assert net(x, context=context.flip(1), context_lengths=lengths)[1].ne(first[1]).any()


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_future_has_exactly_no_influence(config: TransformerConfig) -> None:
    net = stir(structure.build(TEXT, config))
    h = net.stem(torch.randint(11, (1, 9))).detach().requires_grad_()
    out = net.trunk(h)
    for t in range(9):
        (grad,) = torch.autograd.grad(out[0, t].sin().sum(), h, retain_graph=True)
        assert grad[0, t + 1 :].eq(0).all()
        seen = grad[0, : t + 1].ne(0).any(-1)
        assert seen[-(config.window or 9) :].all()


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


RAGGED = [[4, 1, 3], [1, 1, 1], [0, 2, 1], [2, 3, 0]]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_steps_equal_the_whole_even_ragged(config: TransformerConfig) -> None:
    net, x = stir(structure.build(TEXT, config)), torch.randint(11, (3, 9))
    whole = net(x)
    made = steps(net, x, RAGGED, net.state(3))
    for row, out in enumerate(made):
        torch.testing.assert_close(out, whole[row, : len(out)], rtol=0, atol=1e-5)
    y, state = net.step(x[:, :4], net.state(3))
    z, _ = net.step(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([y, z], 1), whole, rtol=0, atol=1e-5)
    assert all(v.shape[0] == 3 for v in state.values())
    assert y.requires_grad


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_steps_with_a_context_equal_the_whole(config: TransformerConfig) -> None:
    net, x, context = (
        stir(structure.build(TRANSLATION, config)),
        torch.randint(11, (3, 7)),
        torch.randint(13, (3, 5)),
    )
    inputs = {"context": context, "context_lengths": torch.tensor([5, 2, 4])}
    whole = net(x, **inputs)
    for row, out in enumerate(steps(net, x, RAGGED, net.state(3, **inputs))):
        torch.testing.assert_close(out, whole[row, : len(out)], rtol=0, atol=1e-5)


def test_rows_of_a_state_may_be_reordered_as_a_beam_is() -> None:
    net, x = stir(structure.build(TEXT, MODERN)), torch.randint(11, (3, 9))
    _, state = net.step(x[:, :5], net.state(3))
    rows = torch.tensor([2, 0])
    y, _ = net.step(x[rows, 5:6], {k: v[rows] for k, v in state.items()})
    torch.testing.assert_close(y, net(x)[rows, 5:6], rtol=0, atol=1e-5)


def test_stepping_too_far_or_without_causality_is_a_sentence() -> None:
    net = structure.build(TEXT, CLASSIC)
    _, state = net.step(torch.zeros(2, 9, dtype=torch.long), net.state(2))
    with pytest.raises(InputError, match="longer than 9 places"):
        net.step(torch.zeros(2, 1, dtype=torch.long), state)
    with pytest.raises(InputError, match="step by step"):
        structure.build(LABELS, CLASSIC).state(2)


def test_attention_and_blocks_can_be_looked_at() -> None:
    net, x = structure.build(DIGITS, CLASSIC).eval(), torch.randn(2, 1, 8, 8)
    seen = net.look(x)
    assert [k for k in seen if k.startswith(("attention", "block"))] == [
        "attention.0",
        "block.0",
        "attention.1",
        "block.1",
    ]
    assert seen["attention.1"].shape == (2, 8, 8, 8)
    assert seen["block.1"].shape == (2, 8, 64)


def test_a_class_token_is_read_and_learns() -> None:
    config = TransformerConfig(
        stem=StemConfig(width=16, read="patches", patch=4),
        head=HeadConfig(pooling="class_token"),
        positions="learned",
    )
    net = structure.build(DIGITS, config)
    net(torch.randn(2, 1, 8, 8)).sum().backward()
    assert net.stem.token.grad is not None
    assert net.look(torch.randn(2, 1, 8, 8))["attention.0"].shape[-1] == 5


def test_branches_that_start_at_zero_pass_the_stem_on() -> None:
    config = TransformerConfig(**SMALL, zero_residual=True, positions="none", norm="none")
    net, x = structure.build(DIGITS, config), torch.randn(2, 1, 8, 8)
    h = net.stem(x)
    torch.testing.assert_close(net.trunk(h), h)


def test_without_positions_a_set_is_read() -> None:
    x, order = torch.randint(11, (2, 9)), torch.randperm(9)
    blind = structure.build(LABELS, TransformerConfig(**SMALL, positions="none")).eval()
    torch.testing.assert_close(blind(x), blind(x[:, order]))
    for kind in ("sinusoidal", "learned", "rotary", "alibi"):
        net = structure.build(LABELS, TransformerConfig(**SMALL, positions=kind)).eval()
        assert (net(x) - net(x[:, order])).abs().max() > 1e-4


def test_dropout_works_in_training_only() -> None:
    net = structure.build(DIGITS, TransformerConfig(**SMALL, dropout=0.5))
    x = torch.randn(2, 1, 8, 8)
    assert net(x).ne(net(x)).any()
    net.eval()
    torch.testing.assert_close(net(x), net(x))


REFUSED = [
    (Signature(Vector(4), Classes(3)), TransformerConfig(), "row of numbers"),
    (Signature(Classes(4), Classes(3)), TransformerConfig(), "one label"),
    (Signature(Image(1, 8, 8), Image(1, 8, 8), positions="aligned"), TransformerConfig(), "pixel"),
    (DIGITS, TransformerConfig(positions="rotary", head_width=5), "pairs of features"),
    (
        Signature(Vector(4), Tokens(3, 5)),
        TransformerConfig(positions="learned"),
        "longest sequence",
    ),
    (DIGITS, TransformerConfig(heads=4, kv_heads=3), "cannot share 3"),
    (DIGITS, TransformerConfig(experts=2, active=3), "3 active experts"),
]


@pytest.mark.parametrize(("signature", "config", "words"), REFUSED)
def test_every_misfit_has_its_own_sentence(signature, config, words: str) -> None:
    refused = structure.refuses(signature, config)
    assert isinstance(refused, Refusal)
    assert words in refused.reason
    with pytest.raises(InputError, match=words):
        structure.build(signature, config)


def test_a_grid_is_refused() -> None:
    made = structure.trunk(CLASSIC, Plan("grid", 8, (4, 4), "free", "keep"))
    assert isinstance(made, Refusal)


def test_numbers_grow_to_a_sequence() -> None:
    net = structure.build(Signature(Vector(4), Tokens(3, 5)), TransformerConfig(**SMALL))
    assert net(torch.randn(2, 4)).shape == (2, 5, 3)


@pytest.mark.parametrize("preset", structure.presets)
@pytest.mark.parametrize(
    ("signature", "shape"),
    [
        (DIGITS, (2, 10)),
        (Signature(Image(3, 32, 32), Classes(10)), (2, 10)),
        (TEXT, (2, 9, 11)),
        (LABELS, (2, 3)),
        (TRANSLATION, (2, 7, 13)),
        (Signature(Image(1, 8, 12), Tokens(5, 12), positions="aligned"), (2, 12, 5)),
        (Signature(Image(1, 8, 8), Vector(1), condition=Classes(3)), (2, 1)),
        (Signature(Frames(3, 6), Frames(2, 4)), (2, 4, 2)),
    ],
)
def test_every_preset_fits_every_form_of_sequence(preset: str, signature, shape) -> None:

    with torch.device("meta"):
        net = structure.build(signature, structure.presets[preset])
        inputs = {}
        if signature.context:
            inputs["context"] = meta_input(signature.context, 2)
        if signature.condition:
            inputs["condition"] = meta_input(signature.condition, 2)
        assert net(meta_input(signature.input, 2), **inputs).shape == shape
        if signature.positions == "causal":
            state = net.state(2, **inputs)
            y, new = net.step(meta_input(signature.input, 2)[:, :3], state)
            assert y.shape == (2, 3, shape[-1])
            assert {k: v.shape for k, v in new.items()} == {k: v.shape for k, v in state.items()}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_steps_in_inference_mode_equal_the_whole(config: TransformerConfig) -> None:
    net, x = stir(structure.build(TEXT, config)), torch.randint(11, (3, 9))
    whole = net(x)
    with torch.inference_mode():
        for plan in ([[9] * 3], [[1] * 3] * 9, [[4] * 3, *[[1] * 3] * 3, [2] * 3], RAGGED):
            for row, out in enumerate(steps(net, x, plan, net.state(3))):
                torch.testing.assert_close(out, whole[row, : len(out)], rtol=0, atol=1e-5)


def test_a_window_decodes_for_ever_in_constant_memory() -> None:
    for kind in ("rotary", "alibi", "sinusoidal", "none"):
        config = GROUPED.model_copy(update={"positions": kind, "depth": 2})
        net, x = stir(structure.build(TEXT, config)), torch.randint(11, (2, 40))
        assert net.capacity is None
        with torch.inference_mode():
            whole, state = net(x), net.state(2)
            size = sum(v.numel() for v in state.values())
            made = []
            for piece in x.split([7, *[1] * 20, 13], 1):
                y, state = net.step(piece, state)
                made.append(y)
            assert sum(v.numel() for v in state.values()) == size
        torch.testing.assert_close(torch.cat(made, 1), whole, rtol=0, atol=2e-5)


def test_a_window_of_blocks_is_blind_to_what_lies_beyond_it() -> None:
    config = GROUPED.model_copy(update={"window": 3, "value_residual": False})
    net = stir(structure.build(TEXT, config))
    h = net.stem(torch.randint(11, (1, 9))).detach().requires_grad_()
    (grad,) = torch.autograd.grad(net.trunk(h)[0, 8].sin().sum(), h)
    assert grad[0, 4:].ne(0).any(-1).all()  # two blocks reach 2 x 2 places back
    assert grad[0, :4].eq(0).all()


PACKED = {
    **CONFIGS,
    "language": structure.presets["language"],
    "window": TransformerConfig(**SMALL, positions="rotary", window=3),
    "alibi": TransformerConfig(**SMALL, positions="alibi"),
}


@pytest.mark.parametrize("config", PACKED.values(), ids=PACKED)
def test_packed_documents_give_what_each_gives_alone(config: TransformerConfig) -> None:
    net, x = stir(structure.build(TEXT, config)), torch.randint(11, (2, 9))
    assert net.packs
    documents = torch.tensor([[0, 0, 0, 0, 1, 2, 2, 2, 2], [3, 3, 5, 5, 5, 5, 5, 5, 5]])
    made = net(x, documents=documents)
    for row in range(2):
        for number in documents[row].unique():
            mine = documents[row] == number
            alone = net(x[row, mine][None])[0]
            torch.testing.assert_close(made[row, mine], alone, rtol=0, atol=1e-5)


def test_what_is_not_causal_or_has_a_context_does_not_pack() -> None:
    for signature in (LABELS, TRANSLATION):
        assert not structure.build(signature, MODERN).packs


def block_flops(c: TransformerConfig, d: int, t: int) -> int:
    """Multiply-adds of one block for t places, by hand."""
    e, kv = c.head_width, c.kv_heads or c.heads
    projections = t * d * e * (2 * c.heads + 2 * kv)
    scores = 2 * c.heads * t * t * e
    matrices = 3 if c.activation == "swiglu" else 2
    dense = t * d * c.feedforward * matrices
    return projections + scores + (dense * c.active + t * d * c.experts if c.experts else dense)


@pytest.mark.parametrize("name", ["classic", "language", "modern", "experts"])
def test_counted_flops_equal_the_hand_formula(name: str) -> None:
    config, t, d = structure.presets[name], 9, structure.presets[name].stem.width
    assert isinstance(config, TransformerConfig)
    with torch.device("meta"):
        net = structure.build(TEXT, config).eval()
    counted = forward_flops(net, meta_inputs(TEXT, 4))
    assert not counted.uncounted
    assert counted.macs == 4 * (config.depth * block_flops(config, d, t) + t * d * 11)


def test_language_has_about_eight_hundred_thousand_parameters() -> None:
    form = Tokens(65, 256)
    config = structure.presets["language"]
    net = structure.build(Signature(form, form, positions="causal"), config)
    attention, dense, norms = 4 * 128 * 128 + 2 * 128, 2 * 128 * 512, 2 * 128
    assert count(net.trunk) == 4 * (attention + dense + norms) + 128
    assert count(net) == count(net.trunk) + 65 * 128 + (0 if config.head.tied else 65 * 128) + 65


@pytest.mark.parametrize("name", ["classic", "modern", "experts"])
def test_quantised_nets_still_step(name: str) -> None:
    net = stir(structure.build(TEXT, structure.presets[name]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, inplace=True)
    x = torch.randint(11, (2, 6))
    with torch.inference_mode():
        y, state = net.step(x[:, :5], net.state(2))
        z, _ = net.step(x[:, 5:], state)
    assert all(v.is_floating_point() or k == "trunk.at" for k, v in state.items())
    assert torch.cat([y, z], 1).isfinite().all()


class Calls(TorchDispatchMode):
    """Counts what torch is asked to do, views left out."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if not func.is_view:
            self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


def test_a_step_of_one_place_asks_torch_for_little() -> None:
    config = CLASSIC.model_copy(update={"positions": "learned", "depth": 3})
    net, x = structure.build(TEXT, config).eval(), torch.randint(11, (1, 9))
    with torch.inference_mode():
        _, state = net.step(x[:, :5], net.state(1))
        with Calls() as calls:
            net.step(x[:, 5:6], state)
    mine = [n for n in calls.names if n not in {"detach.default", "_local_scalar_dense.default"}]
    # a block: 2 norms, 4 products, 1 activation, 2 writes, 1 attention, 2 sums
    assert len(mine) <= 3 * 12 + 10, mine
    assert sum("scatter" in n or "cat" in n for n in mine) == 0


def test_values_are_mixed_with_the_first_ones_in_every_block_but_it() -> None:
    net = structure.build(TEXT, GROUPED)
    shares = [name for name, _ in net.named_parameters() if name.endswith("share")]
    assert shares == ["trunk.blocks.1.attention.share"]


def test_an_expert_less_block_has_no_buffers_and_balances_are_learned_in_training_alone() -> None:
    assert not list(structure.build(TEXT, MODERN).buffers())
    net, x = structure.build(TEXT, EXPERTS), torch.randint(11, (4, 9))
    before = {k: v.clone() for k, v in net.state_dict().items() if k.endswith("balance")}
    net.eval()(x)
    assert all(net.state_dict()[k].equal(v) for k, v in before.items())
    net.train()(x)
    assert any(net.state_dict()[k].ne(v).any() for k, v in before.items())
