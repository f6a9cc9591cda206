"""The quality setting of a JPEG, told from its quantisation table."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from torch import Tensor


@cache
def standard_table() -> NDArray[np.int32]:
    """Return the luma table of ITU-T T.81, annex K, (64,): libjpeg's own at quality 50."""
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, format="JPEG", quality=50)
    with Image.open(file) as image:
        assert isinstance(image, JpegImageFile)
        return np.array(image.quantization[0], dtype=np.int32)


def estimated_quality(luma_table: Tensor) -> int:
    """Find the libjpeg quality, 1 to 100, whose luma table is nearest, in mean absolute logarithm.

    libjpeg scales its table by s = 5000 / q below quality 50, and by 200 - 2 q above, in per cent.

    Args:
        luma_table: quantisation steps, (8, 8).
    """
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables = ((scale[:, None] * standard_table() + 50) // 100).clip(1, 255)
    distance = np.abs(np.log(luma_table.numpy().ravel() / tables)).mean(1)
    return int(quality[distance.argmin()])


@cache
def libjpeg_tables(quality: int) -> Tensor:
    """Return libjpeg's tables of luma and chroma at a quality, (2, 8, 8)."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, format="JPEG", quality=quality)
    with Image.open(file) as image:
        assert isinstance(image, JpegImageFile)
        both = [image.quantization[i] for i in (0, 1)]
    return torch.tensor(both, dtype=torch.float32).view(2, 8, 8)
