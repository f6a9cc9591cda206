"""Read JPEG files and lossless images, and compress as the paper does."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from restoration.errors import RestorationError
from restoration.formats.metadata import read_metadata
from restoration.formats.opening import (
    JPEG_SIDE,
    JPEG_START,
    JUNK,
    MOST_PIXELS,
    bits_of,
    is_image,
    open_image,
    read_bytes,
)
from restoration.jpeg.contents import read_contents
from restoration.jpeg.frame import START, check_frame, closed
from restoration.jpeg.image import CompressedImage, Stored, pixels_of, to_image, to_tensor
from restoration.jpeg.separations import PARTS, Separations, separated
from restoration.support.files import File

LOSSLESS = ("PNG", "TIFF", "BMP", "PPM", "GIF", "TGA")
CODING_UNIT = 64  # pixels, a multiple of every one
LOOKED_AT = 8 * CODING_UNIT  # pixels of a side
MOST_UNLIKE = 5.0  # levels


def read_jpeg(path: File, most: int = MOST_PIXELS, strict: bool = False) -> CompressedImage:
    """Read a JPEG file of YCbCr or grey, as far as it is whole; see ``read_any_jpeg``.

    Raises:
        RestorationError: see ``read_any_jpeg``; or the file stores other colours.
    """
    jpeg = read_any_jpeg(path, most, strict)
    if isinstance(jpeg, Separations):
        raise RestorationError(
            f"{path} stores {jpeg.space}; only YCbCr and greyscale are supported here"
        )
    return jpeg


def read_any_jpeg(
    path: File, most: int = MOST_PIXELS, strict: bool = False
) -> CompressedImage | Separations:
    """Read a JPEG file, as far as it is whole.

    Args:
        path: of the file.
        most: pixels of the largest image that is read.
        strict: refuse pictures of which something is missing.

    Raises:
        RestorationError: the file is missing, unreadable, not a JPEG, damaged beyond reading,
            smaller than 16 x 16, larger than ``most``, or of colours that are unknown.
    """
    data = read_bytes(path)
    start = data.find(JPEG_START, 0, JUNK)
    if start > 0 and not is_image(data):
        data = data[start:]  # programs and mailboxes leave a few bytes in front
    if data.startswith(START):
        check_frame(data, path)
        data = closed(data)
    image = open_image(data, path, most)
    if image.format not in ("JPEG", "MPO"):  # MPO: a JPEG with further pictures behind it
        raise RestorationError(
            f"{path} is a {image.format}, not a JPEG: how it was quantised is unknown "
            "(to experiment, compress a lossless image: restoration fit --data.quality 10)"
        )
    jpeg = parse(data, image, path)
    if strict and jpeg.damage:
        raise RestorationError(f"{path}: the picture is {jpeg.damage}")
    return jpeg


def read_lossless(path: File, most: int = MOST_PIXELS) -> NDArray[np.uint8]:
    """Read an 8-bit lossless image, upright, (H, W, C).

    Raises:
        RestorationError: the file is missing, damaged, lossy, of more than 8 bits or ``most``
            pixels, or with transparency.
    """
    data = read_bytes(path)
    image = open_image(data, path, most)
    if (bits := bits_of(image, data)) > 8:
        raise RestorationError(
            f"{path} has {bits} bits per channel; convert it to 8-bit RGB or grey"
        )
    if image.format not in LOSSLESS:
        raise RestorationError(
            f"{path} is a {image.format}, but what is measured against, or compressed first, has "
            "to be lossless, such as PNG; restore a JPEG as it is, without a quality to save it at"
        )
    if image.mode in ("RGBA", "LA", "P", "1") or "transparency" in image.info:  # PNG's tRNS
        opaque = image.convert("RGBA")
        if opaque.getchannel("A").getextrema()[0] != 255:
            raise RestorationError(f"{path} has transparency; flatten it first")
        image = opaque.convert("L" if image.mode in ("L", "LA", "1") else "RGB")
    if image.mode not in ("L", "RGB"):
        raise RestorationError(f"{path} is of mode {image.mode}; convert it to 8-bit RGB or grey")
    return pixels_of(ImageOps.exif_transpose(image))


def compress(pixels: NDArray[np.uint8], quality: int) -> CompressedImage:
    """Compress (H, W, C) to JPEG in memory as the paper does: ``PIL.save(quality=q)``, 4:2:0.

    Raises:
        RestorationError: the quality is not within 1 to 100, or a side not within 16 to 65,500.
    """
    if not 1 <= quality <= 100:
        raise RestorationError(f"the JPEG quality must lie within 1 to 100, not {quality}")
    if max(pixels.shape[:2]) > JPEG_SIDE:
        raise RestorationError(f"a JPEG has sides of at most {JPEG_SIDE} pixels")
    file = io.BytesIO()
    to_image(pixels).save(file, format="JPEG", quality=quality)
    data = file.getvalue()
    jpeg = parse(data, open_image(data, "the image", pixels.size), "the image")
    assert isinstance(jpeg, CompressedImage)
    return jpeg


def read_truth(path: File, jpeg: Stored) -> NDArray[np.uint8]:
    """Read the original of a picture, (H, W, C), in the orientation in which that is stored.

    Raises:
        RestorationError: the file cannot be used, or differs in size or channels.
    """
    truth = jpeg.stored(read_lossless(path, max(jpeg.pixels.size, MOST_PIXELS)))
    if truth.shape != jpeg.pixels.shape:
        raise RestorationError(
            f"{path} is not of the JPEG's size and channels: "
            f"{shape_of(truth)} against {shape_of(jpeg.pixels)}"
        )
    return truth


def shape_of(pixels: NDArray) -> str:
    """Describe (H, W, C) for a person."""
    H, W, C = pixels.shape
    return f"{W} x {H} pixels, { {1: 'grey', 3: 'RGB', 4: 'CMYK'}[C] }"


def parse(data: bytes, image: Image.Image, name: File) -> CompressedImage | Separations:
    """Read what is behind an image that Pillow has decoded without complaint.

    Raises:
        RestorationError: it cannot be read, or its colours are unknown.
    """
    contents = read_contents(data, image, name)
    metadata, orientation = read_metadata(image, data)
    if contents.space in PARTS:
        jpeg = separated(contents, image, name)
        return replace(jpeg.beside(metadata), orientation=orientation)
    if contents.space not in ("YCbCr", "GRAYSCALE") or image.mode not in ("L", "RGB"):
        raise RestorationError(f"{name} stores {contents.space}, which is not supported")
    whole = CompressedImage(
        pixels_of(image), contents.quantised, metadata, orientation, contents.damage
    )
    if whole.damage is None and unlike(whole) > MOST_UNLIKE:
        raise RestorationError(
            f"{name}: its coefficients and tables do not lead to its pixels, as where tables "
            "change within a file; save it anew as a PNG"
        )
    return whole


def unlike(jpeg: CompressedImage) -> float:
    """Tell how far what a file knows is from the pixels that Pillow shows, in the middle.

    Returns:
        The mean absolute difference, levels: about 0.5 at most in files that are read rightly.
    """
    size = jpeg.pixels.shape[:2]
    top, left = (max(x - LOOKED_AT, 0) // 2 // CODING_UNIT * CODING_UNIT for x in size)
    bottom, right = (min(x, first + LOOKED_AT) for x, first in zip(size, (top, left), strict=True))
    shown = to_tensor(jpeg.pixels[top:bottom, left:right])
    known = jpeg.quantised.window(top, bottom, left, right).decode()
    return float((known - shown).abs().mean()) * 255
