"""Colour that follows brightness: local linear prediction of chroma from luma."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


def box_mean(x: Tensor, radius: int) -> Tensor:
    """Mean over (2 radius + 1)^2 windows, edges repeated: (N, C, H, W) -> the same."""
    size = 2 * radius + 1
    x = window_sum(F.pad(x, (0, 0, radius, radius), mode="replicate"), size, 2)
    return window_sum(F.pad(x, (radius, radius, 0, 0), mode="replicate"), size, 3) / size**2


def window_sum(x: Tensor, size: int, axis: int) -> Tensor:
    """Sum all windows of some size along an axis, which gets ``size`` - 1 shorter.

    Sums of 1, 2, 4, ... are doubled, and those of the binary digits of the size put together: few
    additions, and none of large numbers, as running sums would have it.
    """
    length = x.shape[axis] - size + 1
    result, power, start = None, 1, 0
    while True:
        if size & power:
            part = x.narrow(axis, start, length)
            result = part if result is None else result + part
            start += power
        if 2 * power > size:
            assert result is not None
            return result
        rest = x.shape[axis] - power
        x = x.narrow(axis, 0, rest) + x.narrow(axis, power, rest)
        power *= 2


class Prediction(NamedTuple):
    """Chroma as luma tells it.

    Attributes:
        chroma: Cb and Cr, (N, 2, H, W), levels.
        residual: the variance that luma leaves unexplained around each pixel, levels^2.
    """

    chroma: Tensor
    residual: Tensor


def chroma_from_luma(
    planes: Tensor, radii: Sequence[int] = (4, 8, 16), epsilon: float = 5.0
) -> Prediction:
    """Predict chroma by local linear regression on luma, mean over several window sizes.

    In each window C ~ a Y + b, a = cov(Y, C) / (var(Y) + e), b = mean(C) - a mean(Y). A pixel takes
    the mean of the windows over it, weighted by 1 / (e + the regression's residual variance), and
    of the sizes by 1 / (e + what each leaves unexplained there)^2.

    JPEG quantises chroma more coarsely than luma; an edge that luma keeps restores the colour edge.

    Args:
        planes: (N, 3, H, W) Y, Cb, Cr in levels.
        radii: of the windows, pixels.
        epsilon: e, levels^2; contrasts below it are taken for noise.

    Reference: He, Sun, Tang, Guided image filtering, IEEE TPAMI 2013; the weights are ours.
    """
    luma, chroma = planes[:, :1], planes[:, 1:]
    predicted, unexplained, total = (torch.zeros_like(chroma) for _ in range(3))
    for radius in radii:
        mean_y, mean_c = box_mean(luma, radius), box_mean(chroma, radius)
        variance = box_mean(luma.square(), radius) - mean_y.square()
        covariance = box_mean(luma * chroma, radius) - mean_y * mean_c
        a = covariance / (variance + epsilon)
        residual = box_mean(chroma.square(), radius) - mean_c.square() - a * covariance
        weight = 1 / (residual.clamp_(min=0) + epsilon)
        weights = box_mean(weight, radius)
        slope = box_mean(a * weight, radius)
        offset = box_mean((mean_c - a * mean_y) * weight, radius)
        left = box_mean(residual * weight, radius) / weights
        share = (left + epsilon) ** -2
        predicted += share * (slope * luma + offset) / weights
        unexplained += share * left
        total += share
    return Prediction(predicted / total, unexplained / total)
