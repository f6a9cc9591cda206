"""PNG files of 8 and 16 bits."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from restoration.formats.metadata import COMMENT, RAW_IPTC, Metadata, photoshop

SIGNATURE = 8  # bytes in front of a file's chunks


def png(pixels: NDArray, metadata: Metadata) -> bytes:
    """Encode as PNG, of 8 or 16 bits as the pixels are.

    Pillow writes no colours of 16 bits: it writes all but the pixels then, around a black one.
    IPTC records lie where ImageMagick, exiftool and exiv2 look for them.

    Reference: PNG specification, third edition, sections 9 (filters) and 11 (chunks).
    """
    texts = PngInfo()
    if metadata.xmp:
        texts.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode(errors="replace"))
    if metadata.comment:
        texts.add_text(COMMENT, metadata.comment)
    if metadata.iptc:
        block = photoshop(metadata.iptc)
        texts.add_text(RAW_IPTC, f"\niptc\n{len(block):8}\n{block.hex()}\n", zip=True)
    deep = pixels.dtype == np.uint16
    H, W, _ = pixels.shape
    file = io.BytesIO()
    shown = np.zeros_like(pixels[:1, :1], np.uint8) if deep else pixels
    options = {"dpi": metadata.dpi} if metadata.dpi else {}
    to_image(shown).save(
        file,
        format="PNG",
        icc_profile=metadata.icc_profile,
        exif=metadata.exif,
        pnginfo=texts,
        **options,
    )
    if not deep:
        return file.getvalue()
    parts = [file.getvalue()[:SIGNATURE]]
    for name, content in chunks(file.getvalue()):
        if name == b"IHDR":
            content = struct.pack(">IIB", W, H, 16) + content[9:]
        if name == b"IDAT":
            content = zlib.compress(paeth_filtered(pixels), 6)
        parts += [struct.pack(">I", len(content)), name, content]
        parts.append(struct.pack(">I", zlib.crc32(content, zlib.crc32(name))))
    return b"".join(parts)


def to_png(image: Image.Image) -> bytes:
    """Encode an image with what its ``info`` holds beside the pixels, see ``Metadata``."""
    pixels = np.array(image)
    return png(pixels if pixels.ndim == 3 else pixels[..., None], Metadata.of(image))


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield names and contents of a PNG's chunks."""
    position = SIGNATURE
    while position < len(data):
        stop = position + 8 + int.from_bytes(data[position : position + 4])
        yield data[position + 4 : position + 8], data[position + 8 : stop]
        position = stop + 4  # behind the checksum


def paeth_filtered(pixels: NDArray[np.uint16]) -> bytes:
    """Filter the bytes of (H, W, C) by the Paeth predictor, each row behind its filter's number."""
    H, W, C = pixels.shape
    raw = pixels.astype(">u2", order="C").view(np.uint8).reshape(H, W, 2 * C)
    lines = np.full((H, 1 + raw[0].size), 4, np.uint8)
    above = np.zeros_like(raw[0], np.int16)
    for y in range(H):
        row = raw[y].astype(np.int16)
        left, corner = (np.vstack([np.zeros_like(x[:1]), x[:-1]]) for x in (row, above))
        distances = np.abs([above - corner, left - corner, left + above - 2 * corner])
        nearest = np.choose(distances.argmin(0), [left, above, corner])
        lines[y, 1:] = (row - nearest).ravel()
        above = row
    return lines.tobytes()


def to_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """(H, W, C) uint8 -> Pillow image, C = 1 to 4."""
    return Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
