"""The pictures of a library: what is kept of each file to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restoration.errors import RestorationError
from restoration.estimate.passes import quick_estimate
from restoration.internal_learning.library.windows import Picture, Sampling
from restoration.jpeg import CompressedImage, estimated_quality, read_jpeg
from restoration.jpeg.operator import BLOCK
from restoration.jpeg.quality import libjpeg_tables
from restoration.metrics import to_pixels
from restoration.support.files import atomic_file

SMALLEST = 96  # pixels of the shorter side: smaller pictures have no windows to learn from
MOST_PIXELS = 2**20  # of a picture that are kept: 3 MiB on the disk, seconds of estimation
PASSES = 3  # of the first estimate


def picture_of(path: Path, cache: Path) -> Picture:
    """Make, or find again, what a library learns from a file.

    Args:
        path: of the JPEG.
        cache: folder of the first estimates, named by the files' contents.

    Raises:
        RestorationError: the file cannot be used, or its estimate not be written.
    """
    jpeg = read_jpeg(path)
    H, W, _ = jpeg.pixels.shape
    if min(H, W) < SMALLEST:
        raise RestorationError(
            f"{path} has {W} x {H} pixels; a library learns from pictures of at least "
            f"{SMALLEST} x {SMALLEST}"
        )
    place = cache / f"{hashlib.sha256(path.read_bytes()).hexdigest()[:24]}.npy"
    if not place.exists():
        pixels = to_pixels(quick_estimate(part_of(jpeg), PASSES))
        with atomic_file(place) as file:
            np.save(file, np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
    return Picture(place, *luma_and_chroma(jpeg))


def part_of(jpeg: CompressedImage) -> CompressedImage:
    """Cut the middle out of a large picture, by whole coding units."""
    H, W, _ = jpeg.pixels.shape
    if H * W <= MOST_PIXELS:
        return jpeg
    share = (MOST_PIXELS / (H * W)) ** 0.5
    down, across = (max(factors) for factors in zip(*jpeg.sampling, strict=True))

    def units(size: int, unit: int) -> slice:
        there, wanted = size // unit, max(int(size * share) // unit, 1)
        first = (there - wanted) // 2
        return slice(first, first + wanted)

    rows, columns = units(H, BLOCK * down), units(W, BLOCK * across)

    def scaled(part: slice, factor: int) -> slice:
        return slice(part.start * factor, part.stop * factor)

    return replace(
        jpeg,
        pixels=jpeg.pixels[scaled(rows, BLOCK * down), scaled(columns, BLOCK * across)],
        coefficients=tuple(
            c[scaled(rows, v), scaled(columns, h)]
            for c, (v, h) in zip(jpeg.coefficients, jpeg.sampling, strict=True)
        ),
    )


def luma_and_chroma(
    jpeg: CompressedImage,
) -> tuple[tuple[NDArray[np.int32], NDArray[np.int32]], Sampling]:
    """Return a file's tables and sampling as a colour picture's; grey ones get libjpeg's chroma."""
    if len(jpeg.tables) == 1:
        chroma = libjpeg_tables(estimated_quality(jpeg.tables[0]))[1]
        return (jpeg.tables[0], chroma), ((1, 1),) * 3
    return (jpeg.tables[0], jpeg.tables[1]), jpeg.sampling


def pictures_of(
    paths: list[Path],
    cache: Path,
    refused: Callable[[RestorationError], object],
    due: Callable[[Path], bool],
) -> list[Picture]:
    """Prepare the pictures of a library, leaving out those that cannot be used.

    Args:
        paths: of the JPEGs.
        cache: see ``picture_of``.
        refused: told why a file was left out.
        due: asked before each file whether there is time for it.
    """
    result: list[Picture] = []
    for path in paths:
        if not due(path):
            break
        try:
            result.append(picture_of(path, cache))
        except RestorationError as error:
            refused(error)
    return result
