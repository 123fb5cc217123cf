"""What every cell keeps. A new structure or preset is tested by existing."""

import json

import pytest
import torch
from torch import Tensor

from cells import Cell, built, drawn, every_cell, fitting_cells, inputs_of, loss_of
from netwright.models.base import Network
from netwright.nn.toys import meta_inputs
from netwright.specs import Classes, Frames, Image, Refusal, Tokens, Vector

SMALL = {
    *("tiny", "small", "text"),
    *("mingru", "minlstm", "gated_delta"),
    *("modern", "experts"),
    *("windowed", "linear", "latent", "differential", "gated"),
}
"""Presets that are small enough for every behaviour to be tried."""
HEAVY = {"pictures of 32", "plate"}


def light(cells: list[Cell]) -> list[Cell]:
    return [c for c in cells if c.preset in SMALL and c.form not in HEAVY]


ids = {"ids": lambda c: c.name}


@pytest.mark.parametrize("cell", list(every_cell()), **ids)
def test_a_cell_is_built_on_the_meta_device_or_refused_with_a_sentence(cell: Cell) -> None:
    refusal = cell.structure.refuses(cell.signature, cell.config)
    if refusal is None:
        with torch.device("meta"):
            net = cell.structure.build(cell.signature, cell.config)
        y = net(**meta_inputs(cell.signature, 2))
        expected = {
            Classes: lambda o: (o.count,),
            Vector: lambda o: (o.features,),
            Frames: lambda o: (o.length, o.features),
            Tokens: lambda o: (o.length, o.vocabulary),
            Image: lambda o: (o.channels, o.height, o.width),
        }[type(cell.signature.output)](cell.signature.output)
        if cell.form != "tagging":  # whose stride is the recipe's
            assert tuple(y.shape[1:]) == expected
    else:
        assert isinstance(refusal, Refusal)
        assert len(refusal.reason) > 15
        assert " " in refusal.reason
        assert not refusal.reason.startswith(("Expected", "mat1", "Given", "size"))


@pytest.mark.parametrize("cell", light(fitting_cells()), **ids)
def test_every_parameter_gets_a_gradient_within_three_steps(cell: Cell) -> None:
    net = built(cell).train()
    moved = {n: p for n, p in net.named_parameters() if p.requires_grad}
    optimizer = torch.optim.Adam(moved.values(), lr=1e-2)
    largest = dict.fromkeys(moved, 0.0)
    for _ in range(3):
        optimizer.zero_grad()
        loss_of(net(**inputs_of(cell, 8)), cell).backward()
        for name, p in moved.items():
            if p.grad is not None:
                largest[name] = max(largest[name], float(p.grad.abs().max()))
        optimizer.step()
    top = max(largest.values())
    dead = [n for n, g in largest.items() if g <= 1e-7 * top]
    assert not dead


@pytest.mark.parametrize("cell", light(fitting_cells()), **ids)
def test_examples_in_a_batch_do_not_mix(cell: Cell) -> None:
    net = built(cell).eval()
    batch = inputs_of(cell, 5)
    order = torch.tensor([3, 1, 4, 0, 2])
    with torch.no_grad():
        whole = net(**batch)
        shuffled = net(**{k: v[order] for k, v in batch.items()})
    torch.testing.assert_close(whole[order], shuffled, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "cell", light(fitting_cells("pictures of 8", "text, causal", "generator")), **ids
)
def test_two_builds_from_one_seed_agree_and_two_seeds_differ(cell: Cell) -> None:
    one, same, other = built(cell), built(cell), built(cell, 1)
    torch.testing.assert_close(one.state_dict(), same.state_dict(), rtol=0, atol=0)
    assert any(
        not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True)
    )


@pytest.mark.parametrize("cell", fitting_cells("pictures of 28"), **ids)
def test_a_configuration_survives_json(cell: Cell) -> None:
    kind = cell.structure.Config
    assert kind.model_validate(json.loads(cell.config.model_dump_json())) == cell.config


@pytest.mark.parametrize(
    "cell",
    light(fitting_cells("translation", "generator", "discriminator", "table generator")),
    **ids,
)
def test_a_declared_input_is_not_ignored(cell: Cell) -> None:
    net = built(cell).eval()
    batch = inputs_of(cell)
    torch.nn.init.normal_(next(p for n, p in net.named_parameters() if n.startswith("head")))
    for name in set(batch) - {"x"}:
        value = batch[name]
        changed = (value + 1) % 4 if value.dtype == torch.long else value + 1
        with torch.no_grad():
            assert not torch.equal(net(**batch), net(**{**batch, name: changed})), name


CAUSAL = light(fitting_cells("text, causal", "translation"))


@pytest.mark.parametrize("cell", CAUSAL, **ids)
def test_the_future_does_not_leak(cell: Cell) -> None:
    net = built(cell).eval()
    batch = inputs_of(cell, 2)
    changed = batch["x"].clone()
    changed[:, 6:] = (changed[:, 6:] + 1) % 11
    with torch.no_grad():
        before, after = net(**batch), net(**{**batch, "x": changed})
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.equal(before[:, 6:], after[:, 6:])


def stepped(net: Network, batch: dict[str, Tensor], sizes: list[int]) -> Tensor:
    beside = {k: v for k, v in batch.items() if k != "x"}
    state = net.state(len(batch["x"]), **beside)
    out, at = [], 0
    for size in sizes:
        y, state = net.step(batch["x"][:, at : at + size], state)
        out.append(y)
        at += size
    return torch.cat(out, 1)


@pytest.mark.parametrize("cell", CAUSAL, **ids)
@pytest.mark.parametrize("sizes", [[1] * 12, [5, 7], [3, 1, 1, 7]], ids=["1", "5+7", "3+1+1+7"])
def test_steps_equal_the_whole(cell: Cell, sizes: list[int]) -> None:
    net = built(cell).eval()
    batch = inputs_of(cell, 3)
    with torch.no_grad():
        torch.testing.assert_close(stepped(net, batch, sizes), net(**batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", CAUSAL, **ids)
def test_rows_of_unequal_length_advance_apart(cell: Cell) -> None:
    net = built(cell).eval()
    batch = inputs_of(cell, 3)
    beside = {k: v for k, v in batch.items() if k != "x"}
    lengths = torch.tensor([2, 5, 0])
    with torch.no_grad():
        whole = net(**batch)
        state = net.state(3, **beside)
        _, state = net.step(batch["x"][:, :5], state, lengths=lengths)
        rest = torch.stack([batch["x"][r, n : n + 4] for r, n in enumerate(lengths.tolist())])
        y, _ = net.step(rest, state)
    expected = torch.stack([whole[r, n : n + 4] for r, n in enumerate(lengths.tolist())])
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)


PADDED = light(fitting_cells("text to class", "text, causal", "tagging"))


@pytest.mark.parametrize("cell", PADDED, **ids)
def test_padding_changes_no_valid_output(cell: Cell) -> None:
    net = built(cell).eval()
    x = drawn(cell.signature.input, 3)
    size = x.shape[1]
    lengths = torch.tensor([size, size // 2, 3])
    other = x.clone()
    for row, n in enumerate(lengths.tolist()):
        other[row, n:] = drawn(cell.signature.input, 3, 9)[row, n:]
    with torch.no_grad():
        one, two = net(x, lengths=lengths), net(other, lengths=lengths)
    if isinstance(cell.signature.output, Classes):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
        return
    for row, n in enumerate(net.lengths(lengths).tolist()):
        torch.testing.assert_close(one[row, :n], two[row, :n], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", light(fitting_cells("text, causal", "pictures of 8")), **ids)
def test_a_second_order_loss_reaches_the_weights(cell: Cell) -> None:
    if not isinstance(cell.signature.input, Image):
        pytest.skip("symbols have no gradient")
    net = built(cell).eval()
    x = drawn(cell.signature.input, 2).requires_grad_()
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        slope.square().sum().backward()
    assert any(p.grad is not None and bool(p.grad.abs().sum()) for p in net.parameters())


@pytest.mark.parametrize("cell", light(fitting_cells("pictures of 8")), **ids)
def test_looking_gives_named_results_and_changes_nothing(cell: Cell) -> None:
    net = built(cell).eval()
    x = drawn(cell.signature.input, 2)
    with torch.no_grad():
        plain = net(x)
        seen = net.look(x)
    assert "pooled.0" in seen
    if cell.family in {"transformer", "self_attention"}:
        weights = seen["attention.0"]
        whole = 0.8 if cell.preset == "differential" else 1.0  # a difference: 1 - lambda
        sums = torch.full(weights.shape[:-1], whole)
        torch.testing.assert_close(weights.sum(-1), sums, atol=1e-2, rtol=0)
    with torch.no_grad():
        assert torch.equal(plain, net(x))
