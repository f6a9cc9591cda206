"""Open image files of any kind, with a readable error where that fails."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from restoration.errors import RestorationError

MINIMUM_SIDE = 16  # pixels: one 4:2:0 coding unit


def read_bytes(path: str | Path) -> bytes:
    """Read a whole file, with a readable error where that fails."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise RestorationError(f"cannot read {path}: {error.strerror}") from error
    if not data:
        raise RestorationError(f"{path} is empty")
    return data


def open_image(data: bytes, name: str | Path) -> Image.Image:
    """Decode a whole image with Pillow, with a readable error where that fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata and large images are no news here
            image = Image.open(io.BytesIO(data))
            image.load()
    except UnidentifiedImageError as error:
        raise RestorationError(f"{name} is not an image that can be read") from error
    except Image.DecompressionBombError as error:
        raise RestorationError(f"{name} is too large: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise RestorationError(f"{name} is damaged: {error}") from error
    if min(image.size) < MINIMUM_SIDE:
        raise RestorationError(
            f"{name} is {image.width} x {image.height} pixels; at least {MINIMUM_SIDE} x "
            f"{MINIMUM_SIDE} are needed"
        )
    return image
