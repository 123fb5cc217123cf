"""Text tables: forms of files, official parts, quarantine, and what is refused."""

import gzip
import io
import json
from pathlib import Path
from typing import cast

import pytest

from netwright.datasets.base import Data, Ragged
from netwright.datasets.text_table import TextTableConfig, dataset
from netwright.errors import InputError
from netwright.specs import Labels, Text

SENTENCES = [f"sentence {i} of a film" for i in range(40)]


def put(folder: Path, name: str, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    file = folder / name
    file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return file


def sst(first: int = 0, n: int = 40) -> str:
    rows = (f'"sentence {i} of a film\t{i % 2}' for i in range(first, first + n))
    return "\n".join(["sentence\tlabel", *rows, ""])


def csv_rows(n: int = 40, label: str = "ab") -> list[str]:
    return [f"sentence {i} of a film,{label[i % len(label)]}" for i in range(n)]


def csv_text(rows: list[str]) -> str:
    return "\n".join(["text,label", *rows, ""])


def opened(path: Path, **options: object) -> Data:
    return dataset.open(TextTableConfig.model_validate({"path": path, "minimum": 1, **options}))


def refusal(path: Path, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        opened(path, **options)
    return caught.value


def sizes(data: Data) -> dict[str, int]:
    return {name: len(p) for name, p in data.parts.items()}


def names(data: Data) -> tuple[str, ...]:
    return cast("Labels", data.schema.columns["label"]).names


def first(data: Data, name: str) -> str:
    part = cast("Ragged", data.parts[name])
    codec = cast("Text", data.schema.columns["text"]).codec
    return codec.decode(part.flat[: int(part.lengths[0])].tolist())


def test_sst_2_opens_as_a_folder_of_packed_parts(tmp_path: Path) -> None:
    put(tmp_path, "train.tsv.gz", sst())
    put(tmp_path, "dev.tsv.gz", sst(100, 7))
    put(tmp_path, "test.tsv.gz", sst(200, 9))
    data = opened(tmp_path)
    assert sizes(data) == {"train": 40, "validation": 7, "test": 9}
    assert names(data) == ("0", "1")
    assert first(data, "train") == '" sentence 0 of a film'
    assert not data.quarantine
    assert data.found == 56
    assert dataset.fits(tmp_path)


@pytest.mark.parametrize("header", ['"label","text"', '"Class Index","Description"'])
def test_ag_news_opens_quoted(tmp_path: Path, header: str) -> None:
    kinds = ("Business", "Sports", "World")
    rows = [f'"{kinds[i % 3]}","News, number {i}: ""x"" \\ y"' for i in range(60)]
    data = opened(put(tmp_path, "news.csv", "\n".join([header, *rows])))
    assert names(data) == kinds
    assert sizes(data) == {"train": 42, "validation": 6, "test": 12}


def test_ag_news_opens_without_a_header(tmp_path: Path) -> None:
    rows = [f'"{i % 4 + 1}","Title {i}","Description, of {i}"' for i in range(60)]
    put(tmp_path, "train.csv", "\n".join(rows))
    put(tmp_path, "test.csv", "\n".join(rows[:8]))
    for options in ({}, {"columns": "label=0,text=1+2"}):
        data = opened(tmp_path, **options)
        assert names(data) == ("1", "2", "3", "4")
        assert first(data, "test").split()[::2] == ["title", "description", "of"]
        assert "the text is columns 1 and 2, the label column 0" in data.notes


def test_trec_opens_by_its_coarse_label(tmp_path: Path) -> None:
    rows = [f"{('DESC', 'NUM')[i % 2]}:sub What is {i} ?" for i in range(40)]
    put(tmp_path, "train_5500.label", "\n".join(rows))
    put(tmp_path, "test.label", "\n".join(rows[:5]))
    data = opened(tmp_path)
    assert names(data) == ("DESC", "NUM")
    assert first(data, "test") == "what is 0 ?"
    assert dataset.fits(tmp_path)


def test_json_lines_open(tmp_path: Path) -> None:
    rows = [json.dumps({"review": t, "label": i % 2}) for i, t in enumerate(SENTENCES)]
    assert names(opened(put(tmp_path, "a.jsonl.gz", "\n".join(rows)))) == ("0", "1")


def test_parquet_opens(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    stream = io.BytesIO()
    made = pa.table({"text": SENTENCES, "label": [i % 2 for i in range(40)]})
    pytest.importorskip("pyarrow.parquet").write_table(made, stream)
    put(tmp_path, "train-00000-of-00001.parquet", stream.getvalue())
    data = opened(tmp_path)
    assert sizes(data) == {"train": 28, "validation": 4, "test": 8}
    assert names(data) == ("0", "1")


@pytest.mark.parametrize("name", ["dev", "val", "valid", "validation", "Val-set"])
def test_a_validation_part_has_several_names(tmp_path: Path, name: str) -> None:
    put(tmp_path, "train.csv", csv_text(csv_rows()))
    put(tmp_path, f"{name}.csv", csv_text(csv_rows(6)))
    assert sizes(opened(tmp_path)) == {"train": 32, "validation": 6, "test": 8}


def test_columns_are_chosen_and_joined(tmp_path: Path) -> None:
    rows = [f"t {i},{'xy'[i % 2]},d {i}" for i in range(40)]
    put(tmp_path, "train.csv", "\n".join(["a,b,c", *rows]))
    put(tmp_path, "test.csv", "\n".join(["a,b,c", *rows[:4]]))
    data = opened(tmp_path, columns="text=a+c,label=b")
    assert first(data, "test") == "t 0 d 0"


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    file = put(tmp_path, "a.csv", csv_text(csv_rows()))
    error = refusal(file, columns="text=txet,label=label")
    assert error.sentence == (
        f"{file}:1: no column 'txet': there are text, label; nearest is 'text'"
    )


def test_a_test_part_without_labels_says_what_helps(tmp_path: Path) -> None:
    put(tmp_path, "train.tsv", sst())
    file = put(tmp_path, "test.tsv", "index\tsentence\n0\ta b\n1\tc d\n")
    error = refusal(tmp_path, columns="text=sentence,label=label")
    assert error.file == str(file)
    assert "take the file away" in error.do


def test_one_bad_row_in_a_hundred_is_left_out_and_told(tmp_path: Path) -> None:
    rows = csv_rows(100)
    rows[6] = "a sentence without a label,"
    data = opened(put(tmp_path, "a.csv", csv_text(rows)))
    (bad,) = data.quarantine
    assert (bad.file, bad.place) == ("a.csv", "line 8")
    assert bad.reason == "column 'label' holds no label"
    assert data.found == 100
    assert sum(sizes(data).values()) == 99


def test_more_bad_rows_stop_and_are_named(tmp_path: Path) -> None:
    rows = csv_rows(100)
    rows[6], rows[9] = "no label, ", "too, many, fields"
    file = put(tmp_path, "a.csv", csv_text(rows))
    error = refusal(file)
    assert error.what == "2 of 100 rows cannot be used, and 1 % may be bad"
    assert "line 8: column 'label' holds no label; line 11: 3 fields where 2 belong" in error.why
    assert (error.file, error.line) == (str(file), 8)


def test_an_official_test_part_stays_whole(tmp_path: Path) -> None:
    put(tmp_path, "train.csv", csv_text(csv_rows(40)))
    put(tmp_path, "test.csv", csv_text([*csv_rows(200), "no label,"]))
    assert "a test part stays whole" in refusal(tmp_path).sentence


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"text": "a", "label"', "line 5: no JSON"),
        ('{"text": null, "label": 1}', "column 'text' holds no text"),
        ('{"text": [1], "label": 1}', "column 'text' holds no text"),
        ('{"text": "\\ud800", "label": 1}', "half of a surrogate pair"),
        ('{"text": "a"}', "column 'label' holds no label"),
    ],
)
def test_bad_json_lines_are_told(tmp_path: Path, row: str, reason: str) -> None:
    rows = [json.dumps({"text": t, "label": i % 2}) for i, t in enumerate(SENTENCES)]
    rows[4] = row
    error = refusal(put(tmp_path, "a.jsonl", "\n".join(rows)))
    assert reason in error.why
    assert error.line == 5


def test_an_empty_text_is_one_unknown_word(tmp_path: Path) -> None:
    put(tmp_path, "train.csv", csv_text(csv_rows()))
    put(tmp_path, "test.csv", csv_text([",a", *csv_rows(3)]))
    assert first(opened(tmp_path), "test") == "<unk>"


def test_a_megabyte_in_one_line_is_read_and_cut(tmp_path: Path) -> None:
    rows = [*csv_rows(), "word " * 200_000 + ",a"]
    data = opened(put(tmp_path, "a.csv", csv_text(rows)))
    assert "1 of 41 texts were cut after 128 words and signs" in data.notes


def test_a_label_of_the_test_part_alone_is_refused_with_its_line(tmp_path: Path) -> None:
    put(tmp_path, "train.csv", csv_text(csv_rows()))
    file = put(tmp_path, "test.csv", csv_text([*csv_rows(2), "new,c"]))
    error = refusal(tmp_path)
    assert error.what == "label 'c' of the test part is not in the training part"
    assert (error.file, error.line) == (str(file), 4)


def test_one_class_few_rows_and_a_doubled_header_are_refused(tmp_path: Path) -> None:
    one = put(tmp_path, "a.csv", csv_text(csv_rows(40, "a")))
    assert refusal(one).what == "there is only one class, 'a'"
    few = put(tmp_path, "b.csv", csv_text(csv_rows(12)))
    assert "there are 12 texts" in refusal(few).what
    twice = put(tmp_path, "c.csv", "text,label,label\na,b,c\n")
    assert refusal(twice).what == "the column 'label' is there 2 times"


def test_a_class_with_one_row_is_trained_on(tmp_path: Path) -> None:
    data = opened(put(tmp_path, "a.csv", csv_text([*csv_rows(), "alone,c"])))
    assert names(data) == ("a", "b", "c")
    assert "classes without a text in the test part: c" in data.notes


def test_equal_rows_with_other_spelling_lie_in_one_part(tmp_path: Path) -> None:
    rows = [*csv_rows(40), *(row.replace("sentence", "SENTENCE") for row in csv_rows(40))]
    data = opened(put(tmp_path, "a.csv", csv_text(rows)))
    lengths = {name: len(p) for name, p in data.parts.items()}
    assert all(length % 2 == 0 for length in lengths.values())


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    rows = csv_rows()
    first, again = put(tmp_path, "a.csv", csv_text(rows)), put(tmp_path, "b.csv", csv_text(rows))
    other = put(tmp_path, "c.csv", csv_text([*rows[:-1], "another sentence,b"]))
    assert opened(first).fingerprint == opened(again).fingerprint
    assert opened(first).fingerprint != opened(other).fingerprint
    assert opened(first).fingerprint != opened(first, length=3).fingerprint


def test_one_table_in_a_folder_is_the_data(tmp_path: Path) -> None:
    put(tmp_path, "reviews.csv", csv_text(csv_rows()))
    put(tmp_path, "README.txt", "read me")
    assert sum(sizes(opened(tmp_path)).values()) == 40


def test_files_that_are_no_part_are_told(tmp_path: Path) -> None:
    put(tmp_path, "train.csv", csv_text(csv_rows()))
    put(tmp_path, "extra.csv", csv_text(csv_rows()))
    assert "files that are no part and were left out: extra.csv" in opened(tmp_path).notes


def test_folders_without_one_training_part_are_refused(tmp_path: Path) -> None:
    assert "training part" in refusal(tmp_path).sentence
    put(tmp_path, "test.csv", csv_text(csv_rows()))
    put(tmp_path, "other.csv", csv_text(csv_rows()))
    assert "there are other.csv, test.csv" in refusal(tmp_path).sentence
    put(tmp_path, "train.csv", csv_text(csv_rows()))
    put(tmp_path, "train-b.tsv", sst())
    assert "the train part is there twice" in refusal(tmp_path).sentence


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.csv").symlink_to(put(tmp_path, "a.csv", csv_text(csv_rows())))
    assert "leads out of the folder" in refusal(folder).sentence
    assert opened(folder / "train.csv").found == 40


def test_chinese_in_its_old_encoding_is_read_sign_by_sign(tmp_path: Path) -> None:
    rows = [f"这部电影不是很好 {i},{'好坏'[i % 2]}" for i in range(40)]
    data = opened(put(tmp_path, "a.csv", csv_text(rows).encode("gbk")))
    assert names(data) == ("坏", "好")
    assert first(data, "train").startswith("这 部 电 影 不 是 很 好")


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.csv").sentence


@pytest.mark.parametrize("name", ["a.csv", "a.tsv.gz", "a.jsonl", "a.parquet", "a.label"])
def test_tables_fit(tmp_path: Path, name: str) -> None:
    assert dataset.fits(put(tmp_path, name, b"x"))


@pytest.mark.parametrize("name", ["a.png", "a.txt", "a"])
def test_other_files_do_not_fit(tmp_path: Path, name: str) -> None:
    file = put(tmp_path, name, b"x")
    assert not dataset.fits(file)
    assert not dataset.fits(tmp_path)
    assert not dataset.fits(tmp_path / "none.csv")


def test_foreign_rows_are_read_as_in_training(tmp_path: Path) -> None:
    file = put(tmp_path, "a.csv", csv_text(csv_rows()))
    data = opened(file)
    inputs = put(tmp_path, "in.csv", "text\nSentence 1 of a FILM\n")
    ((name, batch),) = dataset.read(data.schema, [inputs])
    codec = cast("Text", data.schema.columns["text"]).codec
    assert name == f"{inputs}:2"
    assert codec.decode(batch["text"][0, :5].tolist()) == "sentence 1 of a film"


def test_a_header_of_unknown_names_is_not_taken_for_a_sample(tmp_path: Path) -> None:
    rows = [f"a fine film number {i},{('good', 'bad')[i % 2]}" for i in range(60)]
    file = put(tmp_path, "own.csv", "\n".join(["What was said?,How is it?", *rows]))
    with pytest.raises(InputError, match="the first row may be a header") as told:
        opened(file)
    assert "--columns text=What was said?,label=How is it?" in told.value.do
    assert sum(sizes(opened(file, columns="text=What was said?,label=How is it?")).values()) == 60
