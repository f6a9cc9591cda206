"""The frame header of a JPEG file: which kinds cannot be restored."""

from __future__ import annotations

from pathlib import Path

from restoration.errors import RestorationError

# Markers without a segment behind them: RST0-7, SOI, EOI, TEM (ITU-T T.81, table B.1).
BARE = {0xD8, 0xD9, 0x01, *range(0xD0, 0xD8)}
HUFFMAN_DCT = {0xC0, 0xC1, 0xC2}  # baseline, extended sequential, progressive
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # C4, C8, CC are no frame headers


def check_frame(data: bytes, name: str | Path) -> None:
    """Refuse JPEGs whose coefficients cannot be read: arithmetic coding, lossless, 12-bit.

    Raises:
        RestorationError: the file is of such a kind. A file without a frame header passes: whoever
            decodes it will say what is wrong.
    """
    position = 2
    while position + 5 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF or marker in BARE:  # fill byte, or nothing behind it
            position += 1 if marker == 0xFF else 2
            continue
        if marker in FRAMES:
            if marker not in HUFFMAN_DCT:
                kind = "arithmetic coding" if marker > 0xC8 else "lossless or hierarchical coding"
                raise RestorationError(
                    f"{name} is a JPEG with {kind}, which is not supported; "
                    "jpegtran can turn arithmetic into Huffman coding without loss"
                )
            if data[position + 4] != 8:
                raise RestorationError(
                    f"{name} has {data[position + 4]} bits per sample; only 8 are supported"
                )
            return
        position += 2 + int.from_bytes(data[position + 2 : position + 4])
