"""Blocks of EXIF, kept byte by byte but for what is no longer true of a result."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import NamedTuple

HEAD = b"Exif\0\0"  # in front of a block, where Pillow has one
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x0112, 0x011A, 0x011B, 0x0128
ORIENTATIONS = range(2, 9)  # that ask for a turn
ENTRY = 12  # bytes
INCH = 2  # resolution unit
SHORT, RATIONAL = 3, 5  # types
WHOLE = {1: "B", SHORT: "H", 4: "I"}  # types of numbers that some write an orientation as


class Directory(NamedTuple):
    """The first directory of a block.

    Attributes:
        order: of its numbers' bytes, as ``struct`` has it.
        places: of its entries behind ``HEAD``, by their tags; of a tag that is there twice the
            first one, which is what is read.
        end: of its entries, where the place of the next directory stands.
    """

    order: str
    places: dict[int, int]
    end: int


def directory_of(tiff: bytes) -> Directory | None:
    """Find the first directory; None where what should hold it is damaged.

    Reference: TIFF 6.0, section 2.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    try:
        if order is None:
            return None
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (number,) = struct.unpack_from(f"{order}H", tiff, start)
        end = start + 2 + ENTRY * number
        places: dict[int, int] = {}
        for place in range(start + 2, end, ENTRY):
            (tag,) = struct.unpack_from(f"{order}H", tiff, place)
            places.setdefault(tag, place)
    except struct.error:
        return None
    return Directory(order, places, end) if end + 4 <= len(tiff) else None


def read_exif(block: bytes | None) -> tuple[bytes | None, int, bool]:
    """Split an EXIF block into the rest and the orientation; what is damaged counts as none.

    The rest is the block with an orientation of 1, and without the way to the thumbnail, which
    would show the picture as it was.

    Returns:
        The rest, the orientation, and whether the block tells a resolution.
    """
    tiff = (block or b"").removeprefix(HEAD)
    found = directory_of(tiff)
    if found is None:
        return None, 1, False
    order, places, end = found
    kept, orientation = bytearray(tiff), 1
    kept[end : end + 4] = bytes(4)
    if ORIENTATION in places:
        kind, number = struct.unpack_from(f"{order}HI", tiff, places[ORIENTATION] + 2)
        if kind in WHOLE and number == 1:
            (value,) = struct.unpack_from(order + WHOLE[kind], tiff, places[ORIENTATION] + 8)
            orientation = value if value in ORIENTATIONS else 1
        struct.pack_into(f"{order}HIHH", kept, places[ORIENTATION] + 2, SHORT, 1, 1, 0)
    return HEAD + kept, orientation, density_of(tiff, found) > 0


def density_of(tiff: bytes, directory: Directory) -> float:
    """Read the horizontal resolution; 0 where there is none."""
    try:
        place = directory.places[X_RESOLUTION]
        kind, number, at = struct.unpack_from(f"{directory.order}HII", tiff, place + 2)
        over, under = struct.unpack_from(f"{directory.order}II", tiff, at)
        return over / under if (kind, number) == (RATIONAL, 1) else 0.0
    except (KeyError, struct.error, ZeroDivisionError):
        return 0.0


def with_resolution(block: bytes | None, dpi: tuple[float, float]) -> bytes:
    """Tell the resolution in a block, in a directory behind all else.

    Args:
        block: from ``read_exif``; None for a new one.
        dpi: pixels per inch across and down.
    """
    tiff = (block or HEAD + b"MM\0*\0\0\0\x08" + bytes(6)).removeprefix(HEAD)
    tiff += bytes(len(tiff) % 2)
    found = directory_of(tiff)
    assert found is not None
    order = found.order
    entries = {tag: tiff[place : place + ENTRY] for tag, place in found.places.items()}
    for tag, value in zip((X_RESOLUTION, Y_RESOLUTION), dpi, strict=True):
        ratio = Fraction(value).limit_denominator(10_000)
        entries[tag] = struct.pack(f"{order}HHII", tag, RATIONAL, 1, len(tiff))
        tiff += struct.pack(f"{order}II", ratio.numerator, ratio.denominator)
    entries[RESOLUTION_UNIT] = struct.pack(f"{order}HHIHH", RESOLUTION_UNIT, SHORT, 1, INCH, 0)
    place = len(tiff)
    tiff += struct.pack(f"{order}H", len(entries))
    tiff += b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    return HEAD + tiff[:4] + struct.pack(f"{order}I", place) + tiff[8:]
