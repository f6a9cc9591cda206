"""Examples with known originals, made on the fly: windows of smaller copies, compressed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from restoration.jpeg import to_8bit
from restoration.jpeg.colour import rgb_to_ycbcr
from restoration.jpeg.operator import JPEGOperator, block_dct, block_idct
from restoration.jpeg.quality import libjpeg_tables
from restoration.jpeg.recompression import block_grids
from restoration.networks.deblocking import coarseness

# Scales of the copies. Those of an estimate that networks have corrected are sharp enough at a
# larger size, and the nearer to it the more alike what is learned (tests/benchmarks/README.md).
FIRST_SCALES, CORRECTED_SCALES = (0.4, 0.8), (0.6, 1.0)
QUALITIES = (5, 95)
OWN_TABLES = 0.5  # of a library: the other windows show it all qualities

EXCHANGED = 0.5  # share of the windows whose colours are exchanged
FLATTEST = 0.5  # contrast of the flattest windows
SATURATED = 0.5  # share of the windows whose colours are made stronger
STRONGEST = 2.0  # factor of the strongest

Sampling = tuple[tuple[int, int], ...]


class Picture(NamedTuple):
    """A picture to learn from.

    Attributes:
        estimate: its first estimate, (H, W, 3) uint8, or the NumPy file of it.
        tables: quantisation tables of luma and chroma, (2, 8, 8).
        sampling: (vertical, horizontal) factors of each component.
        scales: of the smallest and the largest copies of the estimate.
    """

    estimate: NDArray[np.uint8] | Path
    tables: Tensor
    sampling: Sampling
    scales: tuple[float, float] = FIRST_SCALES

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The estimate; what lies in a file is read where it is looked at."""
        if isinstance(self.estimate, Path):
            mapped: NDArray[np.uint8] = np.load(self.estimate, mmap_mode="r")
            return mapped
        return self.estimate


class Windows(NamedTuple):
    """A batch of examples.

    Attributes:
        jpeg: decoded, (N, 3, S, S) in [0, 1].
        steps: how coarse each is, see ``coarseness``, (N, 2).
        original: (N, 3, S, S) in [0, 1].
    """

    jpeg: Tensor
    steps: Tensor
    original: Tensor


def window(picture: Picture, side: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Cut a window out of a smaller copy, at any place and in any of the eight ways.

    Args:
        picture: what it shows a part of; no more of a file is read.
        side: S, of the window.
        generator: of the choice.

    Returns:
        (S, S, 3) uint8.
    """
    pixels = picture.pixels
    H, W, _ = pixels.shape
    low, high = picture.scales
    scale = low * (high / low) ** generator.random()
    source = min(side / scale, H, W)  # of a small picture, less small copies
    top, left = (generator.random() * (size - source) for size in (H, W))
    margin = 2 * math.ceil(source / side) + 1  # pixels that the filter looks at
    first = [max(int(start) - margin, 0) for start in (top, left)]
    last = [math.ceil(start + source) + margin for start in (top, left)]
    part = Image.fromarray(np.ascontiguousarray(pixels[first[0] : last[0], first[1] : last[1]]))
    y, x = top - first[0], left - first[1]
    box = (x, y, min(x + source, part.width), min(y + source, part.height))
    result = np.asarray(part.resize((side, side), Image.Resampling.BICUBIC, box=box))
    way = int(generator.integers(8))
    result = result[:, ::-1] if way & 1 else result
    result = result[::-1] if way & 2 else result
    return result.transpose(1, 0, 2) if way & 4 else result


def compressed(original: Tensor, tables: Tensor, sampling: Sampling) -> Tensor:
    """Compress windows as libjpeg does, rounding where it does, and decode them.

    Args:
        original: (N, 3, H, W) in [0, 1].
        tables: quantisation steps of luma and chroma for each, (N, 2, 8, 8).
        sampling: (vertical, horizontal) factors of each component.

    Returns:
        (N, 3, H, W), rounded to the 256 levels of a decoded file.
    """
    H, W = original.shape[-2:]
    operator = JPEGOperator(H, W, sampling, block_grids(H, W, sampling))
    planes = operator.planes(original).round()
    decoded = []
    for c in range(3):
        table = tables[:, min(c, 1), None, None]
        levels = block_dct(operator.downsample(planes[:, c], c).round())
        samples = block_idct((levels / table).round() * table).round().clamp(-128, 127)
        decoded.append(operator.upsample(samples, c).round())
    return to_8bit(operator.image(torch.stack(decoded, 1)))


def random_quality(generator: np.random.Generator) -> int:
    """Draw a quality, low ones more often: half of all are below 28."""
    low, high = QUALITIES
    return low + int((high + 1 - low) * generator.random() ** 2)


def recoloured(original: Tensor, generator: np.random.Generator) -> Tensor:
    """Exchange the colours of windows at random, make some stronger, and all windows flatter.

    A library of few pictures has few colours; a network would learn them by heart. Luma stays where
    colours become stronger: x <- Y + s (x - Y), log s uniform.

    Args:
        original: (N, 3, S, S) in [0, 1].
        generator: of the choice.
    """
    result = []
    for image in original:
        order = generator.permutation(3) if generator.random() < EXCHANGED else np.arange(3)
        saturation = STRONGEST ** generator.random() if generator.random() < SATURATED else 1.0
        contrast = 1 - (1 - FLATTEST) * generator.random() ** 2
        image = image[order]
        luma = rgb_to_ycbcr(image[None])[0, :1]
        image = luma.lerp(image, saturation).clamp(0, 1)
        result.append(image * contrast + (1 - contrast) * generator.random())
    return to_8bit(torch.stack(result))


def windows(
    pictures: Sequence[Picture],
    number: int,
    side: int,
    generator: np.random.Generator,
    own_tables: float = OWN_TABLES,
) -> Windows:
    """Make a batch; all its windows share the sampling of one picture.

    Args:
        pictures: to learn from.
        number: N, of windows.
        side: S, a multiple of 16.
        generator: of all choices.
        own_tables: share of the windows that are compressed with the tables of their own file.
    """
    chosen = [pictures[i] for i in generator.integers(len(pictures), size=number)]
    originals, tables = [], []
    for picture in chosen:
        originals.append(window(picture, side, generator))
        own = generator.random() < own_tables
        tables.append(picture.tables if own else libjpeg_tables(random_quality(generator)))
    original = torch.from_numpy(np.stack(originals)).permute(0, 3, 1, 2).contiguous().float() / 255
    if own_tables < 1:
        original = recoloured(original, generator)
    stacked = torch.stack(tables)
    jpeg = compressed(original, stacked, chosen[0].sampling)
    return Windows(jpeg, coarseness(stacked), original)
