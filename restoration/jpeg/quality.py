"""libjpeg's quantisation tables, and the quality that a table tells."""

from __future__ import annotations

import io
from functools import cache

import torch
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from torch import Tensor

from restoration.jpeg.operator import BLOCK

QUALITIES = 100


@cache
def every_table() -> Tensor:
    """Return libjpeg's tables of luma and chroma at the qualities 1 to 100, (100, 2, 64), int64.

    It scales those of ITU-T T.81, annex K, by s per cent: s = 5000 / q below quality 50, and
    200 - 2 q above.
    """
    file = io.BytesIO()
    Image.new("YCbCr", (8, 8)).save(file, format="JPEG", quality=50)
    with Image.open(file) as image:
        assert isinstance(image, JpegImageFile)
        base = torch.tensor([image.quantization[component] for component in (0, 1)])
    quality = torch.arange(1, QUALITIES + 1)
    scale = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return ((scale[:, None, None] * base + 50) // 100).clamp(1, 255)


def libjpeg_tables(quality: int) -> Tensor:
    """Return libjpeg's tables of luma and chroma at a quality, (2, 8, 8)."""
    return every_table()[quality - 1].float().view(2, BLOCK, BLOCK)


def estimated_quality(table: Tensor, component: int = 0) -> int:
    """Find the libjpeg quality, 1 to 100, whose table is nearest, in mean absolute logarithm.

    Args:
        table: quantisation steps, (8, 8) or (64,).
        component: 0 for luma, 1 for chroma.
    """
    unlike = (table.flatten().double() / every_table()[:, component]).log().abs().mean(1)
    return int(unlike.argmin()) + 1
