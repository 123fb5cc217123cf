import pytest
import torch
from torch import nn

from cells import meta_input
from netwright.errors import InputError
from netwright.models.mlp import MlpConfig, structure
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

PICTURES = Signature(Image(1, 28, 28), Classes(10))
DIGITS = Signature(Image(1, 8, 8), Classes(10))
NORMED = MlpConfig(widths=(12, 9), activation="gelu", norm="layer")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_classic_has_the_parameters_of_its_hand_formula() -> None:
    net = structure.build(PICTURES, structure.presets["classic"])
    assert sum(p.numel() for p in net.parameters()) == 784 * 128 + 128 + 128 * 10 + 10 == 101_770


def test_it_equals_layers_written_by_hand() -> None:
    net = structure.build(PICTURES, structure.presets["classic"])
    first, last = nn.Linear(784, 128), nn.Linear(128, 10)
    first.load_state_dict(net.trunk.dense[0].state_dict())
    last.load_state_dict(net.head.last.state_dict())
    hand = nn.Sequential(nn.Flatten(), first, nn.ReLU(), last)
    x = torch.randn(4, 1, 28, 28)
    torch.testing.assert_close(net(x), hand(x))


def test_norm_stands_between_dense_layer_and_activation() -> None:
    net, x = structure.build(DIGITS, NORMED), torch.randn(4, 1, 8, 8)
    h = x.flatten(1)
    for dense, norm in zip(net.trunk.dense, net.trunk.norms, strict=True):
        h = nn.functional.gelu(norm(dense(h)))
    torch.testing.assert_close(net(x), net.head.last(h))


def test_without_hidden_layers_it_is_linear() -> None:
    net = structure.build(DIGITS, MlpConfig(widths=()))
    a, b = torch.randn(2, 3, 1, 8, 8)
    torch.testing.assert_close(net(a + b), net(a) + net(b) - net(torch.zeros_like(a)))
    assert net.trunk.width == 64


@pytest.mark.parametrize("name", [*structure.presets, "normed"])
def test_every_weight_gets_a_gradient_within_three_steps(name: str) -> None:
    net = structure.build(DIGITS, {**structure.presets, "normed": NORMED}[name])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x, y = torch.randn(16, 1, 8, 8), torch.arange(16) % 10
    most = dict.fromkeys(dict(net.named_parameters()), 0.0)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        for key, p in net.named_parameters():
            assert p.grad is not None
            most[key] = max(most[key], p.grad.abs().max().item())
        optimizer.step()
    assert min(most.values()) > 1e-7 * max(most.values())


def test_examples_in_a_batch_do_not_mix() -> None:
    net, x, order = structure.build(DIGITS, NORMED), torch.randn(5, 1, 8, 8), torch.randperm(5)
    torch.testing.assert_close(net(x)[order], net(x[order]))
    torch.testing.assert_close(net(x)[:1], net(x[:1]))


def test_two_builds_from_one_seed_agree() -> None:
    for config in structure.presets.values():
        torch.manual_seed(7)
        first = structure.build(DIGITS, config)
        torch.manual_seed(7)
        second = structure.build(DIGITS, config)
        torch.testing.assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)


def test_configurations_survive_json_and_refuse_nonsense() -> None:
    for config in (*structure.presets.values(), NORMED, MlpConfig(widths=())):
        assert MlpConfig.model_validate_json(config.model_dump_json()) == config
    for wrong in ({"widths": (0,)}, {"dropout": 1.0}, {"activation": "swiglu"}, {"depth": 2}):
        with pytest.raises(ValueError, match="validation error"):
            MlpConfig(**wrong)  # type: ignore[arg-type]


def test_the_padding_of_frames_changes_nothing() -> None:
    net = structure.build(Signature(Frames(3, 7), Classes(4)), NORMED)
    x, lengths = torch.randn(3, 7, 3), torch.tensor([7, 2, 4])
    other = x.clone()
    other[torch.arange(7) >= lengths[:, None]] = 9.0
    torch.testing.assert_close(net(x, lengths=lengths), net(other, lengths=lengths))


def test_dropout_works_in_training_only() -> None:
    net, x = structure.build(DIGITS, MlpConfig(dropout=0.5)), torch.randn(2, 1, 8, 8)
    assert net(x).ne(net(x)).any()
    net.eval()
    torch.testing.assert_close(net(x), net(x))


def test_layers_can_be_looked_at() -> None:
    seen = structure.build(DIGITS, NORMED).look(torch.randn(2, 1, 8, 8))
    assert {k: v.shape for k, v in seen.items() if k.startswith("block")} == {
        "block.0": (2, 12),
        "block.1": (2, 9),
    }


REFUSED = [
    (Signature(Tokens(9, 5), Tokens(9, 5), positions="causal"), "see the future"),
    (Signature(Frames(2, 5), Tokens(9, 5), positions="aligned"), "keeps no places"),
    (Signature(Image(1, 8, 8), Image(1, 8, 8), positions="aligned"), "keeps no places"),
    (Signature(Tokens(9, 5), Classes(2), context=Tokens(9, 4)), "attend to a context"),
    (Signature(Classes(4), Classes(2)), "one label alone"),
]


@pytest.mark.parametrize(("signature", "words"), REFUSED)
def test_every_misfit_has_its_own_sentence(signature: Signature, words: str) -> None:
    refused = structure.refuses(signature, MlpConfig())
    assert isinstance(refused, Refusal)
    assert words in refused.reason
    with pytest.raises(InputError, match=words):
        structure.build(signature, MlpConfig())


def test_a_sequence_or_a_grid_is_refused() -> None:
    for layout, size in (("sequence", (4,)), ("grid", (4, 4))):
        made = structure.trunk(MlpConfig(), Plan(layout, 8, size, "free", "keep"))
        assert isinstance(made, Refusal)


@pytest.mark.parametrize("preset", structure.presets)
@pytest.mark.parametrize(
    ("signature", "shape"),
    [
        (PICTURES, (2, 10)),
        (Signature(Vector(7), Classes(3)), (2, 3)),
        (Signature(Vector(7), Image(1, 8, 8), condition=Classes(10)), (2, 1, 8, 8)),
        (Signature(Image(1, 8, 8), Vector(1), condition=Classes(10)), (2, 1)),
        (Signature(Frames(3, 6), Frames(2, 4)), (2, 4, 2)),
        (Signature(Tokens(9, 2), Classes(9)), (2, 9)),
        (Signature(Vector(7), Tokens(5, 4)), (2, 4, 5)),
    ],
)
def test_every_preset_fits_every_form(preset: str, signature: Signature, shape) -> None:
    with torch.device("meta"):
        net = structure.build(signature, structure.presets[preset])
        label = signature.condition
        inputs = {} if label is None else {"condition": meta_input(label, 2)}
        assert net(meta_input(signature.input, 2), **inputs).shape == shape
