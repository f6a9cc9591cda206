"""Tell how the colours of an earlier compression were sampled."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from restoration.history.detection import Trace
from restoration.history.lattice import Evidence, histograms, lattice_evidence
from restoration.history.recovery import Evident, deviation
from restoration.history.resampling import Grid
from restoration.history.scaling import Scaling
from restoration.history.tables import any_table, standard_tables
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
    trace: Trace, parts: Sequence[Evident], size: tuple[int, int], scaling: Scaling | None = None
) -> tuple[Grid, Tensor]:
    """Find the subsampling of chroma, the place of its coding units, and its table.

    For every possibility the chroma samples are estimated and quantised. The one that describes
    the picture at hand in the fewest bits is taken: coefficients that are not zero, and
    n / 2 ln(mean squared error) for what they leave unexplained of n samples.

    Args:
        trace: of luma.
        parts: the components of the picture at hand.
        size: its height and width.
        scaling: how the picture was resized after it, if it was; then nothing was cropped.

    Returns:
        The grid, and the chroma table, (8, 8).
    """
    standard = standard_tables(1)[trace.quality - 1].view(BLOCK, BLOCK).float()
    if len(parts) == 1:
        return Grid(trace.offset, ((1, 1),), scaling), standard
    best, least = (Grid(trace.offset, SAMPLINGS[0], scaling), standard), float("inf")
    for sampling in SAMPLINGS:
        v, h = sampling[0]
        for down in range(v if scaling is None else 1):
            for across in range(h if scaling is None else 1):
                corner = trace.offset[0] + down * BLOCK, trace.offset[1] + across * BLOCK
                grid = Grid(corner, sampling, scaling)
                table = standard if trace.standard else chroma_table(grid, parts, size, standard)
                length = sum(description_length(grid, parts[c], c, table) for c in (1, 2))
                if length < least:
                    best, least = (grid, table), length
    return best


def chroma_table(
    grid: Grid, parts: Sequence[Evident], size: tuple[int, int], usual: Tensor
) -> Tensor:
    """Find a chroma table of any kind, (8, 8).

    Where nothing tells it, steps of one level leave the colours as they are.

    Args:
        grid: where the earlier file's coding units lie.
        parts: the components of the picture at hand.
        size: its height and width.
        usual: a table of about that size.
    """
    evidence = Evidence(BLOCK**2)
    for c in (1, 2):
        way = grid.way(*size, c, parts[c].ratio)
        coefficients = block_dct(way.back(parts[c].samples)[None])[0].flatten(0, 1).flatten(1)
        sigma = deviation(parts[c], grid, c, way, usual).flatten()
        some = lattice_evidence(histograms(coefficients), sigma)
        evidence.found += some.found
        evidence.expected += some.expected
    found = any_table(evidence, 1)
    return torch.ones_like(usual) if found is None else found.table.view(BLOCK, BLOCK)


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
