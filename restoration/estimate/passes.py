"""The restoration without a network, which is also what networks start from."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.estimate.chroma import chroma_from_luma
from restoration.estimate.collaborative import (
    collaborative_filter,
    match_patches,
    reference_positions,
)
from restoration.estimate.total_variation import total_variation
from restoration.jpeg.image import Quantised
from restoration.jpeg.noise import in_cells, patch_variances
from restoration.jpeg.operator import BLOCK
from restoration.jpeg.projection import SHRINK, project_planes


def first_estimate(
    file: Quantised,
    passes: int = 3,
    count: int = 16,
    advance: Callable[[], object] | None = None,
) -> Tensor:
    """Restore without a network: total variation, then collaborative filtering.

    This is what the preset "fast" does, and what networks start from.

    Args:
        file: what it knows.
        passes: see ``collaborative_restoration``, as the following.
        count: patches per group.
        advance: called after every pass.

    Returns:
        (1, C, H, W) in [0, 1].
    """
    start = total_variation(file)
    return collaborative_restoration(file, start, passes, count=count, advance=advance)


@torch.no_grad()
def collaborative_restoration(
    file: Quantised,
    start: Tensor,
    passes: int,
    strengths: tuple[float, float] = (1.2, 0.35),
    shrink: float = SHRINK,
    stride: int = 5,
    radius: int = 20,
    count: int = 16,
    guidance: float = 0.75,
    advance: Callable[[], object] | None = None,
) -> Tensor:
    """Alternate collaborative filtering, chroma from luma, and projection onto the narrowed QCS.

    What repeats in a photograph (edges, textures) is seen several times under different errors; the
    filter keeps what the similar patches agree on, the projection what the file is sure of. The
    error's spectrum is estimated from the file and scaled down from pass to pass. The first quarter
    of the passes threshold; the others attenuate, with the pass before as their pilot.

    Args:
        file: what it knows.
        start: a first estimate, (1, C, H, W) in [0, 1]; patches are matched in its luma.
        passes: of filter and projection.
        strengths: factors of the estimated deviation at the first and the last pass; those between
            fall by equal ratios.
        shrink: width of the cells, quantisation steps.
        stride: pixels between two groups.
        radius: of the window that is searched, pixels.
        count: patches per group.
        guidance: share of the chroma that is predicted from luma at each pass.
        advance: called after every pass.

    Returns:
        (1, C, H, W) in [0, 1].
    """
    operator = file.operator
    variances = [
        patch_variances(*in_cells(file, c), operator.ratio(c)) for c in range(len(file.tables))
    ]
    planes = operator.planes(start)
    H, W = planes.shape[-2:]
    right, bottom = (
        BLOCK + stride * (reference_positions(size, stride) - 1) - size for size in (W, H)
    )
    pad = (0, right, 0, bottom)
    groups = match_patches(F.pad(planes, pad, mode="replicate")[0, 0], stride, radius, count)
    first, last = strengths
    pilot = None
    for i in range(passes):
        strength = first * (last / first) ** (i / max(passes - 1, 1))
        padded = F.pad(planes, pad, mode="replicate")[0]
        pilot = collaborative_filter(
            padded, groups, variances, strength, pilot if i >= thresholded(passes) else None
        )
        planes = pilot[None, :, :H, :W].clone()
        if planes.shape[1] == 3:
            planes[:, 1:].lerp_(chroma_from_luma(planes), guidance)
        planes = project_planes(planes, file, shrink, edge_passes=1)
        if advance is not None:
            advance()
    return operator.image(planes).clamp_(0, 1)


def thresholded(passes: int) -> int:
    """Count the passes that threshold, before those that attenuate with a pilot: a quarter."""
    return max(passes // 4, 1)
