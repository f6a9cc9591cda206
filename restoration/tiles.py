"""Large images in parts: JPEGs cut along their coding units, results blended over the overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restoration.errors import RestorationError
from restoration.jpeg import CompressedImage

OVERLAP = 64  # pixels that neighbouring tiles share: a few times what compression errors reach
UNIT = 16  # tiles begin at multiples of it: whole coding units of every sampling up to 2 x 2
SMALLEST = 2 * OVERLAP


@dataclass(frozen=True)
class Tile:
    """A part of an image: rows top to bottom and columns left to right, the ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, image: Tensor) -> Tensor:
        """Cut the tile out of (N, C, H, W)."""
        return image[..., self.top : self.bottom, self.left : self.right]


def spans(size: int, side: int) -> list[tuple[int, int]]:
    """Cover an axis by overlapping spans of nearly equal length, none longer than ``side``.

    Raises:
        RestorationError: ``side`` leaves nothing between the overlaps.
    """
    if size <= side:
        return [(0, size)]
    if side < SMALLEST:
        raise RestorationError(f"tiles need a side of at least {SMALLEST} pixels, not {side}")
    number = -(-(size - OVERLAP) // (side - OVERLAP - UNIT))
    step = (size - OVERLAP) / number
    starts = [int(i * step) // UNIT * UNIT for i in range(number)]
    ends = [min(following + OVERLAP, size) for following in [*starts[1:], size]]
    return list(zip(starts, ends, strict=True))


def tiles_of(height: int, width: int, side: int) -> list[Tile]:
    """Cover an image by overlapping tiles, row by row; one tile if it is no larger than a tile."""
    return [Tile(*rows, *columns) for rows in spans(height, side) for columns in spans(width, side)]


def cut(jpeg: CompressedImage, tile: Tile) -> CompressedImage:
    """Cut a tile out of a JPEG: pixels, and the blocks that hold them.

    The tile starts on whole coding units; the blocks at its lower and right edge hold also samples
    beyond it, unless the tile ends with them, which is why the overlap is a multiple of them.
    """
    vertical = max(v for v, _ in jpeg.sampling) * 8
    horizontal = max(h for _, h in jpeg.sampling) * 8
    if tile.top % vertical or tile.left % horizontal:
        raise RestorationError("a tile must begin with whole coding units")
    coefficients = []
    for blocks, (v, h) in zip(jpeg.coefficients, jpeg.sampling, strict=True):
        rows = slice(tile.top // vertical * v, -(-tile.bottom * v // vertical))
        columns = slice(tile.left // horizontal * h, -(-tile.right * h // horizontal))
        coefficients.append(blocks[rows, columns].copy())
    pixels = jpeg.pixels[tile.top : tile.bottom, tile.left : tile.right].copy()
    return replace(jpeg, pixels=pixels, coefficients=tuple(coefficients))


def ramp(start: int, end: int, size: int) -> Tensor:
    """Weights of a span: rising over its first and falling over its last overlap, inside."""
    weight = torch.ones(end - start)
    slope = (torch.arange(OVERLAP) + 0.5) / OVERLAP
    if start > 0:
        weight[:OVERLAP] *= slope
    if end < size:
        weight[-OVERLAP:] *= slope.flip(0)
    return weight


def blend(tiles: Sequence[Tile], parts: Sequence[Tensor], height: int, width: int) -> Tensor:
    """Join restored tiles (1, C, h, w) to (1, C, height, width), faded into each other."""
    if len(tiles) == 1:
        return parts[0]
    total = parts[0].new_zeros(1, parts[0].shape[1], height, width)
    norm = parts[0].new_zeros(height, width)
    for tile, part in zip(tiles, parts, strict=True):
        down, across = ramp(tile.top, tile.bottom, height), ramp(tile.left, tile.right, width)
        weight = (down[:, None] * across).to(part)
        tile.of(total).add_(part * weight)
        tile.of(norm).add_(weight)
    return total / norm
