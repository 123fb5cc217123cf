"""Folders of sounds: layouts, classes, and what is refused."""

from pathlib import Path

import pytest

from netwright.datasets._sound_files import By, Scan, Take, scan, take
from netwright.errors import InputError
from sounding import put, tone, wav

SOUND = wav(tone())


def laid(root: Path, *names: str) -> Path:
    for name in names:
        put(root, name, SOUND)
    return root


def found(root: Path, by: By = "auto") -> dict[str, str]:
    return {sample.name: sample.label for sample in scan(root, by).samples}


def refused(root: Path, by: By = "auto", most: int = 100) -> str:
    with pytest.raises(InputError) as caught:
        scan(root, by, most)
    return caught.value.sentence


def test_folders_are_classes_where_several_hold_sounds(tmp_path: Path) -> None:
    laid(tmp_path, "cat/x/1_a.wav", "cat/2.wav", "dog/1.wav")
    expected = {"cat/2.wav": "cat", "cat/x/1_a.wav": "cat", "dog/1.wav": "dog"}
    assert found(tmp_path) == found(tmp_path, "folders") == expected
    assert scan(tmp_path).classes == ("cat", "dog")


def test_names_begin_with_the_class_elsewhere(tmp_path: Path) -> None:
    laid(tmp_path, "recordings/7_jackson_32.wav", "recordings/3_a_b_1.wav")
    expected = {"recordings/3_a_b_1.wav": "3", "recordings/7_jackson_32.wav": "7"}
    assert found(tmp_path) == found(tmp_path / "recordings" / "..") == expected
    laid(tmp_path, "more/5_x.wav")
    assert set(found(tmp_path).values()) == {"recordings", "more"}
    assert set(found(tmp_path, "prefix").values()) == {"3", "5", "7"}


def test_order_is_that_of_classes_and_names(tmp_path: Path) -> None:
    laid(tmp_path, "b_1.wav", "a_2.wav", "a_10.wav", "b_0.wav")
    assert list(found(tmp_path)) == ["a_10.wav", "a_2.wav", "b_0.wav", "b_1.wav"]


def test_a_sound_by_any_name_is_one_and_so_is_what_is_called_one(tmp_path: Path) -> None:
    laid(tmp_path, "a_1.dat", "b_1.wav", ".c_1.wav", "__MACOSX/d_1.wav")
    put(tmp_path, "c_1.ogg", b"OggS")
    put(tmp_path, "README_x.md", b"about")
    got: Scan = scan(tmp_path)
    assert [s.name for s in got.samples] == ["a_1.dat", "b_1.wav", "c_1.ogg"]
    assert got.passed == ["README_x.md"]


@pytest.mark.parametrize(
    ("names", "by", "sentence"),
    [
        ((), "auto", "the folder holds no sound"),
        (("a_1.wav", "a_2.wav"), "prefix", "there is only one class, 'a'"),
        (("a_1.wav", "loose.wav"), "auto", "loose.wav: this sound has no class"),
        (("a_1.wav", "_2.wav"), "prefix", "_2.wav: this sound has no class"),
        (("a/1.wav", "b/1.wav", "2.wav"), "auto", "2.wav: this sound has no class"),
        (("a/1.wav", "a/2.wav"), "folders", "there is only one class, 'a'"),
        (("a\x1b_1.wav", "b_1.wav"), "auto", "cannot be printed"),
    ],
)
def test_what_has_no_classes_is_refused(
    tmp_path: Path, names: tuple[str, ...], by: By, sentence: str
) -> None:
    assert sentence in refused(laid(tmp_path, *names), by)


@pytest.mark.parametrize(
    ("names", "by", "only"),
    [
        (("1.wav", "rain.wav"), "auto", ""),
        (("a_1.wav", "a_2.wav"), "auto", "a"),
        (("a/1.wav", "a/2.wav"), "auto", "a"),
        (("a/1.wav", "b/2.wav"), "none", ""),
    ],
)
def test_sounds_that_nothing_tells_apart_have_no_classes(
    tmp_path: Path, names: tuple[str, ...], by: By, only: str
) -> None:
    got = scan(laid(tmp_path, *names), by)
    assert (got.classes, got.only, [s.name for s in got.samples]) == ((), only, sorted(names))


def test_no_folder_and_too_many_files_are_refused(tmp_path: Path) -> None:
    assert "there is no such folder" in refused(tmp_path / "nowhere")
    assert "this is a file" in refused(put(tmp_path, "a_1.wav", SOUND))
    assert "more than 3 files" in refused(laid(tmp_path, *"abcd"), most=3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("7_jackson_32.wav", Take("jackson", 32)),
        ("x/one_mary_ann_0.flac", Take("mary_ann", 0)),
        ("7_jackson.wav", None),
        ("7_jackson_b.wav", None),
        ("_jackson_1.wav", None),
        ("dog.wav", None),
    ],
)
def test_a_take_is_read_from_its_name(name: str, expected: Take | None) -> None:
    assert take(name) == expected
