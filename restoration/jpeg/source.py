"""What a picture can be given as: a path, bytes, an open file, or an image of Pillow."""

from __future__ import annotations

import io
import os
from typing import BinaryIO

import numpy as np
from PIL import Image

from restoration.errors import RestorationError
from restoration.formats.opening import read_bytes, without_pillows_limit
from restoration.jpeg.picture import JPEG
from restoration.support.files import Content, File

Source = str | os.PathLike[str] | bytes | BinaryIO | Image.Image


def file_of(source: Source) -> File:
    """Take in a file, wherever it lies.

    A binary file is read from its beginning if it can be, as Pillow does. An image of Pillow's
    stands for the JPEG that it was opened from, as long as its pixels are those of the file; else
    for its pixels, as a PNG would.

    Raises:
        RestorationError: it can be read no more, or is nothing of all that.
    """
    if isinstance(source, str):
        return source
    if isinstance(source, bytes | bytearray | memoryview):
        return Content(bytes(source), "the picture")
    if isinstance(source, Image.Image):
        return own_file(source) or in_png(source)
    if isinstance(source, os.PathLike):
        return os.fspath(source)
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        return Content(read_open(source), name if isinstance(name, str) else "the file")
    raise RestorationError(
        f"a path, bytes, a binary file or a Pillow image is wanted, not {type(source).__name__}"
    )


def read_open(file: BinaryIO) -> bytes:
    """Read an open file from its beginning; a stream from where it is.

    Raises:
        RestorationError: it is closed, cannot be read, or is text.
    """
    try:
        if hasattr(file, "seekable") and file.seekable():
            file.seek(0)
        data = file.read()
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise RestorationError(f"cannot read the file: {error}") from error
    if not isinstance(data, bytes):
        raise RestorationError("the file is open as text; open it in binary mode: open(path, 'rb')")
    return data


def own_file(image: Image.Image) -> Content | None:
    """Return the JPEG that an image was opened from, or None where it is something else by now."""
    name, file = getattr(image, "filename", ""), getattr(image, "fp", None)
    # what crop() and the like return has no format
    if image.format not in JPEG or image.tell():  # a further picture of the file
        return None
    try:
        if file is not None:  # until the pixels are loaded
            place = file.tell()
            data = read_open(file)
            file.seek(place)
        elif name:
            data = read_bytes(os.fsdecode(name))
        else:
            return None
        with without_pillows_limit():
            known = Image.open(io.BytesIO(data))
        same = (known.size, known.mode) == (image.size, image.mode)  # draft() makes it smaller
        if file is None:  # it may have been drawn on, or the file be another one by now
            same = same and np.array_equal(np.asarray(known), np.asarray(image))
    except (RestorationError, OSError, ValueError, SyntaxError):
        return None
    return Content(data, os.fsdecode(name) or "the image") if same else None


def in_png(image: Image.Image) -> Content:
    """Hold an image as a PNG, with its profile and EXIF.

    Raises:
        RestorationError: PNG knows no such pixels, or the image is closed.
    """
    file = io.BytesIO()
    try:
        image.save(
            file,
            format="PNG",
            compress_level=1,
            icc_profile=image.info.get("icc_profile"),
            exif=image.info.get("exif"),
        )
    except (OSError, ValueError) as error:
        raise RestorationError(f"the image cannot be used: {error}; convert it to RGB") from error
    return Content(file.getvalue(), "the image")
