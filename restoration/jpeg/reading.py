"""Read JPEG files and lossless images, and compress as the paper does."""

from __future__ import annotations

import io
import struct
import tempfile
from pathlib import Path

import jpeglib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from restoration.errors import RestorationError
from restoration.jpeg.frame import check_frame
from restoration.jpeg.image import UPRIGHT, CompressedImage, Quantised, pixels_of, to_image
from restoration.jpeg.opening import open_image, read_bytes

LOSSLESS = ("PNG", "TIFF", "BMP", "PPM", "GIF", "TGA")
PNG_DEPTH = 24  # byte of a PNG that tells its bits per channel
ORIENTATION = 0x0112  # EXIF tag
# What Pillow raises for them, when it reads or writes them
DAMAGED_EXIF = (
    *(SyntaxError, struct.error, ValueError, KeyError, TypeError, AttributeError),
    *(OverflowError, OSError),
)


def read_jpeg(path: str | Path) -> CompressedImage:
    """Read a JPEG file.

    Raises:
        RestorationError: the file is missing, unreadable, not a JPEG, damaged, smaller than
            16 x 16, or of a colour space other than greyscale and YCbCr.
    """
    data = read_bytes(path)
    if data.startswith(b"\xff\xd8"):
        check_frame(data, path)
    image = open_image(data, path)
    if image.format not in ("JPEG", "MPO"):  # MPO: a JPEG with further pictures behind it
        raise RestorationError(
            f"{path} is a {image.format}, not a JPEG: how it was quantised is unknown "
            "(to experiment, compress a lossless image: restoration fit --data.quality 10)"
        )
    return parse(data, image, path)


def read_lossless(path: str | Path) -> NDArray[np.uint8]:
    """Read an 8-bit lossless image, upright, (H, W, C).

    Raises:
        RestorationError: the file is missing, damaged, lossy, of more than 8 bits or with
            transparency.
    """
    data = read_bytes(path)
    image = open_image(data, path)
    if image.format == "PNG" and data[PNG_DEPTH] > 8:  # Pillow cuts colours to 8 bits
        raise RestorationError(
            f"{path} has {data[PNG_DEPTH]} bits per channel; convert it to 8-bit RGB or grey"
        )
    if image.format not in LOSSLESS:
        raise RestorationError(
            f"{path} is a {image.format}, but a lossless image is needed for the truth or with "
            "--data.quality; to restore a JPEG as it is, leave --data.quality out"
        )
    if image.mode in ("RGBA", "LA", "P", "1"):
        opaque = image.convert("RGBA")
        if opaque.getchannel("A").getextrema()[0] != 255:
            raise RestorationError(f"{path} has transparency; flatten it first")
        image = opaque.convert("L" if image.mode in ("LA", "1") else "RGB")
    if image.mode not in ("L", "RGB"):
        raise RestorationError(f"{path} is of mode {image.mode}; convert it to 8-bit RGB or grey")
    return pixels_of(ImageOps.exif_transpose(image))


def compress(pixels: NDArray[np.uint8], quality: int) -> CompressedImage:
    """Compress (H, W, C) to JPEG in memory as the paper does: ``PIL.save(quality=q)``, 4:2:0.

    Raises:
        RestorationError: the quality is not within 1 to 100, or a side is under 16 pixels.
    """
    if not 1 <= quality <= 100:
        raise RestorationError(f"the JPEG quality must lie within 1 to 100, not {quality}")
    file = io.BytesIO()
    to_image(pixels).save(file, format="JPEG", quality=quality)
    data = file.getvalue()
    return parse(data, open_image(data, "the image"), "the image")


def read_truth(path: str | Path, jpeg: CompressedImage) -> NDArray[np.uint8]:
    """Read the original of a JPEG, (H, W, C), in the orientation in which the JPEG is stored.

    Raises:
        RestorationError: the file cannot be used, or differs in size or channels.
    """
    truth = jpeg.stored(read_lossless(path))
    if truth.shape != jpeg.pixels.shape:
        raise RestorationError(
            f"{path} is not of the JPEG's size and channels: "
            f"{shape_of(truth)} against {shape_of(jpeg.pixels)}"
        )
    return truth


def shape_of(pixels: NDArray) -> str:
    """Describe (H, W, C) for a person."""
    H, W, C = pixels.shape
    return f"{W} x {H} pixels, {'RGB' if C == 3 else 'grey'}"


def read_exif(block: bytes | None) -> tuple[bytes | None, int]:
    """Split an EXIF block into the rest and the orientation; what is damaged counts as none."""
    if not block:
        return None, 1
    exif, orientation = Image.Exif(), 1
    try:
        exif.load(block)
        found = exif.pop(ORIENTATION, 1)
        orientation = found if found in UPRIGHT else 1
        return exif.tobytes(), orientation
    except DAMAGED_EXIF:  # tags of a wrong type; the orientation may be known
        return None, orientation


def parse(data: bytes, image: Image.Image, name: str | Path) -> CompressedImage:
    """Read the coefficients behind an image that Pillow has decoded without complaint."""
    if image.mode not in ("L", "RGB"):
        raise RestorationError(
            f"{name} is a {image.mode} JPEG; only RGB and greyscale are supported"
        )
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "image.jpg"
            file.write_bytes(data)
            jpeg = jpeglib.read_dct(file)
            jpeg.load()
    except (OSError, ValueError) as error:
        raise RestorationError(f"{name}: its DCT coefficients cannot be read ({error})") from error
    space = jpeg.jpeg_color_space.name.removeprefix("JCS_")
    if space not in ("YCbCr", "GRAYSCALE"):
        raise RestorationError(f"{name} stores {space}; only YCbCr and greyscale are supported")
    factors = [(int(v), int(h)) for v, h in jpeg.samp_factor]
    if any(max(axis) % own for axis in zip(*factors, strict=True) for own in axis):
        raise RestorationError(f"{name} has sampling factors {factors}, which are not supported")
    exif, orientation = read_exif(image.info.get("exif"))
    components = [jpeg.Y, jpeg.Cb, jpeg.Cr] if image.mode == "RGB" else [jpeg.Y]
    quantised = Quantised(
        image.height,
        image.width,
        coefficients=tuple(torch.from_numpy(np.array(c)).float() for c in components),
        tables=tuple(torch.from_numpy(jpeg.qt[i].astype(np.float32)) for i in jpeg.quant_tbl_no),
        sampling=tuple(factors),
    )
    return CompressedImage(
        pixels_of(image),
        quantised,
        icc=image.info.get("icc_profile"),
        exif=exif,
        orientation=orientation,
    )
