"""TIFF files of 16 bits."""

from __future__ import annotations

import io
import zlib
from typing import NamedTuple

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
    for tag, value in exif_tags(metadata.exif).kept.items():
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


class Tags(NamedTuple):
    """Tags of an EXIF block that may stand in a TIFF, and whether others, or accents, are lost."""

    kept: dict[int, object]
    lost: bool


def exif_tags(block: bytes | None) -> Tags:
    """Choose the tags of an EXIF block that may stand in a TIFF."""
    exif, lost = Image.Exif(), False
    kept: dict[int, object] = {}
    try:
        exif.load(block or b"")
        for tag in DESCRIBING:
            if tag not in exif:
                continue
            if tag in (EXIF_TAG, GPS_TAG):
                inner = exif.get_ifd(tag)
                inner.pop(INTEROPERABILITY, None)  # a place in the other file
                written = {k: v for k, v in inner.items() if can_be_written(tag, {k: v})}
                kept[tag] = written
                # Pillow writes bytes of these as another type, and texts as ASCII
                texts = [v for v in inner.values() if isinstance(v, str)]
                lost = lost or len(written) < len(inner) or not "".join(texts).isascii()
            elif can_be_written(tag, as_stored(exif[tag])):
                kept[tag] = as_stored(exif[tag])
            else:
                lost = True
    except DAMAGED_EXIF:
        lost = True
    return Tags(kept, lost)


def can_be_written(tag: int, value: object) -> bool:
    """Whether Pillow writes a tag: not where a number is of another type than it should be."""
    alone = ImageFileDirectory_v2()
    try:
        alone[tag] = value
        alone.save(io.BytesIO())
    except DAMAGED_EXIF:
        return False
    return True
