# ruff: noqa: RUF001  (full-width punctuation is what Chinese is written with)
"""Text files: encodings, line ends, limits, and the place of what is refused."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.datasets._reading import decoded, place_of, read_text
from netwright.errors import InputError

CHINESE = "话说天下大势，分久必合，合久必分。\n周末七国分争，并入于秦。\n"
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufeff"))
NAMED = settings(derandomize=True, deadline=None, max_examples=60)


def written(tmp_path: Path, data: bytes, name: str = "a.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def refusal(path: Path, **limits: int) -> InputError:
    with pytest.raises(InputError) as caught:
        read_text(path, **limits)
    return caught.value


@NAMED
@given(TEXTS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_a_text_is_read_as_it_was_written_in_any_unicode_encoding(text: str, encoding: str) -> None:
    assert decoded(text.encode(encoding), "f") == text


@pytest.mark.parametrize("order", ["le", "be"])
def test_both_orders_of_utf_16_are_read(order: str) -> None:
    assert decoded(("\ufeff" + CHINESE + "🙂").encode(f"utf-16-{order}"), "f") == CHINESE + "🙂"


@pytest.mark.parametrize("encoding", ["gbk", "gb18030"])
@pytest.mark.parametrize(
    "text", [CHINESE, "學而時習之，不亦說乎？有朋自遠方來\n", "abc 我们 def\n"]
)
def test_chinese_in_gbk_is_read(text: str, encoding: str) -> None:
    assert decoded(text.encode(encoding), "f") == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("naïve\n", "latin-1"),
        ("un café, s'il vous plaît", "cp1252"),
        ("나는 학교에 갑니다. 오늘 날씨가 매우 좋습니다.", "euc-kr"),
        ("Съешь же ещё этих мягких французских булок", "koi8-r"),
        ("съешь же", "cp1251"),
        ("吾輩は猫である。名前はまだ無い。", "euc-jp"),
        ("滾滾長江東逝水，浪花淘盡英雄。這個時候", "big5"),
    ],
)
def test_other_encodings_are_refused_and_never_guessed(text: str, encoding: str) -> None:
    with pytest.raises(InputError, match="is no UTF-8"):
        decoded(text.encode(encoding), "f")


@pytest.mark.parametrize(
    ("text", "encoding"), [("はひらがなです", "euc-jp"), ("나는학교에갑니다", "euc-kr")]
)
def test_a_few_bytes_of_a_frequent_character_make_no_chinese(text: str, encoding: str) -> None:
    chance = "的".encode("gbk").decode(encoding)
    with pytest.raises(InputError, match="is no UTF-8"):
        decoded((chance + text).encode(encoding), "f")


def test_mixed_line_ends_become_one(tmp_path: Path) -> None:
    assert read_text(written(tmp_path, b"a\r\nb\rc\nd\r\n\r\n")) == "a\nb\nc\nd\n\n"


def test_a_wrong_byte_is_told_with_its_line_column_and_reason(tmp_path: Path) -> None:
    path = written(tmp_path, b"one\r\ntwo\r\nthr\xe9e")
    error = refusal(path)
    assert str(error) == (
        f"{path}:3:4: the byte 0xe9 is no UTF-8: "
        "single high bytes among letters are likely Latin-1 or Windows-1252\n"
        "try: save the file as UTF-8 (iconv -f OLD -t UTF-8)"
    )


def test_lines_are_counted_whatever_ends_them(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, b"one\rtwo\r\nsix\rab\xe9 c"))
    assert (error.line, error.column) == (4, 3)


def test_columns_are_characters_and_a_damaged_utf_8_is_called_so(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, "x\n中文🙂".encode() + b"\xff"))
    assert (error.line, error.column) == (2, 4)
    assert "damaged here" in error.sentence


def test_a_sequence_cut_short_by_the_end_is_refused_where_it_begins(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, "ab\n中".encode()[:-1]))
    assert (error.line, error.column) == (2, 1)


@pytest.mark.parametrize("data", [b"\xff\xfea\0b", b"\xff\xfea\0\x00\xd8b\0"])
def test_broken_utf_16_is_refused_with_the_place(tmp_path: Path, data: bytes) -> None:
    error = refusal(written(tmp_path, data))
    assert (error.line, error.column) == (1, 2)
    assert "its mark says that it is" in error.sentence
    assert "UTF-16" in error.sentence


def test_a_nul_is_refused_with_its_place(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, b"some text\nab\0c"))
    assert (error.line, error.column) == (2, 3)
    assert "NUL" in error.sentence


def test_utf_16_without_a_mark_is_told_from_a_single_nul(tmp_path: Path) -> None:
    assert (
        "UTF-16 without a mark" in refusal(written(tmp_path, "ab c".encode("utf-16-le"))).sentence
    )


@pytest.mark.parametrize("data", [b"", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_refused(tmp_path: Path, data: bytes) -> None:
    assert "the file is empty" in refusal(written(tmp_path, data)).sentence


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(tmp_path / "none.txt").sentence
    assert "a folder" in refusal(tmp_path).sentence


def test_a_packed_file_is_unpacked_whatever_its_name(tmp_path: Path) -> None:
    assert read_text(written(tmp_path, gzip.compress(CHINESE.encode("gbk"), mtime=0))) == CHINESE


def test_a_packed_file_that_grows_too_much_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress(bytes(3 << 20), mtime=0), "a.txt.gz")
    assert "200 times its size" in refusal(path).sentence


@pytest.mark.parametrize("data", [bytes(range(65, 85)), gzip.compress(b"x" * 20, mtime=0)])
def test_the_unpacked_size_is_bounded(tmp_path: Path, data: bytes) -> None:
    path = written(tmp_path, data)
    assert "more than 19 bytes" in refusal(path, most=19).sentence
    assert len(read_text(path, most=20)) == 20


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    assert (
        "cannot be unpacked"
        in refusal(written(tmp_path, gzip.compress(b"abc", mtime=0)[:-4])).sentence
    )


def test_a_link_is_followed_but_not_out_of_its_root(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    target = written(tmp_path, b"text")
    link = tmp_path / "in" / "b.txt"
    link.symlink_to(target)
    assert read_text(link) == "text"
    with pytest.raises(InputError, match="leads out"):
        read_text(link, tmp_path / "in")


def test_a_line_of_a_megabyte_is_read(tmp_path: Path) -> None:
    assert len(read_text(written(tmp_path, b"x" * (1 << 20) + b"\ny"))) == (1 << 20) + 2


@NAMED
@given(st.binary(max_size=40))
def test_any_bytes_are_a_text_or_an_input_error(data: bytes) -> None:
    try:
        text = decoded(data, "f")
    except InputError as error:
        text = "x" * (error.line or 0)
        data = b"x"
    assert bool(text) == bool(data.removeprefix(b"\xef\xbb\xbf"))
    assert not {"\r", "\0"} & set(text)


def test_places_count_from_one() -> None:
    assert [place_of("ab\n\nc", at) for at in (0, 2, 3, 4)] == [(1, 1), (1, 3), (2, 1), (3, 1)]
