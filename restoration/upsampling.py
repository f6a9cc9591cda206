"""Convolution of an image upsampled by two, computed without upsampling it.

Of the output's four phases (even and odd rows and columns) each is a convolution of the small image
with weights of its own. So no pass over the large image is needed for upsampling, its mirrored
borders and its statistics.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.layers import bordered

# Weight of the small image's samples i - 1, i, i + 1 in sample 2 i + phase + d of the large one:
# [phase][d + 1][tap]. Bilinear: 3/4 of the nearer sample, 1/4 of the further.
BILINEAR = (
    ((0.75, 0.25, 0), (0.25, 0.75, 0), (0, 0.75, 0.25)),
    ((0.25, 0.75, 0), (0, 0.75, 0.25), (0, 0.25, 0.75)),
)
# Nearest: of the taps only two are not zero, phase and phase + 1.
NEAREST = (((1, 0), (0, 1), (0, 1)), ((1, 0), (1, 0), (0, 1)))


def upsampled_convolution(x: Tensor, weight: Tensor, bias: Tensor, nearest: bool) -> Tensor:
    """Upsample by two, mirror one pixel about every border, convolve: y = w * reflect(up(x)) + b.

    Args:
        x: (N, C, H, W), H and W at least 2.
        weight: w, (O, C, 3, 3).
        bias: b, (O,).
        nearest: upsample by nearest neighbour, else bilinear.

    Returns:
        (N, O, 2, 2, H, W): phase of the row, phase of the column, half the row, half the column.
    """
    N, _, H, W = x.shape
    small = bordered(x, 0)
    taps = torch.tensor(NEAREST if nearest else BILINEAR, dtype=x.dtype, device=x.device)
    phases = torch.einsum("ocde,pda,qeb->opqcab", weight, taps, taps)  # (O, 2, 2, C, taps, taps)
    if nearest:
        # a mirrored border repeats the small image's, so nothing is to be amended
        parts = [
            F.conv2d(small[..., p : p + H + 1, q : q + W + 1], phases[:, p, q], bias)
            for p in (0, 1)
            for q in (0, 1)
        ]
        return torch.stack(parts, 2).view(N, -1, 2, 2, H, W)
    y = F.conv2d(small, phases.flatten(0, 2), bias.repeat_interleave(4)).view(N, -1, 2, 2, H, W)
    # The repeated border of ``small`` continues the image by up(x)[0] where the mirror has
    # up(x)[1] = up(x)[0] + (x[1] - x[0]) / 4. The columns' share in the corners is the rows'.
    changes = (
        _line((x[:, :, 1] - x[:, :, 0]) / 4, weight[:, :, 0], "reflect"),
        _line((x[:, :, -2] - x[:, :, -1]) / 4, weight[:, :, 2], "reflect"),
        _line((x[..., 1] - x[..., 0]) / 4, weight[..., 0], "replicate"),
        _line((x[..., -2] - x[..., -1]) / 4, weight[..., 2], "replicate"),
    )
    result: Tensor = _AddBorders.apply(y, *changes)
    return result


def _line(x: Tensor, weight: Tensor, mode: str) -> Tensor:
    """Upsample (N, C, L), continue it, convolve with (O, C, 3): (N, O, 2, L) by phase."""
    before, after = F.pad(x, (1, 1), mode="replicate").unfold(2, x.shape[2], 2).unbind(2)
    large = torch.stack([x * 0.75 + before * 0.25, x * 0.75 + after * 0.25], -1).flatten(2)
    large = F.pad(large, (1, 1), mode=mode)
    L = 2 * x.shape[2]
    # a product of matrices: PyTorch is slow to convolve so little
    y = sum(torch.matmul(weight[..., d], large[..., d : d + L]) for d in range(3))
    assert isinstance(y, Tensor)
    return y.unflatten(2, (-1, 2)).transpose(2, 3)


class _AddBorders(torch.autograd.Function):
    """Add to the first and last row and column of phases, in place."""

    @staticmethod
    def forward(
        ctx: Any, y: Tensor, top: Tensor, bottom: Tensor, left: Tensor, right: Tensor
    ) -> Tensor:
        """``y``: (N, O, 2, 2, H, W); the others (N, O, 2, W) or (N, O, 2, H)."""
        ctx.mark_dirty(y)
        for line, change in zip(_borders(y), (top, bottom, left, right), strict=True):
            line += change
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        """Hand every line its gradient."""
        return gradients[0], *(line.clone() for line in _borders(gradients[0]))


def _borders(y: Tensor) -> tuple[Tensor, ...]:
    first_row, last_row = y[:, :, 0, :, 0], y[:, :, 1, :, -1]
    return first_row, last_row, y[:, :, :, 0, :, 0], y[:, :, :, 1, :, -1]


def interleave(phases: Tensor) -> Tensor:
    """(N, O, 2, 2, H, W) phases -> (N, O, 2 H, 2 W)."""
    return F.pixel_shuffle(phases.flatten(1, 3), 2)


def upsampled_moments(x: Tensor, nearest: bool) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel of ``x`` upsampled by two, without upsampling it.

    Bilinear upsampling U along an axis has columns of sum 2 and U'U x = 0.375 x[i - 1] + 1.25 x[i]
    + 0.375 x[i + 1], the ends repeated; nearest neighbour U'U = 2. With x about its mean,
    variance = <x, (U'U along both axes) x> / (4 samples).

    Args:
        x: (N, C, H, W).
        nearest: upsample by nearest neighbour, else bilinear.

    Returns:
        Two tensors, (C,).
    """
    if nearest:
        variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        return mean, variance
    mean, variance = _BilinearMoments.apply(x)
    return mean, variance


class _BilinearMoments(torch.autograd.Function):
    """See ``upsampled_moments``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        """Filter once; the result is also the gradient."""
        mean = x.mean((0, 2, 3), keepdim=True)
        centred = x - mean
        filtered = bordered(centred, 0)
        for axis in (2, 3):
            before, here, after = (
                filtered.narrow(axis, i, filtered.shape[axis] - 2) for i in range(3)
            )
            filtered = (before + after).mul_(0.375).add_(here, alpha=1.25)
        ctx.samples = x.numel() // x.shape[1]
        ctx.save_for_backward(filtered)
        return mean.flatten(), (centred * filtered).sum((0, 2, 3)) / (4 * ctx.samples)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """The mean has the gradient 1 / samples, the variance filtered / (2 samples)."""
        (filtered,) = ctx.saved_tensors
        of_mean, of_variance = (g.view(-1, 1, 1) / ctx.samples for g in gradients)
        return torch.addcmul(of_mean, filtered, of_variance / 2)
