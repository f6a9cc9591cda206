"""What the way up asks of an image: borders around it, moments of its channels, slopes at its ends.

All at once, so that one gradient is made where four would be added up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from restoration.networks.layers import bordered, folded


class Measured(NamedTuple):
    """What is known of an image x, (N, C, H, W).

    Attributes:
        image: x with a border of one pixel, (N, C, H + 2, W + 2).
        mean: of each channel, (C,).
        variance: of each channel, (C,).
        slopes: where x is to be upsampled bilinearly, how it rises inwards: from its first and its
            last row (N, C, 2, W), from its first and its last column (N, C, 2, H), and how the
            first of these rise from their ends (N, C, 2, 2).
    """

    image: Tensor
    mean: Tensor
    variance: Tensor
    slopes: tuple[Tensor, Tensor, Tensor] | None


def measured(x: Tensor, inset: int) -> Measured:
    """Put borders around an image, and take its moments.

    Args:
        x: (N, C, H, W), H and W at least 2.
        inset: see ``bordered``.
    """
    image, mean, variance = _Measured.apply(x, inset, False)
    return Measured(image, mean, variance, None)


def measured_upsampled(x: Tensor) -> Measured:
    """As ``measured`` with repeated borders, but the moments are those of the image upsampled.

    Bilinear upsampling U along an axis has columns of sum 2 and U'U x = 0.375 x[i - 1] + 1.25 x[i]
    + 0.375 x[i + 1], the ends repeated. So the mean stays what it is, and with x about its mean,
    variance = <x, (U'U along both axes) x> / (4 samples). (For nearest neighbour U'U = 2, which
    leaves the moments as they are.)

    Args:
        x: (N, C, H, W), H and W at least 2.
    """
    image, mean, variance, *slopes = _Measured.apply(x, 0, True)
    return Measured(image, mean, variance, tuple(slopes))


class _Measured(torch.autograd.Function):
    """See above."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, inset: int, upsampled: bool) -> tuple[Tensor, ...]:
        """The variance is that of x about its mean with what its gradient is made of."""
        ctx.inset, ctx.samples = inset, x.numel() // x.shape[1]
        image, mean = bordered(x, inset), x.mean((0, 2, 3), keepdim=True)
        centred = x - mean
        if upsampled:
            filtered = _up_and_back(image).sub_(mean)
            ctx.save_for_backward(filtered, torch.zeros_like(mean))
        else:
            filtered = centred
            ctx.save_for_backward(x, mean)  # x is kept anyway
        variance = centred.mul_(filtered).sum((0, 2, 3)) / ctx.samples
        if not upsampled:
            return image, mean.flatten(), variance
        rows = _slopes(x, 2)
        return image, mean.flatten(), variance, rows, _slopes(x, 3), _slopes(rows, 3).mT

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Borders, then the moments (1 / n and 2 / n of what is about the mean), then slopes."""
        of_image, of_mean, of_variance, *of_slopes = gradients
        filtered, mean = ctx.saved_tensors
        x = folded(of_image, ctx.inset)
        factor = (2 / ctx.samples * of_variance).view(-1, 1, 1)
        x.addcmul_(filtered, factor).add_(of_mean.view(-1, 1, 1) / ctx.samples - factor * mean)
        if of_slopes:
            rows, columns, corners = of_slopes
            rows = rows.clone()
            _add_slopes(rows, corners.mT, 3)
            _add_slopes(x, rows, 2)
            _add_slopes(x, columns, 3)
        return x, None, None


def _slopes(x: Tensor, axis: int) -> Tensor:
    """x[1] - x[0] and x[-2] - x[-1] along an axis of (N, C, ...), stacked in dimension 2."""
    first, second, last_but_one, last = (x.select(axis, i) for i in (0, 1, -2, -1))
    return torch.stack([second - first, last_but_one - last], 2)


def _add_slopes(x: Tensor, gradient: Tensor, axis: int) -> None:
    """Add to ``x`` the transpose of ``_slopes``."""
    for inner, outer, change in zip((1, -2), (0, -1), gradient.unbind(2), strict=True):
        x.select(axis, inner).add_(change)
        x.select(axis, outer).sub_(change)


def _up_and_back(image: Tensor) -> Tensor:
    """U'U x / 4, U the bilinear upsampling along both axes, of x with repeated borders."""
    for axis in (2, 3):
        before, here, after = (image.narrow(axis, i, image.shape[axis] - 2) for i in range(3))
        image = (before + after).add_(here, alpha=10 / 3)
    return image.mul_(0.1875**2)
