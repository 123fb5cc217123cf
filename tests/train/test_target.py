"""What a user names, and the sentence for everything that is not there."""

from pathlib import Path

import pytest
from PIL import Image

from netwright.errors import InputError
from netwright.train.recipe import Named
from netwright.train.target import find_target, role_candidates, usage

TASK = "image-classification"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (8, 8), (40 * i, 0, 0)).save(folder / f"{i}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize("target", [TASK, "image_classification"])
def test_a_task_takes_its_own_offline_data_set(target: str) -> None:
    assert find_target(target) == (TASK, Named(name="digits"))


def test_a_data_set_brings_its_task() -> None:
    assert find_target("digits") == (TASK, Named(name="digits"))
    assert find_target("image_folder") == (TASK, Named(name="image-folder"))


def test_a_task_takes_a_data_set_by_name() -> None:
    assert find_target(TASK, "digits") == (TASK, Named(name="digits"))
    assert find_target(TASK, "image_folder") == (TASK, Named(name="image-folder"))


def test_own_files_find_the_data_set_of_their_form(photos: Path) -> None:
    expected = (TASK, Named(name="image-folder", config={"path": str(photos)}))
    assert find_target(TASK, photos) == expected
    assert find_target("image-folder", str(photos)) == expected


def test_a_wrong_target_says_what_there_is_and_what_is_nearest() -> None:
    with pytest.raises(InputError, match="nearest is 'digits'") as told:
        find_target("digts")
    assert "tasks are " in told.value.why
    assert TASK in told.value.why
    assert "cifar10" in told.value.why
    assert told.value.do == "netwright list"


def test_a_data_set_without_files_takes_none(photos: Path) -> None:
    with pytest.raises(InputError, match="the data set 'digits' takes no files") as told:
        find_target("digits", photos)
    assert str(photos) in told.value.do


@pytest.mark.parametrize("target", [TASK, "image-folder"])
def test_files_that_are_not_there_are_told(target: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(InputError, match="no such file, folder or data set") as told:
        find_target(target, missing)
    assert told.value.file == str(missing)


def test_a_misspelled_data_set_offers_the_nearest() -> None:
    with pytest.raises(InputError, match="nearest is 'digits'"):
        find_target(TASK, "digitz")


def test_files_of_no_form_say_what_is_taken(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture", "utf-8")
    with pytest.raises(InputError, match="no data set reads these files") as told:
        find_target(TASK, tmp_path)
    assert "image-folder" in told.value.why
    assert "it holds files of the kind .txt" in told.value.why
    assert "one subfolder of pictures for each class" in told.value.do
    with pytest.raises(InputError, match=r"it is one file, of the kind \.txt"):
        find_target(TASK, tmp_path / "notes.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="it holds no files"):
        find_target(TASK, tmp_path / "empty")


def test_a_foreign_name_is_shown_escaped() -> None:
    with pytest.raises(InputError) as told:
        find_target("\x1b[31mdigits")
    assert "\x1b" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("cnn/tiny", {"net": "cnn/tiny"}),
        ("self-attention", {"net": "self_attention/small"}),
        (
            "generator = mlp/tiny + discriminator=cnn",
            {"generator": "mlp/tiny", "discriminator": "cnn/small"},
        ),
    ],
)
def test_candidates_are_read_role_by_role(text: str, roles: dict[str, str]) -> None:
    assert role_candidates(text) == roles


@pytest.mark.parametrize("text", ["cnn/small+mlp/tiny", "a=cnn+b=mlp+a=mlp"])
def test_a_role_that_is_given_twice_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="given twice: by cnn/small and mlp"):
        role_candidates(text)


def test_a_wrong_structure_or_preset_is_told() -> None:
    with pytest.raises(InputError, match=r"no preset of cnn 'tinny'.*nearest is 'tiny'"):
        role_candidates("a=mlp/tiny+b=cnn/tinny")
    with pytest.raises(InputError, match="no structure ''"):
        role_candidates("cnn/tiny+")


def test_columns_go_to_a_table_and_to_nothing_else(tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("sentence,label\na b,x\n", "utf-8")
    _, named = find_target("text-classification", table, "text=sentence,label=label")
    assert named.name == "text-table"
    assert named.config == {"path": str(table), "columns": "text=sentence,label=label"}
    with pytest.raises(InputError, match="'digits' has no columns"):
        find_target("digits", None, "text=a")


def test_what_is_made_is_asked_for_and_what_is_answered_is_given() -> None:
    assert usage("text-generation", "run") == 'netwright generate run --prompt "..."'
    assert usage("image-classification", "run") == "netwright predict run FILE"
    assert usage("a task that is not installed", "run") == "netwright predict run FILE"
