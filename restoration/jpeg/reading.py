"""Read JPEG files and lossless images, and compress as the paper does."""

from __future__ import annotations

import io
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

import jpeglib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from restoration.errors import RestorationError
from restoration.jpeg.frame import check_frame
from restoration.jpeg.opening import open_image, read_bytes

LOSSLESS = ("PNG", "TIFF", "BMP", "PPM", "GIF", "TGA")
PNG_DEPTH = 24  # byte of a PNG that tells its bits per channel
ORIENTATION = 0x0112  # EXIF tag
# What Pillow raises for them, when it reads or writes them
DAMAGED_EXIF = (
    *(SyntaxError, struct.error, ValueError, KeyError, TypeError, AttributeError),
    *(OverflowError, OSError),
)

# The operations that turn stored pixels upright, by EXIF orientation (EXIF 2.32, section 4.6.4 A).
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
STORED = UPRIGHT | {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


@dataclass(frozen=True)
class CompressedImage:
    """A decoded JPEG and what its file knows, all in the orientation in which it is stored.

    Attributes:
        pixels: as Pillow decodes them, uint8, (H, W, 3) RGB or (H, W, 1) grey.
        coefficients: quantised DCT coefficients per component (Y, Cb, Cr), int16,
            (rows, columns, 8, 8) in blocks; grids cover the image, rounded up to whole blocks.
        tables: quantisation table of each component, (8, 8), by (vertical, horizontal) frequency.
        sampling: (vertical, horizontal) sampling factors of each component.
        icc: the ICC profile, or None.
        exif: the EXIF block without its orientation, or None where there is none that can be read.
        orientation: how the stored image is to be turned, 1 (upright) to 8 (EXIF).
    """

    pixels: NDArray[np.uint8]
    coefficients: tuple[NDArray[np.int16], ...]
    tables: tuple[NDArray[np.int32], ...]
    sampling: tuple[tuple[int, int], ...]
    icc: bytes | None = None
    exif: bytes | None = None
    orientation: int = 1

    def upright(self, pixels: NDArray[np.uint8]) -> Image.Image:
        """Turn an image in this file's stored orientation (H, W, C) upright."""
        image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
        turn = UPRIGHT.get(self.orientation)
        return image if turn is None else image.transpose(turn)

    def stored(self, upright: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn an upright image (H, W, C) into this file's stored orientation."""
        turn = STORED.get(self.orientation)
        if turn is None:
            return upright
        image = Image.fromarray(upright.squeeze(-1) if upright.shape[-1] == 1 else upright)
        return pixels_of(image.transpose(turn))

    def to_png(self, pixels: NDArray[np.uint8]) -> bytes:
        """Encode an image of the stored orientation as an upright PNG with the profile and EXIF."""
        file = io.BytesIO()
        self.upright(pixels).save(file, format="PNG", icc_profile=self.icc, exif=self.exif)
        return file.getvalue()


def to_tensor(pixels: NDArray) -> Tensor:
    """(H, W, C) uint8 -> (1, C, H, W) float32 in [0, 1]."""
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous().float() / 255


def known(jpeg: CompressedImage) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return what the file knows as float tensors: coefficients in steps, tables in levels."""
    coefficients = tuple(torch.from_numpy(c).float() for c in jpeg.coefficients)
    return coefficients, tuple(torch.from_numpy(t).float() for t in jpeg.tables)


def pixels_of(image: Image.Image) -> NDArray[np.uint8]:
    """Pillow image of mode L or RGB -> (H, W, 1) or (H, W, 3)."""
    pixels = np.array(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


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
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(
        file, format="JPEG", quality=quality
    )
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
    return CompressedImage(
        pixels=pixels_of(image),
        coefficients=tuple(np.array(c) for c in components),
        tables=tuple(jpeg.qt[i].astype(np.int32) for i in jpeg.quant_tbl_no),
        sampling=tuple(factors),
        icc=image.info.get("icc_profile"),
        exif=exif,
        orientation=orientation,
    )
