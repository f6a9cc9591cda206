"""EXIF blocks: what comes in goes out, but for the orientation and the thumbnail."""

import io
import struct
import warnings

import numpy as np
import pytest
from PIL import ExifTags, Image

from restoration.formats.exif import read_exif, with_resolution
from restoration.formats.metadata import Metadata, read_metadata
from restoration.formats.writing import FORMATS

ARTIST, ALTITUDE, OWNER = 0x013B, 6, 0xA430
OWNED = "J\u00fcrgen".encode()


def block(order, entries, following=0, behind=b""):
    """A block written out by hand: entries of (tag, type, count, 4 bytes)."""
    tiff = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}IH", 8, len(entries))
    for tag, kind, count, value in entries:
        tiff += struct.pack(f"{order}HHI", tag, kind, count) + value
    return b"Exif\0\0" + tiff + struct.pack(f"{order}I", following) + behind


def values(exif):
    found = Image.Exif()
    found.load(exif)
    return dict(found)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("kind", "form"), [(3, "H"), (4, "I"), (1, "B")])
def test_all_but_the_turn_and_the_way_to_the_thumbnail_stays(order, kind, form):
    def made(turn, following):
        value = struct.pack(order + form, turn).ljust(4, b"\0")
        return block(order, [(0x0112, kind, 1, value)], following, b"a maker's note, at 26")

    exif, orientation, told = read_exif(made(6, 26))
    assert (orientation, told) == (6, False)
    expected = bytearray(made(1, 0))
    expected[18:28] = struct.pack(f"{order}HIHH", 3, 1, 1, 0)
    assert exif == expected


@pytest.mark.parametrize(
    "damaged",
    [
        *(b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0XX*\0\x08\0\0\0", b"nonsense"),
        block("<", [(0x0112, 3, 1, b"\6\0\0\0")])[:15],
        block("<", [(0x0112, 3, 1, b"\6\0\0\0")]).replace(b"\x08\0\0\0", b"\xff\xff\xff\xff"),
    ],
)
def test_damaged_blocks_count_as_none(damaged):
    assert read_exif(damaged) == (None, 1, False)


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b[:-4],  # no place of a next directory
        lambda b: b[:-1],
        lambda b: b"Exif\0\0" + b,
        lambda b: b.replace(b"II*\0", b"II\0*"),
        lambda b: b.replace(b"\x01\0\x12\x01", b"\x02\0\x12\x01"),  # one entry too many
    ],
)
def test_blocks_that_others_read_are_read(change):
    """Each of them Pillow reads as well."""
    changed = change(block("<", [(0x0112, 3, 1, b"\6\0\0\0")]))
    with warnings.catch_warnings(action="ignore"):  # Pillow's of what is missing
        assert values(changed)[0x0112] == 6
    exif, orientation, _ = read_exif(changed)
    assert orientation == 6
    assert values(exif)[0x0112] == 1


def test_the_thumbnail_is_cut_off():
    image = io.BytesIO()
    Image.new("RGB", (16, 16)).save(image, "JPEG")
    thumbnail = image.getvalue()
    following = [
        (0x0201, 4, 1, struct.pack("<I", 8 + 2 + 12 + 4 + 2 + 24 + 4)),
        (0x0202, 4, 1, struct.pack("<I", len(thumbnail))),
    ]
    second = block("<", following)[14:]
    with_it = block("<", [(0x0112, 3, 1, b"\6\0\0\0")], 26, second + thumbnail)
    whole = Image.Exif()
    whole.load(with_it)
    assert whole.get_ifd(ExifTags.IFD.IFD1)[0x0202] == len(thumbnail)
    exif, orientation, _ = read_exif(with_it)
    assert orientation == 6
    assert thumbnail[:4] not in exif
    assert len(exif) == len(with_it) - len(thumbnail)


def test_of_a_tag_that_is_there_twice_the_first_counts():
    two = [(0x0112, 3, 1, b"\6\0\0\0"), (0x0112, 3, 1, b"\3\0\0\0"), (0x0128, 3, 1, b"\2\0\0\0")]
    assert read_exif(block("<", two))[1] == 6


@pytest.mark.parametrize(("entry", "expected"), [(b"\x09\0\0\0", 1), (b"\0\0\0\0", 1)])
def test_turns_that_there_are_not(entry, expected):
    assert read_exif(block("<", [(0x0112, 3, 1, entry)]))[1] == expected


def test_the_resolution_is_told_beside_what_is_there():
    old = Image.Exif()
    old[ARTIST], old[0x010F] = "somebody with a long name", "maker"
    exif = with_resolution(old.tobytes(), (300.5, 150))
    found = values(exif)
    assert found.pop(0x011A) == pytest.approx(300.5)
    assert found == {ARTIST: "somebody with a long name", 0x010F: "maker", 0x011B: 150, 0x0128: 2}
    assert read_exif(exif)[2]
    assert values(with_resolution(None, (72, 72))) == {0x011A: 72, 0x011B: 72, 0x0128: 2}


def odd_exif():
    """Texts that are not ASCII, a tag of text that holds UTF-8, and an altitude below zero."""
    artist, note = "J\u00fcrgen \u2713".encode(), bytes(range(200, 230))
    gps = struct.pack("<HHHII", 1, ALTITUDE, 10, 1, 200) + bytes(4)
    inner = struct.pack("<HHHII", 2, 0x927C, 7, len(note), 240)
    inner += struct.pack("<HHII", OWNER, 2, len(OWNED) + 1, 275) + bytes(4)
    entries = [
        (ARTIST, 2, len(artist) + 1, struct.pack("<I", 100)),
        (0x8769, 4, 1, struct.pack("<I", 160)),
        (0x8825, 4, 1, struct.pack("<I", 130)),
    ]
    made = bytearray(block("<", entries).ljust(6 + 300, b"\0"))
    for place, content in (
        (100, artist),
        (130, gps),
        (160, inner),
        (200, struct.pack("<ii", -12, 1)),
        (240, note),
        (275, OWNED),
    ):
        made[6 + place : 6 + place + len(content)] = content
    return bytes(made), artist, note


@pytest.mark.parametrize("name", ["png", "png16", "webp", "jpeg"])
def test_what_no_program_would_write_again_is_kept_byte_by_byte(name):
    exif, artist, note = odd_exif()
    form = next(f for f in FORMATS if f.name == name)
    pixels = np.full((16, 16, 3), 100, form.dtype)
    stored = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stored, "JPEG", exif=exif)
    metadata, _ = read_metadata(Image.open(stored), stored.getvalue())
    assert metadata.elsewhere == ()
    data = form.encode(pixels, metadata)
    assert artist in data
    assert note in data
    again = Image.open(io.BytesIO(data)).getexif()
    assert again[ARTIST].encode("latin-1") == artist
    assert again.get_ifd(0x8769)[0x927C] == note
    assert again.get_ifd(0x8769)[OWNER].encode("latin-1") == OWNED
    assert again.get_ifd(0x8825)[ALTITUDE] == -12


def test_a_tiff_has_the_texts_too():
    exif, artist, note = odd_exif()
    tiff = next(f for f in FORMATS if f.name == "tiff")
    stored = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stored, "JPEG", exif=exif)
    metadata, _ = read_metadata(Image.open(stored), stored.getvalue())
    data = tiff.encode(np.full((16, 16, 3), 100, np.uint16), metadata)
    again = Image.open(io.BytesIO(data)).getexif()
    assert again[ARTIST].encode("latin-1") == artist
    assert again.get_ifd(0x8769)[0x927C] == note
    assert tiff.left_out(metadata, True) == ["parts of the EXIF"]  # the accent of an inner text
    assert ALTITUDE not in again.get_ifd(0x8825)  # nor the altitude, which has no sign there
    plain = Image.Exif()
    plain[ARTIST] = "me"
    plain.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    assert tiff.left_out(Metadata(exif=plain.tobytes()), True) == []
    assert artist in read_metadata(Image.open(io.BytesIO(data)), data)[0].exif


def test_what_cannot_be_read_is_told():
    stored = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stored, "JPEG", exif=b"Exif\0\0nonsense")
    metadata, orientation = read_metadata(Image.open(stored), stored.getvalue())
    assert (metadata.exif, orientation) == (None, 1)
    assert metadata.elsewhere == ("damaged EXIF",)
