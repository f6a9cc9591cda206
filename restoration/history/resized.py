"""Find the compression of a picture that was resized after it."""

from __future__ import annotations

from typing import NamedTuple

import torch

from restoration.history.detection import (
    MOST,
    Luma,
    Trace,
    evidence_at,
)
from restoration.history.recovery import Evident, measured_error
from restoration.history.resampling import Grid
from restoration.history.scaling import FILTERS, LEAST_SCORE, Scaling, earlier_sizes
from restoration.history.tables import MOST_SHARE, standard_table
from restoration.jpeg.operator import BLOCK, block_dct
from restoration.jpeg.quality import libjpeg_tables

FIRST_GUESS = 20  # quality whose steps serve to measure errors at first
GUESSES = 2  # measurements, each with the quality found before
LIMIT = 126.0  # levels: beyond it samples may have been clipped
# As in ``detection``; errors are known less well, but edges of blocks have told the size before.
LEAST_EVIDENCE = 250.0
LEAST_SHARE = 0.3
DEVIATIONS = (1.0, 2.0, 4.0)  # factors that are tried: clipping adds to what is measured


class Resized(NamedTuple):
    """A compression before a picture was resized.

    Attributes:
        trace: how it shows.
        scaling: how the picture was resized.
    """

    trace: Trace
    scaling: Scaling

    @property
    def sure(self) -> bool:
        """Whether chance does not explain it."""
        trace = self.trace
        return trace.evidence >= LEAST_EVIDENCE and LEAST_SHARE <= trace.share <= MOST_SHARE


def resized_compression(luma: Evident) -> Resized | None:
    """Find the size that a picture had when it was compressed, the filter and the quality.

    Edges of blocks tell the size. With every filter the earlier samples are estimated by least
    squares; the one that leaves the most evidence of a compression is kept.

    Args:
        luma: of the picture at hand.

    Returns:
        What was found, which may not be ``sure``; None where edges tell nothing.
    """
    before, score = earlier_sizes(luma.samples.numpy(), luma.table is not None)
    if score < LEAST_SCORE:
        return None
    H, W = luma.samples.shape
    found = [through(luma, Scaling(before, (H, W), i)) for i in range(len(FILTERS))]
    return max(found, key=lambda some: some.trace.evidence)


def through(luma: Evident, scaling: Scaling) -> Resized:
    """Weigh the coefficients of the earlier picture, if it was resized so."""
    way = Grid((0, 0), ((1, 1),), scaling).way(*scaling.after, 0, (1, 1))
    earlier = way.back(luma.samples)
    coefficients = block_dct(earlier[None])[0]
    rows, columns = (size // BLOCK * BLOCK for size in scaling.before)
    shown = earlier[:rows, :columns]
    every = torch.arange(BLOCK**2)
    quality = FIRST_GUESS
    for _ in range(GUESSES):
        table = libjpeg_tables(quality)[0]
        error = measured_error(luma, way, (coefficients / table).round() * table)
        seen = Luma(shown, shown.abs() > LIMIT, None, error)
        found = max(
            (standard_table(evidence_at(seen, (0, 0), MOST, every, d)) for d in DEVIATIONS),
            key=lambda best: best.evidence,
        )
        quality = found.quality
    trace = Trace((0, 0), found.table.view(BLOCK, BLOCK), quality, found.evidence, found.share)
    return Resized(trace, scaling)
