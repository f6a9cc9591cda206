"""The restoration without a network, which is also what networks start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from restoration.estimate.chroma import chroma_from_luma
from restoration.estimate.collaborative import (
    collaborative_filter,
    grouped,
)
from restoration.estimate.total_variation import total_variation
from restoration.jpeg.image import Quantised
from restoration.jpeg.noise import in_cells, patch_variances
from restoration.jpeg.projection import CODING_UNIT, SHRINK, project_planes
from restoration.support.tiles import tiles_of

SIDE = 1280  # pixels of the parts in which large images are done
HALO = 32  # pixels around them: what lies further away hardly counts
STRIDE = 5  # pixels between two groups
RADIUS = 20  # of the window that is searched for similar patches, pixels
# Share of the JPEG itself in what the passes start from. Total variation alone takes fine patterns
# away; on tuning images at quality 10 to 90 less than half of the JPEG gains most.
UNSMOOTHED = 0.35


def first_estimate(
    file: Quantised,
    passes: int = 3,
    count: int = 16,
    advance: Callable[[int], object] | None = None,
) -> Tensor:
    """Restore without a network: some total variation, then collaborative filtering.

    This is what the preset "fast" does, and what networks start from. Large images are done in
    parts, which bounds the memory; the PSNR is the same within 0.01 dB, also along the seams.

    Args:
        file: what it knows.
        passes: see ``collaborative_restoration``, as the following.
        count: patches per group.
        advance: called after every pass over a part, with its pixels.

    Returns:
        (1, C, H, W) in [0, 1].
    """
    H, W = file.height, file.width
    variances = error_variances(file)
    result = torch.empty(1, len(file.tables), H, W, device=file.device)
    for tile in tiles_of(H, W, SIDE, HALO, CODING_UNIT):
        part = file.window(*tile.bounds(H, W))

        def passed(pixels: int = tile.pixels) -> None:
            if advance is not None:
                advance(pixels)

        start = total_variation(part).lerp(part.decode(), UNSMOOTHED)
        estimate = collaborative_restoration(
            part, start, passes, count=count, variances=variances, advance=passed
        )
        tile.place(result, estimate)
    return result


def error_variances(file: Quantised) -> list[Tensor]:
    """Estimate the error's spectrum in patches of each component, see ``patch_variances``."""
    ratios = [file.operator.ratio(c) for c in range(len(file.tables))]
    return [patch_variances(*in_cells(file, c), ratio) for c, ratio in enumerate(ratios)]


@torch.no_grad()
def collaborative_restoration(
    file: Quantised,
    start: Tensor,
    passes: int,
    strengths: tuple[float, float] = (1.2, 0.35),
    shrink: float = SHRINK,
    stride: int = STRIDE,
    radius: int = RADIUS,
    count: int = 16,
    guidance: float = 1.0,
    variances: Sequence[Tensor] | None = None,
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
        guidance: see ``with_luma_edges``.
        variances: see ``error_variances``; of the file itself by default, for a part of a larger
            image that of the whole.
        advance: called after every pass.

    Returns:
        (1, C, H, W) in [0, 1].
    """
    operator = file.operator
    if variances is None:
        variances = error_variances(file)
    planes = operator.planes(start)
    H, W = planes.shape[-2:]
    groups = grouped(planes, variances, stride, radius, count)
    first, last = strengths
    pilot = None
    for i in range(passes):
        strength = first * (last / first) ** (i / max(passes - 1, 1))
        pilot = collaborative_filter(
            groups.padded(planes),
            groups.positions,
            groups.variances,
            strength,
            pilot if i >= thresholded(passes) else None,
        )
        planes = with_luma_edges(pilot[None, :, :H, :W].clone(), variances, guidance)
        planes = project_planes(planes, file, shrink, edge_passes=1)
        if advance is not None:
            advance()
    return operator.image(planes).clamp_(0, 1)


def with_luma_edges(planes: Tensor, variances: Sequence[Tensor], guidance: float) -> Tensor:
    """Let each pixel take a share of the chroma that luma predicts: g E / (g E + R).

    E is the variance of the file's error, R what luma leaves unexplained there.

    Args:
        planes: (1, C, H, W) in levels, overwritten.
        variances: see ``error_variances``.
        guidance: g, the part of the error's variance that is still there; 0 leaves chroma alone.

    Returns:
        ``planes``.
    """
    if planes.shape[1] == 3 and guidance:
        left = [guidance * by_phase.mean() for by_phase in variances[1:]]
        error = torch.stack(left).view(1, -1, 1, 1)
        predicted = chroma_from_luma(planes)
        planes[:, 1:].lerp_(predicted.chroma, error / (error + predicted.residual))
    return planes


def thresholded(passes: int) -> int:
    """Count the passes that threshold, before those that attenuate with a pilot: a quarter."""
    return max(passes // 4, 1)
