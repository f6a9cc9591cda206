"""Files that are no usable JPEG, or no lossless picture, are refused in one line."""

import io
import os
import struct
import zlib

import jpeglib
import numpy as np
import pytest
from PIL import Image

from restoration.errors import RestorationError
from restoration.formats.metadata import NONE
from restoration.formats.tiff import tiff
from restoration.jpeg import (
    compress,
    read_jpeg,
    read_lossless,
    read_picture,
)
from restoration.jpeg.frame import check_frame
from restoration.support.files import Content
from tests.jpeg.files import encoded


def test_tables_that_change_within_a_file_are_refused(photo):
    """libjpeg takes those in force at a component's first scan; the file's last are others."""
    data = encoded(photo, quality=30, progressive=True)
    table = data[data.index(b"\xff\xdb") :][:69]
    other = table[:5] + bytes(255 - value // 2 for value in table[5:])
    at = data.rindex(b"\xff\xda")
    changed = data[:at] + other + data[at:]
    pixels = np.array(Image.open(io.BytesIO(changed)))
    assert np.array_equal(pixels, np.array(Image.open(io.BytesIO(data))))  # to libjpeg all is one
    with pytest.raises(
        RestorationError, match=r"odd\.jpg: its coefficients and tables do not lead"
    ):
        read_picture(Content(changed, "odd.jpg"))


def with_zero_in_table(data: bytes) -> bytes:
    table = data.index(b"\xff\xdb") + 5
    return data[:table] + b"\0" + data[table + 1 :]


def claiming(data: bytes, height: int, width: int) -> bytes:
    frame = data.index(b"\xff\xc0") + 5
    return data[:frame] + struct.pack(">HH", height, width) + data[frame + 4 :]


def bad_files(photo: np.ndarray) -> dict[str, tuple[bytes, str]]:
    good = encoded(photo, quality=10)
    png = io.BytesIO()
    Image.fromarray(photo).save(png, format="PNG")
    cmyk = io.BytesIO()
    Image.fromarray(photo).convert("CMYK").save(cmyk, format="JPEG")
    return {
        "empty": (b"", "is empty"),
        "text": (b"hello", "not an image"),
        "nothing left": (good[: good.index(b"\xff\xda") + 14], "nothing of the picture is left"),
        "zero in a table": (with_zero_in_table(good), "table holds a zero"),
        "bomb": (claiming(good, 13_000, 13_000), "claims 13000 x 13000 pixels in"),
        "header only": (good[:20], "not an image|damaged"),
        "png": (png.getvalue(), "is a PNG, not a JPEG"),
        "cmyk": (cmyk.getvalue(), "CMYK"),
        "one pixel": (encoded(photo[:1, :1]), "1 x 1 pixels"),
        "rgb": (encoded(photo, keep_rgb=True), "RGB"),
    }


@pytest.mark.parametrize(
    "kind",
    [
        *("empty", "text", "nothing left", "header only", "png", "cmyk", "one pixel", "rgb"),
        *("zero in a table", "bomb"),
    ],
)
def test_bad_jpegs_are_refused_in_one_line(photo, tmp_path, kind):
    content, message = bad_files(photo)[kind]
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(RestorationError, match=message) as error:
        read_jpeg(path)
    assert "\n" not in str(error.value)
    assert "bad.jpg" in str(error.value)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(RestorationError, match="no regular file"):
        read_jpeg(tmp_path / "a.jpg")


def test_the_largest_image_can_be_chosen(photo, tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(photo))
    with pytest.raises(RestorationError, match=r"too large: 192 x 192 pixels.*--max-pixels"):
        read_jpeg(tmp_path / "a.jpg", most=192 * 192 - 1)
    assert read_jpeg(tmp_path / "a.jpg", most=192 * 192).pixels.shape == (192, 192, 3)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(RestorationError, match="No such file"):
        read_jpeg(tmp_path / "missing.jpg")
    with pytest.raises(RestorationError, match="Is a directory"):
        read_jpeg(tmp_path)


def test_unusable_lossless_images_are_refused(photo, tmp_path):
    Image.fromarray(photo[..., 0].astype(np.int32) * 256).convert("I;16").save(tmp_path / "16.png")
    transparent = Image.fromarray(photo).convert("RGBA")
    transparent.putalpha(100)
    transparent.save(tmp_path / "alpha.png")
    hidden = tuple(int(value) for value in photo[0, 0])
    Image.fromarray(photo).save(tmp_path / "colour.png", transparency=hidden)
    Image.fromarray(photo[..., 0]).save(tmp_path / "level.png", transparency=hidden[0])
    (tmp_path / "jpeg.png").write_bytes(encoded(photo))
    header = struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0)  # 16 bits, RGB
    rows = zlib.compress(16 * (b"\0" + 16 * 3 * b"\x03\xe8"))
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    (tmp_path / "rgb16.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )
    for name, message in {
        "16": "8-bit",
        "rgb16": "16 bits",
        "alpha": "transparency",
        "colour": "transparency",
        "level": "transparency",
        "jpeg": "is a JPEG",
    }.items():
        with pytest.raises(RestorationError, match=message):
            read_lossless(tmp_path / f"{name}.png")


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_impossible_qualities_are_refused(photo, quality):
    with pytest.raises(RestorationError, match="1 to 100"):
        compress(photo, quality)


@pytest.mark.parametrize(
    ("marker", "precision", "message"),
    [
        (0xC9, 8, "arithmetic coding"),
        (0xCA, 8, "arithmetic coding"),
        (0xC3, 8, "lossless or hierarchical"),
        (0xC5, 8, "lossless or hierarchical"),
        (0xC1, 12, "12 bits per sample"),
    ],
)
def test_frames_that_cannot_be_read_are_named(marker, precision, message):
    """A header laid out by ITU-T T.81: comment, fill byte, frame (length 11, precision)."""
    header = b"\xff\xd8\xff\xfe\x00\x04hi\xff\xff" + bytes([marker, 0, 11, precision])
    with pytest.raises(RestorationError, match=message):
        check_frame(header + bytes(8), "x.jpg")


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2, 0xC4, 0xDA])
def test_huffman_frames_and_files_without_a_frame_pass(marker):
    check_frame(b"\xff\xd8" + bytes([0xFF, marker, 0, 11, 8]) + bytes(8), "x.jpg")


def test_more_than_8_bits_are_refused_whatever_the_format(photo, tmp_path):
    deep = photo[:32, :48].astype(np.uint16) * 257
    (tmp_path / "a.tif").write_bytes(tiff(deep, NONE))
    (tmp_path / "b.ppm").write_bytes(
        b"P6\n# by hand\n48 32\n65535\n" + deep.astype(">u2").tobytes()
    )
    for name in ("a.tif", "b.ppm"):
        with pytest.raises(RestorationError, match=f"{name} has 16 bits per channel"):
            read_lossless(tmp_path / name)
        with pytest.raises(RestorationError, match=f"{name} is not 8-bit RGB or grey"):
            read_picture(tmp_path / name)
    for name in ("c.tif", "c.ppm", "c.png"):
        Image.fromarray(photo[:32, :48]).save(tmp_path / name)
        assert (read_lossless(tmp_path / name) == photo[:32, :48]).all()


def test_thirds_are_refused_by_name(photo, tmp_path):
    made = jpeglib.from_spatial(np.ascontiguousarray(photo))
    made.samp_factor = ((1, 3), (1, 1), (1, 1))
    made.write_spatial(str(tmp_path / "a.jpg"), qt=50)
    with pytest.raises(RestorationError, match=r"sampling factors .* not supported"):
        read_picture(tmp_path / "a.jpg")
