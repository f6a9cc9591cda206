"""Reading JPEG files, against Pillow's decoder and an own one after ITU-T T.81 and JFIF."""

import io
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from scipy.fft import idctn

from restoration.errors import RestorationError
from restoration.formats.png import to_png
from restoration.formats.writing import FORMATS
from restoration.jpeg import (
    CompressedImage,
    compress,
    estimated_quality,
    read_jpeg,
    read_lossless,
    read_picture,
    to_pixels,
)
from restoration.support.files import Content
from tests.jpeg.files import encoded


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


@pytest.mark.parametrize("name", ["png", "png16", "tiff", "webp", "jpeg"])
def test_an_odd_exif_block_costs_nothing(photo, tmp_path, name):
    """A tag of a wrong type, which Pillow reads and cannot write: it is kept as it is."""
    orientation = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    software = struct.pack("<HHII", 0x0131, 5, 1, 38)  # a rational, which lies behind the entries
    entries = struct.pack("<IH", 8, 2) + orientation + software + struct.pack("<III", 0, 3, 2)
    block = b"Exif\0\0II*\0" + entries
    file = tmp_path / "odd.jpg"
    Image.fromarray(photo[:160]).save(file, exif=block)
    with Image.open(file) as image, pytest.raises(AttributeError):
        image.getexif().tobytes()
    jpeg = read_jpeg(file)
    assert jpeg.orientation == 6
    assert jpeg.metadata.exif == block.replace(orientation, orientation.replace(b"\6", b"\1"))
    form = next(f for f in FORMATS if f.name == name)
    with Image.open(io.BytesIO(form.encode(np.zeros((8, 8, 3), form.dtype), jpeg.metadata))) as new:
        assert new.getexif().get(0x0131) == (None if name == "tiff" else 1.5)


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


@pytest.mark.parametrize("quality", [1, 5, 10, 25, 49, 50, 51, 75, 90, 95, 100])
def test_the_quality_is_told_from_the_table(photo, quality):
    assert estimated_quality(compress(photo, quality).quantised.tables[0]) == quality


def test_threads_leave_stderr_and_pillows_limit_as_they_were(photo, tmp_path):
    Image.fromarray(photo[:32, :48]).save(tmp_path / "a.jpg")
    before, limit = os.fstat(2), Image.MAX_IMAGE_PIXELS
    with ThreadPoolExecutor(8) as threads:
        read = list(threads.map(lambda _: read_picture(tmp_path / "a.jpg"), range(100)))
    assert not any(jpeg.damage for jpeg in read)
    assert os.path.samestat(os.fstat(2), before)
    assert limit == Image.MAX_IMAGE_PIXELS
