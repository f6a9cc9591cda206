"""JPEGs whose original is known: smaller copies of the image at hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.jpeg import Quantised, to_8bit
from restoration.jpeg.operator import BLOCK
from restoration.jpeg.recompression import compress_like
from restoration.networks.places import PERIOD
from restoration.support.threads import side_by_side

SMALLEST = 64  # pixels of the shorter side: smaller images have too little to learn from
NUMBER = 16
SCALES = (0.5, 0.7)  # in turns, of images of ``ENOUGH`` pixels and more
ENOUGH = 481 * 321  # the smallest on which larger copies gave nothing
LARGEST = 0.95  # scale
PIXELS = 80_000  # of a copy at most

# Fractions of any number of these are spread evenly over a square (Roberts, The unreasonable
# effectiveness of quasirandom sequences, 2018).
SPREAD = (0.7548776662466927, 0.5698402909980532)


class Copy(NamedTuple):
    """A window of an image made smaller.

    Attributes:
        scale: of the smaller image.
        top: first row of the window in the smaller image.
        left: first column.
        height: rows.
        width: columns.
    """

    scale: float
    top: int
    left: int
    height: int
    width: int


def training_copies(
    file: Quantised,
    estimate: Tensor,
    restore: Callable[[Quantised], Tensor],
    number: int = 0,
    advance: Callable[[int], object] = bool,
) -> list[Tensor]:
    """Make JPEGs whose original is known: smaller copies of the estimate, compressed like the file.

    A smaller copy of the estimate is sharp again, and what repeats across scales in a photograph
    makes it an example of what the full size looks like.

    Args:
        file: what it knows.
        estimate: of its original, (1, C, H, W) in [0, 1].
        restore: what made the estimate from the file; called in several threads at once on a CPU.
        number: of the round, from 0; each looks at other windows.
        advance: called after every copy, with its pixels.

    Returns:
        Per copy (3, C, h, w): estimate, JPEG and original.

    Reference: Shocher, Cohen, Irani, Zero-shot super-resolution using deep internal learning, CVPR
    2018, for the idea to learn on copies of the image itself; the task and the network are ours.
    """
    size = (estimate.shape[-2], estimate.shape[-1])
    smaller = {
        scale: F.interpolate(estimate, size_of(*size, scale), mode="bicubic", antialias=True)
        for scale in scales_of(*size)
    }
    originals = [
        smaller[scale][..., top : top + h, left : left + w].clamp(0, 1)
        for scale, top, left, h, w in copies_of(*size, number)
    ]

    def example(original: Tensor) -> Tensor:
        compressed = compress_like(original, file)
        return torch.cat([restore(compressed), to_8bit(compressed.decode()), original])

    result = []
    on_cpu = estimate.device.type == "cpu"
    for made in side_by_side(example, originals) if on_cpu else map(example, originals):
        result.append(made)
        advance(made.shape[-2] * made.shape[-1])
    return result


def copies_of(height: int, width: int, number: int = 0) -> list[Copy]:
    """Choose windows all over the image, of many different grids of blocks.

    A network learns by heart where the blocks of its copies are, the less so the more grids it
    sees. In a large image the windows bound the work and are spread over it.

    Args:
        height: of the image, pixels.
        width: of the image, pixels.
        number: of the round.
    """
    result = []
    scales = scales_of(height, width)
    for i in range(number * NUMBER, (number + 1) * NUMBER):
        scale = scales[i % len(scales)]
        H, W = size_of(height, width, scale)
        part = min(math.sqrt(PIXELS / (H * W)), 1)
        # room for every shift of the grid
        h, w = (min(max(int(size * part), PERIOD), size - BLOCK + 1) for size in (H, W))
        top, left = (
            int((0.5 + i * step) % 1 * (size - window + 1))
            for step, size, window in zip(SPREAD, (H, W), (h, w), strict=True)
        )
        result.append(Copy(scale, top, left, h, w))
    return result


def scales_of(height: int, width: int) -> tuple[float, ...]:
    """Choose the scales of copies: those of a small image are larger, or they teach too little.

    On tuning images 0.09 dB were gained at 192 x 192 pixels, and 0.07 at 256 x 256; at 481 x 321
    nothing was (tests/benchmarks/README.md, Ingredients).
    """
    larger = max((ENOUGH / (height * width)) ** 0.2, 1)
    return tuple(min(scale * larger, LARGEST) for scale in SCALES)


def size_of(height: int, width: int, scale: float) -> tuple[int, int]:
    """Tell the size of a smaller image, rounded down."""
    return int(height * scale), int(width * scale)
