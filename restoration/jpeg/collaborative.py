"""Filtering of groups of similar patches, within the quantisation constraint set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.jpeg.guided import chroma_from_luma
from restoration.jpeg.noise import component_variance
from restoration.jpeg.operator import BLOCK, JPEGOperator, cosines, dct_matrix
from restoration.jpeg.projection import SHRINK, project_planes
from restoration.jpeg.reading import CompressedImage, known
from restoration.jpeg.variation import total_variation

STRIP = 16  # rows of groups that are searched at a time: bounds the memory
CHUNK = 256  # groups that are filtered at a time: what fits into a cache
THRESHOLD = 2.7  # standard deviations, as BM3D


def reference_positions(size: int, stride: int) -> int:
    """Count the patches along an axis that starts at 0 and ends at or beyond ``size``."""
    return max(-(-(size - BLOCK) // stride), 0) + 1


def match_patches(plane: Tensor, stride: int, radius: int, count: int) -> Tensor:
    """Find, for patches on a grid, the most similar ones nearby.

    The distance is the mean squared difference of 8 x 8 patches; the patch itself comes first.

    Args:
        plane: (H, W), H and W of the form 8 + stride * k.
        stride: pixels between two grid positions.
        radius: of the square window that is searched, pixels.
        count: patches per group, K.

    Returns:
        (groups, K): positions y * W + x of the patches' upper left corners.
    """
    H, W = plane.shape
    rows, columns = reference_positions(H, stride), reference_positions(W, stride)
    far = F.pad(plane, (radius,) * 4, value=1e4)  # outside of the image nothing is similar
    window = range(-radius, radius + 1)
    shifts = plane.new_tensor([dy * W + dx for dy in window for dx in window], dtype=torch.long)
    groups = []
    for first in range(0, rows, STRIP):
        number = min(STRIP, rows - first)
        top, height = first * stride, (number - 1) * stride + BLOCK
        strip = plane[top : top + height]
        distances = plane.new_empty(len(shifts), number * columns)
        for i, dy in enumerate(window):
            moved_rows = far[top + radius + dy : top + radius + dy + height]
            for j, dx in enumerate(window):
                difference = moved_rows[:, radius + dx : radius + dx + W] - strip
                mean = F.avg_pool2d(difference.square_()[None], BLOCK, stride)
                distances[i * len(window) + j] = mean.flatten()
        distances[len(shifts) // 2] = -1
        nearest = shifts[distances.topk(count, 0, largest=False).indices]  # (K, groups)
        y = torch.arange(first, first + number, device=plane.device) * stride
        x = torch.arange(columns, device=plane.device) * stride
        groups.append((nearest + (y[:, None] * W + x).flatten()).T)
    return torch.cat(groups)


def collaborative_filter(planes: Tensor, groups: Tensor, deviations: Sequence[float]) -> Tensor:
    """Threshold the three-dimensional spectra of groups of patches, and put the patches back.

    Each group is transformed by the DCT within and across its patches; coefficients below
    2.7 deviations are set to zero. Patches return with weight 1 / (number of coefficients kept),
    under a Kaiser window, and are averaged where they overlap.

    Args:
        planes: (C, H, W).
        groups: (groups, K) positions from ``match_patches``.
        deviations: standard deviation of the error in each plane.

    Returns:
        (C, H, W).

    Reference: Dabov, Foi, Katkovnik, Egiazarian, Image denoising by sparse 3-D transform-domain
    collaborative filtering, IEEE TIP 2007 (first stage).
    """
    H, W = planes.shape[-2:]
    within = dct_matrix(planes.dtype, planes.device)
    across = cosines(groups.shape[1], planes.dtype, planes.device)
    window = torch.kaiser_window(BLOCK, False, 2.0, dtype=planes.dtype, device=planes.device)
    window = torch.outer(window, window)
    back = within * window.flatten()
    n = torch.arange(BLOCK, device=planes.device)
    pixels = (n[:, None] * W + n).flatten()
    result = torch.empty_like(planes)
    for plane, filtered, deviation in zip(planes, result, deviations, strict=True):
        total, share = torch.zeros_like(plane).flatten(), torch.zeros_like(plane).flatten()
        for some in groups.split(CHUNK):  # (groups, K)
            indices = (some[..., None] + pixels).flatten()
            patches = plane.flatten()[indices].view(-1, BLOCK**2) @ within.T
            spectra = torch.matmul(across, patches.view(*some.shape, -1))
            mean = spectra[:, 0, 0].clone()
            spectra = F.hardshrink(spectra, THRESHOLD * deviation)
            spectra[:, 0, 0] = mean
            kept = (spectra != 0).to(planes.dtype).sum((1, 2)).clamp_(min=1)
            spectra /= kept[:, None, None]
            patches = torch.matmul(across.T, spectra).view(-1, BLOCK**2) @ back
            total.index_add_(0, indices, patches.flatten())
            share.index_add_(0, some.flatten(), (1 / kept).repeat_interleave(some.shape[1]))
        norm = F.conv_transpose2d(share.view(1, 1, H, W), window[None, None])[0, 0, :H, :W]
        filtered.copy_(total.view(H, W) / norm)
    return result


def quick_estimate(jpeg: CompressedImage, passes: int = 8) -> Tensor:
    """Restore without a network: total variation, then collaborative filtering.

    Args:
        jpeg: the file.
        passes: of ``collaborative_restoration``.

    Returns:
        (1, C, H, W) in [0, 1].
    """
    return collaborative_restoration(jpeg, total_variation(jpeg), passes)


@torch.no_grad()
def collaborative_restoration(
    jpeg: CompressedImage,
    start: Tensor,
    passes: int = 8,
    strengths: tuple[float, float] = (1.2, 0.5),
    shrink: float = SHRINK,
    stride: int = 5,
    radius: int = 20,
    count: int = 16,
    guidance: float = 0.75,
) -> Tensor:
    """Alternate collaborative filtering, chroma from luma, and projection onto the narrowed QCS.

    What repeats in a photograph (edges, textures) is seen several times under different errors; the
    filter keeps what the similar patches agree on, the projection what the file is sure of. The
    error's deviation per component is estimated from the file and scaled down from pass to pass.

    Args:
        jpeg: the file.
        start: a first estimate, (1, C, H, W) in [0, 1]; patches are matched in its luma.
        passes: of filter and projection.
        strengths: factors of the estimated deviation at the first and the last pass; those between
            fall evenly, as the error does.
        shrink: width of the cells, quantisation steps.
        stride: pixels between two groups.
        radius: of the window that is searched, pixels.
        count: patches per group.
        guidance: share of the chroma that is predicted from luma at each pass.

    Returns:
        (1, C, H, W) in [0, 1].
    """
    coefficients, tables = known(jpeg)
    operator = JPEGOperator.of_file(jpeg)
    variances = [component_variance(q, t) for q, t in zip(coefficients, tables, strict=True)]
    planes = operator.planes(start)
    H, W = planes.shape[-2:]
    right, bottom = (
        BLOCK + stride * (reference_positions(size, stride) - 1) - size for size in (W, H)
    )
    pad = (0, right, 0, bottom)
    groups = match_patches(F.pad(planes, pad, mode="replicate")[0, 0], stride, radius, count)
    first, last = strengths
    for i in range(passes):
        strength = first + (last - first) * i / max(passes - 1, 1)
        deviations = [strength * v.sqrt().item() for v in variances]
        padded = F.pad(planes, pad, mode="replicate")[0]
        planes = collaborative_filter(padded, groups, deviations)[None, :, :H, :W]
        if planes.shape[1] == 3:
            planes[:, 1:].lerp_(chroma_from_luma(planes), guidance)
        planes = project_planes(planes, operator, coefficients, tables, shrink, edge_passes=1)
    return operator.image(planes).clamp_(0, 1)
