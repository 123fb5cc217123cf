"""Codecs: exact round trips, counts that are the text's own, and what is refused."""

import builtins
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from netwright.codecs import AnyCodec, BytePairs, Bytes, Characters, Codec, Words
from netwright.errors import InputError

ADAPTER: TypeAdapter[AnyCodec] = TypeAdapter(AnyCodec)
CASES = settings(derandomize=True, deadline=None, max_examples=60)
LEARNED = "The cat sat on the mat, and the cat's hat sat on the cat. 中文文本 的 中文 the\n" * 4
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
ODD = "e\u0301 👩‍👩‍👧 中文\u3000\u00a0x\x85\x1cy \r\n\t\0\ufeff\U0010ffff 'twas it's  1st\n\n\n z"
SPACED = "a\u3000b\u2003c\u00a0d\x85e\x1cf\u2028g"


@pytest.fixture(scope="module")
def pairs() -> BytePairs:
    pytest.importorskip("tokenizers")
    return BytePairs.of([LEARNED], 280)


def exact(text: str, pairs: BytePairs) -> list[Codec]:
    return [Characters.of(text), Bytes(), pairs]


@CASES
@given(TEXTS)
@example("")
@example(ODD)
@example("x" * 300 + " " * 200 + "\n" * 70)
def test_what_is_encoded_is_decoded_to_the_same_text(pairs: BytePairs, text: str) -> None:
    for codec in exact(text, pairs):
        symbols = codec.encode(text)
        assert codec.exact
        assert codec.decode(symbols) == text
        assert all(0 <= s < codec.size for s in symbols)
        assert codec.decode(np.array(symbols, dtype=np.int32)) == text  # type: ignore[arg-type]


@CASES
@given(TEXTS)
@example("")
@example(ODD)
@example(SPACED)
def test_lengths_sum_to_the_texts_own_counts(pairs: BytePairs, text: str) -> None:
    counts = [len(text), len(text.encode()), len(text.split())]
    for codec in exact(text, pairs):
        lengths = codec.lengths(codec.encode(text))
        assert lengths.shape == (len(codec.encode(text)), 3)
        assert lengths.sum(0).tolist() == counts


@CASES
@given(TEXTS, st.data())
def test_a_text_cut_anywhere_can_be_decoded(pairs: BytePairs, text: str, data: Any) -> None:
    for codec in exact(text, pairs):
        symbols = codec.encode(text)
        said = codec.decode(symbols[: data.draw(st.integers(0, len(symbols)))])
        assert text.startswith(said.rstrip("\ufffd"))


@CASES
@given(st.lists(st.integers(0, 255), max_size=12))
def test_bytes_that_are_no_text_can_be_decoded_and_counted(symbols: Sequence[int]) -> None:
    assert isinstance(Bytes().decode(symbols), str)
    assert Bytes().lengths(symbols)[:, 1].tolist() == [1.0] * len(symbols)


def test_what_spans_symbols_is_counted_where_it_begins() -> None:
    text = " é 中"
    by_bytes = Bytes().lengths(Bytes().encode(text))
    assert by_bytes.tolist() == [
        [1, 1, 0],
        *([1, 1, 1], [0, 1, 0]),
        [1, 1, 0],
        *([1, 1, 1], [0, 1, 0], [0, 1, 0]),
    ]
    codec = Characters.of(text)
    assert codec.lengths(codec.encode("中中 é")).tolist() == [
        [1, 3, 1],
        [1, 3, 0],
        [1, 1, 0],
        [1, 2, 1],
    ]


def test_every_codec_survives_json(pairs: BytePairs) -> None:
    for codec in (*exact(ODD, pairs), Words.of([ODD, "b a b"], lower=True, minimum=1)):
        again = ADAPTER.validate_json(ADAPTER.dump_json(codec))
        assert again == codec
        assert type(again) is type(codec)
        assert again.size == codec.size


def test_characters_stand_in_the_order_of_their_code_points() -> None:
    codec = Characters.of("cab\n中a")
    assert codec.symbols == "\nabc中"
    assert codec.encode("中a\n") == [4, 1, 0]


def test_a_character_that_never_occurred_is_refused_with_its_place() -> None:
    with pytest.raises(InputError) as caught:
        Characters.of("ab\n").encode("ab\nba😀a")
    assert "'😀' never occurred" in caught.value.sentence
    assert "line 2, column 3" in caught.value.sentence
    assert "codec: bytes" in caught.value.do


def test_half_of_a_surrogate_pair_is_refused_with_its_place(pairs: BytePairs) -> None:
    for codec in (Bytes(), pairs):
        with pytest.raises(InputError, match=re.escape("'\\ud800' is half of one")) as caught:
            codec.encode("ab\nc\ud800")
        assert "line 2, column 2" in caught.value.sentence


def test_words_are_the_frequent_ones_most_frequent_first_ties_by_name() -> None:
    lines = ["b B a c c c", "d a <unk> <eos> <unk> <unk> <unk> <unk>"]
    assert Words.of(lines).words == ("<unk>", "<eos>", "c", "a", "B", "b", "d")
    assert Words.of(lines, lower=True).words == ("<unk>", "<eos>", "c", "a", "b", "d")
    assert Words.of(lines, minimum=2).words == ("<unk>", "<eos>", "c", "a")
    assert Words.of(lines, most=1).words == ("<unk>", "<eos>", "c")


def test_rare_words_are_unknown_and_each_line_that_ends_says_so() -> None:
    codec = Words.of(["the cat sat"], lower=True)
    symbols = codec.encode("The  dog\n\n <unk> sat\nthe")
    assert codec.decode(symbols) == "the <unk>\n\n<unk> sat\nthe"
    assert [codec.words[i] for i in symbols].count("<eos>") == 3
    assert codec.encode(codec.decode(symbols)) == symbols
    assert not codec.exact


def test_every_word_and_every_end_of_a_line_is_a_word_to_a_perplexity() -> None:
    codec = Words.of(["the été"])
    assert codec.lengths(codec.encode("été the\n\n")).tolist() == [
        [4, 6, 1],
        [4, 4, 1],
        [1, 1, 1],
        [1, 1, 1],
    ]
    assert codec.lengths([]).shape == (0, 3)


def test_byte_pairs_shorten_what_they_learned_and_repeat(pairs: BytePairs) -> None:
    assert pairs == BytePairs.of([LEARNED], 280)
    assert pairs.size == 280
    assert len(pairs.encode(LEARNED)) < 0.6 * len(LEARNED.encode())
    assert pairs.pieces[:256] == [bytes([i]) for i in range(256)]
    assert {b" cat", b" sat"} <= set(pairs.pieces)


def test_a_text_with_few_pairs_gives_fewer_symbols() -> None:
    assert BytePairs.of(["ab ab"], 300).size == 257
    assert BytePairs.of(["abc"], 300).size == 256
    assert BytePairs.of([], 300).size == 256


@CASES
@given(st.text(st.sampled_from("the cats'  中文.1_\n"), max_size=40))
def test_byte_pairs_are_joined_as_the_library_joins_them(pairs: BytePairs, text: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in seen]
    letter = {b: chr(b) for b in seen} | {b: chr(256 + i) for i, b in enumerate(rest)}
    names = ["".join(letter[b] for b in piece) for piece in pairs.pieces]
    merges = [(names[left], names[right]) for left, right in pairs.merges]
    model = tokenizers.models.BPE({name: i for i, name in enumerate(names)}, merges)
    theirs = tokenizers.Tokenizer(model)
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert pairs.encode(text) == theirs.encode(text).ids


def test_the_leftmost_of_equal_pairs_is_joined_first() -> None:
    codec = BytePairs(merges=((97, 97), (98, 99)))
    assert codec.encode("aaabc") == [256, 97, 257]


def test_two_merges_may_make_the_same_symbol() -> None:
    a, b, c = b"abc"
    codec = BytePairs(merges=((a, b), (b, c), (256, c), (a, 257)))
    assert codec.size == 259
    assert codec.encode("abc") == [258]


def test_merges_of_symbols_that_are_not_there_are_refused() -> None:
    for merges in ([[97, 300]], [[-1, 97]]):
        with pytest.raises(ValidationError, match="cannot be joined"):
            ADAPTER.validate_python({"kind": "bpe", "merges": merges})


def test_byte_pairs_are_read_without_the_library_and_learned_with_it(
    pairs: BytePairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "tokenizers":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    again = ADAPTER.validate_json(ADAPTER.dump_json(pairs))
    assert again.decode(again.encode(LEARNED)) == LEARNED
    with pytest.raises(InputError, match="tokenizers is not installed") as caught:
        BytePairs.of([LEARNED], 300)
    assert "netwright[bpe]" in caught.value.do


def test_learning_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "TOKENIZERS_PARALLELISM"
    for before in (None, "true"):
        if before is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, before)
        BytePairs.of(["aa aa"], 260)
        assert os.environ.get(name) == before


def test_importing_codecs_is_light() -> None:
    heavy = "{'numpy', 'torch', 'tokenizers'}"
    code = f"import sys, netwright.codecs; print(sorted({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
