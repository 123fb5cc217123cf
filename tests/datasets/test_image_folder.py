"""Image folders: layouts, splits, cache, quarantine, and what is refused."""

import io
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from netwright.datasets import _cache, _splits
from netwright.datasets._cache import Decoded, Mapped
from netwright.datasets.base import Data, Tensors
from netwright.datasets.image_folder import ImageFolderConfig, dataset
from netwright.errors import InputError
from netwright.specs import Image, Labels, Pictures


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("NETWRIGHT_CACHE", str(folder))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "photos"
    made.mkdir()
    return made


def picture(seed: int, channels: int = 3, size: int = 6) -> bytes:
    shape = (size, size) if channels == 1 else (size, size, channels)
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    stream = io.BytesIO()
    Pillow.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def put(root: Path, name: str, data: bytes) -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def fill(root: Path, counts: dict[str, int], first: int = 0, channels: int = 3) -> None:
    seed = first
    for folder, count in counts.items():
        for number in range(count):
            put(root, f"{folder}/{number:03}.png", picture(seed, channels))
            seed += 1


def opened(root: Path, **options: object) -> Data:
    return dataset.open(ImageFolderConfig.model_validate({"path": root, "size": 6, **options}))


def whole(data: Data, part: str) -> dict[str, torch.Tensor]:
    return data.parts[part].gather(torch.arange(len(data.parts[part])))


def refused(root: Path, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        opened(root, **options)
    assert caught.value.code == 2
    return caught.value


def samples(data: Data, part: str) -> set[bytes]:
    return {image.numpy().tobytes() for image in whole(data, part)["image"]}


# ---------------------------------------------------------------- layouts and splits


def test_a_folder_of_classes_is_split_in_proportion(root: Path) -> None:
    fill(root, {"dog": 20, "cat": 30})
    data = opened(root)
    assert [len(data.parts[part]) for part in ("train", "validation", "test")] == [36, 4, 10]
    assert data.schema.columns["label"] == Labels(names=("cat", "dog"))
    assert torch.bincount(whole(data, "test")["label"]).tolist() == [6, 4]
    assert (data.notes, data.quarantine, data.found) == ((), (), 50)
    image = data.schema.columns["image"]
    assert isinstance(image, Pictures)
    assert (image.form, image.fit, image.top) == (Image(3, 6, 6), "crop", 255)
    assert dataset.task == "image-classification"


def test_every_picture_comes_back_with_its_label(root: Path) -> None:
    fill(root, {"a": 10, "b": 10})
    data = opened(root)
    labels = {}
    for part in data.parts:
        batch = whole(data, part)
        assert (batch["image"].dtype, batch["label"].dtype) == (torch.uint8, torch.int64)
        for image, label in zip(batch["image"], batch["label"].tolist(), strict=True):
            labels[image.permute(1, 2, 0).numpy().tobytes()] = label
    for file in root.rglob("*.png"):
        with Pillow.open(file) as image:
            assert labels[np.asarray(image).tobytes()] == "ab".index(file.parent.name)


def test_statistics_are_those_of_the_training_part(root: Path) -> None:
    fill(root, {"a": 10, "b": 10})
    data = opened(root)
    values = whole(data, "train")["image"].double() / 255
    image = data.schema.columns["image"]
    assert isinstance(image, Pictures)
    np.testing.assert_allclose(image.mean, values.mean((0, 2, 3)))
    np.testing.assert_allclose(image.deviation, values.std((0, 2, 3), correction=0))


def test_the_split_follows_the_seed_and_nothing_else(root: Path) -> None:
    fill(root, {"a": 20, "b": 20})
    first, again, other = opened(root), opened(root), opened(root, seed=1)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert samples(first, "test") == samples(again, "test") != samples(other, "test")


def test_equal_pictures_lie_in_one_part_of_our_own_split(root: Path) -> None:
    for label in "ab":
        for number in range(15):
            data = picture(ord(label) * 100 + number)
            for copy in range(2):
                put(root, f"{label}/{number}-{copy}.png", data)
    data = opened(root, test=0.3, validation=0.3)
    parts = [samples(data, part) for part in data.parts]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 30


def test_official_parts_are_kept_and_their_doubles_told(root: Path) -> None:
    fill(root, {"train/a": 5, "train/b": 5, "val/a": 2, "val/b": 2, "test/a": 3, "test/b": 3})
    put(root, "test/a/000.png", (root / "train/a/000.png").read_bytes())
    put(root, "val/a/001.png", (root / "train/a/001.png").read_bytes())
    data = opened(root)
    assert {part: len(found) for part, found in data.parts.items()} == {
        "train": 10,
        "validation": 4,
        "test": 6,
    }
    told = "1 of the {} {} images equals a training image; the official split is kept"
    assert data.notes == (told.format(4, "validation"), told.format(6, "test"))


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_the_validation_part_has_several_names(name: str, root: Path) -> None:
    fill(root, {"Train/a": 3, "Train/b": 3, f"{name}/a": 2, f"{name}/b": 1, "test/b": 1})
    data = opened(root)
    assert [len(part) for part in data.parts.values()] == [6, 3, 1]
    assert data.notes == ("classes without a picture in the test part: a",)


def test_missing_parts_are_cut_from_the_training_part(root: Path) -> None:
    fill(root, {"train/a": 20, "train/b": 20})
    assert [len(part) for part in opened(root).parts.values()] == [29, 3, 8]
    fill(root, {"test/a": 5, "test/b": 5}, first=90)
    assert [len(part) for part in opened(root).parts.values()] == [36, 4, 10]


def test_folders_in_a_class_belong_to_it(root: Path) -> None:
    fill(root, {"a/x/1": 4, "a/y": 4, "b": 8})
    assert (
        torch.cat([whole(opened(root), p)["label"] for p in ("train", "validation", "test")]).sum()
        == 8
    )


def test_a_class_may_be_called_train(root: Path) -> None:
    fill(root, {"train": 8, "car": 8})
    assert opened(root).schema.columns["label"] == Labels(names=("car", "train"))


def test_hidden_files_and_litter_are_no_samples(root: Path) -> None:
    fill(root, {"a": 10, "b": 10})
    for name in ("a/.hidden.png", "a/Thumbs.db", "b/desktop.ini", ".git/x.png", "__MACOSX/a/1.png"):
        put(root, name, picture(0))
    data = opened(root)
    assert (data.found, data.notes) == (20, ())


def test_files_that_are_no_pictures_are_told(root: Path) -> None:
    fill(root, {"a": 10, "b": 10})
    for number in range(4):
        put(root, f"a/{number}.txt", b"1 2 3")
    put(root, "README", b"about")
    data = opened(root)
    assert data.found == 20
    assert data.notes == (
        "files that are no pictures and were left out: a/0.txt, a/1.txt, a/2.txt, ... (4 in all)",
    )


def test_equal_pictures_of_two_classes_are_told(root: Path) -> None:
    fill(root, {"a": 10, "b": 10})
    put(root, "b/twin.png", (root / "a/004.png").read_bytes())
    assert opened(root).notes == ("pictures that equal one of another class: b/twin.png",)


def test_links_inside_the_folder_are_followed(root: Path) -> None:
    fill(root, {"a": 8, "b": 7})
    (root / "b/link.png").symlink_to(root / "a/000.png")
    assert opened(root).found == 16


def test_pictures_are_cropped_to_one_size(root: Path) -> None:
    for label in "ab":
        for number in range(8):
            seed = number + 100 * ord(label)
            put(root, f"{label}/{number}.jpg", picture(seed, size=6 + number))
    data = opened(root, size=(5, 4))
    assert whole(data, "train")["image"].shape[1:] == (3, 5, 4)


def test_grey_is_told_by_what_is_in_the_pictures(root: Path) -> None:
    fill(root, {"a": 8, "b": 8}, channels=1)
    assert whole(opened(root), "train")["image"].shape[1:] == (1, 6, 6)
    assert whole(opened(root, channels=3), "train")["image"].shape[1:] == (3, 6, 6)
    with Pillow.open(root / "a/000.png") as image:
        image.convert("RGB").save(root / "a/000.png")
    assert whole(opened(root), "train")["image"].shape[1:] == (1, 6, 6)
    put(root, "b/000.png", picture(0))
    assert whole(opened(root), "train")["image"].shape[1:] == (3, 6, 6)


def test_a_coloured_picture_among_grey_ones_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_cache, "LOOKED", 2)
    fill(root, {"a": 8, "b": 8}, channels=1)
    put(root, "a/003.png", picture(0))
    error = refused(root)
    assert error.file == str(root / "a/003.png")
    assert error.what == "this picture has colours, but those looked at first have none"
    assert error.do == "channels=3, or channels=1 to make all of them grey"
    assert whole(opened(root, channels=1), "train")["image"].shape[1:] == (1, 6, 6)


# ---------------------------------------------------------------- cache


def test_pictures_are_decoded_once(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(root, {"a": 8, "b": 8})
    put(root, "a/notes.txt", b"x")
    first = opened(root)
    assert sorted(p.suffix for p in cache.rglob("*.*")) == [".bin", ".json"]

    def never(*args: object, **named: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(_cache, "decode", never)
    again = opened(root)
    assert (again.fingerprint, again.notes) == (first.fingerprint, first.notes)
    assert again.schema == first.schema
    for part in first.parts:
        assert torch.equal(whole(first, part)["image"], whole(again, part)["image"])
    assert isinstance(again.parts["train"], Mapped)


def test_a_changed_file_or_option_makes_another_cache(root: Path, cache: Path) -> None:
    fill(root, {"a": 8, "b": 8})
    first = opened(root)
    assert opened(root, size=5).schema != first.schema
    file = root / "a/000.png"
    stamp = file.stat().st_mtime_ns
    file.write_bytes(picture(99)[: file.stat().st_size].ljust(file.stat().st_size, b"\0"))
    os.utime(file, ns=(stamp, stamp))  # the same size and time of change, as some tools leave it
    assert opened(root).fingerprint != first.fingerprint
    assert len(list(cache.rglob("*.json"))) == 3


@pytest.mark.parametrize("damage", ["flip", "short", "json", "gone", "index"])
def test_a_damaged_cache_is_made_anew(damage: str, root: Path, cache: Path) -> None:
    fill(root, {"a": 8, "b": 8})
    first = opened(root)
    pixels, index = sorted(cache.rglob("*.*"))
    data = bytearray(pixels.read_bytes())
    if damage == "flip":
        data[7] ^= 1
        pixels.write_bytes(data)
    elif damage == "short":
        pixels.write_bytes(data[:-1])
    elif damage == "json":
        index.write_bytes(index.read_bytes()[:-1])
    elif damage == "index":
        index.write_text(json.dumps(json.loads(index.read_text()) | {"rows": [0] * 16}))
    else:
        pixels.unlink()
    assert opened(root).fingerprint == first.fingerprint
    assert pixels.read_bytes()[7] == data[7] ^ (damage == "flip")


def test_a_cache_that_cannot_be_written_costs_only_time(root: Path, tmp_path: Path) -> None:
    fill(root, {"a": 8, "b": 8})
    first = opened(root)
    blocked = put(tmp_path, "file", b"")
    data = opened(root, cache=blocked)
    assert data.fingerprint == first.fingerprint
    assert data.notes[-1].startswith("the pictures are not cached: ")


def test_pictures_that_do_not_fit_are_decoded_by_threads_to_the_same(root: Path) -> None:
    fill(root, {"a": 12, "b": 12})
    put(root, "b/large.png", picture(5, size=50))
    mapped, decoded = opened(root), opened(root, memory=100, cache=root.parent / "other")
    assert not (root.parent / "other").exists()
    assert decoded.fingerprint == mapped.fingerprint
    assert decoded.schema == mapped.schema
    assert decoded.notes[-1] == _cache.TOO_LARGE.format(0, 0)
    for part, found in decoded.parts.items():
        assert isinstance(found, Decoded)
        index = torch.tensor([1, 0, 1, -1 % len(found)])
        for name, column in mapped.parts[part].gather(index).items():
            assert torch.equal(found.gather(index)[name], column)
            assert found.gather(index)[name].dtype == column.dtype
    empty = decoded.parts["train"].gather(torch.tensor([], dtype=torch.int64))
    assert empty["image"].shape == (0, 3, 6, 6)


def test_a_picture_that_changes_after_it_was_listed_stops_the_run(root: Path) -> None:
    fill(root, {"a": 8, "b": 8})
    part = opened(root, memory=0).parts["train"]
    for file in root.rglob("*.png"):
        file.write_bytes(picture(7))
    with pytest.raises(InputError, match=r"\.png: the file has changed since it was listed"):
        part.gather(torch.arange(4))


def test_a_part_moves_as_one_tensor(root: Path) -> None:
    fill(root, {"a": 8, "b": 8})
    part = opened(root).parts["train"]
    assert isinstance(part, Mapped)
    moved = part.to(torch.device("cpu"))
    assert isinstance(moved, Tensors)
    index = torch.tensor([3, 1])
    for name, column in part.gather(index).items():
        assert torch.equal(column, moved.gather(index)[name])


def test_statistics_agree_whether_the_pixels_are_kept_or_not(root: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (20, 3, 4, 5), dtype=torch.uint8, generator=generator)
    pixels[:, 2] = 7
    values = pixels.long().flatten(2)
    sums = torch.stack([values.sum(2), values.square().sum(2)], 1)
    store = _cache.Store(Image(3, 4, 5), range(20), (), None, sums, (), ())
    rows = torch.tensor([0, 3, 4, 9])
    assert store.statistics(rows) == _splits.statistics(pixels[rows], 255)


def test_the_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _cache.default_folder().name == "cache"
    monkeypatch.delenv("NETWRIGHT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert _cache.default_folder() == Path("/xdg/netwright")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/some/where")
    assert _cache.default_folder() == Path("/some/where/.cache/netwright")


# ---------------------------------------------------------------- what is refused


def test_a_missing_or_empty_folder_is_refused(root: Path) -> None:
    assert refused(root).sentence == f"{root}: the folder is empty: it holds no folder of a class"
    assert refused(root / "x").sentence == f"{root / 'x'}: there is no such folder"
    file = put(root, "x.zip", b"")
    assert refused(file).what == "this is a file, but a folder is read"


def test_an_empty_class_is_refused(root: Path) -> None:
    fill(root, {"a": 8, "b": 8})
    (root / "c").mkdir()
    assert refused(root).sentence == f"{root / 'c'}: the class has no picture"
    put(root, "c/notes.txt", b"")
    assert refused(root).sentence.startswith(f"{root}: class 'c' has no picture: JPEG, PNG")


def test_an_empty_official_part_is_refused_and_not_cut_anew(root: Path) -> None:
    fill(root, {"train/a": 8, "train/b": 8})
    (root / "test/a").mkdir(parents=True)
    assert refused(root).sentence == f"{root / 'test'}: the test part has no picture"
    put(root, "test/a/notes.txt", b"")
    assert refused(root).what == "the official test part has no picture"


def test_one_class_is_refused(root: Path) -> None:
    fill(root, {"cat": 8})
    assert refused(root).sentence == (
        f"{root}: there is only one class, 'cat': to tell classes apart takes two"
    )


def test_pictures_without_a_class_are_refused(root: Path) -> None:
    fill(root, {"a": 8, "b": 8})
    put(root, "loose.jpg", picture(0))
    assert refused(root).sentence == (
        f"{root / 'loose.jpg'}: this picture has no class: it does not lie in the folder of a class"
    )


@pytest.mark.parametrize(("part", "said"), [("test", "test"), ("val", "validation")])
def test_a_label_that_is_not_in_training_is_refused(part: str, said: str, root: Path) -> None:
    fill(root, {"train/cat": 4, "train/dog": 4, f"{part}/caat": 1, f"{part}/dog": 1})
    assert refused(root).sentence == (
        f"{root / part / 'caat'}: label 'caat' of the {said} part is not in the training part: "
        "it has 2 classes; nearest is 'cat'"
    )


def test_parts_that_contradict_each_other_are_refused(root: Path) -> None:
    fill(root, {"test/a": 1, "val/a": 1})
    assert "there is a test and a validation part, but no train part" in str(refused(root))
    fill(root, {"train/a": 1, "valid/a": 1})
    assert "the validation part is there twice, as val and valid" in str(refused(root))
    (root / "extra").mkdir()
    assert "the folder 'extra' lies beside test and train and validation" in str(refused(root))


def test_a_truncated_picture_is_named_with_its_reason(root: Path) -> None:
    fill(root, {"a": 8, "b": 8})
    put(root, "a/000.png", picture(0)[:60])
    error = refused(root)
    assert error.what == "1 of 16 pictures cannot be read, and 1 % may be bad"
    assert error.why.startswith("a/000.png (the picture is damaged or truncated: ")
    assert error.do == "repair or remove them"


def test_the_first_three_bad_pictures_are_named(root: Path) -> None:
    fill(root, {"a": 8, "b": 8})
    for number in range(5):
        put(root, f"b/{number:03}.png", b"nothing")
    error = refused(root)
    assert error.what == "5 of 16 pictures cannot be read, and 1 % may be bad"
    assert error.why.count("this is no picture") == 3
    assert "b/002.png" in error.why


def test_one_bad_picture_in_a_hundred_is_quarantined(root: Path) -> None:
    fill(root, {"a": 100, "b": 99})
    bad = put(root, "a/050.png", b"nothing")
    data = opened(root)
    (kept,) = data.quarantine
    assert kept.file == "a/050.png"
    assert kept.reason.startswith("this is no picture: its first bytes are none of")
    assert data.found == 199
    assert sum(map(len, data.parts.values())) == 198
    again = opened(root)  # now from the cache
    assert (again.quarantine, again.found) == (data.quarantine, 199)
    bad.rename(root / "b/bad.png")
    put(root, "b/000.png", b"nothing")
    assert refused(root).what == "2 of 199 pictures cannot be read, and 1 % may be bad"


def test_a_class_may_not_lose_more_than_one_in_a_hundred(root: Path) -> None:
    fill(root, {"a": 95, "b": 10})
    put(root, "b/000.png", b"nothing")
    assert refused(root).what == "1 of 10 pictures of class 'b' cannot be read, and 1 % may be bad"


@pytest.mark.parametrize(("part", "said"), [("test", "test"), ("val", "validation")])
def test_a_bad_picture_in_an_official_part_is_refused(part: str, said: str, root: Path) -> None:
    fill(root, {"train/a": 100, "train/b": 3, f"{part}/a": 2})
    put(root, f"{part}/a/001.png", b"nothing")
    error = refused(root)
    assert error.file == str(root / part / "a/001.png")
    assert error.what == f"1 of the official {said} pictures cannot be read"


def test_a_bomb_is_refused_by_its_header(root: Path) -> None:
    fill(root, {"a": 8, "b": 8})
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c)) + name + c + struct.pack(">I", zlib.crc32(name + c))
        for name, c in chunks
    )
    put(root, "a/bomb.png", data)
    assert refused(root).why == (
        "a/bomb.png (a picture of 12000 x 12000 is too large: "
        "it has 144.0 megapixels, the limit `pixels` is 50)"
    )


def test_links_that_leave_the_folder_or_run_in_circles_are_refused(
    root: Path, tmp_path: Path
) -> None:
    fill(root, {"a": 8, "b": 8})
    outside = put(tmp_path, "secret.png", picture(0))
    link = root / "a/link.png"
    link.symlink_to(outside)
    assert refused(root).sentence == f"{link}: this link leads out of the folder"
    link.unlink()
    link.symlink_to(root / "a/nothing.png")
    assert refused(root).sentence == f"{link}: this link leads nowhere"
    link.unlink()
    link.symlink_to(root)
    assert refused(root).sentence == f"{link}: this link leads to a folder that it lies in"


def test_pipes_are_refused(root: Path) -> None:
    fill(root, {"a": 8, "b": 8})
    os.mkfifo(root / "a/pipe.png")
    assert refused(root).what == "this is a pipe or a device, not a picture"


def test_class_names_that_cannot_be_printed_are_refused(root: Path) -> None:
    fill(root, {"a": 8, "b\x1b[2J": 8})
    assert refused(root).what == r"the class name 'b\x1b[2J' cannot be printed"


def test_too_few_pictures_for_three_parts_are_refused(root: Path) -> None:
    fill(root, {"a": 1, "b": 1})
    error = refused(root)
    assert "training" in error.what
    for number in range(8):
        put(root, f"c/{number}.png", picture(5))
    assert refused(root, test=8).code == 2


def test_options_out_of_range_are_refused(root: Path) -> None:
    for options in ({"size": 0}, {"test": 1.0}, {"validation": 0.0}, {"channels": 2}, {"x": 1}):
        with pytest.raises(ValueError, match=next(iter(options))):
            ImageFolderConfig.model_validate({"path": root, **options})


# ---------------------------------------------------------------- looking and applying


def test_fits_looks_for_a_picture_in_a_folder(root: Path) -> None:
    assert not dataset.fits(root / "nowhere")
    put(root, "loose.png", picture(0))
    put(root, "a/notes.txt", b"")
    put(root, "a/.hidden.png", picture(0))
    assert not dataset.fits(root)
    put(root, "train/a/x.dat", picture(0))
    assert dataset.fits(root)
    assert not dataset.fits(root / "loose.png")


def test_read_gives_what_gather_gives(root: Path) -> None:
    fill(root, {"a": 8, "b": 8})
    data = opened(root)
    ((name, batch),) = dataset.read(data.schema, [root / "a/003.png"])
    assert name == str(root / "a/003.png")
    assert list(batch) == ["image"]
    found = set.union(*(samples(data, part) for part in data.parts))
    assert batch["image"][0].numpy().tobytes() in found
    assert len(list(dataset.read(data.schema, [root]))) == 16
