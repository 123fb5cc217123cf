import gzip
import io
import tarfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from netwright.datasets import cifar10
from netwright.datasets.base import Data
from netwright.datasets.cifar10 import ADDRESS, BATCH, NAMES, RECORD, Cifar10Config, dataset
from netwright.errors import InputError
from netwright.specs import Image, Labels, Pictures

FOLDER = "cifar-10-batches-bin"
ALL = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]


def _batch(n: int, seed: int) -> bytes:
    generator = torch.Generator().manual_seed(seed)
    records = torch.randint(0, 256, (n, RECORD), generator=generator, dtype=torch.uint8)
    records[:, 0] = torch.arange(n) % 10
    return records.numpy().tobytes()


BATCHES = {name: _batch(20, seed) for seed, name in enumerate(ALL)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six batches of 20 records."""
    made = tmp_path / FOLDER
    made.mkdir()
    for name, raw in BATCHES.items():
        (made / name).write_bytes(raw)
    return made


def _archive(path: Path, members: dict[str, bytes], *extra: tarfile.TarInfo) -> Path:
    mode = "w:gz" if path.suffix == ".gz" else "w:"
    with tarfile.open(path, mode) as archive:
        for name, raw in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
        for member in extra:
            archive.addfile(member)
    return path


def _whole(data: Data, part: str) -> dict[str, torch.Tensor]:
    return data.parts[part].gather(torch.arange(len(data.parts[part])))


def _refused(path: Path | None, **options: int) -> str:
    with pytest.raises(InputError) as caught:
        dataset.open(Cifar10Config.model_validate({"path": path, **options}))
    assert caught.value.code == 2
    return str(caught.value)


def _short(*names: str) -> tuple[str, ...]:
    return tuple(f"{name} holds 20 images instead of 10,000" for name in names)


def test_the_last_training_images_validate(folder: Path) -> None:
    data = dataset.open(Cifar10Config(path=folder))
    assert {name: len(part) for name, part in data.parts.items()} == {
        "train": 90,
        "validation": 10,
        "test": 20,
    }
    columns = _whole(data, "validation")
    last = BATCHES["data_batch_5.bin"][10 * RECORD :]
    assert columns["label"].tolist() == list(last[::RECORD])
    assert columns["image"][3].numpy().tobytes() == last[3 * RECORD + 1 : 4 * RECORD]
    assert columns["image"].shape == (10, 3, 32, 32)
    assert (
        _whole(data, "train")["image"][25].numpy().tobytes()
        == (BATCHES["data_batch_2.bin"][5 * RECORD + 1 : 6 * RECORD])
    )


@pytest.mark.parametrize(("whole", "held"), [(10, 10), (50, 50), (51, 10)])
def test_a_set_of_two_validation_parts_gives_a_whole_one_and_a_smaller_one_a_tenth(
    folder: Path, monkeypatch: pytest.MonkeyPatch, whole: int, held: int
) -> None:
    assert cifar10.VALIDATION == 5000
    monkeypatch.setattr(cifar10, "VALIDATION", whole)
    data = dataset.open(Cifar10Config(path=folder))
    assert len(data.parts["validation"]) == held
    assert len(data.parts["train"]) == 100 - held


def test_the_schema_has_the_form_and_the_training_statistics(folder: Path) -> None:
    data = dataset.open(Cifar10Config(path=folder, validation=0.3))
    image, label = data.schema.columns["image"], data.schema.columns["label"]
    assert isinstance(image, Pictures)
    assert isinstance(label, Labels)
    assert image.form == Image(3, 32, 32)
    assert (image.top, image.fit) == (255, "crop")
    pixels = _whole(data, "train")["image"].double() / 255
    assert len(pixels) == 70
    assert image.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist(), rel=1e-12)
    assert image.deviation == pytest.approx(pixels.std((0, 2, 3), correction=0).tolist(), rel=1e-12)
    assert label.names == NAMES


def test_folder_parent_and_archives_give_the_same_data(folder: Path, tmp_path: Path) -> None:
    members = {f"{FOLDER}/{name}": raw for name, raw in BATCHES.items()}
    extra = {f"{FOLDER}/batches.meta.txt": b"airplane\n", f"{FOLDER}/readme.html": b"<p>"}
    inside = tmp_path / "inside"
    inside.mkdir()
    places = [
        folder,
        tmp_path,
        _archive(inside / "cifar-10-binary.tar.gz", members | extra),
        inside,
        _archive(tmp_path / "other.tar", dict(reversed(members.items()))),
    ]
    prints = {dataset.open(Cifar10Config(path=place)).fingerprint for place in places}
    assert len(prints) == 1


@pytest.mark.parametrize(
    ("absent", "text"),
    [
        ([5], "trained on data_batch_1 to 4: data_batch_5 is missing"),
        ([2], "trained on data_batch_1, 3, 4 and 5: data_batch_2 is missing"),
        ([1, 2, 4], "trained on data_batch_3 and 5: data_batch_1, 2 and 4 are missing"),
        ([2, 3, 4, 5], "trained on data_batch_1: data_batch_2 to 5 are missing"),
    ],
)
def test_missing_batches_are_named(folder: Path, absent: list[int], text: str) -> None:
    for number in absent:
        (folder / f"data_batch_{number}.bin").unlink()
    data = dataset.open(Cifar10Config(path=folder))
    assert data.notes[0] == text
    last = max({1, 2, 3, 4, 5} - set(absent))
    final = BATCHES[f"data_batch_{last}.bin"][-RECORD + 1 :]
    assert _whole(data, "validation")["image"][-1].numpy().tobytes() == final


def test_short_batches_are_named(folder: Path) -> None:
    assert dataset.open(Cifar10Config(path=folder)).notes == _short(*(n[:-4] for n in ALL))


def test_equal_images_lie_in_one_part_and_official_doubles_are_told(folder: Path) -> None:
    five = bytearray(BATCHES["data_batch_5.bin"])
    five[-RECORD:] = BATCHES["data_batch_1.bin"][:RECORD]
    (folder / "data_batch_5.bin").write_bytes(five)
    test = bytearray(BATCHES["test_batch.bin"])
    test[:RECORD] = BATCHES["data_batch_3.bin"][:RECORD]
    (folder / "test_batch.bin").write_bytes(test)
    data = dataset.open(Cifar10Config(path=folder))
    assert len(data.parts["validation"]) == 9
    assert data.notes[-1] == (
        "1 of the 20 test images equals a training image; the official split is kept"
    )


def test_without_test_or_training_batch_nothing_is_read(folder: Path) -> None:
    (folder / "test_batch.bin").unlink()
    assert _refused(folder) == f"{folder}: test_batch is missing\ntry: get {ADDRESS}"
    for name in ALL[:-1]:
        (folder / name).unlink()
    (folder / "test_batch.bin").write_bytes(BATCHES["test_batch.bin"])
    assert _refused(folder) == f"{folder}: every training batch is missing\ntry: get {ADDRESS}"


@pytest.mark.parametrize(
    "name", ["data_batch_1", "batches.meta", "cifar-10-python.tar.gz", "cifar-10-batches-py"]
)
def test_the_pickled_version_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04.")
    why = (
        "this is the pickled version of CIFAR-10: a pickle can run code when it is read"
        f"\ntry: the binary version, {ADDRESS}"
    )
    assert dataset.fits(tmp_path)
    assert dataset.fits(tmp_path / name)
    assert _refused(tmp_path) == f"{tmp_path}: {why}"
    assert _refused(tmp_path / name) == f"{tmp_path / name}: {why}"


def test_a_pickled_archive_under_another_name_is_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "x.tar.gz", {"cifar-10-batches-py/data_batch_1": b"\x80\x04."})
    assert _refused(path).startswith(
        f"{path}: its member cifar-10-batches-py/data_batch_1 is the pickled version of CIFAR-10"
    )


def test_binary_batches_are_read_beside_pickled_ones(folder: Path) -> None:
    (folder.parent / "cifar-10-batches-py").mkdir()
    assert len(dataset.open(Cifar10Config(path=folder.parent)).parts["test"]) == 20


def test_a_path_without_batches_is_refused(tmp_path: Path, folder: Path) -> None:
    empty, gone = tmp_path / "empty", tmp_path / "gone"
    empty.mkdir()
    assert _refused(None) == f"cifar10 needs a path\ntry: get {ADDRESS} and give its path"
    assert _refused(empty) == f"{empty}: no batch of CIFAR-10 lies here\ntry: get {ADDRESS}"
    assert _refused(gone) == f"{gone}: there is no such file or folder\ntry: get {ADDRESS}"
    one = folder / "data_batch_1.bin"
    assert _refused(one) == f"{one}: this is one batch\ntry: give its folder, {folder}"


@pytest.mark.parametrize(
    ("size", "why"),
    [
        (20 * RECORD - 1, "it breaks off in record 19 (from 0): each has 3,073"),
        (0, "a batch has 1 to 10,000 records of 3,073"),
        ((BATCH + 1) * RECORD, "a batch has 1 to 10,000 records of 3,073"),
    ],
)
def test_a_batch_of_another_size_is_refused(folder: Path, size: int, why: str) -> None:
    file = folder / "data_batch_3.bin"
    with file.open("wb") as stream:
        stream.truncate(size)
    assert _refused(folder) == (
        f"{file}: the batch has {size:,} bytes: {why}\ntry: get {ADDRESS} again"
    )
    member, path = tarfile.TarInfo("a/data_batch_3.bin"), folder.parent / "x.tar"
    member.size = size
    path.write_bytes(member.tobuf())  # refused for what its header says, before it is read
    assert f"{path}, a/data_batch_3.bin: the batch has {size:,} bytes: {why}" in _refused(path)


def test_a_wrong_label_is_named_with_its_record(folder: Path) -> None:
    file = folder / "data_batch_2.bin"
    raw = bytearray(BATCHES[file.name])
    raw[17 * RECORD] = 12
    file.write_bytes(raw)
    text = "record 17 (from 0) has the label 12: the classes are 0 to 9"
    assert _refused(folder) == f"{file}: {text}\ntry: get {ADDRESS} again"
    path = _archive(folder.parent / "x.tar", {"a/data_batch_2.bin": bytes(raw)})
    assert _refused(path) == f"{path}, a/data_batch_2.bin: {text}\ntry: get {ADDRESS} again"


def test_a_packed_batch_is_refused(folder: Path) -> None:
    file = folder / "data_batch_1.bin"
    file.write_bytes(gzip.compress(BATCHES[file.name]))
    assert _refused(folder) == (
        f"{file}: the batch is packed: only a whole archive, cifar-10-binary.tar.gz, may be"
        "\ntry: gunzip data_batch_1.bin"
    )


def _member(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = "/etc/passwd"
    return member


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (_member("/data_batch_1.bin"), "its name leads out of the archive"),
        (_member("a/../../data_batch_1.bin"), "its name leads out of the archive"),
        (_member("a\\b.bin"), "its name holds a backslash, a drive or a zero byte"),
        (_member("C:b.bin"), "its name holds a backslash, a drive or a zero byte"),
        (_member("link.bin", tarfile.SYMTYPE), "it is a link or a device"),
        (_member("link.bin", tarfile.LNKTYPE), "it is a link or a device"),
        (_member("pipe.bin", tarfile.FIFOTYPE), "it is a link or a device"),
        (_member("holes.bin", tarfile.GNUTYPE_SPARSE), "it is a link or a device"),
        (_member("DATA_BATCH_2.bin"), "it stands there twice"),
    ],
)
def test_members_that_no_honest_archive_holds_are_refused(
    tmp_path: Path, member: tarfile.TarInfo, why: str
) -> None:
    batch = {"data_batch_2.bin": BATCHES["data_batch_2.bin"]}
    path = _archive(tmp_path / "x.tar.gz", batch, member)
    assert _refused(path) == (
        f"{path}: the archive's member '{member.name}' is refused: {why}\ntry: get {ADDRESS} again"
    )


def test_an_archive_of_very_many_members_is_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "x.tar.gz", {f"{n}.txt": b"" for n in range(1001)})
    assert "'1000.txt' is refused: it is one of more than 1,000" in _refused(path)


def test_an_archive_that_grows_too_much_is_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "x.tar.gz", {"zeros.txt": bytes(3 << 20)})
    assert _refused(path, expansion=10).startswith(
        f"{path}: the file unpacks to more than 10 times its size"
    )


@pytest.mark.parametrize("damage", [slice(-10_000, None), slice(-4, None), slice(-8, -4)])
def test_a_cut_or_damaged_archive_is_refused(tmp_path: Path, damage: slice) -> None:
    path = _archive(tmp_path / "x.tar.gz", BATCHES)
    raw = bytearray(path.read_bytes())
    raw[damage] = b"" if damage.stop is None else b"sums"
    path.write_bytes(raw)
    assert _refused(path).startswith(f"{path}: the file cannot be unpacked: its gzip data is")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cifar-10-binary.tar.gz"
    for raw in (b"", b"<html>not found</html>", gzip.compress(b"x" * 2000), bytes(100)):
        path.write_bytes(raw)
        assert _refused(path).startswith(f"{path}: this is no tar archive, or a damaged one: ")


@settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=st.lists(st.tuples(st.integers(0, 3 * 512 - 1), st.integers(0, 255)), max_size=4))
@example(changes=[(156, ord("x"))])
@example(changes=[(124, 0x80), (125, 0xFF), (128, 0xFF)])
def test_any_archive_is_read_or_refused(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    path = tmp_path / "x.tar"
    raw = bytearray()
    for name in ("data_batch_1.bin", "test_batch.bin", "a" * 120):
        member = tarfile.TarInfo(name)
        member.size = 2 * RECORD
        raw += member.tobuf() + BATCHES["test_batch.bin"][: 2 * RECORD] + bytes(-2 * RECORD % 512)
    for place, value in changes:  # in the headers, whose check sums are put right
        start = (place // 512) * (512 + -(-2 * RECORD // 512) * 512)
        raw[start + place % 512] = value
        raw[start + 148 : start + 156] = b" " * 8
        raw[start + 148 : start + 156] = b"%06o\0 " % sum(raw[start : start + 512])
    path.write_bytes(raw + bytes(1024))
    try:
        data = dataset.open(Cifar10Config(path=path, validation=1))
    except InputError:
        return
    assert {name: len(part) for name, part in data.parts.items()} == {
        "train": 1,
        "validation": 1,
        "test": 2,
    }


def test_a_link_may_be_given_but_not_found(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    real = _archive(tmp_path / "there" / "real.tar", BATCHES)
    here = tmp_path / "here"
    here.mkdir()
    link = here / "cifar-10-binary.tar.gz"
    link.symlink_to(real)
    assert len(dataset.open(Cifar10Config(path=link)).parts["test"]) == 20
    assert "the file is a link that leads out of the folder given" in _refused(here)


def test_files_of_this_form_are_known_by_their_names(folder: Path, tmp_path: Path) -> None:
    assert dataset.fits(folder)
    assert dataset.fits(tmp_path)
    assert dataset.fits(tmp_path / "cifar-10-binary.tar.gz")
    (tmp_path / "empty").mkdir()
    assert not dataset.fits(tmp_path / "empty")
    assert not dataset.fits(tmp_path / "nowhere")
    assert dataset.task == "image-classification"
