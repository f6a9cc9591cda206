"""Tell how the colours of an earlier compression were sampled."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.history.detection import Trace
from restoration.history.lattice import Evidence, histograms, lattice_evidence
from restoration.history.recovery import Evident, deviation
from restoration.history.resampling import Grid
from restoration.history.scaling import Scaling
from restoration.history.tables import any_table
from restoration.jpeg.operator import BLOCK, block_dct, block_idct
from restoration.jpeg.quality import libjpeg_tables

# 4:2:0, 4:2:2 and 4:4:4: what nearly every JPEG has
SAMPLINGS = (
    ((2, 2), (1, 1), (1, 1)),
    ((1, 2), (1, 1), (1, 1)),
    ((1, 1), (1, 1), (1, 1)),
)
CELL = 32  # pixels, a multiple of every coding unit
WINDOW = 10 * CELL  # pixels of each side that are looked at
NONZERO = 4.0  # nats that a coefficient costs
ROUNDED = 0.05  # levels^2: nobody explains samples better


def sampling_of(
    trace: Trace, parts: Sequence[Evident], size: tuple[int, int], scaling: Scaling | None = None
) -> tuple[Grid, Tensor]:
    """Find the subsampling of chroma, the place of its coding units, and its table.

    For every possibility the chroma samples are estimated and quantised. The one that describes
    the picture at hand in the fewest bits is taken: coefficients that are not zero, and
    n / 2 ln(mean squared error) for what they leave unexplained of n samples. That is done where
    the colours vary most: a white background, or a grey sky, tells nothing.

    Args:
        trace: of luma.
        parts: the components of the picture at hand.
        size: its height and width.
        scaling: how the picture was resized after it, if it was; then nothing was cropped.

    Returns:
        The grid, and the chroma table, (8, 8).
    """
    standard = libjpeg_tables(trace.quality)[1]
    if len(parts) == 1:
        return Grid(trace.offset, ((1, 1),), scaling), standard
    shown = parts if scaling is not None else windows(parts, liveliest(parts))
    best, least = (Grid(trace.offset, SAMPLINGS[0], scaling), standard), float("inf")
    for sampling in SAMPLINGS:
        v, h = sampling[0]
        for down in range(v if scaling is None else 1):
            for across in range(h if scaling is None else 1):
                corner = trace.offset[0] + down * BLOCK, trace.offset[1] + across * BLOCK
                grid = Grid(corner, sampling, scaling)
                table = standard if trace.standard else chroma_table(grid, parts, size, standard)
                length = sum(description_length(grid, shown[c], c, table) for c in (1, 2))
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
    """Tell how long a description of a component, or a window of it, is; see ``sampling_of``."""
    v, h = part.ratio
    samples = part.samples
    height, width = samples.shape[0] * v, samples.shape[1] * h
    if grid.scaling is not None:
        height, width = grid.scaling.after
    way = grid.way(height, width, index, part.ratio)
    q = (block_dct(way.back(samples)[None]) / table).round()
    explained = way.onwards(block_idct(q * table)[0])
    error = (samples - explained).square().mean() + ROUNDED
    return float(samples.numel() / 2 * error.log() + NONZERO * (q != 0).sum())


def liveliest(parts: Sequence[Evident]) -> tuple[int, int]:
    """Find the window in which neighbouring samples of chroma differ most: its corner, in pixels.

    It lies at multiples of ``CELL``, where the grids of coding units are the same.
    """
    total: Tensor | None = None
    for part in parts[1:]:
        (v, h), samples = part.ratio, part.samples
        activity = torch.zeros_like(samples)
        activity[1:] += samples.diff(dim=0).square()
        activity[:, 1:] += samples.diff(dim=1).square()
        cells = F.avg_pool2d(activity[None], (CELL // v, CELL // h), ceil_mode=True)
        total = cells if total is None else total + cells
    assert total is not None
    sides = [min(side, WINDOW // CELL) for side in total.shape[1:]]
    sums = F.avg_pool2d(total, sides, stride=1)[0]
    row, column = divmod(int(sums.argmax()), sums.shape[1])
    return row * CELL, column * CELL


def windows(parts: Sequence[Evident], corner: tuple[int, int]) -> list[Evident]:
    """Cut the same window out of all components."""
    top, left = corner
    return [
        part._replace(
            samples=part.samples[
                top // part.ratio[0] : (top + WINDOW) // part.ratio[0],
                left // part.ratio[1] : (left + WINDOW) // part.ratio[1],
            ],
        )
        for part in parts
    ]
