"""Open image files of any kind, with a readable error where that fails."""

from __future__ import annotations

import io
import os
import stat
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


def is_image(data: bytes) -> bool:
    """Whether Pillow knows what it is."""
    try:
        with warnings.catch_warnings(), without_pillows_limit():
            warnings.simplefilter("ignore")
            Image.open(io.BytesIO(data)).close()
            return True
    except (OSError, SyntaxError, ValueError):
        return False


@contextmanager
def without_pillows_limit() -> Iterator[None]:
    """Let Pillow open images of any size: how large they may be is told in our own words."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


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
    except (
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
    ) as error:  # the last: a tag of a wrong type
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
