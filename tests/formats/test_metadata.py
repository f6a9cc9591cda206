"""What lies in files beside the pixels, read; files are made by Pillow and by hand."""

import io
import struct
import time

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin, TiffTags
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from restoration.errors import RestorationError
from restoration.formats.metadata import Metadata, lasting, read_metadata
from restoration.formats.tiff import tiff
from restoration.jpeg import read_jpeg, read_picture
from restoration.support.files import Content

IPTC = b"\x1c\x02\x78\x00\x07caption"


def segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def saved(photo, form, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo[:32, :48]).save(file, format=form, **options)
    return file.getvalue()


def jpeg(photo, **options) -> bytes:
    return saved(photo, "JPEG", **options)


def read(data: bytes) -> Metadata:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return read_metadata(image, data)[0]


def test_what_else_a_png_says_is_told(photo):
    texts = PngInfo()
    texts.add_text("Author", "me")
    texts.add_text("Comment", "mine")
    texts.add(b"gAMA", struct.pack(">I", 100_000))
    found = read(saved(photo, "PNG", pnginfo=texts))
    assert found.comment == "mine"
    assert found.elsewhere == ("texts", "gamma")
    plain = PngInfo()
    plain.add(b"gAMA", struct.pack(">I", 45_455))
    assert read(saved(photo, "PNG", pnginfo=plain)).elsewhere == ()


def test_the_comment_of_a_gif(photo):
    file = io.BytesIO()
    Image.fromarray(photo).quantize(64).save(file, "GIF", comment="a caf\u00e9".encode())
    assert read(file.getvalue()).comment == "a caf\u00e9"


@pytest.mark.parametrize(
    "packet",
    [
        b"<x/>" + b" " * 2**17 + b"<?xpacket end='w'?>",
        b"<hdrgm:A>" * 2**13,
        b"<hdrgm:A " * 2**13,
        b"".join(b"<hdrgm:A%d>" % n for n in range(1000)),
        b"<hdrgm:A>x</hdrgm:A>" * 2**12,
    ],
    ids=["padding", "unclosed", "without end", "of many names", "closed"],
)
def test_a_long_packet_takes_no_time(packet):
    began = time.process_time()
    kept = lasting(packet)
    assert time.process_time() - began < 1.0  # 40 s and more
    assert kept == (b"" if b"</" in packet else packet)


def test_a_tiff_that_tells_the_time_alone_keeps_it(photo):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[0x8769] = {0x9003: "2001:02:03 04:05:06"}
    found = Image.Exif()
    found.load(read(saved(photo, "TIFF", tiffinfo=tags)).exif)
    assert found.get_ifd(0x8769)[0x9003] == "2001:02:03 04:05:06"


def test_iptc_is_found_in_a_png_as_programs_write_it(photo):
    block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC
    for content in (block, IPTC):
        text = PngInfo()
        text.add_text("Raw profile type iptc", f"\niptc\n{len(content):8}\n{content.hex()}\n")
        assert read(saved(photo, "PNG", pnginfo=text)).iptc == IPTC
    text = PngInfo()
    text.add_text("Raw profile type iptc", "\niptc\n 3\nxyz\n")
    assert read(saved(photo, "PNG", pnginfo=text)).iptc is None


def test_all_that_a_jpeg_holds_is_read(photo):
    exif = Image.Exif()
    exif[0x010F] = "maker"
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC
    other = b"8BIM\x04\x25\0\0" + struct.pack(">I", 16) + bytes(16)
    extra = segment(0xED, b"Photoshop 3.0\0" + other + resource)
    extra += segment(0xFE, "ein Gruß".encode("latin-1"))
    data = jpeg(
        photo,
        **{"exif": exif, "icc_profile": b"profile", "xmp": b"<x/>", "dpi": (300, 300)},
        **{"comment": "first", "extra": extra},
    )
    found = read(data)
    assert (found.icc_profile, found.xmp, found.iptc) == (b"profile", b"<x/>", IPTC)
    assert found.dpi == (300, 300)
    assert sorted(found.comment.split("\n")) == ["ein Gruß", "first"]
    assert b"maker" in found.exif
    assert found.elsewhere == ()
    assert found.stripped() == Metadata(icc_profile=b"profile")


def test_no_density_is_made_up(photo):
    exif = Image.Exif()
    exif[0x010F] = "maker"
    data = jpeg(photo, exif=exif)
    assert Image.open(io.BytesIO(data)).info["dpi"] == (72, 72)  # Pillow's guess
    assert read(data).dpi is None
    exif[0x011A], exif[0x011B], exif[0x0128] = 240, 240, 2
    assert read(jpeg(photo, exif=exif)).dpi == (240, 240)
    centimetres = bytearray(jpeg(photo, dpi=(100, 100)))
    centimetres[13] = 2
    assert read(bytes(centimetres)).dpi == pytest.approx((254, 254))


def test_density_turns_with_the_picture(photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.jpg").write_bytes(jpeg(photo, exif=exif, dpi=(300, 150)))
    picture = read_jpeg(tmp_path / "a.jpg")
    assert picture.upright(picture.pixels).info["dpi"] == (150, 300)


@pytest.mark.parametrize(
    ("xmp", "expected"),
    [
        ('<a tiff:Orientation="6" b="1"/>', '<a tiff:Orientation="1" b="1"/>'),
        ("<tiff:Orientation>8</tiff:Orientation>", "<tiff:Orientation>1</tiff:Orientation>"),
        (
            '<a GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1" GCamera:Other="k" '
            "hdrgm:Version='1.0'/>",
            '<a GCamera:Other="k"/>',
        ),
        (
            '<a>x<Container:Directory rdf:x="1"><rdf:li><Container:Item Item:Length="9"/></rdf:li>'
            "</Container:Directory>y<hdrgm:GainMapMax>1</hdrgm:GainMapMax><hdrgm:Gamma/></a>",
            "<a>xy</a>",
        ),
        ('<a xmpNote:HasExtendedXMP="AB"/>', "<a/>"),
        ("<dc:title>hdrgm:Version</dc:title>", "<dc:title>hdrgm:Version</dc:title>"),
    ],
)
def test_xmp_says_nothing_that_is_not_true_of_the_result(photo, xmp, expected):
    assert read(jpeg(photo, xmp=xmp.encode())).xmp == expected.encode()


def test_what_lies_behind_a_picture_is_told(photo):
    plain = jpeg(photo)
    assert read(plain + struct.pack(">I", 24) + b"ftypmp42....mdat").elsewhere == (
        "video behind the picture",
    )
    second = io.BytesIO()
    image = Image.fromarray(photo)
    image.save(second, format="MPO", save_all=True, append_images=[Image.fromarray(255 - photo)])
    assert read(second.getvalue()).elsewhere == ("further pictures",)
    gain = second.getvalue().replace(b"MPF\0", b"MPF\0", 1) + b'hdrgm:Version="1.0"'
    assert read(gain).elsewhere == ("HDR gain map",)
    extended = segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40)
    assert read(jpeg(photo, extra=extended)).elsewhere == ("extended XMP",)
    store = b"c2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\3c2pa\0"  # UUID, toggles, label
    for kind in (b"jumd", b"jumb"):
        store = struct.pack(">I", 8 + len(store)) + kind + store
    credentials = segment(0xEB, b"JP\0\1\0\0\0\1" + store)
    assert read(jpeg(photo, extra=credentials)).elsewhere == ("Content Credentials",)


def test_noise_is_no_video():
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (600, 600, 3), dtype=np.uint8)
    assert read(jpeg_of(noise)).elsewhere == ()


def jpeg_of(pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=95)
    return file.getvalue()


@pytest.mark.parametrize("resolution", [(1, 0), (0, 1), (2**32 - 1, 1)])
def test_a_density_that_is_none_is_left_out(photo, resolution):
    """No encoder takes them; what EXIF holds stays there."""
    exif = Image.Exif()
    exif[0x011A] = exif[0x011B] = IFDRational(*resolution)
    exif[0x0128] = 2
    assert read(jpeg(photo, exif=exif)).dpi is None
    file = io.BytesIO()
    Image.fromarray(photo[:32, :48]).save(
        file, "TIFF", tiffinfo={282: IFDRational(*resolution), 283: IFDRational(*resolution)}
    )
    assert read(file.getvalue()).dpi is None


def test_a_tag_of_a_wrong_type_is_told(photo):
    """Pillow takes XMP for bytes."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags.tagtype[700] = TiffTags.ASCII
    tags[700] = "<x:xmpmeta/>"
    file = io.BytesIO()
    Image.fromarray(photo[:32, :48]).save(file, "TIFF", tiffinfo=tags)
    with pytest.raises(RestorationError, match=r"odd\.tif is damaged"):
        read_picture(Content(file.getvalue(), "odd.tif"))


def test_what_a_tiff_says_of_its_picture_is_read(photo):
    exif = Image.Exif()
    exif[315], exif[33432] = "me", "mine"
    exif.get_ifd(34665)[0x9003] = "2020:01:01 00:00:00"
    given = Metadata(exif=exif.tobytes())
    found = read(tiff(photo[:32, :48].astype(np.uint16), given))
    kept = Image.Exif()
    kept.load(found.exif)
    assert (kept[315], kept[33432]) == ("me", "mine")
    assert kept.get_ifd(34665)[0x9003] == "2020:01:01 00:00:00"
    assert 256 not in kept  # how it is stored
    assert found.dpi is None  # Pillow makes one up
    assert read(tiff(photo[:32, :48].astype(np.uint16), Metadata(dpi=(300, 300)))).dpi == (300, 300)
    assert read(saved(photo, "TIFF")).exif is None


def test_texts_of_a_png_may_have_any_name(photo):
    texts = PngInfo()
    for name in ("photoshop", "xmp", "exif", "icc_profile"):
        texts.add_text(name, "a text")
    metadata = read(saved(photo, "PNG", pnginfo=texts))
    assert (metadata.exif, metadata.xmp, metadata.iptc, metadata.icc_profile) == (None,) * 4
