"""Open image files of any kind, with a readable error where that fails."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from restoration.errors import RestorationError
from restoration.support.files import Content, File

MOST_PIXELS = 200_000_000  # of an image, if nothing else is said
MINIMUM_SIDE = 16  # pixels: one 4:2:0 coding unit
JPEG_SIDE = 65_500  # pixels of a JPEG's longer side at most, which libjpeg writes
JPEG_START = b"\xff\xd8\xff"
PNG_DEPTH = 24  # byte of a PNG that tells its bits per channel
TIFF_BITS = 258  # tag of a TIFF that does
# of grey and colour: width, height, highest value, with comments between
GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
PPM_HEADER = re.compile(rb"P[2356]" + (GAP + rb"\d+") * 2 + GAP + rb"(\d+)")
JUNK = 2**16  # bytes in front of a JPEG at most, which programs and mailboxes leave


def read_bytes(path: File) -> bytes:
    """Read a whole file, with a readable error where that fails."""
    try:
        if isinstance(path, Content):
            data = path.data
        elif not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
            raise RestorationError(f"{path} is no regular file")  # reading it might never end
        else:
            data = Path(path).read_bytes()
    except OSError as error:
        raise RestorationError(f"cannot read {path}: {error.strerror}") from error
    if not data:
        raise RestorationError(f"{path} is empty")
    return data


# What Pillow and its readers of formats raise for damaged files: tags of a wrong type among them
DAMAGED = (
    *(OSError, SyntaxError, ValueError, TypeError, RuntimeError, struct.error),
    *(EOFError, LookupError, ArithmeticError),
)


def is_image(data: bytes) -> bool:
    """Whether Pillow knows what it is."""
    try:
        with warnings.catch_warnings(), without_pillows_limit():
            warnings.simplefilter("ignore")
            Image.open(io.BytesIO(data)).close()
            return True
    except DAMAGED:
        return False


class Unlimited:
    """How many threads open images without Pillow's limit, and what that was."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.threads = 0
        self.limit: int | None = None


UNLIMITED = Unlimited()


@contextmanager
def without_pillows_limit() -> Iterator[None]:
    """Let Pillow open images of any size: how large they may be is told in our own words.

    The limit is one for all threads; it comes back when the last of them is done.
    """
    with UNLIMITED.lock:
        if not UNLIMITED.threads:
            UNLIMITED.limit = Image.MAX_IMAGE_PIXELS
            Image.MAX_IMAGE_PIXELS = None
        UNLIMITED.threads += 1
    try:
        yield
    finally:
        with UNLIMITED.lock:
            UNLIMITED.threads -= 1
            if not UNLIMITED.threads:
                Image.MAX_IMAGE_PIXELS = UNLIMITED.limit


def check_image(path: File, most: int = MOST_PIXELS) -> None:
    """Refuse by its first bytes what is no picture, or too small or large a one.

    Raises:
        RestorationError: it is; or the file is missing or not readable.
    """
    data = read_bytes(path)
    if is_image(data) or JPEG_START not in data[:JUNK]:
        with readable(path):
            open_header(data, path, most)


def open_header(data: bytes, name: File, most: int) -> Image.Image:
    """Open an image with Pillow without decoding it; refuse those of a wrong size."""
    image = Image.open(io.BytesIO(data))
    if image.width * image.height > most:
        raise RestorationError(
            f"{name} is too large: {image.width} x {image.height} pixels, of which "
            f"{most / 1e6:g} million are allowed; give --max-pixels for more"
        )
    if min(image.size) < MINIMUM_SIDE:
        raise RestorationError(
            f"{name} is {image.width} x {image.height} pixels; at least {MINIMUM_SIDE} x "
            f"{MINIMUM_SIDE} are needed"
        )
    return image


@contextmanager
def readable(name: File) -> Iterator[None]:
    """Turn what Pillow raises into a readable error, and silence what it warns of."""
    try:
        with warnings.catch_warnings(), without_pillows_limit():
            warnings.simplefilter("ignore")  # damaged metadata is no news here
            yield
    except RestorationError:
        raise
    except UnidentifiedImageError as error:
        raise RestorationError(f"{name} is not an image that can be read") from error
    except DAMAGED as error:
        raise RestorationError(f"{name} is damaged: {error}") from error


def open_image(data: bytes, name: File, most: int = MOST_PIXELS) -> Image.Image:
    """Decode a whole image with Pillow, with a readable error where that fails.

    Args:
        data: the file.
        name: for errors.
        most: pixels of the largest image that is decoded.
    """
    with readable(name):
        image = open_header(data, name, most)
        image.load()
    return image


def bits_of(image: Image.Image, data: bytes) -> int:
    """Tell the bits per channel that a file holds, of which Pillow may have kept 8.

    Args:
        image: opened from ``data``.
        data: the file.
    """
    if image.format == "PNG":
        return data[PNG_DEPTH]
    if image.format == "TIFF":
        return int(max(getattr(image, "tag_v2", {}).get(TIFF_BITS, (1,))))
    if image.format == "PPM" and (header := PPM_HEADER.match(data)):
        return int(header[1]).bit_length()
    return 8
