from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.errors import InputError, distance, escaped, nearest, shown, unknown


def test_a_sentence_says_where_what_why_and_the_nearest_name() -> None:
    error = InputError(
        "label 'caat' is not in the 10 classes",
        near="cat",
        file="photos.csv",
        line=17,
        column=4,
        do="fix the row",
    )
    assert str(error) == (
        "photos.csv:17:4: label 'caat' is not in the 10 classes; nearest is 'cat'\ntry: fix the row"
    )
    assert error.document() == {
        "code": 2,
        "kind": "input",
        "what": "label 'caat' is not in the 10 classes",
        "why": None,
        "nearest": "cat",
        "do": "fix the row",
        "file": "photos.csv",
        "line": 17,
        "column": 4,
    }


def test_the_nearest_name_is_at_most_two_edits_away() -> None:
    assert nearest("cnnn", ["cnn", "rnn"]) == "cnn"
    assert nearest("tranformer", ["transformer", "rnn"]) == "transformer"
    assert nearest("zebra", ["cnn", "rnn"]) == ""
    assert distance("ab", "ba") == 1


def test_an_unknown_name_lists_what_there_is() -> None:
    assert unknown("task", "digts", ["digits", "idx"]).sentence == (
        "no task 'digts': there are digits, idx; nearest is 'digits'"
    )


@given(st.text())
@settings(derandomize=True, deadline=None)
def test_foreign_text_is_shown_on_one_printable_line(text: str) -> None:
    safe = shown(text)
    assert len(safe) <= 200
    assert "\x1b" not in safe
    assert "\n" not in safe
    assert all(c.isprintable() or c == " " or c.isspace() for c in safe)


def test_control_and_bidi_characters_are_escaped() -> None:
    assert escaped("a\x1b[31m\u202eb") == "a\\x1b[31m\\u202eb"
