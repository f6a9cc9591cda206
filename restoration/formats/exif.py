"""Blocks of EXIF, kept byte by byte but for what is no longer true of a result."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import NamedTuple

HEAD = b"Exif\0\0"  # in front of a block, where Pillow has one; some programs write it twice
ORDERS = {b"II*\0": "<", b"II\0*": "<", b"MM\0*": ">", b"MM*\0": ">"}  # two are somebody's mistake
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x0112, 0x011A, 0x011B, 0x0128
THUMBNAIL, THUMBNAIL_SIZE = 0x0201, 0x0202
ORIENTATIONS = range(2, 9)  # that ask for a turn
ENTRY = 12  # bytes
INCH = 2  # resolution unit
SHORT, RATIONAL = 3, 5  # types
WHOLE = {1: "B", SHORT: "H", 4: "I"}  # types of numbers that some write an orientation as


class Directory(NamedTuple):
    """A directory of a block, as far as it is whole.

    Attributes:
        order: of its numbers' bytes, as ``struct`` has it.
        start: where the number of its entries stands, behind ``HEAD``.
        places: of its entries, by their tags; of a tag that is there twice the first one, which is
            what is read.
        end: of its entries, where the place of the next directory should stand.
    """

    order: str
    start: int
    places: dict[int, int]
    end: int

    def number(self, tiff: bytes | bytearray, tag: int) -> int | None:
        """Read a whole number; None where there is none."""
        place = self.places.get(tag)
        if place is None:
            return None
        kind, count = struct.unpack_from(f"{self.order}HI", tiff, place + 2)
        if kind not in WHOLE or count != 1:
            return None
        return int(struct.unpack_from(self.order + WHOLE[kind], tiff, place + 8)[0])


def directory_of(tiff: bytes | bytearray, pointer: int = 4) -> Directory | None:
    """Find a directory; None where there is none.

    Args:
        tiff: a block without ``HEAD``.
        pointer: where its place stands; by default that of the first one.

    Reference: TIFF 6.0, section 2.
    """
    order = ORDERS.get(bytes(tiff[:4]))
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, pointer)
        (number,) = struct.unpack_from(f"{order}H", tiff, start)
    except struct.error:
        return None
    if start == 0:
        return None
    number = min(number, (len(tiff) - start - 2) // ENTRY)
    end = start + 2 + ENTRY * number
    places: dict[int, int] = {}
    for place in range(start + 2, end, ENTRY):
        (tag,) = struct.unpack_from(f"{order}H", tiff, place)
        places.setdefault(tag, place)
    return Directory(order, start, places, end)


def bare(block: bytes) -> bytes:
    """Take ``HEAD`` away, as often as it is there."""
    while block.startswith(HEAD):
        block = block[len(HEAD) :]
    return block


def read_exif(block: bytes | None) -> tuple[bytes | None, int, bool]:
    """Split an EXIF block into the rest and the orientation; what is damaged counts as none.

    The rest is the block with an orientation of 1, and without the thumbnail, which would show the
    picture as it was: it is cut off where it ends the block, as is usual, and not found otherwise.

    Returns:
        The rest, the orientation, and whether the block tells a resolution.
    """
    tiff = bare(block or b"")
    found = directory_of(tiff)
    if found is None:
        return None, 1, False
    order, start, places, end = found
    kept = bytearray(tiff) + bytes(max(end + 4 - len(tiff), 0))
    struct.pack_into(f"{order}H", kept, start, (end - start - 2) // ENTRY)
    cut_thumbnail(kept, end)
    kept[end : end + 4] = bytes(4)
    orientation = found.number(tiff, ORIENTATION) or 1
    if ORIENTATION in places:
        struct.pack_into(f"{order}HIHH", kept, places[ORIENTATION] + 2, SHORT, 1, 1, 0)
    orientation = orientation if orientation in ORIENTATIONS else 1
    return HEAD + kept, orientation, density_of(tiff, found) > 0


def cut_thumbnail(tiff: bytearray, pointer: int) -> None:
    """Cut off the thumbnail that the second directory leads to, where it ends the block."""
    second = directory_of(tiff, pointer)
    if second is None:
        return
    place, size = (second.number(tiff, tag) for tag in (THUMBNAIL, THUMBNAIL_SIZE))
    if place and size and place >= pointer + 4 and place + size >= len(tiff) - 3:
        del tiff[place:]


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
        block: from ``read_exif``; what cannot be read, or None, for a new one.
        dpi: pixels per inch across and down.
    """
    tiff = bare(block or b"")
    found = directory_of(tiff)
    if found is None:
        tiff = b"MM\0*\0\0\0\x08" + bytes(6)
        found = Directory(">", 8, {}, 10)
    tiff += bytes(len(tiff) % 2)
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
