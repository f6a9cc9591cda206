"""TIFF files of 16 bits."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from restoration.formats.metadata import (
    DAMAGED_EXIF,
    DESCRIBING,
    EXIF_TAG,
    GPS_TAG,
    IPTC_TAG,
    Metadata,
    as_stored,
)

ROWS = 64  # of a strip
INTEROPERABILITY, XMP_TAG, PROFILE_TAG = 40965, 700, 34675


def tiff(pixels: NDArray[np.uint16], metadata: Metadata) -> bytes:
    """Encode as TIFF of 16 bits: Deflate with horizontal differences. Pillow writes the tags.

    Reference: TIFF 6.0, section 14 (differencing predictor); Adobe Photoshop TIFF Technical Notes
    (Deflate).
    """
    H, W, C = pixels.shape
    tags = ImageFileDirectory_v2()
    for tag, value in exif_tags(metadata.exif):
        tags[tag] = value
    differences = np.diff(pixels, axis=1, prepend=np.zeros_like(pixels[:, :1]))
    strips = [
        zlib.compress(differences[y : y + ROWS].astype("<u2").tobytes()) for y in range(0, H, ROWS)
    ]
    sizes = [len(strip) for strip in strips]
    tags[256], tags[257], tags[258] = W, H, (16,) * C
    tags[259], tags[317] = 8, 2  # Deflate, of differences
    tags[262] = 2 if C > 2 else 1  # RGB or grey, black is 0
    tags[273] = tuple(int(x) for x in np.cumsum([0, *sizes[:-1]]))  # behind the tags, says Pillow
    tags[277], tags[278], tags[279] = C, ROWS, tuple(sizes)
    if C in (2, 4):
        tags[338] = 2  # opacity, by which colours are not multiplied
    if metadata.dpi:
        tags[282], tags[283], tags[296] = *metadata.dpi, 2
    for tag, block in (
        (PROFILE_TAG, metadata.icc_profile),
        (IPTC_TAG, metadata.iptc),
        (XMP_TAG, metadata.xmp),
    ):
        if block:
            tags.tagtype[tag] = 1 if tag == XMP_TAG else 7  # bytes
            tags[tag] = block
    file = io.BytesIO()
    tags.save(file)
    return b"".join([file.getvalue(), *strips])


def exif_tags(block: bytes | None) -> Iterator[tuple[int, object]]:
    """Yield the tags of an EXIF block that may stand in a TIFF."""
    exif = Image.Exif()
    try:
        exif.load(block or b"")
        for tag in DESCRIBING:
            if tag not in exif:
                continue
            if tag in (EXIF_TAG, GPS_TAG):
                inner = exif.get_ifd(tag)
                inner.pop(INTEROPERABILITY, None)  # a place in the other file
                yield tag, {k: v for k, v in inner.items() if can_be_written(tag, {k: v})}
            elif can_be_written(tag, as_stored(exif[tag])):
                yield tag, as_stored(exif[tag])
    except DAMAGED_EXIF:
        return


def can_be_written(tag: int, value: object) -> bool:
    """Whether Pillow writes a tag: not where a number is of another type than it should be."""
    alone = ImageFileDirectory_v2()
    try:
        alone[tag] = value
        alone.save(io.BytesIO())
    except DAMAGED_EXIF:
        return False
    return True
