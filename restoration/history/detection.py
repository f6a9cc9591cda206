"""Find an earlier JPEG compression in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restoration.history.lattice import Evidence, cell_evidence, histograms, lattice_evidence
from restoration.history.tables import (
    CHOICE,
    LEAST_EVIDENCE,
    LEAST_SHARE,
    MOST_SHARE,
    best_quality,
    standard_table,
    table_of,
)
from restoration.jpeg import Quantised, to_tensor
from restoration.jpeg.colour import rgb_to_ycbcr
from restoration.jpeg.noise import frequency_variances, leakage
from restoration.jpeg.operator import BLOCK, block_idct, dct_matrix

# What rounding to 8-bit RGB leaves in luma coefficients, levels^2; much of it is the same all over
# a flat block, whence the constant one's.
ROUNDING = 0.15
ROUNDING_CONSTANT = 4.0

SCANNED = 384  # blocks of each offset at a first look
LOOKED_AT = 4  # times as many, evenly spread, from which those are taken that say something
REFINED = 4  # offsets that are looked at again
MOST = 50_000  # blocks, then
LOW = 5  # vertical and horizontal frequencies of the first look
DEVIATIONS = (1.0, 1.5)  # factors that are tried: textures have larger errors than expected
FEWEST = 64  # blocks without clipped samples; of fewer, clipped ones are taken as well
FLAT = 1.5  # levels between the lightest and the darkest sample of a block


@dataclass(frozen=True)
class Trace:
    """An earlier compression, as far as luma shows it.

    Attributes:
        offset: (row, column) of the first corner of a block, 0 to 7 each.
        table: luma quantisation steps, (8, 8), by (vertical, horizontal) frequency.
        quality: libjpeg's whose table it is, or the nearest one, 1 to 100.
        evidence: log-likelihood ratio against no earlier compression.
        share: of the evidence that is expected where there is one, about 0 to 1.
        standard: whether the table is libjpeg's.
    """

    offset: tuple[int, int]
    table: Tensor
    quality: int
    evidence: float
    share: float
    standard: bool = True

    @property
    def sure(self) -> bool:
        """Whether chance does not explain it."""
        return self.evidence >= LEAST_EVIDENCE and LEAST_SHARE <= self.share <= MOST_SHARE


class Luma(NamedTuple):
    """What is looked at.

    Attributes:
        plane: (H, W), levels about 0.
        clipped: (H, W), where a sample stands at its limit: there the error is large.
        own: the quantised luma of the file at hand and its table, or None for pixels alone.
        error: that the file's own compression left, or deviation of pixels alone from the earlier
            file's beyond rounding, by frequency, (8, 8), levels^2.
    """

    plane: Tensor
    clipped: Tensor
    own: tuple[Tensor, Tensor] | None
    error: Tensor


def luma_of(pixels: NDArray[np.uint8], own: Quantised | None, noise: float = 0.0) -> Luma:
    """Take the luma of pixels (H, W, C), or of the file that they come from, which is exact."""
    H, W, C = pixels.shape
    clipped = torch.from_numpy(((pixels == 0) | (pixels == 255)).any(2))
    if own is not None:
        q, table = own.coefficients[0], own.tables[0]
        plane = block_idct((q * table)[None])[0, :H, :W]
        return Luma(plane, clipped, (q, table), frequency_variances(q, table))
    image = to_tensor(pixels)
    plane = (rgb_to_ycbcr(image) if C == 3 else image)[0, 0] * 255 - 128
    return Luma(plane, clipped, None, torch.full((BLOCK, BLOCK), noise**2))


def earlier_compression(luma: Luma) -> Trace:
    """Find the grid and the quality of the most evident earlier compression.

    Every offset of an 8 x 8 grid is looked at: there the DCT coefficients of an earlier JPEG lie
    about multiples of its steps, apart from what rounding and the later compression did to them.
    The error of a later compression is told by its own file. In the file's own grid its integers
    are looked at instead.

    Args:
        luma: of the picture.

    Returns:
        The trace, which may not be ``sure``.
    """
    ys, xs = torch.meshgrid(torch.arange(BLOCK), torch.arange(BLOCK), indexing="ij")
    offsets = list(zip(ys.flatten().tolist(), xs.flatten().tolist(), strict=True))
    low = torch.arange(BLOCK**2).view(BLOCK, BLOCK)[:LOW, :LOW].flatten()
    scores = torch.zeros(BLOCK, BLOCK)
    for offset in offsets:
        if luma.own is None or offset != (0, 0):
            evidence = evidence_at(luma, offset, SCANNED, low)
            scores[offset] = best_quality(evidence, low)[1]
            if luma.own is None or 0 not in offset:
                steps = (evidence.found.amax(1) - CHOICE).clamp(min=0).sum()
                scores[offset] = max(scores[offset], steps)
    first = scores.flatten().topk(REFINED).indices.tolist()
    if luma.own is not None:
        first.append(0)
    # Near the file's own grid, blocks are almost its own; but on both sides alike.
    mirrored = scores.roll((-1, -1), (0, 1)).flip(0, 1)
    every = torch.arange(BLOCK**2)
    traces = []
    for offset in (offsets[i] for i in first):
        every_way = [evidence_at(luma, offset, MOST, every, d) for d in DEVIATIONS]
        if luma.own is not None and 0 in offset:  # the file's own steps show along an axis
            found = max(map(standard_table, every_way), key=lambda best: best.evidence)
        else:
            found = max(map(table_of, every_way), key=lambda best: best.evidence)
        sum_of = found.evidence
        if luma.own is not None and scores[offset] > 0 and scores[offset] != mirrored[offset]:
            sum_of *= max(0.0, 1 - 2 * float(mirrored[offset] / scores[offset]))
        table = found.table.view(BLOCK, BLOCK)
        share = sum_of / max(found.expected, 1.0)
        traces.append(Trace(offset, table, found.quality, sum_of, share, found.standard))
    return max(traces, key=lambda trace: (trace.sure, trace.evidence))


def evidence_at(
    luma: Luma,
    offset: tuple[int, int],
    limit: int,
    frequencies: Tensor,
    factor: float = 1.0,
) -> Evidence:
    """Weigh the coefficients of one grid; see ``earlier_compression``.

    Args:
        luma: of the picture.
        offset: of the grid.
        limit: blocks at most, evenly spread.
        frequencies: indices that are looked at.
        factor: of the deviation that is expected.
    """
    rounding = torch.full((BLOCK, BLOCK), ROUNDING)
    rounding[0, 0] = ROUNDING_CONSTANT
    if luma.own is not None and offset == (0, 0):
        q, table = luma.own
        rows, columns = (size // BLOCK for size in luma.plane.shape)
        inner = q[:rows, :columns].flatten(0, 1)
        used = telling(blocks_of(luma.plane, offset), blocks_of(luma.clipped, offset))
        inner = inner[used]
        inner = inner[distinct(inner.flatten(1)[:, 1:])]
        return cell_evidence(inner[None], table, rounding.flatten().sqrt())
    some, clipped = (blocks_of(x, offset, LOOKED_AT * limit) for x in (luma.plane, luma.clipped))
    blocks = evenly(some[telling(some, clipped)], limit)
    blocks = blocks[distinct(blocks - blocks.mean(1, keepdim=True))]
    coefficients = blocks @ dct_matrix(blocks.dtype, blocks.device)[frequencies].T
    sigma = (moved_error(luma, offset) + rounding).sqrt().flatten()[frequencies] * factor
    return lattice_evidence(histograms(coefficients), sigma)


def moved_error(luma: Luma, offset: tuple[int, int]) -> Tensor:
    """Tell the error that later compressions left in another grid, (8, 8), levels^2."""
    if luma.own is None:
        return luma.error
    spread = leakages().to(luma.error)
    return torch.einsum("ui,vj,ij->uv", spread[offset[0]], spread[offset[1]], luma.error)


@lru_cache(maxsize=1)
def leakages() -> Tensor:
    """Return ``leakage`` of samples as fine as the picture's, (8, 8, 8)."""
    return leakage(1)


def blocks_of(plane: Tensor, offset: tuple[int, int], limit: int | None = None) -> Tensor:
    """Cut the whole blocks of a grid out of a plane, or some, evenly spread: (blocks, 64)."""
    cells = plane[offset[0] :, offset[1] :].unfold(0, BLOCK, BLOCK).unfold(1, BLOCK, BLOCK)
    columns = cells.shape[1]
    chosen = evenly(torch.arange(cells.shape[0] * columns), limit)
    return cells[chosen // max(columns, 1), chosen % max(columns, 1)].flatten(1)


def evenly(rows: Tensor, limit: int | None) -> Tensor:
    """Take at most ``limit`` of the rows, evenly spread."""
    if limit is None or limit >= len(rows):
        return rows
    return rows[torch.linspace(0, len(rows) - 1, limit).long()]


def telling(blocks: Tensor, clipped: Tensor) -> Tensor:
    """Tell which blocks say something: (blocks,).

    Those that are not flat, since a background of one colour fits many lattices; and, where there
    are enough of them, those that are free of clipped samples.

    Args:
        blocks: (blocks, 64), levels.
        clipped: which samples stand at their limit, (blocks, 64).
    """
    low, high = blocks.aminmax(dim=1)
    lively = high - low > FLAT
    free = lively & ~clipped.any(1)
    return free if free.sum() >= FEWEST else lively


def distinct(blocks: Tensor) -> Tensor:
    """Choose one of all blocks that are equal: in a drawing there are many, and they tell it once.

    Args:
        blocks: (blocks, values); what differs by less than a quarter may count as equal.

    Returns:
        Their indices, in order.
    """
    weights = torch.rand(blocks.shape[1], generator=torch.Generator().manual_seed(0)).double()
    keys, order = ((blocks.double() * 4).round() @ weights).sort()
    new = torch.ones(len(keys), dtype=torch.bool)
    new[1:] = keys.diff() > 1e-6  # far more than its rounding, far less than what blocks differ by
    chosen: Tensor = order[new].sort().values
    return chosen
