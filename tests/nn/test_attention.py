import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from netwright.errors import InputError
from netwright.nn.attention import Attention, attend, attend_cached, window
from netwright.nn.look import watching
from netwright.nn.positions import rotate, rotation

B, T, S, D, H, E = 3, 6, 5, 8, 2, 6


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def heads(t: int) -> torch.Tensor:
    return torch.randn(B, H, t, E, dtype=torch.double, requires_grad=True)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_the_open_and_the_fused_path_are_one_formula(causal: bool, masked: bool) -> None:
    query, key, value = heads(T), heads(T), heads(T)
    lengths = torch.tensor([6, 3, 1])
    seen = (torch.arange(T) < lengths[:, None])[:, None, None] if masked else None
    scores = query @ key.mT / math.sqrt(E)
    allowed = torch.ones(B, 1, T, T, dtype=torch.bool)
    if causal:
        allowed = allowed.tril()
    if seen is not None:
        allowed = allowed & seen
    hand = scores.masked_fill(~allowed, -math.inf).softmax(-1) @ value
    fused = attend(query, key, value, seen, causal=causal)
    with watching() as shown:
        opened = attend(query, key, value, seen, causal=causal)
    torch.testing.assert_close(fused, hand)
    torch.testing.assert_close(opened, hand)
    weights = shown["attention.0"]
    assert weights.shape == (B, H, T, T)
    assert weights.masked_select(~allowed.expand_as(weights)).eq(0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    for made in (fused, opened):
        grads = torch.autograd.grad(made.sin().sum(), (query, key, value), retain_graph=True)
        wanted = torch.autograd.grad(hand.sin().sum(), (query, key, value), retain_graph=True)
        torch.testing.assert_close(grads, wanted)


def test_attend_equals_the_library() -> None:
    query, key, value = torch.randn(3, B, H, T, E).unbind()
    with watching():
        made = attend(query, key, value, causal=True)
    wanted = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(made, wanted)


def test_a_place_that_sees_nothing_gets_a_mean_and_a_finite_gradient() -> None:
    query, key, value = heads(T), heads(S), heads(S)
    seen = torch.zeros(B, 1, 1, S, dtype=torch.bool)
    fused = attend(query, key, value, seen)
    with watching():
        opened = attend(query, key, value, seen)
    for made in (fused, opened):
        torch.testing.assert_close(made, value.mean(2, keepdim=True).expand_as(made))
        grads = torch.autograd.grad(made.sum(), (query, key, value), retain_graph=True)
        assert all(g.isfinite().all() for g in grads)


def test_halved_floats_agree_with_the_library() -> None:
    query, key, value = torch.randn(3, B, H, T, E, dtype=torch.bfloat16).unbind()
    wanted = F.scaled_dot_product_attention(query.float(), key.float(), value.float())
    torch.testing.assert_close(attend(query, key, value).float(), wanted, rtol=0.05, atol=0.05)


def library(ours: Attention) -> nn.MultiheadAttention:
    """torch's layer with the weights of `ours`, whose heads must fill its width."""
    source = ours.memory or D
    theirs = nn.MultiheadAttention(D, H, bias=True, batch_first=True, kdim=source, vdim=source)
    weights = torch.cat([p.weight for p in ours.project]) if source == D else None
    state = theirs.state_dict()
    if weights is not None:
        state["in_proj_weight"] = weights
    else:
        whole = [w for p in ours.project for w in p.weight.split(D)]
        for name, w in zip("qkv", whole, strict=True):
            state[f"{name}_proj_weight"] = w
    state["in_proj_bias"] = torch.cat([p.bias for p in ours.project])
    state["out_proj.weight"], state["out_proj.bias"] = ours.output.weight, ours.output.bias
    theirs.load_state_dict(state)
    return theirs


def filled(attention: Attention) -> Attention:
    for parameter in attention.parameters():
        nn.init.normal_(parameter, std=0.5)
    return attention


@pytest.mark.parametrize("projections", ["fused", "separate"])
@pytest.mark.parametrize("causal", [False, True])
def test_self_attention_equals_the_librarys(projections, causal: bool) -> None:
    ours = filled(Attention(D, H, D // H, causal=causal, bias=True, projections=projections))
    x = torch.randn(B, T, D)
    mask = nn.Transformer.generate_square_subsequent_mask(T) if causal else None
    wanted, _ = library(ours)(x, x, x, attn_mask=mask, need_weights=False)
    torch.testing.assert_close(ours(x), wanted)


def test_padded_self_attention_equals_the_librarys_where_it_is_valid() -> None:
    ours, x = filled(Attention(D, H, D // H, bias=True)), torch.randn(B, T, D)
    lengths = torch.tensor([6, 2, 4])
    padding = torch.arange(T) >= lengths[:, None]
    wanted, _ = library(ours)(x, x, x, key_padding_mask=padding)
    made = ours(x, lengths=lengths)
    torch.testing.assert_close(made[~padding], wanted[~padding])


@pytest.mark.parametrize("projections", ["fused", "separate"])
@pytest.mark.parametrize("source", [D, 5])
def test_attention_to_a_memory_equals_the_librarys(projections, source: int) -> None:
    ours = filled(Attention(D, H, D // H, memory=source, bias=True, projections=projections))
    x, memory, lengths = torch.randn(B, T, D), torch.randn(B, S, source), torch.tensor([5, 1, 3])
    padding = torch.arange(S) >= lengths[:, None]
    wanted, _ = library(ours)(x, memory, memory, key_padding_mask=padding)
    torch.testing.assert_close(ours(x, memory, lengths), wanted)


def test_a_missing_and_an_unwanted_memory_are_errors() -> None:
    x = torch.randn(B, T, D)
    with pytest.raises(InputError, match="was given none"):
        Attention(D, H, E, memory=4)(x)
    with pytest.raises(InputError, match="was given a memory"):
        Attention(D, H, E)(x, x)


def test_heads_need_not_fill_the_width_and_biases_are_optional() -> None:
    bare, biased = Attention(D, 3, 5), Attention(D, 3, 5, bias=True)
    assert bare(torch.randn(B, T, D)).shape == (B, T, D)
    assert sum(p.numel() for p in bare.parameters()) == 4 * D * 15
    assert sum(p.numel() for p in biased.parameters()) == 4 * D * 15 + 3 * 15 + D


@pytest.mark.parametrize("watched", [False, True])
def test_the_future_has_exactly_no_influence(watched: bool) -> None:
    attention, x = Attention(D, H, E, causal=True), torch.randn(1, T, D, requires_grad=True)
    turn = rotation(torch.arange(T), E)
    for t in range(T):
        if watched:
            with watching():
                y = attention(x, rotation=turn)
        else:
            y = attention(x, rotation=turn)
        (grad,) = torch.autograd.grad(y[0, t].sum(), x)
        assert grad[0, t + 1 :].eq(0).all()
        assert grad[0, : t + 1].ne(0).any(-1).all()


@pytest.mark.parametrize("rotary", [False, True])
def test_ragged_steps_equal_the_whole(rotary: bool) -> None:
    attention, capacity = Attention(D, H, E, causal=True, bias=True), 9
    rows = torch.randn(2, capacity, D)
    turn = rotation(torch.arange(capacity), E) if rotary else None
    whole = attention(rows, rotation=turn)
    at, state = torch.zeros(2, dtype=torch.long), attention.state(2, capacity)
    for lengths in ([4, 2], [1, 0], [3, 4], [1, 3]):
        count, taken = max(lengths), torch.tensor(lengths)
        x = torch.full((2, count, D), 7.0)
        for row, (start, n) in enumerate(zip(at.tolist(), lengths, strict=True)):
            x[row, :n] = rows[row, start : start + n]
        here = window(at, count, taken, capacity)
        turn = rotation(here.places, E) if rotary else None
        y, state = attention.step(x, state, here, turn)
        for row, (start, n) in enumerate(zip(at.tolist(), lengths, strict=True)):
            torch.testing.assert_close(y[row, :n], whole[row, start : start + n], rtol=0, atol=1e-5)
        at = here.after
    assert at.tolist() == [9, 9]


def test_a_step_leaves_the_given_state_as_it_was_and_passes_gradient() -> None:
    attention, x = Attention(D, H, E, causal=True), torch.randn(2, 3, D, requires_grad=True)
    at, state = torch.zeros(2, dtype=torch.long), attention.state(2, 6)
    here = window(at, 3, None, 6)
    _, new = attention.step(x, state, here)
    assert all(v.eq(0).all() for v in state.values())
    y, _ = attention.step(torch.randn(2, 1, D), new, window(here.after, 1, None, 6))
    (grad,) = torch.autograd.grad(y.sum(), x)
    assert grad.ne(0).any(-1).all()


def test_two_gradients_can_be_taken_with_the_math_kernel() -> None:
    attention, x = Attention(D, H, E), torch.randn(B, T, D, requires_grad=True)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        (grad,) = torch.autograd.grad(attention(x).square().sum(), x, create_graph=True)
        grad.square().sum().backward()
    weight = attention.output.weight.grad
    assert weight is not None
    assert weight.ne(0).any()


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_shared_heads_are_the_librarys_and_the_open_ones(
    groups: int, causal: bool, biased: bool
) -> None:
    query = torch.randn(B, 4, T, E, dtype=torch.double)
    key, value = torch.randn(2, B, groups, T, E, dtype=torch.double).unbind()
    bias = torch.randn(1, 4, T, T, dtype=torch.double) if biased else None
    mask = torch.zeros(T, T, dtype=torch.double) if bias is None else bias
    if causal:
        mask = mask.masked_fill(torch.ones(T, T).triu(1).bool(), -math.inf)
    many = [z.repeat_interleave(4 // groups, 1) for z in (key, value)]
    wanted = F.scaled_dot_product_attention(query, *many, attn_mask=mask)
    torch.testing.assert_close(attend(query, key, value, causal=causal, bias=bias), wanted)
    with watching():
        opened = attend(query, key, value, causal=causal, bias=bias)
    torch.testing.assert_close(opened, wanted)


def test_a_bias_and_hidden_places_add_up() -> None:
    query, key, value = torch.randn(3, B, H, T, E).unbind()
    bias = torch.randn(T, T)
    seen = (torch.arange(T) < torch.tensor([6, 3, 0])[:, None])[:, None, None]
    made = attend(query, key, value, seen, bias=bias)
    scores = query @ key.mT / math.sqrt(E) + bias
    wanted = scores.masked_fill(~seen, -math.inf).softmax(-1) @ value
    torch.testing.assert_close(made[:2], wanted[:2])
    torch.testing.assert_close(made[2], value[2].mean(1, keepdim=True).expand_as(made[2]))


def as_written(ours: Attention, x: torch.Tensor, first: torch.Tensor | None) -> torch.Tensor:
    """Grouped, normed, turned, mixed attention, head by head."""
    e, h, g = ours.head_width, ours.heads, ours.kv_heads
    weight = torch.cat([p.weight for p in ours.project])
    turn = rotation(torch.arange(x.shape[1]), e)

    def norm(z: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        return z / (z.square().mean(-1, keepdim=True) + 1e-5).sqrt() * gain

    heads = []
    assert ours.gain is not None
    for i in range(h):
        j = i * g // h
        q, k, v = (x @ weight[at * e : (at + 1) * e].T for at in (i, h + j, h + g + j))
        q = norm(q, ours.gain[i * e : (i + 1) * e])
        k = norm(k, ours.gain[(h + j) * e : (h + j + 1) * e])
        q, k = (rotate(z[:, None], turn)[:, 0] for z in (q, k))
        if first is not None:
            assert ours.share is not None
            v = (1 - ours.share) * v + ours.share * first[:, j]
        past = torch.ones(x.shape[1], x.shape[1]).tril().bool()
        scores = (q @ k.mT / math.sqrt(e)).masked_fill(~past, -math.inf)
        heads.append(scores.softmax(-1) @ v)
    return torch.cat(heads, -1) @ ours.output.weight.T


@pytest.mark.parametrize("projections", ["fused", "separate"])
@pytest.mark.parametrize("residual", [False, True])
def test_all_parts_together_are_their_formulas(projections, residual: bool) -> None:
    ours = Attention(
        D,
        4,
        E,
        causal=True,
        kv_heads=2,
        qk_norm=True,
        residual=residual,
        projections=projections,
    )
    filled(ours)
    x, first = torch.randn(B, T, D), torch.randn(B, 2, T, E)
    turn = rotation(torch.arange(T), E)
    given = [first] if residual else list[torch.Tensor]()
    torch.testing.assert_close(
        ours(x, rotation=turn, first=given), as_written(ours, x, first if residual else None)
    )
    if not residual:  # the first layer leaves its values
        assert given[0].shape == (B, 2, T, E)


def test_a_memory_may_be_asked_by_normed_shared_heads() -> None:
    fused = filled(Attention(D, 4, E, memory=5, kv_heads=2, qk_norm=True))
    apart = Attention(D, 4, E, memory=5, kv_heads=2, qk_norm=True, projections="separate")
    weights = [fused.project[0].weight, *fused.project[1].weight.chunk(2)]
    for project, weight in zip(apart.project, weights, strict=True):
        project.weight = nn.Parameter(weight)
    apart.output, apart.gain = fused.output, fused.gain
    x, memory = torch.randn(B, T, D), torch.randn(B, S, 5)
    torch.testing.assert_close(fused(x, memory), apart(x, memory))


def test_a_cache_holds_the_shared_heads_alone() -> None:
    assert Attention(D, 6, E, causal=True, kv_heads=2).state(3, 9)["key"].shape == (3, 2, 10, E)
    with pytest.raises(InputError, match="6 heads cannot share 4"):
        Attention(D, 6, E, kv_heads=4)


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("apart", [False, True])
def test_one_place_of_shared_heads_is_the_last_of_all(watched: bool, apart: bool) -> None:
    attention, x = Attention(D, 4, E, causal=True, kv_heads=2), torch.randn(2, T, D)
    whole, here = attention(x), window(torch.zeros(2, dtype=torch.long), T - 1, None, T)
    _, state = attention.step(x[:, :-1], attention.state(2, T), here)
    at = torch.tensor([T - 1, T - 2]) if apart else here.after
    last = torch.stack([x[0, -1], x[1, -2 if apart else -1]])[:, None]
    step = window(at, 1, None, T)
    if watched:
        with watching() as shown:
            y, _ = attention.step(last, state, step)
        assert shown["attention.0"].shape[:3] == (2, 4, 1)
    else:
        y, _ = attention.step(last, state, step)
    wanted = torch.stack([whole[0, -1], whole[1, -2 if apart else -1]])[:, None]
    torch.testing.assert_close(y, wanted)


def test_a_plain_cache_may_be_attended_to_directly() -> None:
    attention, x = Attention(D, H, E, causal=True), torch.randn(2, 3, D)
    here = window(torch.zeros(2, dtype=torch.long), 3, None, 5)
    _, state = attention.step(x, attention.state(2, 5), here)
    query = torch.randn(2, H, 3, E)
    keys = [state[name][:, :, :3] for name in ("key", "value")]
    torch.testing.assert_close(attend_cached(query, state, here), attend(query, *keys, causal=True))
