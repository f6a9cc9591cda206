"""The pictures of a library: what is kept of each file to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restoration.errors import RestorationError, foreseen
from restoration.estimate.passes import first_estimate
from restoration.formats.opening import MOST_PIXELS
from restoration.internal_learning.library.windows import Picture, Sampling
from restoration.jpeg import Quantised, estimated_quality, read_jpeg, to_pixels
from restoration.jpeg.operator import BLOCK
from restoration.jpeg.quality import libjpeg_tables
from restoration.support.files import atomic_file

SMALLEST = 96  # pixels of the shorter side: smaller pictures have no windows to learn from
KEPT = 2**20  # pixels of a picture that are kept: 3 MiB on the disk, seconds of estimation


def picture_of(
    path: Path, cache: Path, due: Callable[[], bool] = lambda: True, most: int = MOST_PIXELS
) -> Picture | None:
    """Make, or find again, what a library learns from a file.

    Args:
        path: of the JPEG.
        cache: folder of the first estimates, named by the files' contents.
        due: asked whether there is time to make an estimate.
        most: pixels of the largest picture that is taken.

    Returns:
        None where there is no time.

    Raises:
        RestorationError: the file cannot be used, or its estimate not be written.
    """
    jpeg = read_jpeg(path, most)
    file = jpeg.quantised
    H, W = file.height, file.width
    if jpeg.damage is not None:
        raise RestorationError(f"{path} is damaged: {jpeg.damage}")
    if min(H, W) < SMALLEST:
        raise RestorationError(
            f"{path} has {W} x {H} pixels; a library learns from pictures of at least "
            f"{SMALLEST} x {SMALLEST}"
        )
    place = cache / f"{hashlib.sha256(path.read_bytes()).hexdigest()[:24]}.npy"
    if not place.exists():
        if not due():
            return None
        pixels = to_pixels(first_estimate(part_of(file)))
        with atomic_file(place) as output:
            np.save(output, np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
    return Picture(place, *luma_and_chroma(file))


def part_of(file: Quantised) -> Quantised:
    """Cut the middle out of a large picture, by whole coding units."""
    if file.height * file.width <= KEPT:
        return file
    share = (KEPT / (file.height * file.width)) ** 0.5
    down, across = (max(factors) for factors in zip(*file.sampling, strict=True))

    def middle(size: int, unit: int) -> tuple[int, int]:
        there = size // unit
        wanted = max(int(size * share) // unit, 1)
        first = (there - wanted) // 2
        return first * unit, (first + wanted) * unit

    return file.window(*middle(file.height, BLOCK * down), *middle(file.width, BLOCK * across))


def luma_and_chroma(file: Quantised) -> tuple[Tensor, Sampling]:
    """Return the tables (2, 8, 8) and the sampling of a file; grey ones get libjpeg's chroma."""
    if len(file.tables) == 1:
        chroma = libjpeg_tables(estimated_quality(file.tables[0]))[1]
        return torch.stack([file.tables[0], chroma]), ((1, 1),) * 3
    return torch.stack(file.tables[:2]), file.sampling


def pictures_of(
    paths: list[Path],
    cache: Path,
    refused: Callable[[RestorationError], object],
    begun: Callable[[Path], object] = bool,
    due: Callable[[], bool] = lambda: True,
    most: int = MOST_PIXELS,
) -> list[Picture]:
    """Prepare the pictures of a library, leaving out those that cannot be used.

    Args:
        paths: of the JPEGs.
        cache: see ``picture_of``.
        refused: told why a file was left out.
        begun: told each file before it is looked at.
        due: see ``picture_of``; those whose estimates there are need no time.
        most: see ``picture_of``.
    """
    result: list[Picture] = []
    for path in paths:
        begun(path)
        try:
            with foreseen(path):
                picture = picture_of(path, cache, due, most)
        except RestorationError as error:
            refused(error)
        else:
            if picture is not None:
                result.append(picture)
    return result
