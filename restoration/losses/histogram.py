"""Histograms with a gradient, by linear binning in O(pixels)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

LEVELS = 256  # bins at the levels 0 to 255 of an 8-bit image
PART = 2**18  # pixels that are summed up at a time: single precision loses small shares of more


def lower_bins(levels: Tensor) -> Tensor:
    """Return the bins below levels of [0, 255]: 0 to 254, int32; levels outside are clamped."""
    return levels.int().clamp_(0, LEVELS - 2)


class LinearBinning(torch.autograd.Function):
    """The histogram as a scatter; its gradient as a gather, computed from the image alone.

    One channel at a time: the bins' 64-bit indices of a whole image would weigh as much as two.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 256)."""
        ctx.save_for_backward(image)
        N, C, H, W = image.shape
        # A pixel puts 1 - share into its lower bin and share into the next: that is a count per
        # lower bin, less the sum of shares, which is carried one bin up.
        carried = torch.zeros(N * C, LEVELS, dtype=image.dtype, device=image.device)
        counts = torch.zeros_like(carried)
        none = torch.zeros_like(carried[0])
        for row, channel in enumerate(image.view(N * C, H * W)):
            for values in channel.split(PART):
                levels = values.clamp(0, 1).mul_(LEVELS - 1)
                below = lower_bins(levels)
                share = levels.sub_(below)
                # scatter needs 64 bits; by way of 32 it is faster than at once
                index = below.long()
                carried[row] += none.scatter_add(0, index, share)
                counts[row] += none.scatter_add(0, index, share.fill_(1))
        return (counts - carried + carried.roll(1, -1)).div_(H * W).view(N, C, LEVELS)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Return dL/dx = 255 / (H W) (g[b + 1] - g[b]), b the lower bin; 0 outside [0, 1]."""
        (image,) = ctx.saved_tensors
        N, C, H, W = image.shape
        slopes = gradient.reshape(N * C, LEVELS).diff(dim=-1).mul_((LEVELS - 1) / (H * W))
        result = torch.empty_like(image)
        rows = zip(image.view(N * C, H * W), slopes, result.view(N * C, H * W), strict=True)
        for values, slope, out in rows:
            # a third of the time that ``gather`` takes
            torch.index_select(slope, 0, lower_bins(values * (LEVELS - 1)), out=out)
        # One pass. It takes its limits for outside, so they lie just beyond 0 and 1.
        kind = torch.finfo(image.dtype)
        return torch.ops.aten.hardtanh_backward(result, image, -kind.tiny, 1 + kind.eps)


def soft_histogram(image: Tensor) -> Tensor:
    """Histogram of each channel with a gradient: every value is shared by its two nearest bins.

    P[i] = 1/n sum_p max(0, 1 - |255 x_p - i|): linear (triangular) binning at the levels 0 to 255.
    Equal to the exact histogram for 8-bit images; rows sum to 1.

    Args:
        image: (N, C, H, W) in [0, 1].

    Returns:
        (N, C, 256).
    """
    result: Tensor = LinearBinning.apply(image.contiguous())
    return result


def hard_histogram(image: Tensor) -> Tensor:
    """Exact histogram of each channel of the image rounded to 8 bit; it has no gradient.

    Args:
        image: (N, C, H, W) in [0, 1].

    Returns:
        (N, C, 256), rows sum to 1.
    """
    N, C, H, W = image.shape
    counts = torch.zeros(N * C, LEVELS, dtype=torch.int32, device=image.device)
    for row, values in enumerate(image.detach().reshape(N * C, H * W)):
        levels = values.clamp(0, 1).mul_(LEVELS - 1).round_().long()
        counts[row].scatter_add_(0, levels, torch.ones_like(levels, dtype=torch.int32))
    return (counts.to(image.dtype) / (H * W)).view(N, C, LEVELS)
