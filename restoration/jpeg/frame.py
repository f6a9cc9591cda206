"""The headers of a JPEG file: which kinds cannot be restored, and what a file claims and holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from restoration.errors import RestorationError
from restoration.support.files import File

START = b"\xff\xd8"
END = b"\xff\xd9"
# Markers without a segment behind them: RST0-7, SOI, EOI, TEM (ITU-T T.81, table B.1).
BARE = {0xD8, 0xD9, 0x01, *range(0xD0, 0xD8)}
HUFFMAN_DCT = {0xC0, 0xC1, 0xC2}  # baseline, extended sequential, progressive
PROGRESSIVE = 0xC2
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # C4, C8, CC are no frame headers
SCAN = 0xDA
ADDED = {0xFE, *range(0xE1, 0xEE), 0xEF}  # comments, and APPn but for JFIF's 0 and Adobe's 14
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # that ends a scan's data
# A block takes two bits at least, one for its constant and one to say that all else is zero (but
# one alone in a progressive file). Half of a file may be missing: pictures are often cut short.
BLOCKS_PER_BYTE = 8
BLOCK_PIXELS = 64
NOT_SENT = 11  # bits, more than any coefficient has


class Segment(NamedTuple):
    """A marker segment: its marker, what is behind its length, and where it lies in the file."""

    marker: int
    content: bytes
    start: int
    stop: int


def segments(data: bytes) -> Iterator[Segment]:
    """Yield the marker segments of a file; the data of scans, and what is none, are skipped."""
    position = len(START)
    while position + 4 <= len(data):
        if data[position] != 0xFF:  # something else in between, which libjpeg skips too
            found = MARKER.search(data, position)
            if found is None:
                return
            position = found.start()
        marker = data[position + 1]
        if marker == 0xFF or marker in BARE:  # fill byte, or nothing behind it
            if marker == END[1]:
                return
            position += 1 if marker == 0xFF else 2
            continue
        stop = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        yield Segment(marker, data[position + 4 : stop], position, stop)
        position = stop
        if marker == SCAN:
            found = MARKER.search(data, position)
            if found is None:
                return
            position = found.start()


def closed(data: bytes) -> bytes:
    """End a file behind its last whole segment: libjpeg then takes what there is."""
    for segment in segments(data):
        if segment.stop > len(data):
            return data[: segment.start] + END
    return data + END


def bare(data: bytes) -> bytes:
    """Leave out comments and what programs add, on which a reader of coefficients may stumble.

    The two segments that tell how colours are stored stay: JFIF's and Adobe's.
    """
    parts, kept = [START], list(segments(data))
    for segment, following in zip_longest(kept, kept[1:]):
        if segment.marker in ADDED:
            continue
        scan = segment.marker == SCAN
        stop = (following.start if following else len(data)) if scan else segment.stop
        parts.append(data[segment.start : stop])
    return b"".join([*parts, END])


def check_frame(data: bytes, name: File) -> None:
    """Refuse JPEGs whose coefficients cannot be read, and those that are far too short.

    Raises:
        RestorationError: arithmetic coding, lossless, not of 8 bits, or fewer bytes than so many
            blocks can take. A file without a frame header passes: whoever decodes it will say what
            is wrong.
    """
    for marker, content, *_ in segments(data):
        if marker not in FRAMES:
            continue
        if marker not in HUFFMAN_DCT:
            kind = "arithmetic coding" if marker > 0xC8 else "lossless or hierarchical coding"
            raise RestorationError(
                f"{name} is a JPEG with {kind}, which is not supported; "
                "jpegtran can turn arithmetic into Huffman coding without loss"
            )
        if len(content) < 5:
            return
        if content[0] != 8:
            raise RestorationError(f"{name} has {content[0]} bits per sample; only 8 are supported")
        height, width = (int.from_bytes(content[i : i + 2]) for i in (1, 3))
        if height * width > len(data) * BLOCKS_PER_BYTE * BLOCK_PIXELS:
            raise RestorationError(
                f"{name} claims {width} x {height} pixels in {len(data)} bytes, which cannot be; "
                "nearly all of it is missing"
            )
        return


def missing_bits(data: bytes, cut: bool) -> NDArray[np.int64] | None:
    """Tell how many low bits of each coefficient a progressive file lacks.

    Args:
        data: the file.
        cut: whether the last scan ends early; what it brought is not counted then.

    Returns:
        (components, 64) in zigzag order: 0 where all bits were sent, and ``NOT_SENT`` where none
        was; None for other files, and where nothing is missing.

    Reference: ITU-T T.81, annex G (successive approximation).
    """
    missing: NDArray[np.int64] | None = None
    before: NDArray[np.int64] | None = None  # the last scan
    components: list[int] = []
    for marker, content, *_ in segments(data):
        if marker == PROGRESSIVE:
            components = list(content[6 : 6 + 3 * content[5] : 3])
            missing = np.full((len(components), BLOCK_PIXELS), NOT_SENT)
        elif marker in FRAMES:
            return None
        elif marker == SCAN and missing is not None and content:
            before = missing.copy()
            chosen = content[1 : 1 + 2 * content[0] : 2]
            first, last, approximation = content[1 + 2 * content[0] :][:3]
            for identifier in chosen:
                if identifier in components:
                    row = missing[components.index(identifier)]
                    row[first : last + 1] = approximation & 15
    known = before if cut else missing
    return known if known is not None and known.any() else None
