"""Read JPEG files and lossless images, and compress as the paper does."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from restoration.errors import RestorationError
from restoration.jpeg.damage import UNREFINED, damage_of, read_coefficients
from restoration.jpeg.frame import NOT_SENT, START, check_frame, closed, missing_bits
from restoration.jpeg.image import UPRIGHT, CompressedImage, Quantised, Stored, pixels_of, to_image
from restoration.jpeg.opening import MOST_PIXELS, is_image, open_image, read_bytes
from restoration.support.files import File

LOSSLESS = ("PNG", "TIFF", "BMP", "PPM", "GIF", "TGA")
JUNK = 2**16  # bytes in front of a JPEG at most
CODING_UNIT = 4  # blocks, which libjpeg makes up where there are no data at all
PNG_DEPTH = 24  # byte of a PNG that tells its bits per channel
ORIENTATION = 0x0112  # EXIF tag
# What Pillow raises for them, when it reads or writes them
DAMAGED_EXIF = (
    *(SyntaxError, struct.error, ValueError, KeyError, TypeError, AttributeError),
    *(OverflowError, OSError),
)


def zigzag() -> NDArray[np.int64]:
    """Tell where each frequency, row by row, lies in the zigzag order of a file (ITU-T T.81)."""
    v, h = np.divmod(np.arange(64), 8)
    along = np.where((v + h) % 2, v, h)  # a diagonal is run through downwards, then upwards
    order = np.lexsort((along, v + h))
    return np.argsort(order)


ZIGZAG = zigzag()


def read_jpeg(path: File, most: int = MOST_PIXELS, strict: bool = False) -> CompressedImage:
    """Read a JPEG file, as far as it is whole.

    Args:
        path: of the file.
        most: pixels of the largest image that is read.
        strict: refuse pictures of which something is missing.

    Raises:
        RestorationError: the file is missing, unreadable, not a JPEG, damaged beyond reading,
            smaller than 16 x 16, larger than ``most``, or of a colour space other than greyscale
            and YCbCr.
    """
    data = read_bytes(path)
    start = data.find(START + b"\xff", 0, JUNK)
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


def read_lossless(path: File) -> NDArray[np.uint8]:
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


def read_truth(path: File, jpeg: Stored) -> NDArray[np.uint8]:
    """Read the original of a picture, (H, W, C), in the orientation in which that is stored.

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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata is no news
            exif.load(block)
            found = exif.pop(ORIENTATION, 1)
            orientation = found if found in UPRIGHT else 1
            return exif.tobytes(), orientation
    except DAMAGED_EXIF:  # tags of a wrong type; the orientation may be known
        return None, orientation


def parse(data: bytes, image: Image.Image, name: File) -> CompressedImage:
    """Read the coefficients behind an image that Pillow has decoded without complaint."""
    if image.mode not in ("L", "RGB"):
        raise RestorationError(
            f"{name} stores {image.mode}; only YCbCr and greyscale are supported"
        )
    try:
        jpeg, complained = read_coefficients(data)
    except OSError as error:
        raise RestorationError(f"{name}: its DCT coefficients cannot be read ({error})") from error
    space = jpeg.jpeg_color_space.name.removeprefix("JCS_")
    if space not in ("YCbCr", "GRAYSCALE"):
        raise RestorationError(f"{name} stores {space}; only YCbCr and greyscale are supported")
    factors = [(int(v), int(h)) for v, h in jpeg.samp_factor]
    if any(max(axis) % own for axis in zip(*factors, strict=True) for own in axis):
        raise RestorationError(f"{name} has sampling factors {factors}, which are not supported")
    if complained and jpeg.Y.any((2, 3)).sum() <= CODING_UNIT:
        raise RestorationError(f"{name} is damaged: nothing of the picture is left")
    if any((jpeg.qt[i] == 0).any() for i in jpeg.quant_tbl_no):
        raise RestorationError(f"{name} is damaged: its quantisation table holds a zero")
    exif, orientation = read_exif(image.info.get("exif"))
    components = [jpeg.Y, jpeg.Cb, jpeg.Cr] if image.mode == "RGB" else [jpeg.Y]
    quantised = Quantised(
        image.height,
        image.width,
        coefficients=tuple(torch.from_numpy(np.array(c)).float() for c in components),
        tables=tuple(torch.from_numpy(jpeg.qt[i].astype(np.float32)) for i in jpeg.quant_tbl_no),
        sampling=tuple(factors),
    )
    damage = damage_of(data, jpeg, complained)
    missing = missing_bits(data, bool(complained))
    if missing is not None:
        quantised = coarsened(quantised, missing)
        damage = damage or UNREFINED
    return CompressedImage(
        pixels_of(image),
        quantised,
        icc=image.info.get("icc_profile"),
        exif=exif,
        orientation=orientation,
        damage=damage,
    )


def coarsened(file: Quantised, missing: NDArray[np.int64]) -> Quantised:
    """Widen the cells of a progressive file whose last refinements are missing.

    With n bits missing, a coefficient of size |q| > 0 lies in [|q| - 1/2, |q| + 2^n - 1/2], one
    read as 0 within 2^n - 1/2 of it, and the constant one, rounded down, in [q - 1/2, q + 2^n -
    1/2]; the middle of that takes the place of q. Of those never sent all are possible.

    Args:
        file: as read.
        missing: n per component and frequency in zigzag order, (components, 64).
    """
    coefficients, widths = [], []
    for q, n in zip(file.coefficients, missing, strict=True):
        step = torch.from_numpy(2.0**n).float()[torch.from_numpy(ZIGZAG)].view(8, 8)
        up, width = q.sign(), torch.where(q == 0, 2 * step - 1, step)
        up[..., 0, 0], width[..., 0, 0] = 1, step[0, 0]
        never = step == 2.0**NOT_SENT
        up, width = torch.where(never, 0, up), torch.where(never, 2 * step, width)
        coefficients.append(q + up * (step - 1) / 2)
        widths.append(width)
    return replace(file, coefficients=tuple(coefficients), widths=tuple(widths))
