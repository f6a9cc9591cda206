"""Compress an image as a given file was, without writing one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from restoration.estimate.rejpeg import plain_decode
from restoration.jpeg.operator import BLOCK, JPEGOperator
from restoration.jpeg.reading import CompressedImage, known


def block_grids(
    height: int, width: int, sampling: Sequence[tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    """Count the (rows, columns) of blocks that cover each component of an image."""
    V, H = (max(factors) for factors in zip(*sampling, strict=True))
    return tuple((-(-height * v // (V * BLOCK)), -(-width * h // (H * BLOCK))) for v, h in sampling)


@torch.no_grad()
def compress_like(image: Tensor, jpeg: CompressedImage) -> CompressedImage:
    """Compress with the quantisation tables and the chroma subsampling of a file.

    q = round(A x / t), with A of ``JPEGOperator``: libjpeg's coefficients but for its integer
    arithmetic, for every sampling that can be read. The pixels are those of ``plain_decode``.

    Args:
        image: x, (1, C, H, W) in [0, 1], of any size.
        jpeg: the file, of as many components.
    """
    H, W = image.shape[-2:]
    operator = JPEGOperator(H, W, jpeg.sampling, block_grids(H, W, jpeg.sampling))
    quantised = tuple(
        (x[0] / table).round().numpy().astype(np.int16)
        for x, table in zip(operator.encode(image), known(jpeg)[1], strict=True)
    )
    blank = np.empty((H, W, image.shape[1]), np.uint8)  # tells plain_decode the size
    result = replace(jpeg, pixels=blank, coefficients=quantised)
    pixels = plain_decode(result)[0].permute(1, 2, 0).mul(255).round().byte()
    return replace(result, pixels=np.ascontiguousarray(pixels.numpy()))
