"""Compress an image as a given file was, without writing one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from restoration.jpeg.image import Quantised
from restoration.jpeg.operator import BLOCK, JPEGOperator


def block_grids(
    height: int, width: int, sampling: Sequence[tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    """Count the (rows, columns) of blocks that cover each component of an image."""
    V, H = (max(factors) for factors in zip(*sampling, strict=True))
    return tuple((-(-height * v // (V * BLOCK)), -(-width * h // (H * BLOCK))) for v, h in sampling)


@torch.no_grad()
def compress_like(image: Tensor, file: Quantised) -> Quantised:
    """Compress with the quantisation tables and the chroma subsampling of a file.

    q = round(A x / t), with A of ``JPEGOperator``: libjpeg's coefficients but for its integer
    arithmetic, for every sampling that can be read.

    Args:
        image: x, (1, C, H, W) in [0, 1], of any size.
        file: of as many components.
    """
    H, W = image.shape[-2:]
    operator = JPEGOperator(H, W, file.sampling, block_grids(H, W, file.sampling))
    encoded = zip(operator.encode(image), file.tables, strict=True)
    coefficients = tuple((x[0] / table).round() for x, table in encoded)
    return Quantised(H, W, coefficients, file.tables, file.sampling)
