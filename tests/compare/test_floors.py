"""Floors of a contest: fitted once, judged by the task, kept with their hash."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from commands import flip, reseal
from netwright import files
from netwright.compare import floors
from netwright.compare.floors import floor_candidates
from netwright.errors import MachineError
from netwright.floors.nearest_neighbour import floor as nearest
from netwright.train.budget import Budget
from netwright.train.machine import Options, prepared
from netwright.train.progress import Progress
from netwright.train.recipe import Named, resolve
from netwright.train.setting import Setting, open_setting

QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def setting() -> Iterator[Setting]:
    recipe = resolve(
        "image-classification",
        Named(name="digits"),
        {"net": "mlp/tiny"},
        budget=Budget(steps=1),
    )
    with prepared(Options(threads=1)) as device:
        yield open_setting(recipe, device)


@pytest.fixture(scope="module")
def _fitted(setting: Setting, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "floors"
    floor_candidates(setting, folder, QUIET)
    return folder


@pytest.fixture
def folder(_fitted: Path, tmp_path: Path) -> Path:
    (tmp_path / "floors").mkdir()
    for path in _fitted.iterdir():
        (tmp_path / "floors" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "floors"


def fits(patch: pytest.MonkeyPatch) -> list[str]:
    """Titles of the floors that are fitted from here on."""
    fitted: list[str] = []
    fit = floors.fit

    def watched(floor, setting):
        fitted.append(floor.title)
        return fit(floor, setting)

    patch.setattr(floors, "fit", watched)
    return fitted


def test_every_floor_of_the_task_stands_or_says_why_not(setting: Setting, folder: Path) -> None:
    found = {f.name: f for f in floor_candidates(setting, folder, QUIET)}
    assert set(found) == set(setting.task.floors())
    assert "pictures of 8 pixels are too small" in found["hog-svm"].reason
    assert found["hog-svm"].figure is None
    for name in ("nearest-neighbour", "linear", "svm-rbf"):
        figure = found[name].figure
        assert figure is not None
        assert figure.value > 0.94
        assert figure.rows.shape == (360, 1)
        assert found[name].fit_seconds is not None


def test_what_was_fitted_before_is_read_and_not_fitted_again(
    setting: Setting, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = floor_candidates(setting, folder, QUIET)
    fitted = fits(monkeypatch)
    again = floor_candidates(setting, folder, QUIET)
    assert fitted == []
    for a, b in zip(first, again, strict=True):
        assert (a.name, a.title, a.note, a.fit_seconds) == (b.name, b.title, b.note, b.fit_seconds)
        if a.figure is not None and b.figure is not None:
            assert torch.equal(a.figure.rows, b.figure.rows)
            assert (a.figure.unit, a.figure.higher) == (b.figure.unit, b.figure.higher)


@pytest.mark.parametrize("name", ["linear.json", "linear.safetensors"])
def test_a_damaged_floor_is_fitted_anew_to_the_same_figure(
    setting: Setting, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = {f.name: f.figure for f in floor_candidates(setting, folder, QUIET)}
    fitted = fits(monkeypatch)
    for harm in (flip, Path.unlink, lambda path: path.write_bytes(b"")):
        harm(folder / name)
        after = {f.name: f.figure for f in floor_candidates(setting, folder, QUIET)}
        assert torch.equal(before["linear"].rows, after["linear"].rows)  # type: ignore[union-attr]
    assert fitted == ["linear"] * 3


def test_no_changed_byte_of_the_rows_is_taken(
    setting: Setting, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "nearest-neighbour.safetensors"
    good = path.read_bytes()
    for place in range(0, len(good), len(good) // 40):
        bad = bytearray(good)
        bad[place] ^= 1
        path.write_bytes(bad)
        assert floors._stored(folder / "nearest-neighbour") is None
    path.write_bytes(good)
    assert floors._stored(folder / "nearest-neighbour") is not None
    for wrong in ({"rows": None}, {"figures": 3}, {"seconds": "x"}):
        old = (folder / "nearest-neighbour.json").read_bytes()
        reseal(folder / "nearest-neighbour.json", **wrong)
        assert floors._stored(folder / "nearest-neighbour") is None
        (folder / "nearest-neighbour.json").write_bytes(old)


def test_a_floor_that_cannot_be_fitted_says_why_and_the_others_stand(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = floors.fit

    def fails(floor, setting):
        if floor.title == "linear":
            raise MachineError("out of memory")
        return fit(floor, setting)

    monkeypatch.setattr(floors, "fit", fails)
    found = {f.name: f for f in floor_candidates(setting, tmp_path / "floors", QUIET)}
    assert (found["linear"].figure, found["linear"].reason) == (None, "out of memory")
    assert found["svm-rbf"].figure is not None
    assert not (tmp_path / "floors" / "linear.json").exists()


def test_more_samples_than_a_floor_can_take_are_drawn_from_and_noted(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(nearest), "limit", 100)
    fitted = floors.fit(nearest, setting)
    assert fitted.note == "fitted on 100 of 1,257 training samples"
    again = floors.fit(nearest, setting)
    assert torch.equal(fitted.figures["accuracy"].rows, again.figures["accuracy"].rows)


def test_a_floor_is_whole_on_the_disk_before_it_counts(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    replace = files.replace

    def watched(path: Path, data: bytes) -> None:
        order.append(path.name)
        replace(path, data)

    monkeypatch.setattr(files, "replace", watched)
    floor_candidates(setting, tmp_path / "floors", QUIET)
    rows = [n for n in order if n.endswith(".safetensors")]
    assert order == [n for row in rows for n in (row, row.replace(".safetensors", ".json"))]
