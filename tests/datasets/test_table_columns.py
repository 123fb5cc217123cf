"""Which columns hold text and label: asked for, found, or refused."""

from pathlib import Path

import pytest

from netwright.datasets._table_columns import Columns, asked, by_name, pick
from netwright.datasets._table_rows import Table
from netwright.errors import InputError


def named(*names: str) -> Table:
    return Table(Path("a.csv"), names, True, [(2, tuple("v" for _ in names))], [])


def bare(*rows: tuple[str, ...]) -> Table:
    names = tuple(map(str, range(len(rows[0]))))
    return Table(Path("a.csv"), names, False, list(enumerate(rows, 1)), [])


def places(table: Table, columns: str = "", *, labelled: bool = True) -> tuple[object, object]:
    found = pick(table, asked(columns), labelled=labelled)
    return found.texts, found.label


def refusal(table: Table, columns: str = "") -> InputError:
    with pytest.raises(InputError) as caught:
        places(table, columns)
    return caught.value


def test_columns_are_asked_for_by_name_or_number() -> None:
    wanted = asked("text = title + body , label=class")
    assert wanted == {"text": ("title", "body"), "label": ("class",)}
    assert by_name(wanted)
    assert not by_name(asked("label=0,text=1"))
    assert not asked("")


@pytest.mark.parametrize(
    "columns", ["sentence", "text=", "text=a,text=b", "label=a+b", "text=a+", "=a"]
)
def test_what_cannot_be_meant_is_refused_with_an_example(columns: str) -> None:
    with pytest.raises(InputError) as caught:
        asked(columns)
    assert "text=" in caught.value.do


def test_a_wrong_role_names_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        asked("txt=a,label=b")
    assert caught.value.near == "text"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("sentence", "label"), ((0,), 1)),
        (("label", "text"), ((1,), 0)),
        (("Class Index", "Title", "Description"), ((1, 2), 0)),
        (("description", "title", "label"), ((1, 0), 2)),
        (("id", "Review", "Sentiment"), ((1,), 2)),
        (("kommentar", "label"), ((0,), 1)),
        (("text", "stars"), ((0,), 1)),
    ],
)
def test_usual_names_are_found(names: tuple[str, ...], expected: object) -> None:
    assert places(named(*names)) == expected


def test_what_is_asked_for_goes_before_what_is_found() -> None:
    table = named("text", "label", "class", "title")
    assert places(table, "text=title+text,label=class") == ((3, 0), 2)
    assert places(table, "label=class,text=0") == ((0,), 2)


def test_several_that_could_be_meant_are_named() -> None:
    error = refusal(named("text", "label", "class"))
    assert error.what == "the label may be column 'label' or 'class'"
    assert refusal(named("text", "review", "label")).what == (
        "the text may be column 'text' or 'review'"
    )


def test_a_missing_column_names_the_nearest_and_what_there_is() -> None:
    error = refusal(named("sentence", "label"), "text=sentense,label=label")
    assert error.what == "no column 'sentense'"
    assert error.near == "sentence"
    assert error.why == "there are sentence, label"
    assert (error.file, error.line) == ("a.csv", 1)
    assert refusal(bare(("a", "b")), "label=2,text=0").what == "no column '2'"


def test_unknown_names_are_refused_with_what_there_is() -> None:
    error = refusal(named("a", "b", "c"))
    assert error.what == "no column is known to be the label"
    assert error.why == "there are a, b, c"


def test_one_column_is_not_text_and_label() -> None:
    assert "at once" in refusal(named("text", "label"), "text=text,label=text").sentence


def test_without_a_header_the_label_is_what_comes_again() -> None:
    rows = [(str(i % 4 + 1), f"title {i}", f"a description {i}") for i in range(40)]
    found = pick(bare(*rows), asked(""))
    assert found == Columns((1, 2), 0, "the text is columns 1 and 2, the label column 0")


def test_without_a_header_numbers_are_no_text() -> None:
    rows = [(str(i), f"text {i}", "ab"[i % 2]) for i in range(40)]
    assert places(bare(*rows)) == ((1,), 2)


def test_without_a_header_and_clear_looks_the_numbers_are_asked_for() -> None:
    error = refusal(bare(("a b", "c d"), ("e f", "g h")))
    assert error.do == "--columns label=0,text=1"


def test_to_predict_no_label_is_needed() -> None:
    assert places(named("id", "text"), labelled=False) == ((1,), None)
    assert places(bare(("a b",)), labelled=False) == ((0,), None)
    assert places(named("label", "text"), labelled=False) == ((1,), 0)


def test_a_number_of_thousands_of_digits_is_no_column() -> None:
    assert "no column '999" in refusal(named("text", "label"), f"text={'9' * 5000}").sentence


def test_the_column_that_is_both_is_the_one_that_is_blamed() -> None:
    error = refusal(named("title", "label"), "text=title+label,label=label")
    assert error.what == "the column 'label' cannot be text and label at once"
