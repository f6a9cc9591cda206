"""What a decoder asks of an image: a border, moments of its channels, slopes at its ends.

All at once, so that one gradient is made where four would be added up.

Both variances are <c, F c> / n, c = x - mean(x), n samples per channel, with F the identity, or
where the image is to be upsampled bilinearly F = U'U / 4, symmetric and of row sums 1: upsampling U
along an axis has columns of sum 2, and U'U x = 0.375 x[i - 1] + 1.25 x[i] + 0.375 x[i + 1], the
ends repeated. So the mean stays what it is, and F c = F x - mean(x). (Nearest neighbour has
U'U = 2, which leaves the moments as they are.) Gradients: of the mean 1 / n, of the variance
2 / n F c, for what the mean adds to it, <1, F c>, is 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from restoration.networks.fast import borders


class ImageMoments(NamedTuple):
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


def image_moments(x: Tensor, inset: int) -> ImageMoments:
    """Pad an image, and take its moments.

    Args:
        x: (N, C, H, W), H and W at least 2.
        inset: see ``borders.pad``.
    """
    image, mean, variance = _Moments.apply(x, inset, False)
    return ImageMoments(image, mean, variance, None)


def bilinear_moments(x: Tensor) -> ImageMoments:
    """Pad an image by repetition, and take the moments that it has when upsampled bilinearly.

    Args:
        x: (N, C, H, W), H and W at least 2.
    """
    image, mean, variance, *slopes = _Moments.apply(x, 0, True)
    return ImageMoments(image, mean, variance, tuple(slopes))


class _Moments(torch.autograd.Function):
    """See above."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, inset: int, bilinear: bool) -> tuple[Tensor, ...]:
        """Keep F c for the gradient, or what it is made of where that is kept anyway."""
        ctx.inset, ctx.samples = inset, x.numel() // x.shape[1]
        ctx.own_border = borders.applies(x)
        image = (borders.pad if ctx.own_border else borders.builtin_pad)(x, inset)
        mean = x.mean((0, 2, 3), keepdim=True)
        centred = x - mean
        if bilinear:
            filtered = _up_and_back(image).sub_(mean)
            ctx.save_for_backward(filtered, torch.zeros_like(mean))
        else:
            filtered = centred
            ctx.save_for_backward(x, mean)
        variance = centred.mul_(filtered).sum((0, 2, 3)) / ctx.samples
        if not bilinear:
            return image, mean.flatten(), variance
        rows = _slopes(x, 2)
        return image, mean.flatten(), variance, rows, _slopes(x, 3), _slopes(rows, 3).mT

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The border's, the moments', the slopes'."""
        dimage, dmean, dvariance, *dslopes = gradients
        filtered, mean = ctx.saved_tensors
        transpose = borders.pad_transpose if ctx.own_border else borders.builtin_pad_transpose
        dx = transpose(dimage, ctx.inset)
        factor = (2 / ctx.samples * dvariance).view(-1, 1, 1)
        dx.addcmul_(filtered, factor).add_(dmean.view(-1, 1, 1) / ctx.samples - factor * mean)
        if dslopes:
            rows, columns, corners = dslopes
            rows = rows.clone()
            _add_slopes_transpose(rows, corners.mT, 3)
            _add_slopes_transpose(dx, rows, 2)
            _add_slopes_transpose(dx, columns, 3)
        return dx, None, None


def _slopes(x: Tensor, axis: int) -> Tensor:
    """x[1] - x[0] and x[-2] - x[-1] along an axis of (N, C, ...), stacked in dimension 2."""
    first, second, last_but_one, last = (x.select(axis, i) for i in (0, 1, -2, -1))
    return torch.stack([second - first, last_but_one - last], 2)


def _add_slopes_transpose(x: Tensor, slopes: Tensor, axis: int) -> None:
    """Add to ``x`` what the transpose of ``_slopes`` makes of ``slopes``."""
    for inner, outer, slope in zip((1, -2), (0, -1), slopes.unbind(2), strict=True):
        x.select(axis, inner).add_(slope)
        x.select(axis, outer).sub_(slope)


def _up_and_back(image: Tensor) -> Tensor:
    """U'U x / 4, U the bilinear upsampling along both axes, of x with repeated borders."""
    for axis in (2, 3):
        before, here, after = (image.narrow(axis, i, image.shape[axis] - 2) for i in range(3))
        image = (before + after).add_(here, alpha=10 / 3)
    return image.mul_(0.1875**2)
