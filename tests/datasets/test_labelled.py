"""Labelled texts: words, codecs, splits, notes, and foreign texts read the same way."""

import json
from collections import Counter
from pathlib import Path
from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.codecs import Bytes, Characters, Words
from netwright.datasets import _labelled
from netwright.datasets._labelled import Sample, assemble, encode, read_texts
from netwright.datasets.base import Data, Ragged
from netwright.datasets.text_table import TextTableConfig
from netwright.errors import InputError
from netwright.specs import Labels, Text


def samples(n: int, classes: str = "ab", start: int = 0) -> list[Sample]:
    return [
        Sample(f"Text number {i}, it is.", classes[i % len(classes)], "a.csv", i + 2)
        for i in range(start, start + n)
    ]


def made(
    train: list[Sample],
    validation: list[Sample] | None = None,
    test: list[Sample] | None = None,
    **options: object,
) -> Data:
    parts = {"train": train, "validation": validation, "test": test}
    config = TextTableConfig.model_validate({"path": "a.csv", "minimum": 1, **options})
    return assemble({k: v for k, v in parts.items() if v is not None}, config, file="a.csv")


def refusal(*parts: list[Sample], **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        made(*parts, **options)
    return caught.value


def part(data: Data, name: str) -> Ragged:
    return cast("Ragged", data.parts[name])


def texts(data: Data, name: str) -> list[str]:
    codec = cast("Text", data.schema.columns["text"]).codec
    found = part(data, name)
    rows = torch.split(found.flat, found.lengths.tolist())
    return [codec.decode(row.tolist()) for row in rows]


def sizes(data: Data) -> dict[str, int]:
    return {name: len(p) for name, p in data.parts.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's GOOD -- 3.5 of 5!", "it ' s good - - 3 . 5 of 5 !"),
        ("  a\tb\n\nc ", "a b c"),
        ("这部电影 is好", "这 部 电 影 is 好"),
        ("naïve café_x", "naïve café_x"),
        ("", ""),
    ],
)
def test_words_and_signs_stand_between_single_spaces(text: str, expected: str) -> None:
    assert _labelled.words(text, lower=True) == expected


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.text())
def test_words_taken_apart_twice_are_the_same_and_lose_no_sign(text: str) -> None:
    once = _labelled.words(text, lower=False)
    assert _labelled.words(once, lower=False) == once
    assert once.replace(" ", "") == "".join(text.split())


def test_upper_case_can_be_kept() -> None:
    assert _labelled.words("It Is", lower=False) == "It Is"


def test_a_long_text_is_cut_and_an_empty_one_is_unknown() -> None:
    codec = Words.of(["a b c"])
    assert encode("A b, c", codec.model_copy(update={"lower": True}), 3)[1]
    assert encode("a b c", codec, 2) == (codec.encode("a b"), True)
    assert encode("a b c", codec, 3) == (codec.encode("a b c"), False)
    assert encode(" \n", codec, 3) == ([codec.words.index("<unk>")], False)
    assert encode("", Bytes(), 3) == ([0], False)


def test_characters_never_seen_are_left_out() -> None:
    codec = Characters.of("abc")
    assert encode("aXbc\n", codec, 8) == (codec.encode("abc"), False)


def test_parts_are_stratified_and_whole() -> None:
    data = made(samples(100, "aaab"), codec="characters")
    assert sizes(data) == {"train": 70, "validation": 10, "test": 20}
    found = sorted(t for name in data.parts for t in texts(data, name))
    assert len(set(found)) == 100
    assert Counter(part(data, "test").columns["label"].tolist()) == {0: 15, 1: 5}


def test_the_split_depends_on_the_seed_and_not_on_the_order() -> None:
    rows = samples(60)
    first, again = made(rows, codec="characters"), made(rows[::-1], codec="characters")
    other = made(rows, seed=1, codec="characters")
    assert set(texts(first, "test")) == set(texts(again, "test"))
    assert set(texts(first, "test")) != set(texts(other, "test"))
    assert made(rows, codec="characters").fingerprint == first.fingerprint != other.fingerprint


def test_equal_texts_lie_in_one_part() -> None:
    forms = ("word " * n for n in range(1, 41))  # each of a length of its own
    rows = [Sample(f(form), "ab"[len(form) % 2]) for form in forms for f in (str.upper, str.strip)]
    data = made(rows)
    found = [set(part(data, name).lengths.tolist()) for name in data.parts]
    assert sum(map(len, found)) == len(set().union(*found)) == 40
    assert sum(sizes(data).values()) == 80


def test_official_parts_are_kept_and_their_doubles_told() -> None:
    test = [*samples(3), *samples(4, start=200)]
    data = made(samples(40), test=test)
    assert sizes(data) == {"train": 36, "validation": 4, "test": 7}
    assert "3 of the 7 test texts equal a training text; the official split is kept" in data.notes


def test_words_come_from_the_training_part_alone() -> None:
    data = made(samples(40), samples(6), [Sample("secret word", "a"), *samples(5)])
    codec = cast("Text", data.schema.columns["text"]).codec
    assert isinstance(codec, Words)
    assert "secret" not in codec.words
    assert texts(data, "test")[0] == "<unk> <unk>"


def test_rare_words_and_all_beyond_the_most_frequent_are_unknown() -> None:
    data = made(samples(40), samples(6), samples(6), minimum=2, most=3)
    codec = cast("Words", cast("Text", data.schema.columns["text"]).codec)
    assert len(codec.words) == 5
    assert codec.lower


@pytest.mark.parametrize(("codec", "kind"), [("characters", Characters), ("bytes", Bytes)])
def test_other_codecs_read_the_text_as_it_is(codec: str, kind: type) -> None:
    data = made(samples(40), samples(6), samples(6), codec=codec)
    assert isinstance(cast("Text", data.schema.columns["text"]).codec, kind)
    assert texts(data, "test")[0] == "Text number 0, it is."


def test_the_schema_says_length_labels_and_no_start() -> None:
    data = made(samples(40), length=5)
    column = cast("Text", data.schema.columns["text"])
    assert (column.length, column.start) == (5, None)
    assert cast("Labels", data.schema.columns["label"]).names == ("a", "b")
    assert max(int(part(data, p).lengths.max()) for p in data.parts) == 5
    assert "40 of 40 texts were cut after 5 words and signs" in data.notes


def test_a_batch_is_text_lengths_and_label() -> None:
    batch = made(samples(40)).parts["train"].gather(torch.arange(4))
    assert set(batch) == {"text", "lengths", "label"}
    assert batch["text"].dtype == torch.int32
    assert batch["text"].shape == (4, 8)


def test_labels_that_are_numbers_stand_in_their_order() -> None:
    rows = [Sample(f"text {i}", str(i % 11)) for i in range(110)]
    names = cast("Labels", made(rows).schema.columns["label"]).names
    assert names == tuple(map(str, range(11)))


def test_a_class_with_one_text_stays_to_train_on_and_is_told() -> None:
    # groups of seven equal texts leave places over, which the last class would get
    rows = [Sample(f"text {i // 7}", "ab"[i // 7 % 2]) for i in range(84)] + [Sample("alone", "c")]
    for seed in range(3):
        data = made(rows, seed=seed)
        assert "alone" in texts(data, "train")
        assert "classes without a text in the test part: c" in data.notes


def test_texts_with_two_labels_are_told() -> None:
    data = made([*samples(40), Sample("text NUMBER 0, it is.", "b")])
    assert "2 texts are there with more than one label" in data.notes


def test_one_class_is_refused() -> None:
    assert refusal(samples(40, "a")).what == "there is only one class, 'a'"


def test_fewer_than_twenty_texts_are_refused() -> None:
    assert "there are 19 texts" in refusal(samples(19)).sentence
    made(samples(20))


def test_a_label_that_is_not_trained_is_named_with_place_and_nearest() -> None:
    rows = [Sample(f"text {i}", ("cat", "dog")[i % 2]) for i in range(30)]
    test = [Sample("x", "cat", "test.csv", 2), Sample("y", "caat", "test.csv", 3)]
    error = refusal(rows, rows[:4], test)
    assert error.what == "label 'caat' of the test part is not in the training part"
    assert (error.file, error.line, error.near) == ("test.csv", 3, "cat")


def test_parts_that_take_everything_are_refused() -> None:
    config = TextTableConfig(path=Path("a.csv"), test=35, validation=5)
    with pytest.raises(InputError, match="test and validation take all of the 40 texts"):
        assemble({"train": samples(40)}, config)


def test_texts_that_are_all_equal_cannot_be_cut() -> None:
    rows = [Sample("same", "ab"[i % 2]) for i in range(40)]
    error = refusal(rows)
    assert "no test part can be cut from these 40 texts" in error.sentence
    assert "images" not in error.sentence


def test_every_line_of_a_text_file_is_an_input(tmp_path: Path) -> None:
    data = made(samples(40))
    file = tmp_path / "in.txt"
    file.write_text("Text number 3\n\n  \nit is unheard-of\n", "utf-8")
    found = list(read_texts(data.schema, [file]))
    assert [name for name, _ in found] == [f"{file}:1", f"{file}:4"]
    codec = cast("Text", data.schema.columns["text"]).codec
    (_, batch), _ = found
    assert batch["text"].shape == (1, 8)
    assert batch["text"].dtype == torch.int32
    assert batch["lengths"].tolist() == [3]
    assert codec.decode(batch["text"][0, :3].tolist()) == "text number 3"


def test_what_is_read_equals_what_was_trained_on(tmp_path: Path) -> None:
    rows = samples(40)
    data = made(rows, rows[:1], rows[:1], length=4)
    lines = tmp_path / "in.txt"
    lines.write_text(rows[0].text, "utf-8")
    ((_, batch),) = read_texts(data.schema, [lines])
    known = data.parts["test"].gather(torch.tensor([0]))
    assert torch.equal(batch["text"], known["text"])
    assert torch.equal(batch["lengths"], known["lengths"])


def test_rows_of_tables_are_inputs_with_and_without_labels(tmp_path: Path) -> None:
    data = made(samples(40))
    (tmp_path / "a.csv").write_text("id,text\n1,text number\n2,it is\n", "utf-8")
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "it", "label": "a"}), "utf-8")
    (tmp_path / "c.tsv").write_text("sentence\nit is\n", "utf-8")
    (tmp_path / "d.png").write_bytes(b"\x89PNG")
    names = [Path(name).name for name, _ in read_texts(data.schema, [tmp_path])]
    assert names == ["a.csv:2", "a.csv:3", "b.jsonl:1", "c.tsv:2"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "\n\n", "no text"),
        ("a.csv", "text,label\na,b,c\n", "3 fields where 2 belong"),
        ("a.csv", "x,y\na b,c\n", "known to be the text"),
    ],
)
def test_an_input_that_cannot_be_read_is_refused(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(InputError, match=message):
        list(read_texts(made(samples(40)).schema, [tmp_path / name]))


def test_a_folder_without_texts_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    schema = made(samples(40)).schema
    with pytest.raises(InputError, match="the folder holds no text"):
        list(read_texts(schema, [tmp_path]))
    with pytest.raises(InputError):
        list(read_texts(schema, [tmp_path / "none.txt"]))
