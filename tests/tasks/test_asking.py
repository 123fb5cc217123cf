"""A text that is asked for, and what comes back."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from netwright.codecs import Bytes, Characters, Codec, Words
from netwright.errors import InputError
from netwright.specs import Text
from netwright.tasks._asking import TextRequest, made_texts


class _Script:
    """Says a text by heart, whatever it is asked."""

    def __init__(self, symbols: list[int], size: int, capacity: int | None = None) -> None:
        self.symbols, self.size, self.capacity = symbols, size, capacity

    def state(self, batch: int) -> dict[str, Tensor]:
        return {"at": torch.zeros(batch, dtype=torch.long)}

    def step(
        self, x: Tensor, state: Mapping[str, Tensor], lengths: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        y = torch.full((*x.shape, self.size), -99.0)
        for row, at in enumerate(state["at"].tolist()):
            y[row, :, self.symbols[at % len(self.symbols)]] = 99.0
        return y, {"at": state["at"] + 1}


def _said(codec: Codec, text: str, capacity: int | None = None, **asked: object):
    net = _Script([int(s) for s in codec.encode(text)], codec.size, capacity)
    column = Text(codec=codec, length=16, start=codec.encode("\n")[0])
    request = TextRequest.model_validate({"length": len(net.symbols), **asked})
    answers = list(made_texts(net, column, request, torch.Generator()))
    pieces = [str(a.value["piece"]) for a in answers if "piece" in a.value]
    return pieces, [a for a in answers if "text" in a.value]


CODEC = Characters.of("abcdef \n.")


def test_one_prompt_streams_and_ends_with_the_whole_text() -> None:
    pieces, (answer,) = _said(CODEC, "abc def.", prompt=("fed ",))
    assert pieces == ["fed ", *"abc def."]
    assert answer.value == {"prompt": "fed ", "text": "abc def.", "symbols": 8}
    assert answer.words == "fed abc def."


def test_several_prompts_come_whole_and_keep_their_names() -> None:
    pieces, answers = _said(CODEC, "abc", prompt=("a", "bb"))
    assert pieces == []
    assert [(a.name, a.value["prompt"], a.value["text"]) for a in answers] == [
        ("1", "a", "abc"),
        ("2", "bb", "abc"),
    ]


def test_a_text_ends_in_front_of_a_stop_string_that_is_never_shown() -> None:
    pieces, (answer,) = _said(CODEC, "ab cd. ef", stop=("d.", "zzz"))
    assert (answer.value["text"], answer.value["symbols"]) == ("ab c", 6)
    assert "".join(pieces) == "ab c"
    pieces, (answer,) = _said(CODEC, "ab cd ef", stop=("d.",))
    assert "".join(pieces) == answer.value["text"] == "ab cd ef"


def test_a_character_of_several_bytes_is_shown_when_it_is_whole() -> None:
    pieces, (answer,) = _said(Bytes(), "a好b")
    assert pieces == ["a", "好", "b"]
    assert answer.value["text"] == "a好b"
    pieces, _ = _said(Bytes(), "a好", length=3)  # cut within the character
    assert "".join(pieces).startswith("a")


def test_an_empty_prompt_goes_on_from_the_start_of_a_line_where_there_is_one() -> None:
    _, (answer,) = _said(CODEC, "abc")
    assert answer.value["prompt"] == ""
    column = Text(codec=Characters(symbols="ab"), length=4)
    with pytest.raises(InputError, match="nothing to go on from"):
        list(made_texts(_Script([0], 2), column, TextRequest(), torch.Generator()))


def test_a_prompt_is_told_where_it_cannot_be_read_or_is_too_long() -> None:
    with pytest.raises(InputError, match="never occurred in training"):
        _said(CODEC, "a", prompt=("aXb",))
    _, (answer,) = _said(CODEC, "abc", capacity=4, prompt=("abcdef",))
    assert answer.value["unread"] == 4


def test_beams_give_the_same_kind_of_answer() -> None:
    pieces, (answer,) = _said(CODEC, "abc", beams=2)
    assert answer.value["text"] == "abc"
    assert "".join(pieces) == "abc"


def test_words_keep_their_space_behind_the_prompt() -> None:
    codec = Words.of(["a b c"])
    net = _Script(codec.encode("c c"), codec.size)
    column = Text(codec=codec, length=16, start=1)
    request = TextRequest(prompt=("a b",), length=2)
    *pieces, answer = made_texts(net, column, request, torch.Generator())
    assert "".join(str(p.value["piece"]) for p in pieces) == "a b c c"
    assert answer.words == "a b c c"
