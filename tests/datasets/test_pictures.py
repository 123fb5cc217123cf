"""Pictures from files: what is read, what is refused, and how a picture is fitted."""

import io
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageOps

from netwright.datasets import _pictures as pictures
from netwright.datasets._pictures import Limits, contents, decode, read_pictures
from netwright.errors import InputError, MachineError
from netwright.specs import Image, Pictures

KINDS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")


def noise(height: int = 12, width: int = 16, channels: int = 3, seed: int = 0) -> np.ndarray:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def packed(image: Pillow.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def column(
    channels: int = 3,
    height: int = 8,
    width: int = 8,
    fit: Literal["exact", "crop", "ink"] = "crop",
    top: int = 255,
) -> Pictures:
    form = Image(channels, height, width)
    return Pictures(
        form=form, mean=(0.5,) * channels, deviation=(0.5,) * channels, top=top, fit=fit
    )


def png(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG of the claimed size that holds hardly any data."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body))


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_is_read_by_its_content(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "picture.txt"
    file.write_bytes(packed(Pillow.fromarray(noise()), kind))
    with Pillow.open(file) as same:
        expected = np.asarray(same.convert("RGB"))
    np.testing.assert_array_equal(np.asarray(decode(contents(file)).convert("RGB")), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_picture_is_refused_by_name(kind: str) -> None:
    whole = packed(Pillow.fromarray(noise(64, 64)), kind)
    for length in (20, len(whole) // 2, len(whole) * 9 // 10):
        with pytest.raises(InputError, match="damaged or truncated") as caught:
            decode(whole[:length], "cat.jpg")
        assert caught.value.sentence.startswith("cat.jpg: the picture is damaged or truncated: ")
        assert caught.value.code == 2


def test_a_bomb_is_refused_by_its_header_before_any_pixel_is_decoded() -> None:
    with pytest.raises(InputError) as caught:
        decode(png(12_000, 12_000), "bomb.png")
    assert caught.value.sentence == (
        "bomb.png: a picture of 12000 x 12000 is too large: "
        "it has 144.0 megapixels, the limit `pixels` is 50"
    )
    assert caught.value.code == 2


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "WEBP", "JPEG"])
def test_the_limits_hold_for_every_format(kind: str) -> None:
    data = packed(Pillow.fromarray(noise(4, 9)), kind)
    decode(data, limits=Limits(pixels=36, side=9))
    with pytest.raises(InputError, match=r"4 is too large: it has 0.0 megapixels"):
        decode(data, limits=Limits(pixels=35))
    with pytest.raises(InputError, match="a side has 9 pixels, the limit `side` is 8"):
        decode(data, limits=Limits(side=8))


def test_a_side_over_32768_is_refused() -> None:
    with pytest.raises(InputError, match="a side has 32769 pixels, the limit `side` is 32768"):
        decode(png(32_769, 1))


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "large.bmp"
    with file.open("wb") as stream:
        stream.truncate((64 << 20) + 1)  # sparse: takes no disk
    with pytest.raises(InputError, match=r"the file is too large: it has 64\.0 MiB, the limit"):
        contents(file)


def test_what_is_no_picture_is_refused() -> None:
    for data, why in (
        (b"", "it is empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "first bytes are none of JPEG, PNG, WebP"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "first bytes are none of"),
        (packed(Pillow.fromarray(noise()), "TIFF"), "first bytes are none of"),
    ):
        with pytest.raises(InputError, match="this is no picture: ") as caught:
            decode(data, "x")
        assert why in caught.value.why


def test_a_missing_file_is_named_with_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "seven.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"there is no such file; nearest is 'seven\.png'"):
        contents(tmp_path / "sevn.png")
    with pytest.raises(InputError, match="there is no such file"):
        contents(tmp_path / "nowhere" / "x.png")


def test_a_folder_or_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(InputError, match="this is no regular file"):
            contents(path)


def test_a_file_without_permission_is_the_machines_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "x.png").write_bytes(png(1, 1))
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(MachineError, match="cannot read it: Permission denied"):
        contents(tmp_path / "x.png")


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_turned_upright_as_exif_says(turn: int, kind: str) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = turn
    exif[0x010E] = "a description"
    data = packed(Pillow.fromarray(noise()), kind, exif=exif)
    with Pillow.open(io.BytesIO(data)) as same:
        expected = ImageOps.exif_transpose(same)
    np.testing.assert_array_equal(np.asarray(decode(data)), np.asarray(expected))


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.binary(max_size=60))
def test_a_damaged_exif_block_means_upright(tail: bytes) -> None:
    for head in (b"", b"Exif\0\0II*\0", b"Exif\0\0MM\0*\0\0\0\x08"):
        assert isinstance(pictures.orientation(head + tail), int)
    assert pictures.orientation(None) == 1


def test_transparent_parts_are_laid_on_white() -> None:
    clear = Pillow.new("RGBA", (4, 4), (200, 0, 0, 0))
    assert decode(packed(clear)).getcolors() == [(16, (255, 255, 255))]
    half = Pillow.new("LA", (4, 4), (0, 128))
    made = decode(packed(half))
    assert made.mode == "L"
    assert abs(made.getpixel((0, 0)) - 127) <= 1


def test_a_transparent_colour_of_a_palette_is_laid_on_white() -> None:
    image = Pillow.new("P", (4, 4), 1)
    image.putpalette([9, 9, 9, 0, 0, 255])
    assert decode(packed(image, transparency=1)).getcolors() == [(16, (255, 255, 255))]
    assert decode(packed(image, transparency=b"\xff\x00")).getcolors() == [(16, (255, 255, 255))]
    assert decode(packed(image)).getcolors() == [(16, (0, 0, 255))]


def test_sixteen_bits_are_cut_to_the_high_byte() -> None:
    deep = np.arange(16, dtype=np.uint16).reshape(4, 4) * 4369
    made = decode(packed(Pillow.fromarray(deep)))
    np.testing.assert_array_equal(np.asarray(made), deep >> 8)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK"])
def test_other_kinds_of_pixels_become_grey_or_colour(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    made = decode(packed(Pillow.fromarray(noise()).convert(mode), kind))
    assert made.mode == ("L" if mode in {"1", "L"} else "RGB")


def test_the_first_frame_of_a_moving_picture_is_taken() -> None:
    first, second = (Pillow.new("RGB", (4, 4), c) for c in ("red", "blue"))
    for kind in ("GIF", "PNG", "WEBP"):
        data = packed(first, kind, save_all=True, append_images=[second], lossless=True)
        assert decode(data).convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def flips(data: bytes) -> st.SearchStrategy[bytes]:
    places = st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=4)

    def damaged(found: list[tuple[int, int]]) -> bytes:
        made = bytearray(data)
        for place, value in found:
            made[place] = value
        return bytes(made)

    return places.map(damaged)


SMALL = [packed(Pillow.fromarray(noise(6, 7)), kind) for kind in KINDS]
HEADS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBPVP8 ", b"BM", b"GIF89a", b"")


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.one_of(*map(flips, SMALL), st.builds(bytes.__add__, st.sampled_from(HEADS), st.binary())))
@example(b"BM")
def test_foreign_bytes_give_a_picture_or_an_input_error(data: bytes) -> None:
    with suppress(InputError):
        assert decode(data, limits=Limits(pixels=1_000_000)).mode in {"L", "RGB"}


def test_crop_takes_the_middle_and_scales_with_antialiasing(tmp_path: Path) -> None:
    image = Pillow.fromarray(noise(40, 100))
    (tmp_path / "a.png").write_bytes(packed(image))
    ((name, made),) = read_pictures(column(height=10, width=10), [tmp_path / "a.png"])
    assert name == str(tmp_path / "a.png")
    assert made.shape == (1, 3, 10, 10)
    assert made.dtype == torch.uint8
    expected = ImageOps.fit(image, (10, 10), Pillow.Resampling.BILINEAR)
    np.testing.assert_array_equal(made[0].permute(1, 2, 0).numpy(), np.asarray(expected))
    assert made.float().std() < 40  # plain noise has 74: sixteen pixels are averaged into one


def test_crop_leaves_a_picture_of_the_right_size_as_it_is(tmp_path: Path) -> None:
    array = noise(8, 8)
    (tmp_path / "a.png").write_bytes(packed(Pillow.fromarray(array)))
    ((_, made),) = read_pictures(column(), [tmp_path / "a.png"])
    np.testing.assert_array_equal(made[0].permute(1, 2, 0).numpy(), array)


@pytest.mark.parametrize("fit", ["crop", "ink"])
def test_grey_and_colour_become_each_other(fit: Literal["crop", "ink"], tmp_path: Path) -> None:
    for channels, source in ((3, 1), (1, 3)):
        (tmp_path / "a.png").write_bytes(packed(Pillow.fromarray(noise(8, 8, source))))
        ((_, made),) = read_pictures(column(channels, fit=fit), [tmp_path / "a.png"])
        assert made.shape == (1, channels, 8, 8)


def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same() -> None:
    y, x = np.mgrid[:256, :256]
    image = Pillow.fromarray(((np.sin(x / 20) + np.cos(y / 15) + 2) * 60).astype(np.uint8))
    data = packed(image, "JPEG", quality=95)
    small = decode(data, near=(32, 32))
    assert small.size == (64, 64)
    form = Image(1, 32, 32)
    whole = pictures.crop(decode(data), form).int()
    assert (pictures.crop(small, form).int() - whole).abs().max() <= 6


def test_exact_refuses_another_size_or_channel_count(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(packed(Pillow.fromarray(noise(8, 8, 1))))
    ((_, made),) = read_pictures(column(1, fit="exact"), [file])
    np.testing.assert_array_equal(made[0, 0].numpy(), noise(8, 8, 1))
    for other in (column(3, fit="exact"), column(1, 8, 9, fit="exact")):
        with pytest.raises(InputError) as caught:
            list(read_pictures(other, [file]))
        f = other.form
        assert caught.value.sentence == (
            f"{file}: the picture has 1 channels and 8 x 8 pixels: "
            f"this net reads {f.channels} channels and {f.width} x {f.height} pixels"
        )
        assert caught.value.code == 2


@pytest.mark.parametrize("top", [255, 16, 1])
def test_values_run_from_zero_to_top(top: int, tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    (tmp_path / "a.png").write_bytes(packed(Pillow.fromarray(ramp)))
    ((_, made),) = read_pictures(column(1, 16, 16, "exact", top), [tmp_path / "a.png"])
    expected = np.floor(ramp * (top / 255) + 0.5)
    np.testing.assert_array_equal(made[0, 0].numpy(), expected)


ZERO = (
    (0, 0, 5, 13, 9, 1, 0, 0),
    (0, 0, 13, 15, 10, 15, 5, 0),
    (0, 3, 15, 2, 0, 11, 8, 0),
    (0, 4, 12, 0, 0, 8, 8, 0),
    (0, 5, 8, 0, 0, 9, 8, 0),
    (0, 4, 11, 0, 1, 12, 7, 0),
    (0, 2, 14, 5, 10, 12, 0, 0),
    (0, 0, 6, 13, 10, 0, 0, 0),
)
"""The first of scikit-learn's digits."""


def test_ink_finds_a_scanned_digit_as_the_data_has_it(tmp_path: Path) -> None:
    digit = np.array(ZERO)
    page = np.full((400, 300), 235, np.uint8)  # dark on grey paper, off the middle
    page[180:340, 90:250] = 235 - np.kron(digit, np.ones((20, 20))) * (215 / 16)
    (tmp_path / "scan.jpg").write_bytes(packed(Pillow.fromarray(page), "JPEG", quality=90))
    ((_, made),) = read_pictures(column(1, fit="ink", top=16), [tmp_path / "scan.jpg"])
    assert made.max() == 16
    assert np.corrcoef(made.flatten().numpy(), digit.flatten())[0, 1] > 0.95


def test_ink_leaves_a_picture_of_the_right_size_in_its_place() -> None:
    digit = (np.array(ZERO) * 15).astype(np.uint8)
    for page in (digit, 255 - digit):
        made = pictures.ink(Pillow.fromarray(page), Image(1, 8, 8))
        np.testing.assert_array_equal(made[0].numpy(), digit)


def test_ink_is_the_same_for_dark_on_light_and_light_on_dark() -> None:
    page = np.zeros((60, 60), np.uint8)
    page[10:50, 25:33] = 250
    form = Image(1, 28, 28)
    light = pictures.ink(Pillow.fromarray(page), form)
    dark = pictures.ink(Pillow.fromarray(255 - page), form)
    assert torch.equal(light, dark)
    rows = light[0].any(1).nonzero().flatten()
    columns = light[0].any(0).nonzero().flatten()
    assert (int(rows[0]), int(rows[-1])) == (4, 23)  # 20 of 28, as MNIST
    assert (int(columns[0]), int(columns[-1])) == (12, 15)


def test_ink_of_an_odd_width_leans_by_its_mass() -> None:
    page = np.zeros((60, 60), np.uint8)
    page[10:50, 20:35] = 100
    page[10:50, 20:22] = 255  # heavy in front
    form = Image(1, 8, 8)
    front = pictures.ink(Pillow.fromarray(page), form)[0].any(0).nonzero().flatten().tolist()
    behind = pictures.ink(Pillow.fromarray(page[:, ::-1].copy()), form)
    assert front == [3, 4, 5]
    assert behind[0].any(0).nonzero().flatten().tolist() == [2, 3, 4]


def test_a_blank_page_has_no_ink(tmp_path: Path) -> None:
    (tmp_path / "blank.png").write_bytes(packed(Pillow.new("L", (30, 30), 255)))
    with pytest.raises(InputError, match=r"blank.png: no ink is found: the picture is of one tone"):
        list(read_pictures(column(1, fit="ink"), [tmp_path / "blank.png"]))


def test_folders_are_walked_in_order_and_other_files_passed_over(tmp_path: Path) -> None:
    data = packed(Pillow.fromarray(noise()))
    for name in ("b/2.png", "b/1.dat", "a.png", ".hidden.png", "Thumbs.db", ".git/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "notes.txt").write_text("no picture")
    names = [
        Path(n).relative_to(tmp_path).as_posix() for n, _ in read_pictures(column(), [tmp_path])
    ]
    assert names == ["a.png", "b/1.dat", "b/2.png"]


def test_a_named_file_must_be_a_picture_and_a_folder_hold_one(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(InputError, match=r"notes.txt: this is no picture"):
        list(read_pictures(column(), [tmp_path / "notes.txt"]))
    with pytest.raises(InputError, match="the folder holds no picture"):
        list(read_pictures(column(), [tmp_path]))


def test_control_characters_of_a_name_are_escaped() -> None:
    with pytest.raises(InputError) as caught:
        decode(b"no", "a\x1b[31m.png")
    assert "\x1b" not in str(caught.value)
