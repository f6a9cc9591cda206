"""Histograms with a gradient, by linear binning in O(pixels)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

LEVELS = 256  # bins at the levels 0 to 255 of an 8-bit image


def lower_bins(image: Tensor) -> tuple[Tensor, Tensor]:
    """Split levels into the bin below and the share of the bin above.

    Args:
        image: (N, C, H, W), [0, 1] on the scale of 0 to 255 levels; values outside are clamped.

    Returns:
        Bins 0 to 254, int64, and shares in [0, 1], both (N, C, H W).
    """
    levels = image.flatten(2).clamp(0, 1).mul_(LEVELS - 1)
    below = levels.floor().clamp_(max=LEVELS - 2)
    return below.long(), levels.sub_(below)


class LinearBinning(torch.autograd.Function):
    """The histogram as a scatter; its gradient as a gather, computed from the image alone."""

    @staticmethod
    def forward(ctx: Any, image: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 256)."""
        ctx.save_for_backward(image)
        N, C, H, W = image.shape
        below, share = lower_bins(image)
        # A pixel puts 1 - share into its lower bin and share into the next: that is a count per
        # lower bin, less the sum of shares, which is carried one bin up.
        carried = torch.zeros(N, C, LEVELS, dtype=image.dtype, device=image.device)
        counts = torch.zeros_like(carried)
        carried.scatter_add_(-1, below, share)
        counts.scatter_add_(-1, below, share.fill_(1))
        return (counts - carried + carried.roll(1, -1)).div_(H * W)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Return dL/dx = 255 / (H W) (g[b + 1] - g[b]), b the lower bin; 0 outside [0, 1]."""
        (image,) = ctx.saved_tensors
        below, _ = lower_bins(image)
        slopes = gradient.diff(dim=-1).mul_((LEVELS - 1) / image[0, 0].numel())  # (N, C, 255)
        inside = (image >= 0) & (image <= 1)
        return slopes.gather(-1, below).view_as(image).mul_(inside)


def soft_histogram(image: Tensor) -> Tensor:
    """Histogram of each channel with a gradient: every value is shared by its two nearest bins.

    P[i] = 1/n sum_p max(0, 1 - |255 x_p - i|): linear (triangular) binning at the levels 0 to 255.
    Equal to the exact histogram for 8-bit images; rows sum to 1.

    Args:
        image: (N, C, H, W) in [0, 1].

    Returns:
        (N, C, 256).
    """
    result: Tensor = LinearBinning.apply(image)
    return result


def hard_histogram(image: Tensor) -> Tensor:
    """Exact histogram of each channel of the image rounded to 8 bit; it has no gradient.

    Args:
        image: (N, C, H, W) in [0, 1].

    Returns:
        (N, C, 256), rows sum to 1.
    """
    levels = image.detach().flatten(2).clamp(0, 1).mul(LEVELS - 1).round_()
    counts = torch.zeros(*levels.shape[:2], LEVELS, dtype=image.dtype, device=image.device)
    ones = torch.ones_like(levels)
    return counts.scatter_add_(-1, levels.long(), ones).div_(levels.shape[-1])
