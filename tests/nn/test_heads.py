"""Heads: every pooling against a formula by hand; outputs have the form that was asked for."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from netwright.models import rnn
from netwright.models.base import Network
from netwright.nn.heads import Each, Head, HeadConfig, Pool, make_head, numbers
from netwright.nn.stems import StemConfig
from netwright.specs import (
    Classes,
    Form,
    Frames,
    Image,
    Layout,
    Positions,
    Refusal,
    Signature,
    Tokens,
    Vector,
)

ANY = Image(1, 8, 8)


def head_for(
    layout: Layout,
    shape: tuple[int, ...],
    output: Form,
    *,
    positions: Positions = "free",
    condition: Form | None = None,
    **fields: object,
) -> Head:
    torch.manual_seed(0)
    signature = Signature(ANY, output, condition=condition, positions=positions)
    made = make_head(layout, shape, signature, HeadConfig.model_validate(fields))
    assert not isinstance(made, Refusal)
    return made.eval()


def pooled_by_hand(kind: str, row: Tensor, weight: Tensor | None) -> Tensor:
    """(t, d) valid places of one sample to (d,)."""
    match kind:
        case "mean":
            return row.sum(0) / len(row)
        case "max":
            return torch.stack([column.max() for column in row.T])
        case "last":
            return row[-1]
        case "class_token":
            return row[0]
    assert weight is not None
    scores = [math.exp(float(place @ weight[0].detach())) for place in row]
    shares = [s / sum(scores) for s in scores]
    return sum((s * place for s, place in zip(shares, row, strict=True)), torch.zeros(row.shape[1]))


KINDS = ["mean", "max", "last", "class_token", "sequence"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
def test_a_pooled_sequence_is_the_formula_by_hand(kind: str, padded: bool) -> None:
    torch.manual_seed(1)
    pool, h = Pool(kind, "sequence", 3), torch.randn(3, 5, 3)
    lengths = torch.tensor([5, 2, 1]) if padded else torch.tensor([5, 5, 5])
    weight = next(pool.parameters(), None)
    expected = [
        pooled_by_hand(kind, row[:n], weight) for row, n in zip(h, lengths.tolist(), strict=True)
    ]
    found = pool(h, lengths if padded else None)
    torch.testing.assert_close(found, torch.stack(expected))


@pytest.mark.parametrize("kind", ["mean", "max", "sequence"])
def test_a_pooled_grid_is_its_places_pooled_as_a_sequence(kind: str) -> None:
    torch.manual_seed(1)
    pool, h = Pool(kind, "grid", 3), torch.randn(2, 3, 4, 5)
    weight = next(pool.parameters(), None)
    places = h.flatten(2).transpose(1, 2)
    expected = torch.stack([pooled_by_hand(kind, row, weight) for row in places])
    torch.testing.assert_close(pool(h), expected)


def test_a_vector_has_nothing_to_pool_and_flat_keeps_everything() -> None:
    vector, grid = torch.randn(2, 3), torch.randn(2, 3, 4, 5)
    assert Pool("mean", "vector", 3)(vector) is vector
    assert torch.equal(Pool("flatten", "grid", 3)(grid), grid.reshape(2, 60))


@pytest.mark.parametrize("kind", KINDS)
def test_pooling_reads_no_padding(kind: str) -> None:
    pool, h, lengths = Pool(kind, "sequence", 3), torch.randn(2, 4, 3), torch.tensor([2, 3])
    other = h.clone()
    other[0, 2:], other[1, 3:] = 7.0, -7.0
    assert torch.equal(pool(h, lengths), pool(other, lengths))


FORMS: list[tuple[Form, tuple[int, ...]]] = [
    (Classes(4), (4,)),
    (Vector(5), (5,)),
    (Tokens(6, 3), (3, 6)),
    (Frames(2, 3), (3, 2)),
    (Image(2, 3, 4), (2, 3, 4)),
]


@pytest.mark.parametrize(("output", "shape"), FORMS, ids=str)
def test_one_pooled_sample_becomes_any_output_form(output: Form, shape: tuple[int, ...]) -> None:
    y = head_for("sequence", (7, 3), output, hidden=(5,))(torch.randn(2, 7, 3))
    assert y.shape == (2, *shape)
    assert numbers(output) == math.prod(shape)


@pytest.mark.parametrize(
    ("layout", "shape", "output", "expected"),
    [
        ("sequence", (7, 3), Tokens(6, 7), (7, 6)),
        ("sequence", (7, 3), Frames(2, 7), (7, 2)),
        ("grid", (3, 4, 7), Tokens(6, 7), (7, 6)),
        ("grid", (3, 4, 7), Image(2, 4, 7), (2, 4, 7)),
        ("sequence", (4, 3), Image(2, 4, 7), (2, 4, 7)),
    ],
    ids=str,
)
def test_each_place_becomes_a_place_of_the_output(
    layout: Layout, shape: tuple[int, ...], output: Form, expected: tuple[int, ...]
) -> None:
    head = head_for(layout, shape, output, positions="aligned")
    assert head(torch.randn(2, *shape)).shape == (2, *expected)


def test_a_sequence_draws_a_picture_row_by_row() -> None:
    head, h = (
        head_for("sequence", (4, 3), Image(2, 4, 7), positions="aligned"),
        torch.randn(1, 4, 3),
    )
    changed = h.clone()
    changed[:, 2] += 1
    rows = (head(h) != head(changed)).any(3).any(1)[0]
    assert rows.tolist() == [False, False, True, False]


def test_a_growing_head_doubles_each_side_of_a_picture() -> None:
    for growth in (1, 2):
        head = head_for("grid", (3, 4, 6), Image(2, 4 * growth, 6 * growth), growth=growth)
        assert head(torch.randn(2, 3, 4, 6)).shape == (2, 2, 4 * growth, 6 * growth)


@pytest.mark.parametrize("numbers", [1, 5])
def test_towards_a_score_a_label_enters_by_projection_and_logits_beside_it_are_not_told(
    numbers: int,
) -> None:
    head = head_for("vector", (3,), Vector(numbers), condition=Classes(4))
    h, label = torch.randn(2, 3), torch.tensor([2, 0])
    (embed,) = (m for m in head.modules() if isinstance(m, nn.Embedding))
    added = head(h, None, label) - head(h)
    expected = torch.stack([embed.weight[c] @ row for row, c in zip(h, label, strict=True)])
    torch.testing.assert_close(added[:, 0], expected)
    assert head.told
    assert not added[:, 1:].any()
    for other in (
        head_for("vector", (3,), Vector(2), condition=Classes(4)),
        head_for("vector", (3,), Classes(5), condition=Classes(4)),
        head_for("vector", (3,), Vector(numbers)),
    ):
        assert not [m for m in other.modules() if isinstance(m, nn.Embedding)]


def test_a_label_does_not_drown_what_is_read_of_many_features() -> None:
    head = head_for("vector", (4_096,), Vector(1), condition=Classes(4))
    h = torch.randn(64, 4_096)
    added = head(h, None, torch.arange(64) % 4) - head(h)
    assert 0.1 < added.std().item() < 5


def test_logits_are_scaled_and_dropout_rests_in_evaluation() -> None:
    h = torch.randn(2, 3)
    plain = head_for("vector", (3,), Classes(4))
    scaled = head_for("vector", (3,), Classes(4), scale=0.25, dropout=0.5)
    torch.testing.assert_close(scaled(h), 0.25 * plain(h))
    scaled.train()
    assert not torch.equal(scaled(h), scaled(h))


@pytest.mark.parametrize(
    ("layout", "shape", "output", "positions", "pooling", "words"),
    [
        ("grid", (3, 4, 4), Classes(4), "free", "last", "no last place"),
        ("grid", (3, 4, 4), Classes(4), "free", "class_token", "needs a sequence"),
        ("vector", (3,), Classes(4), "free", "class_token", "needs a sequence"),
        ("sequence", (4, 3), Classes(4), "causal", "mean", "one classes output has no places"),
        ("sequence", (4, 3), Vector(4), "aligned", "mean", "no places to be aligned with"),
    ],
)
def test_a_head_that_makes_no_sense_is_refused_in_a_sentence(
    layout: Layout,
    shape: tuple[int, ...],
    output: Form,
    positions: Positions,
    pooling: str,
    words: str,
) -> None:
    signature = Signature(ANY, output, positions=positions)
    made = make_head(layout, shape, signature, HeadConfig.model_validate({"pooling": pooling}))
    assert isinstance(made, Refusal)
    assert words in made.reason


@pytest.mark.parametrize(
    "fields", [{"growth": 3}, {"dropout": 1.0}, {"dropout": -0.1}, {"hidden": [0]}], ids=str
)
def test_numbers_that_no_head_can_have_are_no_configuration(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HeadConfig.model_validate(fields)


def _tied(width: int, stem: int = 8) -> Network:
    torch.manual_seed(0)
    form = Tokens(9, 6)
    config = rnn.Config(
        width=width, layers=1, stem=StemConfig(width=stem), head=HeadConfig(tied=True)
    )
    return rnn.structure.build(Signature(form, form, positions="causal"), config)


@pytest.mark.parametrize("width", [8, 12])
def test_a_tied_head_reads_by_the_embedding_behind_a_projection_where_widths_differ(
    width: int,
) -> None:
    net = _tied(width)
    head = net.head
    assert isinstance(head, Each)
    assert (head.project is None) == (width == 8)
    embeddings = [p for p in net.parameters() if p.shape == (9, 8)]
    assert len(embeddings) == 1  # one matrix for both
    h = torch.randn(2, 3, width)
    read = h if head.project is None else head.project(h)
    want = F.linear(read, net.stem.embed.weight, head.read.bias)
    torch.testing.assert_close(head(h), want)


def test_a_tied_matrix_survives_its_file_and_a_copy() -> None:
    net, other = _tied(8), _tied(8)
    with torch.no_grad():
        net.stem.embed.weight.add_(1)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other.head.read.weight, net.stem.embed.weight)
    twin = copy.deepcopy(net)
    assert twin.head.read.weight is twin.stem.embed.weight


def test_only_symbols_from_the_same_symbols_are_tied() -> None:
    torch.manual_seed(0)
    config = rnn.Config(head=HeadConfig(tied=True))
    net = rnn.structure.build(Signature(Tokens(9, 6), Classes(3)), config)
    assert net.head.last.weight.shape == (3, net.trunk.width)
