"""Reading JPEG files, against Pillow's decoder and an own one after ITU-T T.81 and JFIF."""

import io
import os
import re
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import jpeglib
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngImageFile
from scipy.fft import idctn

from restoration.errors import RestorationError
from restoration.formats.metadata import NONE
from restoration.formats.png import to_png
from restoration.formats.tiff import tiff
from restoration.jpeg import (
    CompressedImage,
    compress,
    estimated_quality,
    read_jpeg,
    read_lossless,
    read_picture,
    to_pixels,
)
from restoration.jpeg.frame import check_frame
from restoration.support.files import Content


def triangle_upsample(plane: np.ndarray, axis: int) -> np.ndarray:
    """Double an axis as libjpeg does: 3 parts of the nearer sample, 1 of the further; sum 4."""
    plane = np.moveaxis(plane, axis, 0)
    padded = np.concatenate([plane[:1], plane, plane[-1:]])
    out = np.empty((2 * len(plane), *plane.shape[1:]))
    out[0::2] = 3 * plane + padded[:-2]
    out[1::2] = 3 * plane + padded[2:]
    return np.moveaxis(out, 0, axis)


def upsample(plane: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Chroma to full size with libjpeg's alternating rounding (jdsample.c, h2v1 and h2v2)."""
    if ratio[0] == 2:
        plane = triangle_upsample(plane, 0)
    if ratio[1] == 2:
        plane = triangle_upsample(plane, 1)
    parts = 4 ** int(np.log2(ratio.prod()))
    bias = {1: (0, 0), 4: (1, 2), 16: (8, 7)}[parts]
    plane[:, 0::2] = (plane[:, 0::2] + bias[0]) // parts
    plane[:, 1::2] = (plane[:, 1::2] + bias[1]) // parts
    return plane


def decode(jpeg: CompressedImage) -> np.ndarray:
    """Coefficients -> pixels: dequantise, inverse DCT, upsample, colour; rounded between stages."""
    H, W, _ = jpeg.pixels.shape
    file = jpeg.quantised
    highest = np.max(file.sampling, axis=0)
    planes = []
    for q, table, factors in zip(file.coefficients, file.tables, file.sampling, strict=True):
        blocks = q.double().numpy()
        samples = idctn(blocks * table.numpy(), axes=(-2, -1), norm="ortho") + 128
        rows, columns = blocks.shape[:2]
        plane = samples.transpose(0, 2, 1, 3).reshape(rows * 8, columns * 8)
        plane = np.rint(plane).clip(0, 255)
        ratio = highest // np.array(factors)
        plane = plane[: -(-H // ratio[0]), : -(-W // ratio[1])]
        planes.append(upsample(plane, ratio)[:H, :W])
    if len(planes) == 1:
        return planes[0][..., None]
    y, cb, cr = planes[0], planes[1] - 128, planes[2] - 128
    rgb = [y + 1.402 * cr, y - 0.344136286 * cb - 0.714136286 * cr, y + 1.772 * cb]
    return np.rint(np.stack(rgb, -1)).clip(0, 255)


def encoded(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("size", [(192, 192), (187, 181), (17, 31), (16, 16)])
@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": 0},
        {"subsampling": 1},
        {"subsampling": 2},
        {"subsampling": 2, "progressive": True},
        {"subsampling": 2, "restart_marker_blocks": 2},
        {"grey": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("quality", [10, 75])
def test_coefficients_decode_to_pillows_pixels(photo, tmp_path, size, options, quality):
    options = dict(options)
    pixels = photo[: size[0], : size[1]]
    if options.pop("grey", False):
        pixels = np.array(Image.fromarray(pixels).convert("L"))
    path = tmp_path / "image.jpg"
    path.write_bytes(encoded(pixels, quality=quality, **options))

    jpeg = read_jpeg(path)
    difference = np.abs(decode(jpeg) - jpeg.pixels)

    assert jpeg.pixels.shape[:2] == size
    # libjpeg's integer inverse DCT may round the other way: one level of chroma, two of blue
    assert difference.max() <= 3
    assert (difference <= 2).mean() > 0.999
    assert difference.mean() < 0.1


@pytest.mark.parametrize("subsampling", [0, 2])
def test_saturated_pictures_decode_to_pillows_pixels(photo, subsampling):
    """Samples end at 0 and 255 before chroma is upsampled and colours are mixed."""
    stark = ((photo.astype(float) - 128) * 4 + 128).clip(0, 255).astype(np.uint8)
    jpeg = read_picture(Content(encoded(stark, quality=10, subsampling=subsampling), "stark"))
    difference = np.abs(to_pixels(jpeg.quantised.decode()).astype(int) - jpeg.pixels)
    assert difference.max() <= 4  # what is rounded nowhere in between
    assert difference.mean() < 0.6


def renamed(data: bytes, names: bytes) -> bytes:
    """Give the three components other names, in the frame and in the scan."""
    data = bytearray(data)
    frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    for i, name in enumerate(names):
        data[frame + 10 + 3 * i] = data[scan + 5 + 2 * i] = name
    return bytes(data)


@pytest.mark.parametrize(
    ("options", "names"), [({"keep_rgb": True}, b"\1\2\3"), ({"subsampling": 0}, b"RGB")]
)
def test_colours_are_told_by_markers_before_names(photo, options, names):
    """As libjpeg does: Adobe's marker tells RGB, JFIF's YCbCr, whatever components are called."""
    data = renamed(encoded(photo, quality=30, **options), names)
    picture = read_picture(Content(data, "odd.jpg"))
    if "keep_rgb" in options:
        decoded = picture.joined([part.quantised.decode() for part in picture.parts])
    else:
        decoded = picture.quantised.decode()
    assert np.abs(to_pixels(decoded).astype(int) - picture.pixels).mean() < 1


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


def test_compression_is_pillows(photo, tmp_path):
    path = tmp_path / "image.jpg"
    path.write_bytes(encoded(photo, quality=10))
    jpeg = compress(photo, 10)
    with Image.open(path) as reference:
        np.testing.assert_array_equal(jpeg.pixels, np.array(reference))
        for table, index in zip(jpeg.quantised.tables, (0, 1, 1), strict=True):
            np.testing.assert_array_equal(table.ravel(), reference.quantization[index])
    assert jpeg.quantised.sampling == ((2, 2), (1, 1), (1, 1))
    pairs = zip(jpeg.quantised.coefficients, read_jpeg(path).quantised.coefficients, strict=True)
    for mine, read in pairs:
        np.testing.assert_array_equal(mine, read)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_agrees_with_pillow(photo, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "maker"
    path = tmp_path / "image.jpg"
    stored = photo[:96, :64]
    path.write_bytes(encoded(stored, quality=90, exif=exif))
    with Image.open(path) as reference:
        expected = np.array(ImageOps.exif_transpose(reference))
    jpeg = read_jpeg(path)

    png = Image.open(io.BytesIO(to_png(jpeg.upright(jpeg.pixels))))
    np.testing.assert_array_equal(np.array(png), expected)
    np.testing.assert_array_equal(jpeg.stored(expected), jpeg.pixels)
    assert png.getexif().get(0x0112, 1) == 1
    assert png.getexif()[0x010F] == "maker"


def test_an_odd_exif_block_costs_no_more_than_itself(photo, tmp_path):
    """A tag of a wrong type, which Pillow reads and cannot write: the image is turned still."""
    orientation = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    software = struct.pack("<HHII", 0x0131, 5, 1, 38)  # a rational, which lies behind the entries
    entries = struct.pack("<IH", 8, 2) + orientation + software + struct.pack("<III", 0, 3, 2)
    block = b"Exif\0\0II*\0" + entries
    file = tmp_path / "odd.jpg"
    Image.fromarray(photo[:160]).save(file, exif=block)
    with Image.open(file) as image, pytest.raises(AttributeError):
        image.getexif().tobytes()
    jpeg = read_jpeg(file)
    assert (jpeg.orientation, jpeg.metadata.exif) == (6, None)


def test_coefficients_that_cannot_be_read_are_told(photo, tmp_path, monkeypatch):
    for error in (ValueError("Array length must be >= 0"), OSError(28, "No space left on device")):
        monkeypatch.setattr("jpeglib.read_dct", Mock(side_effect=error))
        with pytest.raises(RestorationError, match="coefficients cannot be read"):
            compress(photo, 10)


def test_profile_is_kept(photo, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / "image.jpg"
    path.write_bytes(encoded(photo, quality=10, icc_profile=profile))
    jpeg = read_jpeg(path)
    assert Image.open(io.BytesIO(to_png(jpeg.upright(jpeg.pixels)))).info["icc_profile"] == profile


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


def cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def zeroed(data: bytes, share: float) -> bytes:
    at = int(len(data) * share)
    return data[:at] + bytes(200) + data[at + 200 :]


@pytest.mark.parametrize(
    ("change", "damage", "lines"),
    [
        (lambda d: d[:-2], None, 192),  # no end marker
        (lambda d: b"\r\nheader:" + d, None, 192),
        (lambda d: d[:-2] + b"\0\0\0\x18ftypmp42" + bytes(range(1, 255)) * 9, None, 192),
        (lambda d: cut(d, 0.6), r"cut short: nothing is left below line (\d+)", 64),
        (lambda d: cut(d, 0.98), r"cut short: nothing is left below line (\d+)", 160),
        (lambda d: zeroed(d, 0.5), r"damaged from about line (\d+) on", 48),
    ],
)
def test_what_is_left_of_a_damaged_file_is_read(photo, tmp_path, capfd, change, damage, lines):
    good = encoded(photo, quality=40)
    (tmp_path / "good.jpg").write_bytes(good)
    (tmp_path / "bad.jpg").write_bytes(change(good))
    whole, read = read_jpeg(tmp_path / "good.jpg"), read_jpeg(tmp_path / "bad.jpg")
    np.testing.assert_array_equal(read.pixels[:lines], whole.pixels[:lines])
    assert capfd.readouterr().err == ""  # libjpeg's own complaints name no file
    if damage is None:
        assert read.damage is None
        np.testing.assert_array_equal(
            read.quantised.coefficients[0], whole.quantised.coefficients[0]
        )
        return
    found = int(re.fullmatch(damage, read.damage)[1])
    assert lines <= found < 192
    assert (read.pixels[found + 16 :] != whole.pixels[found + 16 :]).any((1, 2)).all()


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 0.9, 0.99])
def test_the_cells_of_a_cut_progressive_file_hold_what_was_cut(photo, tmp_path, share):
    good = encoded(photo, quality=40, progressive=True)
    (tmp_path / "good.jpg").write_bytes(good)
    (tmp_path / "bad.jpg").write_bytes(cut(good, share))
    whole, read = (read_jpeg(tmp_path / f"{n}.jpg").quantised for n in ("good", "bad"))
    assert read_jpeg(tmp_path / "bad.jpg").damage.startswith("damaged or cut short")
    widths = []
    for true, middle, width in zip(whole.coefficients, read.coefficients, read.widths, strict=True):
        outside = ((true - middle).abs() > width / 2).any(-1).any(-1)
        assert outside.sum() <= 1  # the block in which the file was cut is made up
        widths.append(width.max().item())
    assert max(widths) > 1
    assert whole.widths is None


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


def test_lossless_images_are_read_as_rgb_or_grey(photo, tmp_path):
    image = Image.fromarray(photo)
    cases = {
        "RGB": (image, photo),
        "L": (image.convert("L"), np.array(image.convert("L"))[..., None]),
        "RGBA": (image.convert("RGBA"), photo),
        "P": (image.quantize(8), np.array(image.quantize(8).convert("RGB"))),
    }
    for name, (picture, expected) in cases.items():
        picture.save(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(read_lossless(tmp_path / f"{name}.png"), expected)


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


@pytest.mark.parametrize("quality", [1, 5, 10, 25, 49, 50, 51, 75, 90, 95, 100])
def test_the_quality_is_told_from_the_table(photo, quality):
    assert estimated_quality(compress(photo, quality).quantised.tables[0]) == quality


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


def test_threads_leave_stderr_and_pillows_limit_as_they_were(photo, tmp_path):
    Image.fromarray(photo[:32, :48]).save(tmp_path / "a.jpg")
    before, limit = os.fstat(2), Image.MAX_IMAGE_PIXELS
    with ThreadPoolExecutor(8) as threads:
        read = list(threads.map(lambda _: read_picture(tmp_path / "a.jpg"), range(100)))
    assert not any(jpeg.damage for jpeg in read)
    assert os.path.samestat(os.fstat(2), before)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_what_others_write_to_stderr_is_no_damage(photo, capfd, monkeypatch):
    """A progress bar, say, or a thread's log: it is written, once the file is read."""
    data = encoded(photo[:64, :64], quality=50)
    read = jpeglib.read_dct

    def beside(path):
        os.write(2, b"step 7 of 9\n")
        return read(path)

    monkeypatch.setattr(jpeglib, "read_dct", beside)
    jpeg = read_picture(Content(data, "a.jpg"), strict=True)
    assert jpeg.damage is None
    assert capfd.readouterr().err == "step 7 of 9\n"


@pytest.mark.parametrize("progressive", [False, True])
def test_an_unknown_revision_of_jfif_is_no_damage(progressive, photo):
    data = encoded(photo[:64, :64], quality=50, progressive=progressive)
    odd = data.replace(b"JFIF\0\x01\x01", b"JFIF\0\x02\x01", 1)
    assert odd != data
    jpeg, same = (read_picture(Content(d, "a.jpg"), strict=True) for d in (odd, data))
    assert jpeg.damage is None
    assert jpeg.quantised.widths is None
    assert np.array_equal(jpeg.pixels, same.pixels)


@pytest.mark.parametrize("stray", [bytes(40), b"\x12\x34\x56\x78\x9a"])
@pytest.mark.parametrize("progressive", [False, True])
def test_bytes_between_the_last_scan_and_the_end_are_no_damage(progressive, stray, photo):
    data = encoded(photo[:64, :64], quality=50, progressive=progressive)
    odd = read_picture(Content(data[:-2] + stray + data[-2:], "a.jpg"), strict=True)
    assert odd.quantised.widths is None
    assert np.array_equal(odd.pixels, read_picture(Content(data, "a.jpg")).pixels)


@pytest.mark.parametrize("progressive", [False, True])
def test_many_bytes_between_the_last_scan_and_the_end_are_damage(progressive, photo):
    """More than any encoder writes: part of the picture may be what they were."""
    data = encoded(photo[:64, :64], quality=50, progressive=progressive)
    stray = np.random.default_rng(0).integers(1, 255, 100, np.uint8).tobytes()  # no marker
    odd = Content(data[:-2] + stray + data[-2:], "odd.jpg")
    assert "damaged" in read_picture(odd).damage
    with pytest.raises(RestorationError, match=r"odd\.jpg: the picture is damaged"):
        read_picture(odd, strict=True)


def test_lines_are_counted_beside_a_grey_edge(photo):
    """Blocks of mid-grey hold nothing, as those that a cut leaves empty."""
    pixels = photo.copy()
    pixels[:, -32:] = 128
    data = encoded(pixels, quality=50)
    told = read_picture(Content(data[: len(data) // 2], "a.jpg")).damage
    line = int(re.search(r"below line (\d+)", told)[1])
    assert 48 <= line <= 144


def test_thirds_are_refused_by_name(photo, tmp_path):
    made = jpeglib.from_spatial(np.ascontiguousarray(photo))
    made.samp_factor = ((1, 3), (1, 1), (1, 1))
    made.write_spatial(str(tmp_path / "a.jpg"), qt=50)
    with pytest.raises(RestorationError, match=r"sampling factors .* not supported"):
        read_picture(tmp_path / "a.jpg")


@pytest.mark.parametrize("error", [RuntimeError, NotImplementedError, struct.error, KeyError])
def test_whatever_a_reader_of_a_format_raises_is_damage(error, photo, monkeypatch):
    """AVIF's raises RuntimeError, that of DDS NotImplementedError."""
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "PNG")

    def load(_):
        raise error("bad data")

    monkeypatch.setattr(PngImageFile, "load", load)
    with pytest.raises(RestorationError, match=r"a.png is damaged"):
        read_picture(Content(file.getvalue(), "a.png"))
