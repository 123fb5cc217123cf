"""Whole tables: what the columns are taken for, how rows come back, and what is refused."""

import csv
import gzip
import io
import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright import registry, rows
from netwright.datasets._table_cells import plain
from netwright.datasets._table_kinds import Cells, look
from netwright.datasets._table_parts import Origin, assemble
from netwright.datasets.base import Data, Tensors
from netwright.datasets.table import TableConfig, dataset
from netwright.errors import InputError
from netwright.specs import Categorical, Continuous, Schema, Table

Row = Sequence[object]
HEAD = ("age", "income", "job", "grade", "kind")


def people(n: int = 60) -> list[list[object]]:
    """Rows of whole numbers, decimals, words, few whole numbers, words."""
    draw = np.random.default_rng(0)
    jobs = ("baker", "smith", "clerk")
    return [
        [
            int(draw.integers(17, 90)),
            f"{draw.normal(30, 5):.2f}",
            jobs[int(draw.integers(3))],
            int(draw.integers(1, 5)),
            ("a", "b")[i % 2],
        ]
        for i in range(n)
    ]


def put(folder: Path, made: Sequence[Row], head: Row | None = HEAD, name: str = "t.csv") -> Path:
    text = io.StringIO()
    delimiter = "\t" if ".tsv" in name else ","
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows([*([head] if head else []), *made])
    data = text.getvalue().encode()
    file = folder / name
    file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return file


def opened(path: Path | None = None, **options: object) -> Data:
    return dataset.open(TableConfig.model_validate({"path": path, **options}))


def refusal(path: Path, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        opened(path, **options)
    return caught.value


def table(data: Data) -> Table:
    found = data.schema.columns["row"]
    assert isinstance(found, Table)
    return found


def column(data: Data, name: str) -> Continuous | Categorical:
    return next(c for c in table(data).columns if c.name == name)


def numbers(data: Data, name: str) -> Continuous:
    found = column(data, name)
    assert isinstance(found, Continuous)
    return found


def words(data: Data, name: str) -> tuple[str, ...]:
    found = column(data, name)
    assert isinstance(found, Categorical)
    return found.values


def cells(data: Data) -> list[list[object]]:
    """All rows, as they would be written."""
    found: list[list[object]] = []
    for part in data.parts.values():
        assert isinstance(part, Tensors)
        found += rows.records(table(data), rows.decode(table(data), part.columns["row"]))
    return found


def with_column(name: str, make: Callable[[int], object], n: int = 60) -> tuple[list[Row], Row]:
    """Rows with one more column in front."""
    return [[make(i), *row] for i, row in enumerate(people(n))], (name, *HEAD)


def test_columns_are_known_by_their_cells_and_told(tmp_path: Path) -> None:
    data = opened(put(tmp_path, people()))
    assert (numbers(data, "age").decimals, numbers(data, "income").decimals) == (0, 2)
    assert words(data, "job") == ("baker", "clerk", "smith")
    assert words(data, "grade") == ("1", "2", "3", "4")
    assert table(data).target == "kind"
    assert data.notes == (
        "2 numbers, 3 categories, label kind",
        "taken as categories, for they hold few whole numbers: grade",
    )
    assert {k: len(p) for k, p in data.parts.items()} == {"train": 42, "validation": 6, "test": 12}
    assert data.found == 60


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    made = people(200)
    found = cells(opened(put(tmp_path, made)))
    whole = {(row[0], row[2], row[3], row[4]) for row in made}
    inside = [row for row in found if 18 < float(str(row[0])) < 88]
    assert sum((r[0], r[2], r[3], r[4]) in whole for r in inside) / len(inside) > 0.97
    assert [type(cell) for cell in found[0]] == [int, float, str, int, str]


def test_digits_behind_the_point_are_counted_without_idle_zeros(tmp_path: Path) -> None:
    for write, digits in (
        (lambda i: f"{i}.0", 0),
        (lambda i: f"{i}e-2", 2),
        (lambda i: i / 7, None),
    ):
        made, head = with_column("x", write)
        assert numbers(opened(put(tmp_path, made, head)), "x").decimals == digits


def test_a_bundled_table_is_taken_without_a_file() -> None:
    data = opened()
    assert data.notes[0] == "30 numbers, 1 category, label diagnosis"
    assert words(data, "diagnosis") == ("benign", "malignant")
    assert sum(map(len, data.parts.values())) == 569
    assert dataset.task == "tabular-generation"
    assert registry.load("datasets", "table") is dataset


@pytest.mark.parametrize(
    ("name", "said", "target"),
    [
        ("iris", "4 numbers, 1 category, label species", ("setosa", "versicolor", "virginica")),
        ("wine", "13 numbers, 1 category, label cultivar", ("class_0", "class_1", "class_2")),
        ("diabetes", "10 numbers, 1 category, no label", ()),
    ],
)
def test_other_bundled_tables_have_their_own_target(
    name: str, said: str, target: tuple[str, ...]
) -> None:
    data = opened(name=name)
    assert data.notes[0] == said
    found = table(data).target
    assert (words(data, found) if found else ()) == target


def test_every_class_is_in_every_part_in_proportion() -> None:
    data = opened(name="iris")
    for part, each in (("train", 35), ("validation", 5), ("test", 10)):
        tensors = data.parts[part]
        assert isinstance(tensors, Tensors)
        found = rows.decode(table(data), tensors.columns["row"])["species"].tolist()
        assert [found.count(name) for name in words(data, "species")] == [each] * 3


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv"])
def test_the_same_rows_are_the_same_data_in_any_form(tmp_path: Path, name: str) -> None:
    plain = opened(put(tmp_path, people()))
    assert opened(put(tmp_path, people(), name=name)).fingerprint == plain.fingerprint


def test_json_lines_and_parquet_open(tmp_path: Path) -> None:
    plain = opened(put(tmp_path, people()))
    made = [dict(zip(HEAD, row, strict=True)) | {"income": float(str(row[1]))} for row in people()]
    file = tmp_path / "t.jsonl"
    file.write_text("\n".join(map(json.dumps, made)), "utf-8")
    assert opened(file).fingerprint == plain.fingerprint
    pa = pytest.importorskip("pyarrow")
    stream = io.BytesIO()
    pytest.importorskip("pyarrow.parquet").write_table(pa.Table.from_pylist(made), stream)
    file = tmp_path / "t.parquet"
    file.write_bytes(stream.getvalue())
    assert opened(file).fingerprint == plain.fingerprint


def test_the_fingerprint_follows_rows_and_seed(tmp_path: Path) -> None:
    first = opened(put(tmp_path, people()))
    other = people()
    other[7][2] = "clerk" if other[7][2] == "baker" else "baker"
    assert opened(put(tmp_path, other)).fingerprint != first.fingerprint
    assert opened(put(tmp_path, people()), seed=1).fingerprint != first.fingerprint


def test_roles_are_asked_for_by_name_or_number(tmp_path: Path) -> None:
    file = put(tmp_path, people())
    data = opened(file, columns="label=grade, drop=income+0")
    assert [c.name for c in table(data).columns] == ["job", "grade", "kind"]
    assert table(data).target == "grade"
    data = opened(file, columns="number=grade,category=age")
    assert numbers(data, "grade").decimals == 0
    assert words(data, "age")[0] == min(words(data, "age"), key=int)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ("labl=kind", "no role of a column 'labl'"),
        ("label=kind+job", "does not say what the columns are"),
        ("kind", "does not say what the columns are"),
        ("label=knid", "no column 'knid'"),
        ("drop=kind,label=kind", "cannot be drop and label at once"),
        ("number=job", "column 'job' holds no number but"),
        ("drop=age+income+job+grade+kind", "no column is left"),
    ],
)
def test_roles_that_cannot_be_are_refused(tmp_path: Path, columns: str, sentence: str) -> None:
    error = refusal(put(tmp_path, people()), columns=columns)
    assert sentence in error.sentence
    assert error.do


def test_a_file_without_a_header_has_numbered_columns(tmp_path: Path) -> None:
    data = opened(put(tmp_path, people(), None))
    assert [c.name for c in table(data).columns] == ["0", "1", "2", "3", "4"]
    assert sum(map(len, data.parts.values())) == 60
    only = [(row[2], row[4]) for row in people(80)] + [(f"x{i}", "c") for i in range(80)]
    assert opened(put(tmp_path, only, None)).found == 160
    assert opened(put(tmp_path, only, ("job", "kind"))).found == 160
    assert opened(put(tmp_path, people(), None), header="yes").found == 59


@pytest.mark.parametrize("empty", ["", "NA", "NaN", "?", " null "])
def test_empty_cells_are_a_choice_of_their_own(tmp_path: Path, empty: str) -> None:
    made = people(100)
    for i in range(0, 100, 5):
        made[i][0] = made[i][2] = empty
    data = opened(put(tmp_path, made))
    assert numbers(data, "age").missing
    assert column(data, "job").missing
    assert not numbers(data, "income").missing
    assert data.notes[-1] == "cells are empty in the columns age, job"
    found = cells(data)
    assert sum(row[0] is None for row in found) == sum(row[2] is None for row in found) == 20


def test_a_number_that_many_rows_share_stands_for_itself(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    gains = [0 if i % 3 else round(float(draw.lognormal(8, 1)), 2) for i in range(300)]
    made, head = with_column("gain", lambda i: gains[i], 300)
    data = opened(put(tmp_path, made, head))
    assert numbers(data, "gain").special == (0.0,)
    assert "numbers that many rows share stand for themselves: gain 0" in data.notes
    assert sum(row[0] == 0 for row in cells(data)) == 200
    hours, head = with_column("hours", lambda i: int(draw.normal(40, 4)), 2000)
    assert numbers(opened(put(tmp_path, hours, head)), "hours").special == ()


def test_columns_that_say_nothing_are_told_and_come_back(tmp_path: Path) -> None:
    made = [["x", "", i, *row] for i, row in enumerate(people())]
    data = opened(put(tmp_path, made, ("same", "gone", "", *HEAD)))
    assert [c.name for c in table(data).columns] == list(HEAD)
    assert "column 'same' holds one value, which every made row has again" in data.notes
    assert "column 'gone' is empty, which every made row has again" in data.notes
    assert table(data).names == ("same", "gone", *HEAD)
    encoded = data.parts["test"].gather(torch.arange(3))["row"]
    for row in rows.records(table(data), rows.decode(table(data), encoded)):
        assert row[:2] == ["x", None]
        assert len(row) == 2 + len(HEAD)
    assert "column '' has no name and was left out" in data.notes
    error = refusal(put(tmp_path, made, ("same", "gone", "", *HEAD)), columns="label=same")
    assert error.what == "the label 'same' holds one value"


BAD: list[tuple[str, Callable[[int], object], int, str, int | None]] = [
    ("note", lambda i: f"text number {i}", 150, "holds free text or names", None),
    ("when", lambda i: f"2024-0{i % 9 + 1}-11", 60, "holds dates or times", 2),
    ("when", lambda i: f"{i % 28 + 1}.03.2021 12:30", 60, "holds dates or times", 2),
    ("price", lambda i: f"{i},{i % 7}5", 60, "holds numbers with a comma", 2),
    ("x", lambda i: "inf" if i == 9 else i / 7, 60, "column 'x' holds an infinity", 11),
    ("x", lambda i: "-1e999" if i == 3 else i / 7, 60, "column 'x' holds an infinity", 5),
    ("x", lambda i: "1e200" if i == 3 else i / 7, 60, "too large to square", 5),
    ("x", lambda i: "none" if i == 4 else i, 150, "holds numbers, but 'none'", 6),
]


@pytest.mark.parametrize(
    ("name", "make", "n", "sentence", "line"), BAD, ids=map(str, range(len(BAD)))
)
def test_columns_that_cannot_be_learnt_are_refused(
    tmp_path: Path,
    name: str,
    make: Callable[[int], object],
    n: int,
    sentence: str,
    line: int | None,
) -> None:
    made, head = with_column(name, make, n)
    file = put(tmp_path, made, head)
    error = refusal(file)
    assert sentence in error.sentence
    assert f"column '{name}'" in error.what
    assert (error.file, error.line) == (str(file), line)
    assert f"drop={name}" in error.do
    assert opened(file, columns=f"drop={name}").found == n


def test_of_several_wrong_columns_all_are_told_and_one_option_leaves_them_out(
    tmp_path: Path,
) -> None:
    wide = [f"a rather long name {i}" for i in range(20)]
    head = ("day", "age", "a+b", " note", *wide, "kind")
    rows = [
        [f"2020-01-{i % 28 + 1:02}", i % 50 / 3, f"w{i}", f"x {i}", *[f"n{i}"] * 20, "ab"[i % 2]]
        for i in range(200)
    ]
    file = put(tmp_path, rows, head)
    error = refusal(file, columns="drop=3,label=kind")
    assert error.what == "22 columns cannot be learned from"
    assert error.why.startswith(
        "column 'day' holds dates or times (line 2); column 'a+b' holds free text or names; "
    )
    assert error.why.endswith("; and 17 more")
    (columns,) = shlex.split(error.do.rpartition("--columns ")[2])
    found = table(opened(file, columns=columns))
    assert [c.name for c in found.columns] == ["age", "kind"]


def test_a_column_that_numbers_the_rows_is_told(tmp_path: Path) -> None:
    made, head = with_column("id", lambda i: i + 7)
    file = put(tmp_path, made, head)
    (note,) = (n for n in opened(file).notes if "numbers the rows" in n)
    assert "--columns drop=id" in note
    assert not any("numbers the rows" in n for n in opened(file, columns="drop=id").notes)


def test_thousands_of_categories_are_refused(tmp_path: Path) -> None:
    many = [[f"c{i % 10_000}", i % 17, ("a", "b")[i % 2]] for i in range(21_000)]
    file = put(tmp_path, many, ("code", "x", "kind"))
    error = refusal(file)
    assert error.what == "column 'code' holds 10,000 different words"
    assert "at most 100" in error.why
    made, head = with_column("id", lambda i: 3 * i, 150)
    error = refusal(put(tmp_path, made, head), columns="label=id")
    assert error.what == "column 'id' holds 150 different numbers"
    assert "number=id" in error.do


def test_codes_with_a_leading_zero_are_words(tmp_path: Path) -> None:
    made, head = with_column("zip", lambda i: f"0{i % 4}100")
    assert words(opened(put(tmp_path, made, head)), "zip") == ("00100", "01100", "02100", "03100")


def test_doubled_headers_few_rows_and_ragged_rows_are_refused(tmp_path: Path) -> None:
    twice = put(tmp_path, people(), ("age", "age", "job", "grade", "kind"))
    assert refusal(twice).what == "the column 'age' is there 2 times"
    few = refusal(put(tmp_path, people(19)))
    assert few.what == "there are 19 rows, and 20 are the least"
    equal = refusal(put(tmp_path, people(10) * 5))
    assert "there are 10 different rows (50 with equal ones)" in equal.what
    ragged = people()
    ragged[3] = ragged[3][:4]
    error = refusal(put(tmp_path, ragged))
    assert "line 5: 4 fields where 5 belong" in error.why
    data = opened(put(tmp_path, [*ragged, *people(120)[60:]]))
    assert (data.quarantine[0].place, data.found) == ("line 5", 120)
    assert "take all of the 60 rows" in refusal(put(tmp_path, people()), test=55, validation=5).what


def test_equal_rows_lie_in_one_part(tmp_path: Path) -> None:
    data = opened(put(tmp_path, [row for row in people() for _ in range(2)]))
    assert all(len(part) % 2 == 0 for part in data.parts.values())


def test_a_rare_class_stays_to_train_on(tmp_path: Path) -> None:
    made = people()
    made[11][4] = made[31][4] = "rare"
    data = opened(put(tmp_path, made), test=0.5)
    part = data.parts["train"]
    assert isinstance(part, Tensors)
    found = rows.decode(table(data), part.columns["row"])["kind"].tolist()
    assert found.count("rare") == 2


def test_paths_that_are_no_table_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.csv").sentence
    assert "this is no file" in refusal(tmp_path).sentence
    file = tmp_path / "a.txt"
    file.write_text("a\n", "utf-8")
    assert ".csv, .tsv, .jsonl and .parquet are read" in refusal(file).sentence


@pytest.mark.parametrize("name", ["a.csv", "a.tsv.gz", "a.jsonl", "a.parquet"])
def test_tables_fit(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert dataset.fits(tmp_path / name)


@pytest.mark.parametrize("name", ["a.txt", "a.label", "a.png", "a"])
def test_other_files_do_not_fit(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert not dataset.fits(tmp_path / name)
    assert not dataset.fits(tmp_path)
    assert not dataset.fits(tmp_path / "none.csv")


def test_foreign_rows_are_read_as_in_training(tmp_path: Path) -> None:
    data = opened(put(tmp_path, people()))
    head = ("kind", "grade", "more", "job", "income", "age")
    file = put(tmp_path, [("a", "2.0", "?", "smith", 31.25, 40)], head, "in.csv")
    schema = Schema.model_validate_json(data.schema.model_dump_json())
    ((name, batch),) = dataset.read(schema, [file])
    assert name == f"{file}:2"
    assert batch["row"].shape == (1, table(data).form.features)
    back = rows.records(table(data), rows.decode(table(data), batch["row"]))
    assert back == [[40, 31.25, "smith", 2, "a"]]
    folder = tmp_path / "more"
    folder.mkdir()
    put(folder, people(3))
    assert len(list(dataset.read(schema, [folder]))) == 3


@pytest.mark.parametrize(
    ("head", "row", "sentence"),
    [
        (HEAD, (1, 2, "cook", 3, "a"), "column 'job' knows no 'cook'"),
        (HEAD, ("old", 2, "smith", 3, "a"), "column 'age' holds numbers, but here 'old'"),
        (HEAD, ("", 2, "smith", 3, "a"), "column 'age' is empty"),
        (HEAD, ("inf", 2, "smith", 3, "a"), "column 'age' holds an infinity"),
        (HEAD, (1, 2, "smith", 3), "the row cannot be read"),
        (("age", "income", "jobs", "grade", "kind"), (1, 2, "smith", 3, "a"), "no column 'job'"),
    ],
)
def test_foreign_rows_that_do_not_fit_are_refused(
    tmp_path: Path, head: Row, row: Row, sentence: str
) -> None:
    data = opened(put(tmp_path, people()))
    file = put(tmp_path, [row], head, "in.csv")
    with pytest.raises(InputError) as caught:
        list(dataset.read(data.schema, [file]))
    assert sentence in caught.value.sentence
    assert caught.value.file == str(file)
    assert caught.value.line in {2, None}


def test_rows_without_a_header_are_read_without_one(tmp_path: Path) -> None:
    data = opened(put(tmp_path, people(), None))
    found = list(dataset.read(data.schema, [put(tmp_path, people(4), None, "in.csv")]))
    assert [name.rsplit(":", 1)[1] for name, _ in found] == ["1", "2", "3", "4"]


CELL = st.one_of(
    st.sampled_from(
        ["", "?", "1", "0", "-3.5", "1e400", "0x1", "007", "a", "b", "true", "1,5", "٣"]
    ),
    st.floats().map(str),
    st.integers().map(str),
    st.text(max_size=4),
)


@given(st.lists(st.tuples(CELL, CELL, st.sampled_from(["1", "2.5", "9"])), max_size=40))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_any_cells_open_or_are_refused_in_a_sentence(made: list[tuple[str, str, str]]) -> None:
    padded = [*made, *((str(i), "a", str(i / 3)) for i in range(25))]
    text = Cells(["p", "q", "r"], list(zip(*padded, strict=True)), range(1, len(padded) + 1))
    said = ""
    try:
        known = look(text, {})
        data = assemble(known.kinds, known.cells, known.label, TableConfig(), Origin())
    except InputError as error:
        said = error.sentence
    else:
        assert len(cells(data)) == len(padded)
        assert Schema.model_validate_json(data.schema.model_dump_json()) == data.schema
    assert said.isprintable()


def test_how_often_each_word_stands_in_training_is_kept(tmp_path: Path) -> None:
    data = opened(
        put(tmp_path, [[*row[:4], "a" if i % 4 else None] for i, row in enumerate(people())])
    )
    kind = column(data, "kind")
    assert isinstance(kind, Categorical)
    assert kind.missing
    assert sum(kind.shares) == pytest.approx(1.0)
    train = rows.decode(
        table(data), data.parts["train"].gather(torch.arange(len(data.parts["train"])))["row"]
    )
    assert kind.shares[0] == pytest.approx(np.mean(train["kind"] == "a"))


def test_numbers_whose_zeros_are_lost_are_told(tmp_path: Path) -> None:
    made, head = with_column("zip", lambda i: f"0{1000 + i}", 200)
    data = opened(put(tmp_path, made, head), columns="number=zip")
    assert "column 'zip' is numbers: zeros as in 01000 are lost" in data.notes


LONG = "1234567890123456789"
"""Digits that no float holds."""


@pytest.mark.parametrize(
    ("cell", "value"),
    [("7", 7), ("7.0", 7), ("-3", -3), ("7.5", 7.5), *((c, c) for c in ("007", "inf", "x", LONG))],
)
def test_a_fixed_cell_keeps_its_type(cell: str, value: object) -> None:
    assert plain(cell) == value
    assert type(plain(cell)) is type(value)
