"""Tell how the colours of an earlier compression were sampled."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from restoration.history.detection import Trace
from restoration.history.recovery import Evident
from restoration.history.resampling import Grid
from restoration.history.scaling import Scaling
from restoration.jpeg.operator import BLOCK, block_dct, block_idct

# 4:2:0, 4:2:2 and 4:4:4: what nearly every JPEG has
SAMPLINGS = (
    ((2, 2), (1, 1), (1, 1)),
    ((1, 2), (1, 1), (1, 1)),
    ((1, 1), (1, 1), (1, 1)),
)
WINDOW = 320  # pixels of each side that are looked at, a multiple of every coding unit
NONZERO = 4.0  # nats that a coefficient costs
ROUNDED = 0.05  # levels^2: nobody explains samples better


def sampling_of(
    trace: Trace, parts: Sequence[Evident], table: Tensor, scaling: Scaling | None = None
) -> Grid:
    """Find the subsampling of chroma and the place of its coding units.

    For every possibility the chroma samples are estimated and quantised. The one that describes
    the picture at hand in the fewest bits is taken: coefficients that are not zero, and
    n / 2 ln(mean squared error) for what they leave unexplained of n samples.

    Args:
        trace: of luma.
        parts: the components of the picture at hand.
        table: the chroma table, (8, 8).
        scaling: how the picture was resized after it, if it was; then nothing was cropped.
    """
    if len(parts) == 1:
        return Grid(trace.offset, ((1, 1),), scaling)
    best, least = Grid(trace.offset, SAMPLINGS[0], scaling), float("inf")
    for sampling in SAMPLINGS:
        v, h = sampling[0]
        for down in range(v if scaling is None else 1):
            for across in range(h if scaling is None else 1):
                corner = trace.offset[0] + down * BLOCK, trace.offset[1] + across * BLOCK
                grid = Grid(corner, sampling, scaling)
                length = sum(description_length(grid, parts[c], c, table) for c in (1, 2))
                if length < least:
                    best, least = grid, length
    return best


def description_length(grid: Grid, part: Evident, index: int, table: Tensor) -> float:
    """Tell how long a description of a window of a component is, in nats; see ``sampling_of``."""
    v, h = part.ratio
    if grid.scaling is None:
        window = part.samples[: WINDOW // v, : WINDOW // h]
        height, width = window.shape[0] * v, window.shape[1] * h
    else:  # which is that of the whole picture
        window = part.samples
        height, width = grid.scaling.after
    way = grid.way(height, width, index, part.ratio)
    q = (block_dct(way.back(window)[None]) / table).round()
    explained = way.onwards(block_idct(q * table)[0])
    error = (window - explained).square().mean() + ROUNDED
    return float(window.numel() / 2 * error.log() + NONZERO * (q != 0).sum())
