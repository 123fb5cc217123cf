import gzip
import hashlib
import struct
import tracemalloc
from math import prod
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from netwright.datasets import idx
from netwright.datasets.base import Data
from netwright.datasets.idx import IdxConfig, dataset, parse
from netwright.errors import InputError
from netwright.specs import Image, Labels, Pictures

TRAIN, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def _idx(array: torch.Tensor) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.to(torch.uint8).numpy().tobytes()


def _pictures(n: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 5, 4), generator=generator)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """100 training and 20 test images of 5 x 4 in ten classes, packed."""
    made = tmp_path / "digits"
    made.mkdir()
    for name, array in {
        TRAIN: _pictures(100, 0),
        TRAIN_LABELS: torch.arange(100) % 10,
        TEST: _pictures(20, 1),
        TEST_LABELS: torch.arange(20) % 10,
    }.items():
        (made / f"{name}.gz").write_bytes(gzip.compress(_idx(array)))
    return made


def _replace(folder: Path, name: str, array: torch.Tensor) -> None:
    (folder / f"{name}.gz").unlink()
    (folder / name).write_bytes(_idx(array))


def _whole(data: Data, part: str) -> dict[str, torch.Tensor]:
    return data.parts[part].gather(torch.arange(len(data.parts[part])))


def _refused(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        dataset.open(IdxConfig(path=folder))
    assert caught.value.code == 2
    return str(caught.value)


def test_the_official_split_is_kept_and_a_tenth_validates(folder: Path) -> None:
    data = dataset.open(IdxConfig(path=folder))
    assert {name: len(part) for name, part in data.parts.items()} == {
        "train": 90,
        "validation": 10,
        "test": 20,
    }
    assert torch.equal(_whole(data, "test")["image"][:, 0].long(), _pictures(20, 1))
    assert _whole(data, "validation")["label"].sort().values.tolist() == list(range(10))
    assert data.notes == ()


def test_labels_go_with_their_pictures(folder: Path) -> None:
    data = dataset.open(IdxConfig(path=folder, validation=20, seed=5))
    known = {
        row.to(torch.uint8).numpy().tobytes(): i % 10 for i, row in enumerate(_pictures(100, 0))
    }
    for part in ("train", "validation"):
        columns = _whole(data, part)
        for image, label in zip(columns["image"], columns["label"], strict=True):
            assert known.pop(image.numpy().tobytes()) == label
    assert not known


def test_the_schema_has_the_form_and_the_training_statistics(folder: Path) -> None:
    data = dataset.open(IdxConfig(path=folder))
    image, label = data.schema.columns["image"], data.schema.columns["label"]
    assert isinstance(image, Pictures)
    assert isinstance(label, Labels)
    assert image.form == Image(1, 5, 4)
    assert (image.top, image.fit) == (255, "ink")
    pixels = _whole(data, "train")["image"].double() / 255
    assert image.mean == pytest.approx((float(pixels.mean()),), rel=1e-12)
    assert image.deviation == pytest.approx((float(pixels.std(correction=0)),), rel=1e-12)
    assert label.names == tuple("0123456789")


def test_plain_and_packed_files_give_the_same_data(folder: Path) -> None:
    before = dataset.open(IdxConfig(path=folder)).fingerprint
    for file in list(folder.iterdir()):
        (folder / file.stem.replace("-idx", ".idx")).write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()
    assert dataset.open(IdxConfig(path=folder)).fingerprint == before


def test_the_seed_chooses_the_validation_part(folder: Path) -> None:
    prints = {dataset.open(IdxConfig(path=folder, seed=s)).fingerprint for s in (0, 0, 1)}
    assert len(prints) == 2


def test_ten_thousand_images_leave_five_thousand_to_train(folder: Path) -> None:
    pixels = torch.arange(10_000)[:, None, None] // torch.tensor([1, 256])
    _replace(folder, TRAIN, pixels % 256)
    _replace(folder, TRAIN_LABELS, torch.arange(10_000) % 10)
    _replace(folder, TEST, torch.full((20, 1, 2), 255))
    data = dataset.open(IdxConfig(path=folder))
    assert len(data.parts["validation"]) == len(data.parts["train"]) == 5000


def test_equal_images_lie_in_one_part_and_official_doubles_are_told(folder: Path) -> None:
    pixels = _pictures(100, 0)
    pixels[50:] = pixels[:50]
    _replace(folder, TRAIN, pixels)
    tested = _pictures(20, 1)
    tested[7] = pixels[3]
    _replace(folder, TEST, tested)
    data = dataset.open(IdxConfig(path=folder))
    train, validation = (
        {row.numpy().tobytes() for row in _whole(data, part)["image"]}
        for part in ("train", "validation")
    )
    assert not train & validation
    assert data.notes == (
        "1 of the 20 test images equals a training image; the official split is kept",
    )


def test_clothes_are_known_by_the_folder_or_by_their_labels(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names(path: Path) -> tuple[str, ...]:
        label = dataset.open(IdxConfig(path=path)).schema.columns["label"]
        assert isinstance(label, Labels)
        return label.names

    assert names(folder)[9] == "9"
    fashion = folder.rename(folder.with_name("Fashion-MNIST"))
    assert names(fashion)[9] == "Ankle boot"
    plain = fashion.rename(folder)
    digest = hashlib.sha256(bytes(i % 10 for i in range(100))).hexdigest()
    monkeypatch.setattr(idx, "CLOTHES_LABELS", digest)
    assert names(plain)[0] == "T-shirt/top"


def test_debians_package_is_the_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx, "DEBIAN", folder)
    assert len(dataset.open(IdxConfig()).parts["test"]) == 20


def test_without_a_folder_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idx, "DEBIAN", tmp_path / "nowhere")
    with pytest.raises(InputError) as caught:
        dataset.open(IdxConfig())
    assert caught.value.code == 2
    assert str(caught.value) == (
        "no folder is given, and Debian's dataset-fashion-mnist is not installed\n"
        "try: apt install dataset-fashion-mnist, or a folder with train-images-idx3-ubyte, "
        "train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte "
        "(each may end in .gz)"
    )


def test_a_path_that_is_no_folder_is_refused(folder: Path) -> None:
    file, gone = folder / f"{TRAIN}.gz", folder / "gone"
    assert _refused(file).startswith(f"{file}: this is a file, but a folder is read\ntry: give the")
    assert _refused(gone).startswith(f"{gone}: there is no such folder\ntry: give the folder that")


@pytest.mark.parametrize("name", [TRAIN, TRAIN_LABELS, TEST, TEST_LABELS])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / f"{name}.gz").unlink()
    assert _refused(folder) == (
        f"{folder}: {name} is missing, and {name}.gz too\n"
        "try: put it beside the others, or apt install dataset-fashion-mnist"
    )


def test_labels_of_another_set_are_refused(folder: Path) -> None:
    _replace(folder, TEST_LABELS, torch.arange(19) % 10)
    assert _refused(folder) == (
        f"{folder / TEST_LABELS}: there are 19 labels for 20 images: "
        f"{TEST}.gz and {TEST_LABELS} belong to different sets"
    )


def test_a_label_beyond_the_classes_is_named(folder: Path) -> None:
    labels = torch.arange(100) % 10
    labels[42] = 10
    _replace(folder, TRAIN_LABELS, labels)
    assert _refused(folder) == (
        f"{folder / TRAIN_LABELS}: label 42 (from 0) is 10, but the classes are 0 to 9"
    )


def test_parts_of_different_sizes_are_refused(folder: Path) -> None:
    _replace(folder, TEST, torch.zeros(20, 4, 5))
    assert _refused(folder) == f"{folder}: the test images are 4 x 5, the training images 5 x 4"


def test_validation_cannot_take_every_training_image(folder: Path) -> None:
    with pytest.raises(InputError, match="validation of 100 takes all of the 100 training images"):
        dataset.open(IdxConfig(path=folder, validation=100))


HEADER = bytes((0, 0, 8, 3))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "begins with nothing, but with 00 00 08 03 an IDX file of bytes in 3 dimensions "
              "begins: it is no IDX file"),
        (b"\x89PNG\r\n", "begins with 89 50 4e 47, but with 00 00 08 03 an IDX file of bytes in 3 "
                         "dimensions begins: it is no IDX file"),
        (bytes((0, 0, 13, 3)), "begins with 00 00 0d 03, but with 00 00 08 03 an IDX file of bytes "
                               "in 3 dimensions begins: its numbers are of the type 0d, and only "
                               "bytes (08) are read"),
        (bytes((0, 0, 8, 1)), "begins with 00 00 08 01, but with 00 00 08 03 an IDX file of bytes "
                              "in 3 dimensions begins: it has 1 dimensions and not 3"),
    ],
)  # fmt: skip
def test_another_header_is_refused(folder: Path, raw: bytes, text: str) -> None:
    (folder / TRAIN).write_bytes(raw)
    assert _refused(folder) == f"{folder / TRAIN}: the file {text}"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (HEADER + b"\0\0", "the header is cut short: the dimensions are 0"),
        (HEADER + struct.pack(">3I", 0, 5, 4), "the file is empty: the dimensions are 0 x 5 x 4"),
        (
            HEADER + struct.pack(">3I", 2, 5, 4) + bytes(39),
            "the header says 2 x 5 x 4, 40 bytes, but 39 follow it: the file is cut short",
        ),
        (
            HEADER + struct.pack(">3I", 2, 5, 4) + bytes(41),
            "the header says 2 x 5 x 4, 40 bytes, but 41 follow it: the file was changed",
        ),
        (
            HEADER + struct.pack(">3I", *[2**32 - 1] * 3) + bytes(4),
            "the header says 4294967295 x 4294967295 x 4294967295, "
            f"{(2**32 - 1) ** 3:,} bytes, but 4 follow it: the file is cut short",
        ),
    ],
)
def test_a_header_that_disagrees_with_its_bytes_is_refused(
    folder: Path, raw: bytes, text: str
) -> None:
    (folder / TRAIN).write_bytes(raw)
    assert _refused(folder) == f"{folder / TRAIN}: {text}\ntry: get the file again"


@pytest.mark.parametrize(("follow", "told", "why"), [
    (39, "39", "the file is cut short"),
    (41, "more", "the file was changed"),
])  # fmt: skip
def test_a_packed_header_that_disagrees_is_refused(
    folder: Path, follow: int, told: str, why: str
) -> None:
    file = folder / f"{TRAIN}.gz"
    file.write_bytes(gzip.compress(HEADER + struct.pack(">3I", 2, 5, 4) + bytes(follow)))
    assert _refused(folder) == (
        f"{file}: the header says 2 x 5 x 4, 40 bytes, but {told} follow it: {why}"
        "\ntry: get the file again"
    )


def test_a_packed_header_that_claims_too_much_is_refused_at_once(folder: Path) -> None:
    file = folder / f"{TRAIN}.gz"
    file.write_bytes(gzip.compress(HEADER + struct.pack(">3I", 60_000, 5000, 5000)))
    assert _refused(folder).startswith(f"{file}: the file unpacks to more than 200 times its size")


def test_a_packed_file_that_is_cut_is_refused(folder: Path) -> None:
    file = folder / f"{TRAIN}.gz"
    file.write_bytes(file.read_bytes()[:-100])
    assert _refused(folder).startswith(f"{file}: the file cannot be unpacked: its gzip data is")


@settings(
    derandomize=True,
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    dimensions=st.sampled_from([1, 3]),
    head=st.one_of(
        st.binary(max_size=4),
        st.sampled_from([bytes((0, 0, 8, 1)), HEADER]),
    ),
    sizes=st.lists(st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1)), min_size=1, max_size=3),
    tail=st.binary(max_size=30),
    packed=st.booleans(),
)
@example(dimensions=3, head=HEADER, sizes=[1, 2, 3], tail=bytes(6), packed=True)
@example(dimensions=1, head=bytes((0, 0, 8, 1)), sizes=[2**32 - 1], tail=b"1", packed=True)
def test_any_bytes_are_read_or_refused_and_memory_follows_the_file(
    tmp_path: Path, dimensions: int, head: bytes, sizes: list[int], tail: bytes, *, packed: bool
) -> None:
    raw = head + struct.pack(f">{len(sizes)}I", *sizes) + tail
    file = tmp_path / "any"
    file.write_bytes(gzip.compress(raw) if packed else raw)
    tracemalloc.start()
    try:
        array = parse(file, tmp_path, dimensions)
    except InputError:
        pass
    else:
        assert array.ndim == dimensions
        assert array.numpy().tobytes() == raw[4 + 4 * dimensions :]
        assert prod(array.shape) == len(raw) - 4 - 4 * dimensions
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1_000_000  # what a packed file takes to open, and no more


def test_files_of_this_form_are_known_by_their_names(folder: Path, tmp_path: Path) -> None:
    assert dataset.fits(folder)
    assert not dataset.fits(tmp_path)
    assert not dataset.fits(folder / f"{TRAIN}.gz")
    assert not dataset.fits(tmp_path / "nowhere")
    assert dataset.task == "image-classification"
