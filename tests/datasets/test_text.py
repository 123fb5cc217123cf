# ruff: noqa: RUF001  (full-width punctuation is what Chinese is written with)
"""Own text: parts by position, codecs, units, foreign texts, and every refusal."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.codecs import BytePairs, Bytes, Characters, Words
from netwright.datasets._documents import Document, cut, dealt, ends
from netwright.datasets.base import Data
from netwright.datasets.text import TextConfig, dataset
from netwright.errors import InputError
from netwright.specs import Schema, Text

PLAY = "".join(f"line {i % 7} says a word, then b\n" for i in range(60))
CASES = settings(derandomize=True, deadline=None, max_examples=60)


def written(tmp_path: Path, text: str | bytes, name: str = "a.txt") -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def opened(path: Path, **config: Any) -> Data:
    return dataset.open(TextConfig(**{"path": path, "length": 16, **config}))


def column(data: Data | Schema) -> Text:
    schema = data if isinstance(data, Schema) else data.schema
    found = schema.columns["text"]
    assert isinstance(found, Text)
    return found


def stream(data: Data, part: str, name: str = "text") -> list[int]:
    batch = data.parts[part].gather(torch.arange(len(data.parts[part])))
    assert batch[name].dtype == torch.int32
    return batch[name].tolist()  # type: ignore[no-any-return]


def spoken(data: Data, part: str) -> str:
    return column(data).codec.decode(stream(data, part))


def refusal(path: Path, **config: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        opened(path, **config)
    return caught.value


def test_parts_follow_each_other_and_together_are_the_text(tmp_path: Path) -> None:
    data = opened(written(tmp_path, PLAY))
    assert "".join(spoken(data, part) for part in data.parts) == PLAY
    assert list(data.parts) == ["train", "validation", "test"]
    assert [len(p) for p in data.parts.values()] == [1_458, 81, 81]


def test_the_cut_is_where_the_last_tenth_of_the_characters_begins() -> None:
    assert ends(1_115_394, 0.05, 0.05) == {
        "train": 1_003_854,
        "validation": 1_059_624,
        "test": 1_115_394,
    }


@CASES
@given(
    st.lists(st.text("ab\n", max_size=9), min_size=1, max_size=6),
    st.lists(st.integers(0, 40), max_size=4),
)
def test_cutting_loses_nothing_and_keeps_places_in_files(texts: list[str], at: list[int]) -> None:
    whole = "".join(texts)
    pieces = list(cut((Document(t, str(i)) for i, t in enumerate(texts)), at))
    assert "".join(p.text for p in pieces) == whole
    begins = set(np.cumsum([0, *(len(p.text) for p in pieces)]).tolist())
    assert {a for a in at if a < len(whole)} <= begins
    for piece in pieces:
        lines = texts[int(piece.file)].split("\n")
        assert lines[piece.line - 1][piece.column - 1 :].startswith(piece.text.split("\n")[0])
        for i, c in enumerate(piece.text):
            line, col = piece.place(i)
            assert [*lines[line - 1], "\n"][col - 1] == c
    until = {"train": len(whole) // 2, "validation": len(whole) * 3 // 4, "test": len(whole)}
    parts = dealt(cut([Document(whole, "f")], until.values()), until)
    assert ["".join(d.text for d in parts[p]) for p in parts] == [
        whole[: until["train"]],
        whole[until["train"] : until["validation"]],
        whole[until["validation"] :],
    ]


def test_characters_are_the_choice_where_training_knows_them_all(tmp_path: Path) -> None:
    data = opened(written(tmp_path, PLAY))
    assert column(data).codec == Characters.of(PLAY)
    assert column(data).start == column(data).codec.encode("\n")[0]
    assert column(data).length == 16
    assert data.notes == ()


def test_a_text_without_line_ends_has_no_start(tmp_path: Path) -> None:
    assert column(opened(written(tmp_path, "ab cd ef" * 100))).start is None


def test_bytes_are_the_choice_where_training_does_not_know_them_all(tmp_path: Path) -> None:
    path = written(tmp_path, PLAY + "the end\n☃!\n")
    data = opened(path)
    assert column(data).codec == Bytes()
    assert column(data).start == 10
    assert data.notes == (
        f"the symbols are bytes: {path}:62:1: the character '☃' never occurs in training",
    )


def test_a_long_chinese_text_is_read_as_bytes(tmp_path: Path) -> None:
    novel = "".join(chr(0x4E00 + i) for i in range(4_200)) * 2 + "，他说。\n"
    data = opened(written(tmp_path, novel), validation=0.2, test=0.2)
    assert column(data).codec == Bytes()
    assert data.notes[0].startswith("the symbols are bytes: the training part has 4,")
    assert "".join(spoken(data, part) for part in data.parts) == novel


def test_a_chinese_text_in_gbk_is_characters(tmp_path: Path) -> None:
    text = "话说天下大势，分久必合，合久必分。\n" * 40
    data = opened(written(tmp_path, text.encode("gbk")))
    assert column(data).codec == Characters.of(text)


def test_characters_that_training_lacks_are_refused_where_they_are_asked_for(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, PLAY + "an end with é\n")
    error = refusal(path, codec="characters")
    assert (error.file, error.line, error.column) == (str(path), 61, 13)
    assert "'é' never occurs in training" in error.sentence
    assert "codec: bytes" in error.do


def test_words_come_from_the_training_part_and_rare_ones_are_unknown(tmp_path: Path) -> None:
    data = opened(
        written(tmp_path, PLAY.title() + "Says Zebra\n"), codec="words", lower=True, length=8
    )
    codec = column(data).codec
    assert isinstance(codec, Words)
    assert codec.lower
    assert column(data).start == codec.words.index("<eos>")
    assert "zebra" not in codec.words
    assert spoken(data, "test").endswith("says <unk>\n")


def test_the_vocabulary_of_words_is_limited(tmp_path: Path) -> None:
    path = written(tmp_path, PLAY)
    assert column(opened(path, codec="words", most=3, length=8)).codec.size == 5
    assert column(opened(path, codec="words", minimum=50, length=8)).codec.size == 8


def test_byte_pairs_are_learned_from_the_training_part(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    text = PLAY + "zqzqzqzqzq" * 10
    data = opened(written(tmp_path, text), codec="bpe", vocabulary=280, length=4)
    codec = column(data).codec
    assert isinstance(codec, BytePairs)
    assert codec.size == 280
    assert b"zq" not in codec.pieces
    assert "".join(spoken(data, part) for part in data.parts) == text
    assert column(data).start == 10


@pytest.mark.parametrize("codec", ["characters", "bytes", "words", "bpe"])
def test_a_schema_survives_json(tmp_path: Path, codec: str) -> None:
    data = opened(written(tmp_path, PLAY), codec=codec, length=8)
    again = Schema.model_validate_json(data.schema.model_dump_json())
    assert again == data.schema
    assert column(again).codec.decode(stream(data, "test")) == spoken(data, "test")


def test_long_texts_are_encoded_piece_by_piece_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netwright.datasets import _streams

    path = written(tmp_path, PLAY + "a\n\n  b\n\n\nc d\n" * 20)
    for codec in ("characters", "words", "bpe"):
        whole = opened(path, codec=codec, length=8)
        with monkeypatch.context() as patch:
            patch.setattr(_streams, "PIECE", 7)
            assert opened(path, codec=codec, length=8).fingerprint == whole.fingerprint


def test_a_folder_is_read_in_order_of_names_and_its_files_end_their_lines(tmp_path: Path) -> None:
    written(tmp_path, "b says this\n" * 50, "b.md")
    written(tmp_path, "a says that" + "\na says that" * 50, "a.txt")
    written(tmp_path, gzip.compress(b"c says what\n" * 50), "c/c.text.gz")
    for name in (".hidden.txt", ".git/x.txt", "x.bin"):
        written(tmp_path, "no text of ours", name)
    written(tmp_path, "", "d.txt")
    data = opened(tmp_path)
    text = "a says that\n" * 51 + "b says this\n" * 50 + "c says what\n" * 50
    assert "".join(spoken(data, part) for part in data.parts) == text
    assert data.notes == ("empty files that were left out: 1",)


def test_many_documents_are_the_units(tmp_path: Path) -> None:
    for i in range(60):
        written(tmp_path, f"document {i:02}\n" * 3, f"{i:02}.txt")
    data = opened(tmp_path, validation=0.4, test=0.4)
    units = stream(data, "test", "document")
    assert units == sorted(units)
    texts = [spoken(data, "test")[units.index(u) :][: units.count(u)] for u in set(units)]
    assert texts == [f"document {i}\n" * 3 for i in range(36, 60)]


def test_lines_are_documents_that_no_cut_parts(tmp_path: Path) -> None:
    text = "\n" + "".join(f"a line {i}\n\n" for i in range(400, 700)) + " \n"
    data = opened(written(tmp_path, text), documents="lines", validation=0.2, test=0.2)
    assert "".join(spoken(data, part) for part in data.parts) == text
    for part in ("validation", "test"):
        units = stream(data, part, "document")
        said = spoken(data, part)
        assert said.startswith("a line ")
        assert len(set(units)) == said.count("a line")
        assert [said[i] for i in range(1, len(said)) if units[i] != units[i - 1]] == ["a"] * (
            len(set(units)) - 1
        )


def test_a_stream_is_cut_into_blocks_that_are_about_equal(tmp_path: Path) -> None:
    data = opened(written(tmp_path, PLAY * 20), validation=0.3, test=0.01)
    units = stream(data, "validation", "document")
    assert units == sorted(units)
    sizes = np.bincount(units)
    assert len(sizes) == 100
    assert sizes.max() - sizes.min() <= 1
    few = np.bincount(stream(data, "test", "document"))
    assert len(few) == 20
    assert few.min() >= 16


def test_the_fingerprint_follows_symbols_codec_and_units(tmp_path: Path) -> None:
    path = written(tmp_path, PLAY)
    first = opened(path).fingerprint
    assert first == opened(path).fingerprint
    others = [opened(path, codec="bytes"), opened(path, test=0.1), opened(path, documents="lines")]
    others.append(opened(written(tmp_path, PLAY.replace("word", "wrod"), "b.txt")))
    other_letters = PLAY.translate(str.maketrans("wx", "xw"))  # the same symbols
    others.append(opened(written(tmp_path, other_letters, "c.txt")))
    assert stream(others[-1], "train") == stream(opened(path), "train")
    assert len({first, *(data.fingerprint for data in others)}) == 6


def test_foreign_texts_are_read_with_the_saved_codec(tmp_path: Path) -> None:
    schema = opened(written(tmp_path, PLAY)).schema
    one = written(tmp_path, "a word\r\n", "in/one.txt")
    written(tmp_path, gzip.compress(b"then b"), "in/two.md.gz")
    found = dict(dataset.read(schema, [tmp_path / "in", one]))
    assert list(found) == [str(one), str(one.parent / "two.md.gz")]
    assert found[str(one)]["text"].dtype == torch.int32
    assert found[str(one)]["text"].shape == (1, 7)
    assert column(schema).codec.decode(found[str(one)]["text"][0].tolist()) == "a word\n"


def test_a_foreign_text_with_a_character_never_seen_is_refused_with_its_place(
    tmp_path: Path,
) -> None:
    schema = opened(written(tmp_path, PLAY)).schema
    path = written(tmp_path, "a\nword Z\n", "b.txt")
    with pytest.raises(InputError, match="'Z' never occurs in training") as caught:
        list(dataset.read(schema, [path]))
    assert (caught.value.file, caught.value.line, caught.value.column) == (str(path), 2, 6)


def test_a_foreign_text_without_a_word_is_refused(tmp_path: Path) -> None:
    schema = opened(written(tmp_path, PLAY), codec="words").schema
    with pytest.raises(InputError, match="holds no word"):
        list(dataset.read(schema, [written(tmp_path, "   ", "b.txt")]))


@pytest.mark.parametrize("text", ["   \n \n", "\n"])
def test_a_file_of_white_space_is_refused(tmp_path: Path, text: str) -> None:
    assert "nothing but white space" in refusal(written(tmp_path, text)).sentence


def test_empty_files_and_folders_and_missing_ones_are_refused(tmp_path: Path) -> None:
    assert "the file is empty" in refusal(written(tmp_path, "")).sentence
    assert "hold no text" in refusal(tmp_path).sentence
    (tmp_path / "none").mkdir()
    assert "the folder holds no text" in refusal(tmp_path / "none").sentence
    assert "no such file or folder" in refusal(tmp_path / "missing").sentence


@pytest.mark.parametrize("text", ["word", "a text of some words\n"])
def test_a_text_shorter_than_a_window_is_refused_with_sizes(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    error = refusal(path)
    assert error.file == str(path)
    assert "length=16" in error.sentence
    assert "in train, " in error.sentence
    assert error.do == "more text"


def test_a_window_that_fits_every_part_is_advised(tmp_path: Path) -> None:
    path = written(tmp_path, PLAY)
    error = refusal(path, length=81)
    assert "the validation part is not longer than a window of length=81" in error.what
    assert error.why == "there are 1,458 characters in train, 81 in validation, 81 in test"
    assert error.do == "length=64, or more text"
    assert column(opened(path, length=64)).length == 64
    assert column(opened(path, length=80)).length == 80


def test_one_symbol_and_one_word_are_refused(tmp_path: Path) -> None:
    assert "one symbol only, 'a'" in refusal(written(tmp_path, "a" * 900)).sentence
    path = written(tmp_path, "hello\n" * 900)
    assert "only one word, 'hello'" in refusal(path, codec="words").sentence
    assert "no word at least 2,000 times" in refusal(path, codec="words", minimum=2_000).sentence


def test_shares_that_leave_nothing_to_train_on_are_refused(tmp_path: Path) -> None:
    assert "take all" in refusal(written(tmp_path, PLAY), validation=0.5, test=0.5).sentence


@pytest.mark.parametrize(
    ("config", "advice"),
    [
        ({"lower": True}, "codec=words"),
        ({"minimum": 3, "codec": "bpe"}, "codec=words"),
        ({"vocabulary": 300, "codec": "words"}, "codec=bpe"),
        ({"most": 9, "codec": "bytes"}, "codec=words"),
    ],
)
def test_options_of_another_codec_are_refused(
    tmp_path: Path, config: dict[str, Any], advice: str
) -> None:
    error = refusal(written(tmp_path, PLAY), **config)
    assert "says nothing about codec=" in error.sentence
    assert error.do.startswith(advice)


def test_a_bad_byte_and_a_nul_in_a_folder_are_told_with_file_and_line(tmp_path: Path) -> None:
    written(tmp_path, PLAY, "a.txt")
    path = written(tmp_path, b"fine\nx \xff\n", "b.txt")
    error = refusal(tmp_path)
    assert (error.file, error.line, error.column) == (str(path), 2, 3)
    path.write_bytes(b"fine\nx\0\n")
    error = refusal(tmp_path)
    assert (error.file, error.line, error.column) == (str(path), 2, 2)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    target = written(tmp_path, PLAY)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.txt").symlink_to(target)
    assert "leads out" in refusal(tmp_path / "in").sentence


def test_mixed_line_ends_become_one_and_lines_may_be_long(tmp_path: Path) -> None:
    text = "a\r\nb\rc\n" + "x y z " * 180_000
    data = opened(written(tmp_path, text))
    assert spoken(data, "train").startswith("a\nb\nc\nx y z")


def test_texts_fit_by_name_or_by_their_first_bytes(tmp_path: Path) -> None:
    written(tmp_path, "x", "f/deep/a.txt")
    fits = [
        *(tmp_path / "f", written(tmp_path, PLAY), written(tmp_path, "", "empty.md")),
        written(tmp_path, "没" * 3_000, "novel"),
        written(tmp_path, gzip.compress(PLAY.encode()), "play.gz"),
    ]
    (tmp_path / "g").mkdir()
    others = [
        *(tmp_path / "g", tmp_path / "missing"),
        written(tmp_path, b"\x89PNG\r\n\0", "a.png"),
        written(tmp_path, gzip.compress(PLAY.encode())[:40], "cut.gz"),
        written(tmp_path, "", "empty"),
    ]
    assert [dataset.fits(path) for path in (*fits, *others)] == [True] * 5 + [False] * 5
