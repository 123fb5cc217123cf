"""Penn Treebank: official parts, the end of each line a word, blocks of lines, and refusals."""

import gzip
from pathlib import Path

import pytest
import torch

from netwright import registry
from netwright.codecs import Words
from netwright.datasets.base import Data
from netwright.datasets.penn_treebank import COUNTS, PennTreebankConfig, dataset
from netwright.errors import InputError
from netwright.specs import Text

LINE = " the <unk> of N shares was n't sold \n"
TRAIN = "".join(LINE.replace("shares", f"word{i % 9}") for i in range(1_060))
HELD = LINE.replace("sold", "bought") * 120


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ptb.train.txt").write_text(TRAIN, "utf-8")
    (tmp_path / "ptb.valid.txt").write_text(HELD, "utf-8")
    (tmp_path / "ptb.test.txt.gz").write_bytes(gzip.compress(HELD.encode() * 10))
    return tmp_path


def opened(folder: Path, length: int = 64) -> Data:
    return dataset.open(PennTreebankConfig(path=folder, length=length))


def text_of(data: Data) -> Text:
    column = data.schema.columns["text"]
    assert isinstance(column, Text)
    return column


def codec_of(data: Data) -> Words:
    codec = text_of(data).codec
    assert isinstance(codec, Words)
    return codec


def test_each_line_ends_in_a_word_of_its_own_and_parts_are_the_official_ones(folder: Path) -> None:
    data = opened(folder)
    assert {part: len(p) for part, p in data.parts.items()} == {
        "train": 9 * 1_060,
        "validation": 9 * 120,
        "test": 9 * 1_200,
    }
    first = data.parts["train"].gather(torch.arange(9))["text"]
    assert codec_of(data).decode(first.tolist()) == "the <unk> of N word0 was n't sold\n"
    assert text_of(data).start == codec_of(data).words.index("<eos>")
    assert text_of(data).length == 64


def test_the_vocabulary_is_that_of_the_training_file_rare_words_too(folder: Path) -> None:
    (folder / "ptb.train.txt").write_text(f" once \n{TRAIN}", "utf-8")
    data = opened(folder)
    assert set(codec_of(data).words) == {
        *("<unk>", "<eos>", "the", "of", "N", "was", "n't", "sold", "once"),
        *(f"word{i}" for i in range(9)),
    }
    held = data.parts["validation"].gather(torch.arange(9))["text"].tolist()
    assert held.count(codec_of(data).words.index("<unk>")) == 3


def test_blocks_of_fifty_lines_are_the_units(folder: Path) -> None:
    units = opened(folder).parts["test"].gather(torch.arange(9 * 1_200))["document"]
    assert units.bincount().tolist() == [9 * 50] * 24


def test_files_of_another_size_are_called_so(folder: Path) -> None:
    (note,) = opened(folder).notes
    assert note == (
        "these are not the official files: they hold 9,540, 1,080, 10,800 words, "
        "not 929,589, 73,760, 82,430"
    )


def test_the_official_files_have_no_note(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part, count in {"train": 9 * 1_060, "validation": 9 * 120, "test": 9 * 1_200}.items():
        monkeypatch.setitem(COUNTS, part, count)
    assert opened(folder).notes == ()


def test_a_wrong_folder_is_refused_in_one_sentence(folder: Path, tmp_path: Path) -> None:
    (folder / "ptb.valid.txt").unlink()
    with pytest.raises(InputError) as caught:
        opened(folder)
    assert caught.value.sentence == (
        f"{folder}: ptb.valid.txt is not in this folder: nor is it there packed as .gz"
    )
    assert "ptb.train.txt, ptb.valid.txt, ptb.test.txt" in caught.value.do
    with pytest.raises(InputError, match="this is a file"):
        opened(folder / "ptb.train.txt")
    with pytest.raises(InputError, match="no such folder"):
        opened(folder / "none")


def test_a_file_that_is_no_text_is_refused_with_its_place(folder: Path) -> None:
    (folder / "ptb.valid.txt").write_bytes(b" the \n a\xff \n")
    with pytest.raises(InputError, match="is no UTF-8") as caught:
        opened(folder)
    assert (caught.value.line, caught.value.column) == (2, 3)
    assert caught.value.file == str(folder / "ptb.valid.txt")


def test_a_part_shorter_than_a_window_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="the validation part is not longer") as caught:
        opened(folder, length=2_000)
    assert caught.value.do == "length=1024, or more text"
    assert "9,540 words in train, 1,080 in validation" in caught.value.why


def test_it_fits_a_folder_with_all_three_files_alone(folder: Path) -> None:
    assert dataset.fits(folder)
    assert not dataset.fits(folder / "ptb.train.txt")
    (folder / "ptb.test.txt.gz").unlink()
    assert not dataset.fits(folder)


def test_it_is_asked_before_plain_texts_for_the_same_folder(folder: Path) -> None:
    names = [n for n in registry.names("datasets") if n in {"text", "penn-treebank"}]
    assert names == ["penn-treebank", "text"]
    assert registry.load("datasets", "penn-treebank") is dataset
    assert dataset.task == "text-generation"


def test_foreign_text_is_read_with_unknown_words(folder: Path, tmp_path: Path) -> None:
    data = opened(folder)
    path = tmp_path / "a.txt"
    path.write_text("the zebra was sold\n", "utf-8")
    ((name, batch),) = dataset.read(data.schema, [path])
    assert name == str(path)
    assert codec_of(data).decode(batch["text"][0].tolist()) == "the <unk> was sold\n"
