"""Filtering of groups of similar patches (BM3D) whose errors are those of a JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.jpeg.operator import BLOCK, cosines, dct_matrix

THRESHOLD = 2.7  # standard deviations, as BM3D


class Portion(NamedTuple):
    """How much is done at a time, which bounds the memory and leaves the result alone.

    Attributes:
        rows: of groups that are searched.
        groups: that are filtered.
    """

    rows: int
    groups: int


def portion(device: torch.device) -> Portion:
    """Choose what fits into a CPU's caches, or, elsewhere, outlasts the launch of a kernel."""
    return Portion(8, 256) if device.type == "cpu" else Portion(64, 2**14)


class Groups(NamedTuple):
    """Groups of similar patches of an image, and the errors that they are under.

    Attributes:
        positions: (groups, K), see ``match_patches``.
        variances: of each component, see ``group_variances``.
        margin: pixels to add (left, right, above, below) so that the groups' grid ends with them.
    """

    positions: Tensor
    variances: list[Tensor]
    margin: tuple[int, int, int, int]

    def padded(self, planes: Tensor) -> Tensor:
        """(1, C, H, W) -> (C, H', W'), edges repeated in the margin."""
        return F.pad(planes, self.margin, mode="replicate")[0]


def grouped(
    planes: Tensor, variances: Sequence[Tensor], stride: int, radius: int, count: int
) -> Groups:
    """Group the patches that are similar in the first component.

    Args:
        planes: (1, C, H, W) in levels.
        variances: of each component, see ``patch_variances``.
        stride: see ``match_patches``, as the following.
        radius: of the window.
        count: patches per group.
    """
    H, W = planes.shape[-2:]
    right, bottom = (
        BLOCK + stride * (reference_positions(size, stride) - 1) - size for size in (W, H)
    )
    margin = (0, right, 0, bottom)
    luma = F.pad(planes, margin, mode="replicate")[0, 0]
    positions = match_patches(luma, stride, radius, count)
    errors = [group_variances(positions, by_phase, W + right) for by_phase in variances]
    return Groups(positions, errors, margin)


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
    window = torch.arange(-radius, radius + 1, device=plane.device)
    shifts = (window[:, None] * W + window).flatten()
    D = len(window)
    groups = []
    at_a_time = portion(plane.device).rows
    for first in range(0, rows, at_a_time):
        number = min(at_a_time, rows - first)
        top, height = first * stride, (number - 1) * stride + BLOCK
        starts = torch.arange(number, device=plane.device)[:, None] * stride
        lines = torch.arange(height, device=plane.device) - starts
        sums = ((lines >= 0) & (lines < BLOCK)).to(plane.dtype)  # over 8 lines: (number, height)
        strip = plane[top : top + height, None]
        difference = plane.new_empty(height, D, W)
        distances = plane.new_empty(D, number, D, columns)
        for i in range(D):
            moved = far[top + i : top + i + height].unfold(1, W, 1)  # (height, D, W)
            torch.sub(moved, strip, out=difference).square_()
            tall = (sums @ difference.view(height, -1)).view(number, D, W)
            distances[i] = tall.unfold(2, BLOCK, stride).sum(3)
        distances[radius, :, radius] = -1
        by_shift = distances.transpose(1, 2).reshape(len(shifts), -1)
        nearest = shifts[by_shift.topk(count, 0, largest=False).indices]  # (K, groups)
        y = torch.arange(first, first + number, device=plane.device) * stride
        x = torch.arange(columns, device=plane.device) * stride
        groups.append((nearest + (y[:, None] * W + x).flatten()).T)
    return torch.cat(groups)


def group_variances(groups: Tensor, by_phase: Tensor, width: int) -> Tensor:
    """Mean error of the patches of each group, (groups, 64), by where they lie among the blocks.

    Args:
        groups: (groups, K) positions from ``match_patches``.
        by_phase: of one plane, from ``patch_variances``.
        width: W of the plane, pixels.
    """
    rows, columns = by_phase.shape[:2]
    table = by_phase.reshape(-1, BLOCK**2)
    result = []
    for some in groups.split(portion(groups.device).groups):
        phases = some // width % rows * columns + some % width % columns
        result.append(table.index_select(0, phases.flatten()).view(*some.shape, -1).mean(1))
    return torch.cat(result)


def collaborative_filter(
    planes: Tensor,
    groups: Tensor,
    variances: Sequence[Tensor],
    strength: float,
    pilot: Tensor | None = None,
) -> Tensor:
    """Attenuate the three-dimensional spectra of groups of patches, and put the patches back.

    Each group is transformed by the DCT within and across its patches. With d the error's expected
    deviation at a frequency, coefficients below 2.7 d are set to zero; or, where a pilot with
    coefficients p is given, all are multiplied by w = p^2 / (p^2 + d^2). Patches return with the
    weight 1 / (sum of d^2 over the coefficients kept) or 1 / (sum of w^2 d^2), under a Kaiser
    window, and are averaged where they overlap.

    Args:
        planes: (C, H, W).
        groups: (groups, K) positions from ``match_patches``.
        variances: of the error in each plane, from ``group_variances``.
        strength: factor of the deviations.
        pilot: an estimate of what is to come out, (C, H, W).

    Returns:
        (C, H, W).

    Reference: Dabov, Foi, Katkovnik, Egiazarian, Image denoising by sparse 3-D transform-domain
    collaborative filtering, IEEE TIP 2007 (first and second stage); the error's spectrum is ours.
    """
    H, W = planes.shape[-2:]
    K = groups.shape[1]
    within = dct_matrix(planes.dtype, planes.device)
    across = cosines(K, planes.dtype, planes.device)
    window = torch.kaiser_window(BLOCK, False, 2.0, dtype=planes.dtype)  # on the host
    back = within * torch.outer(window, window).flatten().to(within)
    n = torch.arange(BLOCK, device=planes.device)
    pixels = (n[:, None] * W + n).flatten()

    def spectra_of(plane: Tensor, indices: Tensor) -> Tensor:
        patches = plane.flatten().index_select(0, indices).view(-1, BLOCK**2) @ within.T
        return torch.matmul(across, patches.view(-1, K, BLOCK**2))

    result, number = torch.empty_like(planes), portion(planes.device).groups
    for c, (plane, by_group) in enumerate(zip(planes, variances, strict=True)):
        total, share = torch.zeros_like(plane).flatten(), torch.zeros_like(plane).flatten()
        for some, error in zip(groups.split(number), by_group.split(number), strict=True):
            indices = (some[..., None] + pixels).flatten()
            spectra = spectra_of(plane, indices)  # (groups, K, 64)
            variance = strength**2 * error[:, None]  # (groups, 1, 64)
            if pilot is None:
                gain = (spectra.square() > THRESHOLD**2 * variance).to(planes.dtype)
                gain[:, 0, 0] = 1
            else:
                power = spectra_of(pilot[c], indices).square_()
                gain = power / (power + variance)
            left = (gain.square() * variance).sum((1, 2))  # of the error
            weight = 1 / torch.maximum(left, variance[:, 0, 0])
            spectra *= gain * weight[:, None, None]
            patches = torch.matmul(across.T, spectra).view(-1, BLOCK**2) @ back
            total.index_add_(0, indices, patches.flatten())
            share.index_add_(0, some.flatten(), weight.repeat_interleave(K))
        result[c] = total.view(H, W) / spread(share.view(H, W), window.tolist())
    return result


def spread(share: Tensor, window: Sequence[float]) -> Tensor:
    """Sum a window over patches, each weighted at its upper left corner.

    n[y, x] = sum_ij w_i w_j share[y - i, x - j], one axis after the other.

    Args:
        share: (H, W), zero where no patch begins.
        window: w, along both axes.
    """
    for axis in range(2):
        size = share.shape[axis]
        result = share * window[0]
        for i, weight in enumerate(window[1:], 1):
            result.narrow(axis, i, size - i).add_(share.narrow(axis, 0, size - i), alpha=weight)
        share = result
    return share
