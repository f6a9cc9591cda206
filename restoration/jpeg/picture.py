"""Read pictures of any format: a JPEG, or pixels that may come from one."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restoration.errors import RestorationError
from restoration.formats.metadata import NONE, Metadata, read_metadata
from restoration.formats.opening import (
    MOST_PIXELS,
    bits_of,
    is_image,
    open_image,
    read_bytes,
    readable,
)
from restoration.jpeg.image import CompressedImage, Stored, pixels_of
from restoration.jpeg.reading import read_any_jpeg
from restoration.jpeg.separations import Separations
from restoration.support.files import File

JPEG = ("JPEG", "MPO")  # MPO: a JPEG with further pictures behind it
GREY = ("L", "LA", "1")


@dataclass(frozen=True)
class Picture(Stored):
    """A decoded picture of which no file tells how it was compressed.

    Attributes:
        pixels: uint8, (H, W, 3) RGB or (H, W, 1) grey.
        alpha: opacity, uint8, (H, W), or None where all is opaque.
        metadata: what the file holds beside the picture.
        orientation: 1 to 8 (EXIF).
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    metadata: Metadata = NONE
    orientation: int = 1

    def turned(self, pixels: NDArray) -> NDArray:
        """Turn pixels in this file's stored orientation upright, with this one's opacity."""
        if self.alpha is not None:
            depth = np.iinfo(pixels.dtype).max // 255
            pixels = np.dstack([pixels, self.alpha.astype(pixels.dtype) * depth])
        return super().turned(pixels)


def read_picture(
    path: File, most: int = MOST_PIXELS, strict: bool = False
) -> CompressedImage | Separations | Picture:
    """Read a JPEG, or any other picture that Pillow reads; see ``read_any_jpeg``.

    Raises:
        RestorationError: the file is missing or damaged, has more than 8 bits per channel, several
            pictures or colours other than RGB and grey, or is smaller than 16 x 16 or larger than
            ``most`` pixels.
    """
    data = read_bytes(path)
    if not is_image(data) or format_of(data, path) in JPEG:
        return read_any_jpeg(path, most, strict)
    image = open_image(data, path, most)
    number = getattr(image, "n_frames", 1)
    if number > 1:
        raise RestorationError(f"{path} holds {number} pictures; save the one you want by itself")
    if bits_of(image, data) > 8 or image.mode not in ("RGB", "RGBA", "P", "PA", *GREY):
        raise RestorationError(f"{path} is not 8-bit RGB or grey; convert it first")
    colour = "L" if image.mode in GREY else "RGB"
    rgba = image.convert("RGBA")
    alpha = np.array(rgba.getchannel("A"))
    metadata, orientation = read_metadata(image, data)
    return Picture(
        pixels_of(rgba.convert(colour)),
        alpha=None if alpha.min() == 255 else alpha,
        metadata=metadata,
        orientation=orientation,
    )


def format_of(data: bytes, name: File) -> str | None:
    """Tell what Pillow takes a file for."""
    with readable(name), Image.open(io.BytesIO(data)) as image:
        return image.format
