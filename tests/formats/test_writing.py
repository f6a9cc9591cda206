"""What is written, read by others: Pillow, pypng, tifffile."""

import io
from pathlib import Path

import numpy as np
import png as pypng
import pytest
import tifffile
from PIL import Image, ImageCms

from restoration.errors import UsageError
from restoration.formats.metadata import Metadata, read_metadata
from restoration.formats.png import to_png
from restoration.formats.writing import FORMATS, format_of_name

FORMAT = {f.name: f for f in FORMATS}
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:title>Tit\xc3\xa4n</dc:title></x:xmpmeta>'
IPTC = b"\x1c\x02\x78\x00\x07caption" + b"\x1c\x02\x19\x00\x03sea"


def exif() -> bytes:
    block = Image.Exif()
    block[0x010F] = "maker"
    block.get_ifd(0x8769)[0x9003] = "2001:02:03 04:05:06"
    block.get_ifd(0x8825)[1] = "N"
    return block.tobytes()


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def all_kinds() -> Metadata:
    return Metadata(SRGB, exif(), XMP, IPTC, (300, 200), "a café")


def pixels(photo, kind, dtype):
    """(37, 21, C), in which neighbours differ by more than a byte where there are 16 bits."""
    image = photo[:21, :37, : {"grey": 1, "grey alpha": 1}.get(kind, 3)]
    if dtype == np.uint16:
        image = image.astype(np.uint16) * 257 - np.arange(37, dtype=np.uint16)[:, None] * 7
    if kind.endswith("alpha"):
        image = np.dstack([image, image[..., :1] // 2])
    return image.swapaxes(0, 1)  # as turned pictures are: not in one piece of memory


def decoded(data: bytes, name: str) -> np.ndarray:
    if name == "png16":
        width, height, rows, _ = pypng.Reader(bytes=data).read()
        read = np.array([np.array(row, np.uint16) for row in rows])
        return read.reshape(height, width, -1)
    read = tifffile.imread(io.BytesIO(data)) if name == "tiff" else np.array(opened(data))
    return read if read.ndim == 3 else read[..., None]


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("kind", ["rgb", "grey", "rgb alpha", "grey alpha"])
@pytest.mark.parametrize("name", ["png", "png16", "tiff", "webp", "jxl"])
def test_pixels_come_back(photo, name, kind):
    if name == "jxl":
        pytest.importorskip("pillow_jxl")
    form = FORMAT[name]
    image = pixels(photo, kind, form.dtype)
    read = decoded(form.encode(image, Metadata()), name)
    if name == "webp" and "grey" in kind:  # it knows no grey
        read = read[..., [0, -1]] if "alpha" in kind else read[..., :1]
    np.testing.assert_array_equal(read, image)


def test_sixteen_bits_are_compressed(photo):
    image = photo.astype(np.uint16) * 257
    for name in ("png16", "tiff"):
        assert len(FORMAT[name].encode(image, Metadata())) < 0.75 * image.nbytes


def test_jpeg_has_quality_95_and_all_colours(photo):
    image = opened(FORMAT["jpeg"].encode(photo, Metadata()))
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=95, subsampling=0)
    assert image.quantization == opened(file.getvalue()).quantization
    assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3


@pytest.mark.parametrize("name", FORMAT)
def test_each_kind_of_metadata_lies_where_others_find_it(photo, name):
    if name == "jxl":
        pytest.importorskip("pillow_jxl")
    form = FORMAT[name]
    written = all_kinds()
    data = form.encode(photo[:21, :37].astype(form.dtype), written)
    image = opened(data)
    image.load()
    info, tags = image.info, image.getexif()
    has = {"icc_profile", "xmp", "iptc", "comment"} - set(form.lacks)
    assert tags[0x010F] == "maker"
    assert tags.get_ifd(0x8769)[0x9003] == "2001:02:03 04:05:06"
    assert tags.get_ifd(0x8825)[1] == "N"
    if "dpi" in info:
        assert info["dpi"] == pytest.approx((300, 200), abs=0.02)
    else:  # in the EXIF block
        assert name in ("webp", "jxl")
        assert (tags[0x011A], tags[0x011B], tags[0x0128]) == (300, 200, 2)
    assert ("icc_profile" in has) == (info.get("icc_profile") == written.icc_profile)
    assert XMP in data if name == "jxl" else info["xmp"] == XMP
    comment = info.get("Comment") or info.get("comment", b"").decode()
    assert comment == ("a café" if "comment" in has else "")
    if "iptc" in has:
        raw = info.get("Raw profile type iptc")
        found = (
            bytes.fromhex("".join(raw.split()[2:]))[12 : 12 + len(IPTC)]
            if raw
            else info.get("photoshop", {}).get(0x0404) or image.tag_v2[33723]
        )
        assert found == IPTC
    lost = form.left_out(written, opaque=True)
    assert len(lost) == len({"iptc", "comment", "icc_profile"} & set(form.lacks))


def test_iptc_is_found_by_pillows_own_reader(photo):
    from PIL import IptcImagePlugin

    for name in ("jpeg", "tiff"):
        form = FORMAT[name]
        image = opened(form.encode(photo.astype(form.dtype), Metadata(iptc=IPTC)))
        assert IptcImagePlugin.getiptcinfo(image)[2, 120] == b"caption"


def test_colours_of_a_profile_become_srgb_where_it_has_no_place(photo):
    pytest.importorskip("pillow_jxl")
    image = opened(FORMAT["jxl"].encode(photo, Metadata(icc_profile=b"none that can be read")))
    np.testing.assert_array_equal(np.array(image), photo)
    swapped = swapped_primaries()
    image = opened(FORMAT["jxl"].encode(photo, Metadata(icc_profile=swapped)))
    source = ImageCms.ImageCmsProfile(io.BytesIO(swapped))
    expected = ImageCms.profileToProfile(
        Image.fromarray(photo), source, ImageCms.createProfile("sRGB")
    )
    np.testing.assert_array_equal(np.array(image), np.array(expected))
    assert (np.array(image) != photo).any()


def swapped_primaries() -> bytes:
    """sRGB, in which red and green have changed places."""
    data = bytearray(SRGB)
    red, green = data.index(b"rXYZ"), data.index(b"gXYZ")
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(data).replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))


def test_what_is_too_long_for_a_jpeg_is_left_out_and_told(photo):
    long = Metadata(xmp=b"x" * 70_000, iptc=b"y" * 70_000, exif=b"Exif\0\0" + b"z" * 70_000)
    image = opened(FORMAT["jpeg"].encode(photo, long))
    assert not {"xmp", "photoshop", "exif"} & set(image.info)
    assert FORMAT["jpeg"].left_out(long, True) == ["EXIF", "XMP", "IPTC"]
    assert FORMAT["jpeg"].left_out(Metadata(), False) == ["opacity"]


def test_formats_are_told_by_endings():
    names = [format_of_name(Path(n)) for n in ("a.PNG", "b.tif", "c.TIFF", "d.jpeg", "e", "f.bmp")]
    assert [f and f.name for f in names] == ["png", "tiff", "tiff", "jpeg", None, None]


def test_jpeg_xl_asks_for_its_package(monkeypatch):
    monkeypatch.setattr("restoration.formats.writing.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install pillow-jxl-plugin"):
        FORMAT["jxl"].check()
    FORMAT["png"].check()


def test_an_image_is_written_with_what_its_info_holds(photo):
    image = Image.fromarray(photo)
    image.info |= all_kinds().info
    read = opened(to_png(image))
    read.load()
    metadata, _ = read_metadata(read, b"")
    assert metadata.comment == "a café"
    assert (metadata.xmp, metadata.icc_profile) == (XMP, SRGB)
