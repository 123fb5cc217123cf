"""Own pictures without classes: taken from anywhere below a folder, split, refused, played with."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from commands import pictures
from netwright import face
from netwright.datasets.unlabelled_folder import UnlabelledFolderConfig, dataset
from netwright.errors import InputError
from netwright.train.target import find_target


def flat(folder: Path, count: int = 40) -> Path:
    """Noise, some of it in a folder below."""
    draw = np.random.default_rng(0)
    (folder / "more").mkdir(parents=True)
    for i in range(count):
        pixels = draw.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / ("more" if i % 4 == 0 else ".") / f"{i:02}.png")
    return folder


def opened(path: Path, tmp_path: Path, **options: object):
    config = {"path": path, "size": 8, "cache": tmp_path / "cache", **options}
    return dataset.open(UnlabelledFolderConfig.model_validate(config))


def test_every_picture_below_the_folder_is_taken_once(tmp_path: Path) -> None:
    data = opened(flat(tmp_path / "photos"), tmp_path)
    assert {name: len(part) for name, part in data.parts.items()} == {
        "train": 32,
        "validation": 4,
        "test": 4,
    }
    assert list(data.schema.columns) == ["image"]
    seen = torch.cat(
        [p.gather(torch.arange(len(p)))["image"].flatten(1) for p in data.parts.values()]
    )
    assert len(torch.unique(seen, dim=0)) == 40
    assert opened(tmp_path / "photos", tmp_path).fingerprint == data.fingerprint
    assert opened(tmp_path / "photos", tmp_path, seed=1).fingerprint != data.fingerprint


def test_bad_pictures_are_told_and_more_than_one_in_a_hundred_stop(tmp_path: Path) -> None:
    photos = flat(tmp_path / "photos")
    (photos / "notes.txt").write_text("no picture", "utf-8")
    assert "notes.txt" in opened(photos, tmp_path).notes[0]
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match="1 of 41 pictures cannot be read"):
        opened(photos, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="the folder is empty"):
        opened(tmp_path / "empty", tmp_path)
    with pytest.raises(InputError, match="there is no such folder"):
        opened(tmp_path / "none", tmp_path)


def test_a_folder_without_classes_is_found_by_its_form_and_one_with_classes_keeps_them(
    tmp_path: Path,
) -> None:
    photos = flat(tmp_path / "photos")
    for path in photos.rglob("more"):
        for file in path.iterdir():
            file.rename(photos / file.name)
        path.rmdir()
    assert find_target("image-generation", photos)[1].name == "unlabelled-folder"
    assert find_target("image-generation", pictures(tmp_path / "c"))[1].name == "image-folder"


def test_a_game_is_played_on_it_without_a_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    flat(tmp_path / "photos")
    (tmp_path / "r.yaml").write_text(
        "batch: 8\ndata: {size: 8}\ntask: {samples: 20, noise: 4}\n", "utf-8"
    )
    found = face.train(
        "unlabelled-folder",
        data="photos",
        structure="cnn/tiny",
        recipe=Path("r.yaml"),
        budget="2steps",
        out=Path("run"),
        threads=1,
        quiet=True,
    )
    assert "frechet" in found.figures
    assert "classes" not in found.figures
    assert not Path("runs").exists()
    (answer,) = face.generate("run", {"count": 1})
    assert answer.made is not None
    assert answer.value == {}
