"""Decoding: what follows a prompt."""

import itertools
from collections.abc import Mapping, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from netwright.errors import InputError
from netwright.models import rnn, transformer
from netwright.models.base import Network
from netwright.nn.decoding import Decoding, choose, decode, kept, penalised
from netwright.specs import Signature, Tokens

V = 7


def _net(structure=rnn.structure, length: int = 64) -> Network:
    torch.manual_seed(3)
    form = Tokens(V, length)
    net = structure.build(Signature(form, form, positions="causal"), structure.presets["tiny"])
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(2.0)  # far from uniform
    return net.eval()


class _Table:
    """A first-order source whose probabilities are known."""

    capacity = None

    def __init__(self, shares: Sequence[Sequence[float]]) -> None:
        self.logits = torch.tensor(shares).log()

    def state(self, batch: int) -> dict[str, Tensor]:
        return {"h": torch.zeros(batch, 1)}

    def step(
        self, x: Tensor, state: Mapping[str, Tensor], lengths: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return self.logits[x], dict(state)


def _made(net, prompts, how, seed=0, **more) -> list[list[int]]:
    out: list[list[int]] = [[] for _ in prompts]
    for row, symbol in decode(net, prompts, how, torch.Generator().manual_seed(seed), **more):
        out[row].append(symbol)
    return out


@pytest.mark.parametrize("structure", [rnn.structure, transformer.structure])
def test_greedy_steps_say_what_the_whole_forward_pass_says(structure) -> None:
    net, text = _net(structure), [1, 4, 2]
    with torch.inference_mode():
        for _ in range(12):
            text.append(int(net(torch.tensor([text]))[0, -1].argmax()))
    assert _made(net, [[1, 4, 2]], Decoding(length=12, temperature=0)) == [text[3:]]


@pytest.mark.parametrize("structure", [rnn.structure, transformer.structure])
def test_prompts_of_unequal_length_go_together_as_they_go_alone(structure) -> None:
    net, prompts = _net(structure), [[1], [2, 3, 4, 5, 6], [0, 6, 3]]
    how = Decoding(length=9, temperature=0)
    assert _made(net, prompts, how) == [_made(net, [p], how)[0] for p in prompts]


def test_a_text_that_outgrows_the_network_goes_on_from_its_last_half() -> None:
    net = _net(transformer.structure, length=8)
    assert net.capacity == 8
    (made,) = _made(net, [[1, 2, 3]], Decoding(length=20, temperature=0))
    text = [1, 2, 3]
    with torch.inference_mode():
        read = text[:]
        for symbol in made:
            assert int(net(torch.tensor([read]))[0, -1].argmax()) == symbol
            text.append(symbol)
            read = [*read, symbol] if len(read) < 8 else text[-4:]
    (long,) = _made(net, [list(range(7)) * 3], Decoding(length=2, temperature=0))
    assert len(long) == 2


def test_rows_stop_by_themselves() -> None:
    net, how = _net(), Decoding(length=30, temperature=1.0)
    whole = _made(net, [[1], [2]], how, seed=5)
    cut = _made(net, [[1], [2]], how, seed=5, stop=lambda row, made: len(made) == 3 + row)
    assert [len(c) for c in cut] == [3, 4]
    assert cut[0] == whole[0][:3]
    assert _made(net, [[1], [2]], how, seed=6) != whole


def test_what_is_drawn_has_the_shares_of_the_source() -> None:
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])
    table = _Table([shares.tolist()] * 4)
    (made,) = _made(table, [[0]], Decoding(length=4000))
    found = torch.bincount(torch.tensor(made), minlength=4) / 4000
    torch.testing.assert_close(found, shares, atol=0.03, rtol=0)


@pytest.mark.parametrize(
    ("how", "stay"),
    [
        (Decoding(top_k=2), [0, 1]),
        (Decoding(top_k=99), [0, 1, 2, 3]),
        (Decoding(top_p=0.5), [0]),
        (Decoding(top_p=0.6), [0, 1]),
        (Decoding(top_p=0.96), [0, 1, 2, 3]),
        (Decoding(min_p=0.3), [0, 1, 2]),
        (Decoding(min_p=0.9), [0]),
        (Decoding(top_k=3, top_p=0.9), [0, 1, 2]),
    ],
)
def test_symbols_are_left_out_by_rank_mass_or_share(how: Decoding, stay: list[int]) -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    assert kept(logits, how)[0].isfinite().nonzero()[:, 0].tolist() == stay


@given(st.integers(0, 2**16), st.floats(0.05, 1.0), st.integers(1, 9), st.floats(0.01, 1.0))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_the_likeliest_symbol_always_stays(seed: int, p: float, k: int, least: float) -> None:
    logits = torch.randn(3, 9, generator=torch.Generator().manual_seed(seed))
    left = kept(logits, Decoding(top_p=p, top_k=k, min_p=least))
    assert left.argmax(1).tolist() == logits.argmax(1).tolist()
    assert left.gather(1, logits.argmax(1, keepdim=True)).isfinite().all()


def test_a_penalty_makes_what_was_said_less_likely_whatever_its_sign() -> None:
    logits = torch.tensor([[2.0, -2.0, 1.0]])
    assert penalised(logits, [[0, 1, 1]], 2.0).tolist() == [[1.0, -4.0, 1.0]]
    assert penalised(logits, [[0]], 1.0) is logits


def test_choosing_is_a_function_of_the_generator() -> None:
    logits = torch.zeros(5, 9)
    draws = [
        choose(logits, [[]] * 5, Decoding(), torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_beams_find_the_best_text_of_all() -> None:
    torch.manual_seed(0)
    shares = torch.rand(4, 4).softmax(1)
    table = _Table(shares.tolist())
    best = max(
        itertools.product(range(4), repeat=4),
        key=lambda t: sum(float(shares[a, b].log()) for a, b in itertools.pairwise((0, *t))),
    )
    assert _made(table, [[0]], Decoding(length=4, beams=16)) == [list(best)]


def test_a_length_penalty_lets_a_longer_text_win() -> None:
    # symbol 1 ends a text: at once with 0.4, behind symbol 2 surely
    table = _Table([[0.0001, 0.4, 0.5999], [0.3, 0.3, 0.4], [0.0001, 0.7, 0.2999]])

    def ends(row: int, made: Sequence[int]) -> bool:
        return made[-1] == 1

    short = Decoding(length=6, beams=4)
    long = Decoding(length=6, beams=4, length_penalty=1.0)
    assert _made(table, [[0]], short, stop=ends) == [[2, 1]]
    assert len(_made(table, [[0]], long, stop=ends)[0]) >= 2


def test_beams_of_a_network_are_at_least_as_good_as_greedy_steps() -> None:
    net = _net(transformer.structure)

    def score(text: list[int]) -> float:
        with torch.inference_mode():
            nats = net(torch.tensor([[1, *text]]))[0].log_softmax(1)
        return sum(float(nats[i, s]) for i, s in enumerate(text))

    (greedy,) = _made(net, [[1]], Decoding(length=6, temperature=0))
    (beams,) = _made(net, [[1]], Decoding(length=6, beams=5))
    assert score(beams) >= score(greedy)


def test_an_empty_prompt_and_wrong_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="nothing to start from"):
        _made(_net(), [[]], Decoding())
    for wrong in (
        *({"top_p": 0.0}, {"temperature": -1}, {"length": 0}, {"beams": 0}),
        *({"temperature": 1e-40}, {"temperature": float("nan")}, {"length_penalty": 1000}),
        *({"repetition_penalty": 1e-300}, {"repetition_penalty": float("inf")}),
    ):
        with pytest.raises(ValidationError):
            Decoding.model_validate(wrong)
