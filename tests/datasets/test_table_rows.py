"""Tables into rows: every form, what is bad in a row, and what breaks a file."""

import csv
import gzip
import io
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netwright.datasets._table_columns import KNOWN
from netwright.datasets._table_delimited import read_delimited
from netwright.datasets._table_rows import Table, form_of, read_table
from netwright.errors import InputError


def put(folder: Path, name: str, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    file = folder / name
    file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return file


def table(folder: Path, name: str, content: str | bytes, **options: object) -> Table:
    return read_table(put(folder, name, content), known=KNOWN, **options)  # type: ignore[arg-type]


def refusal(folder: Path, name: str, content: str | bytes, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        table(folder, name, content, **options)
    return caught.value


def values(found: Table) -> list[tuple[str | None, ...]]:
    return [row for _, row in found.rows]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.csv", "comma"),
        ("a.TSV.gz", "tab"),
        ("a.b.jsonl", "json"),
        ("a.parquet", "parquet"),
        ("TREC_10.label", "lines"),
        ("a.png", None),
        ("a", None),
    ],
)
def test_the_suffix_says_the_form(name: str, form: str | None) -> None:
    assert form_of(Path(name)) == form


def test_quoted_fields_hold_delimiters_quotes_and_line_ends(tmp_path: Path) -> None:
    found = table(tmp_path, "a.csv.gz", 'text,label\r\n"a, ""b""\nc",x\r\nd,y\r\n')
    assert found.names == ("text", "label")
    assert found.named
    assert found.rows == [(2, ('a, "b"\nc', "x")), (4, ("d", "y"))]


def test_mixed_ends_of_lines_give_the_right_line_numbers(tmp_path: Path) -> None:
    found = table(tmp_path, "a.csv", "text,label\ra,x\r\nb,y\nc,z\n")
    assert [line for line, _ in found.rows] == [2, 3, 4]


def test_quotes_in_glue_files_are_text(tmp_path: Path) -> None:
    content = 'sentence\tlabel\n"a fine film\t1\n"b" c " d\t0\nan ending"\t1\n'
    found = table(tmp_path, "a.tsv", content)
    assert [v[0] for v in values(found)] == ['"a fine film', '"b" c " d', 'an ending"']


def test_quotes_that_would_swallow_lines_are_text(tmp_path: Path) -> None:
    content = 'sentence\tlabel\n"a b\t1\nc d"\t0\ne\t1\n'  # well formed either way
    assert len(table(tmp_path, "a.tsv", content).rows) == 3


def test_quotes_around_every_field_of_a_tsv_enclose(tmp_path: Path) -> None:
    found = table(tmp_path, "a.tsv", '"sentence"\t"label"\n"a\tb"\t"1"\n"c"\t"0"\n')
    assert found.names == ("sentence", "label")
    assert values(found) == [("a\tb", "1"), ("c", "0")]


@pytest.mark.parametrize("sign", [";", "\t", "|", ","])
def test_the_delimiter_is_seen(tmp_path: Path, sign: str) -> None:
    rows = [f"text{sign}label", *(f"a {i}{sign}x" for i in range(5))]
    assert table(tmp_path, "a.csv", "\n".join(rows)).names == ("text", "label")


def test_the_delimiter_can_be_named(tmp_path: Path) -> None:
    found = table(tmp_path, "a.csv", "text:label\na,b:x\n", delimiter=":")
    assert values(found) == [("a,b", "x")]
    found = table(tmp_path, "b.csv", "text;label\na,b;x\n", delimiter="semicolon")
    assert values(found) == [("a,b", "x")]


def test_a_delimiter_of_two_characters_is_refused(tmp_path: Path) -> None:
    assert "'::' is no delimiter" in refusal(tmp_path, "a.csv", "a\n", delimiter="::").sentence


def test_a_header_is_known_by_a_name(tmp_path: Path) -> None:
    assert table(tmp_path, "a.csv", "Text,Stars\ngood,5\n").named
    assert not table(tmp_path, "b.csv", "good,5\nbad,1\n").named


def test_a_value_that_comes_again_is_no_header(tmp_path: Path) -> None:
    content = "question,what is it\ntopic,how it is\nquestion,who is it\n"
    assert not table(tmp_path, "a.csv", content).named
    content = "".join(f"{('joy', 'anger')[i % 2]},word{i} more\n" for i in range(9))
    assert not table(tmp_path, "b.csv", content).named


def test_a_header_of_other_words_is_known_by_being_unlike_the_rest(tmp_path: Path) -> None:
    rows = [f"ein Satz mit Nummer {i},{'gut' if i % 2 else 'mies'}" for i in range(10)]
    assert table(tmp_path, "a.csv", "\n".join(["kommentar,klasse", *rows])).named
    assert not table(tmp_path, "b.csv", "\n".join(rows)).named


def test_header_and_its_absence_can_be_said(tmp_path: Path) -> None:
    assert table(tmp_path, "a.csv", "good,5\nbad,1\n", header="yes").names == ("good", "5")
    found = table(tmp_path, "b.csv", "text,label\nbad,1\n", header="no")
    assert found.names == ("0", "1")
    assert len(found.rows) == 2


def test_rows_of_another_width_are_told_with_their_line(tmp_path: Path) -> None:
    found = table(tmp_path, "a.csv", "text,label\na,x\nb\nc,y,z\nd,y\n")
    assert found.bad == [(3, "1 field where 2 belong"), (4, "3 fields where 2 belong")]
    assert len(found.rows) == 2


def test_a_quote_that_is_not_doubled_is_told_and_reading_goes_on(tmp_path: Path) -> None:
    found = table(tmp_path, "a.csv", 'text,label\n"a "b" c",x\nd,y\n')
    assert found.bad == [(2, "a quote within a quoted field is not doubled")]
    assert values(found) == [("d", "y")]


def test_an_open_quote_is_named_where_it_opens(tmp_path: Path) -> None:
    error = refusal(tmp_path, "a.csv", 'text,label\na,x\n"b,y\nc,z\n')
    assert error.line == 3
    assert "opened here and never closed" in error.sentence


def test_a_doubled_header_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, "a.csv", "text,label,text\na,x,b\n")
    assert (error.what, error.line) == ("the column 'text' is there 2 times", 1)


def test_a_nul_is_refused_with_its_line(tmp_path: Path) -> None:
    error = refusal(tmp_path, "a.csv", "text,label\na,x\nb\0,y\n")
    assert "NUL" in error.sentence
    assert error.line == 3


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.label"])
@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str, content: str) -> None:
    error = refusal(tmp_path, name, content)
    assert "empty" in error.sentence
    assert error.file.endswith(name)


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    assert "no row beneath the header" in refusal(tmp_path, "a.csv", "text,label\n").sentence


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, "a.png", "x")
    assert "the form of this file is not known" in error.sentence
    assert ".parquet" in error.sentence


def test_long_fields_are_read_and_the_limit_of_the_process_is_put_back(tmp_path: Path) -> None:
    before = csv.field_size_limit(140_000)
    try:
        found = table(tmp_path, "a.csv", f"text,label\n{'ab ' * 400_000},x\n")
        assert len(found.rows[0][1][0] or "") == 1_200_000
        assert csv.field_size_limit() == 140_000
    finally:
        csv.field_size_limit(before)


def test_json_lines_may_differ_in_their_keys(tmp_path: Path) -> None:
    content = '{"text": "a\\nb", "label": 1}\n\n{"label": true, "id": 2.0, "text": "c"}\n'
    found = table(tmp_path, "a.jsonl", content)
    assert found.names == ("text", "label", "id")
    assert found.rows == [(1, ("a\nb", "1", None)), (3, ("c", "true", "2"))]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "a"', "no JSON: Expecting ',' delimiter in column 13"),
        ("[1]", "the line is no JSON object"),
        ('{"text": NaN}', "no JSON: NaN is no number of JSON"),
        ('{"text": "a", "text": "b"}', "no JSON: the key 'text' stands twice"),
        ("[" * 100_000, "the JSON is nested too deep"),
    ],
)
def test_broken_json_is_told_with_its_line(tmp_path: Path, line: str, reason: str) -> None:
    found = table(tmp_path, "a.jsonl", f'{{"text": "a"}}\n{line}\n')
    assert found.bad == [(2, reason)]


def test_what_is_no_plain_value_is_none(tmp_path: Path) -> None:
    content = '{"a": [1], "b": {}, "c": null, "d": "x"}\n'
    assert values(table(tmp_path, "a.jsonl", content)) == [(None, None, None, "x")]


def test_questions_begin_with_their_label(tmp_path: Path) -> None:
    content = "DESC:manner How did it end ?\nENTY:other What : is it ?\n__label__x y z\nno label\n"
    found = table(tmp_path, "a.label", content)
    assert values(found) == [
        ("DESC", "How did it end ?"),
        ("ENTY", "What : is it ?"),
        ("x", "y z"),
    ]
    assert [line for line, _ in found.bad] == [4]


@pytest.mark.parametrize("name", ["a.parquet", "a.parquet.gz"])
def test_parquet_gives_its_plain_columns(tmp_path: Path, name: str) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    made = pa.table(
        {
            "text": ["a", None],
            "label": pa.array(["x", "y"]).dictionary_encode(),
            "other": [[1], [2]],
            "number": [1.0, float("nan")],
        }
    )
    stream = io.BytesIO()
    parquet.write_table(made, stream)
    found = table(tmp_path, name, stream.getvalue())
    assert found.names == ("text", "label", "number")
    assert found.rows == [(1, ("a", "x", "1")), (2, (None, "y", None))]
    assert found.unit == "row"


def test_damaged_parquet_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    assert "cannot be read" in refusal(tmp_path, "a.parquet", b"PAR1 and no more").sentence


def test_parquet_without_pyarrow_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    error = refusal(tmp_path, "a.parquet", b"PAR1")
    assert error.do == "pip install netwright[tables]"


@settings(
    deadline=None,
    derandomize=True,
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(["a.csv", "a.tsv", "a.jsonl", "a.label"]),
    st.text(st.sampled_from('ab,;\t|"\n\r {}[]:1\\\0é'), max_size=40),
)
def test_any_text_gives_rows_or_a_sentence(tmp_path: Path, name: str, content: str) -> None:
    with suppress(InputError):
        found = table(tmp_path, name, content)
        assert all(len(row) == len(found.names) for _, row in found.rows)
        assert found.rows or found.bad


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"])),
            st.sampled_from(["x", 'y"', "z, w"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_what_the_csv_module_writes_is_read(rows: list[tuple[str, str]]) -> None:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([("text", "label"), *rows])
    names, named, found, bad = read_delimited(
        Path("a.csv"),
        stream.getvalue(),
        ",",
        header="yes",
        delimiter="comma",
        known=KNOWN,
        sure=False,
    )
    assert (names, named, bad) == (("text", "label"), True, [])
    assert [row for _, row in found] == rows


def test_json_lines_of_ever_new_keys_are_refused_before_they_fill_the_memory(
    tmp_path: Path,
) -> None:
    lines = "\n".join(f'{{"key{n}": "x"}}' for n in range(2000))
    error = refusal(tmp_path, "a.jsonl", lines)
    assert error.what == "there are more than 1,000 different keys"
    assert error.line == 1001


def test_parquet_with_bytes_that_are_no_text_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    odd = pa.array([b"good", b"\xff\xfe"], pa.binary()).view(pa.binary())
    column = pa.Array.from_buffers(pa.string(), 2, odd.buffers())
    parquet.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="the Parquet file cannot be read"):
        read_table(tmp_path / "a.parquet")
