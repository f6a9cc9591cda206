"""Projection onto the quantisation constraint set (QCS)."""

from __future__ import annotations

import torch
from torch import Tensor

from restoration.jpeg.image import Quantised
from restoration.jpeg.operator import block_dct, block_idct
from restoration.support.tiles import tiles_of

# Part of the cells' width onto which results are projected: true coefficients
# crowd in the middle of their cells. Of 0.2 to 1 the best on tuning photographs, at both qualities
# within 0.001 dB (tests/benchmarks/shrink.py).
SHRINK = 0.5
CODING_UNIT = 32  # pixels, of the coarsest sampling, 4:1:1
SIDE = 1024  # of the parts in which large images are projected, which bounds the memory
EDGE_PASSES = 20  # where blocks reach beyond the image; each pass is a few per cent of a step


def project(image: Tensor, file: Quantised, shrink: float = SHRINK) -> Tensor:
    """Move an image to the nearest one whose coefficients lie in the file's cells.

    QCS = {x : |(A x)_k / t_k - q_k| <= shrink w_k / 2 for every coefficient k}. The distance is
    that of YCbCr, in which the components' sets are independent: each is an orthogonal projection,
    by DCT, clipping and inverse DCT; of a subsampled component every image sample under a mean
    moves alike, since averaging has orthogonal rows. Blocks that reach beyond the image repeat its
    edge; they are projected alternately onto their cells and onto blocks with repeated edges.

    Args:
        image: (N, C, H, W), [0, 1].
        file: its coefficients q, tables t and widths w of the cells.
        shrink: part of the cells' width; 1 is the whole cell.

    Returns:
        (N, C, H, W); not clamped to [0, 1].

    Reference: Zakhor, Iterative procedures for reduction of blocking effects in transform image
    coding, IEEE TCSVT 1992; Kim, Park, Ko, Digital Signal Processing 13 (narrow QCS).
    """
    H, W = image.shape[-2:]
    result = torch.empty_like(image)
    for tile in tiles_of(H, W, SIDE, 0, CODING_UNIT):  # of no effect on the result
        part = file.window(*tile.bounds(H, W))
        planes = project_planes(part.operator.planes(tile.outer(image)).clone(), part, shrink)
        tile.place(result, part.operator.image(planes))
    return result


def project_planes(
    planes: Tensor, file: Quantised, shrink: float, edge_passes: int = EDGE_PASSES
) -> Tensor:
    """Project components in levels about 0, (N, C, H, W), in place; see ``project``.

    Args:
        planes: ``file.operator.planes(image)``, overwritten.
        file: see ``project``.
        shrink: part of the cells' width.
        edge_passes: alternations where blocks reach beyond the image; 1 will do inside a loop.

    Returns:
        ``planes``.
    """
    operator = file.operator
    for c, (q, table) in enumerate(zip(file.coefficients, file.tables, strict=True)):
        v, h = operator.ratio(c)
        rows, columns = operator.grids[c]
        whole = rows * 8 * v == operator.height and columns * 8 * h == operator.width
        half = shrink / 2 if file.widths is None else shrink / 2 * file.widths[c]
        low, high = (q - half) * table, (q + half) * table
        for _ in range(1 if whole else edge_passes):
            current = block_dct(operator.downsample(planes[:, c], c))
            change = block_idct(current.clamp(low, high).sub_(current))
            for axis, factor in ((1, v), (2, h)):
                if factor > 1:
                    change = change.repeat_interleave(factor, axis)
            planes[:, c] += change[:, : operator.height, : operator.width]
    return planes
