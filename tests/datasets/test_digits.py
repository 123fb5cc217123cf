import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from pydantic import ValidationError
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold

from netwright.datasets.base import Data
from netwright.datasets.digits import DigitsConfig, dataset
from netwright.errors import InputError
from netwright.specs import Classes, Image, Labels, Pictures, Schema


@pytest.fixture(scope="module")
def fixed() -> Data:
    return dataset.open(DigitsConfig())


def _columns(data: Data, part: str) -> dict[str, torch.Tensor]:
    return data.parts[part].gather(torch.arange(len(data.parts[part])))


def _rows(data: Data, part: str) -> set[bytes]:
    return {row.numpy().tobytes() for row in _columns(data, part)["image"]}


def test_the_fixed_split_has_360_test_images(fixed: Data) -> None:
    assert {name: len(part) for name, part in fixed.parts.items()} == {
        "train": 1257,
        "validation": 180,
        "test": 360,
    }


def test_every_digit_lies_in_exactly_one_part(fixed: Data) -> None:
    parts = [_rows(fixed, name) for name in ("train", "validation", "test")]
    whole = {row.tobytes() for row in load_digits().images.astype("uint8")}
    assert set.union(*parts) == whole
    assert sum(map(len, parts)) == len(whole) == 1797


def test_the_parts_have_the_classes_in_proportion(fixed: Data) -> None:
    counts = torch.from_numpy(load_digits().target).bincount()
    for name, part in fixed.parts.items():
        exact = counts * len(part) / 1797
        assert (_columns(fixed, name)["label"].bincount() - exact).abs().max() < 2


def test_labels_go_with_their_pictures(fixed: Data) -> None:
    bunch = load_digits()
    known = {
        image.astype("uint8").tobytes(): label
        for image, label in zip(bunch.images, bunch.target, strict=True)
    }
    columns = _columns(fixed, "test")
    for image, label in zip(columns["image"], columns["label"], strict=True):
        assert known[image.numpy().tobytes()] == label


def test_the_schema_tells_how_a_digit_is_read(fixed: Data) -> None:
    image, label = fixed.schema.columns["image"], fixed.schema.columns["label"]
    assert isinstance(image, Pictures)
    assert isinstance(label, Labels)
    assert image.form == Image(1, 8, 8)
    assert (image.top, image.fit) == (16, "ink")
    assert label.form == Classes(10)
    pixels = _columns(fixed, "train")["image"]
    assert pixels.dtype == torch.uint8
    assert image.mean[0] == pytest.approx(float(pixels.double().mean()) / 16, rel=1e-12)


def test_the_fixed_split_is_fixed(fixed: Data) -> None:
    assert dataset.open(DigitsConfig()).fingerprint == fixed.fingerprint
    assert dataset.open(DigitsConfig(seed=1)).fingerprint != fixed.fingerprint


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_fold_is_scikit_learns(*, shuffle: bool) -> None:
    bunch = load_digits()
    folds = StratifiedKFold(5, shuffle=shuffle, random_state=3 if shuffle else None)
    tests = [test for _, test in folds.split(bunch.images, bunch.target)]
    for fold in (0, 4):
        data = dataset.open(DigitsConfig(split="fold", fold=fold, shuffle=shuffle, seed=3))
        expected = torch.from_numpy(bunch.images[tests[fold]]).to(torch.uint8).unsqueeze(1)
        assert torch.equal(_columns(data, "test")["image"], expected)
        assert sum(map(len, data.parts.values())) == 1797
        assert len(data.parts["validation"]) == pytest.approx(180, abs=1)


def test_equal_digits_lie_in_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    bunch = load_digits()
    bunch.images[:120] = bunch.images[120:240]
    bunch.target[:120] = bunch.target[120:240]
    monkeypatch.setattr("sklearn.datasets.load_digits", lambda: bunch)
    for config in (DigitsConfig(), DigitsConfig(split="fold")):
        data = dataset.open(config)
        assert sum(map(len, data.parts.values())) == 1797
        parts = [_rows(data, name) for name in data.parts]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 1677


def test_the_notes_say_who_wrote_the_test_part(fixed: Data) -> None:
    shuffled = dataset.open(DigitsConfig(split="fold"))
    for data in (fixed, shuffled):
        assert data.notes == (
            "the split is shuffled, so that the same writers stand in training and test: "
            "expect 2 to 4 points less on new writers; split=fold shuffle=false is stricter",
        )
    (note,) = dataset.open(DigitsConfig(split="fold", shuffle=False)).notes
    assert note.startswith("the folds are not shuffled, so that most writers of the test part are")


@pytest.mark.parametrize(
    ("config", "given"),
    [(DigitsConfig(fold=2), "fold=2"), (DigitsConfig(shuffle=False), "shuffle=false")],
)
def test_what_the_fixed_split_would_ignore_is_refused(config: DigitsConfig, given: str) -> None:
    with pytest.raises(InputError) as caught:
        dataset.open(config)
    assert caught.value.code == 2
    assert str(caught.value) == (
        f"{given} says nothing about the fixed split of digits\ntry: split=fold {given}"
    )


@pytest.mark.parametrize("wrong", [{"fold": 5}, {"validation": 0}, {"folds": 1}])
def test_a_wrong_configuration_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        DigitsConfig.model_validate(wrong)


def test_validation_cannot_take_every_training_image() -> None:
    with pytest.raises(InputError, match="validation of 1437 takes all of the 1,437 training"):
        dataset.open(DigitsConfig(validation=1437))


def test_foreign_inputs_are_read_as_pictures(fixed: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = ModuleType("netwright.datasets._pictures")
    picture = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)

    def read_pictures(column: Pictures, inputs: list[Path]):  # type: ignore[no-untyped-def]
        assert column == fixed.schema.columns["image"]
        yield from ((path.name, picture) for path in inputs)

    reader.read_pictures = read_pictures  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "netwright.datasets._pictures", reader)
    schema = Schema.model_validate_json(fixed.schema.model_dump_json())
    ((name, batch),) = dataset.read(schema, [Path("a.png")])
    assert name == "a.png"
    assert batch == {"image": picture}


def test_digits_need_no_file(tmp_path: Path) -> None:
    assert not dataset.fits(tmp_path)
    assert dataset.task == "image-classification"
