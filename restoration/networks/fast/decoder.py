"""A level's way up without a pass over the upsampled image: norm and upsampling go into weights.

The norm makes of each channel x of the joined image a x + b, whose a and b follow from the moments
of x. The convolution behind it, mirrored at the borders, makes of that the convolution of x by
a w, plus b times the sum of w. So of the branch below only the moments of its upsampled image are
needed (``moments``), which is convolved without being made (``upsampling``); and the two branches
are convolved apart and added, not joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restoration.networks.fast import few_filters, level_end
from restoration.networks.fast.moments import bilinear_moments, image_moments
from restoration.networks.fast.switch import is_dual, pays
from restoration.networks.fast.upsampling import interleave, upsampled_convolution

if TYPE_CHECKING:
    from restoration.networks.hourglass import Level

# Pixels of the small image below which making the weights of the phases costs more time than the
# passes over the large image do: 32 x 32, measured with 8 to 256 filters on a CPU.
SMALLEST = 2**10


def applies(y: Tensor, nearest: bool) -> bool:
    """Whether to go up from ``y``, (N, filters, H / 2, W / 2), here: on a GPU by nearest alone."""
    if is_dual(y) or (y.device.type != "cpu" and not nearest):
        return False
    return pays(y.shape[2] * y.shape[3] >= SMALLEST)


def decode(level: Level, x: Tensor, y: Tensor, head: nn.Conv2d | None) -> Tensor:
    """Upsample ``y``, join it with the skip branch of ``x``, and convolve; see ``Level.forward``.

    Args:
        level: whose way up it is.
        x: the level's input, (N, inputs, H, W).
        y: what comes from below, (N, filters, H / 2, W / 2).
        head: a last 1 x 1 convolution.

    Returns:
        (N, filters or the head's, H, W).
    """
    skip = None if level.skip is None else level.skip(x)
    below = image_moments(y, 0) if level.nearest else bilinear_moments(y)
    mean, variance = below.mean, below.variance
    if skip is not None:
        beside = image_moments(skip, 1)
        mean = torch.cat([beside.mean, mean])
        variance = torch.cat([beside.variance, variance])
    scale = level.norm.weight * torch.rsqrt(variance + level.norm.eps)
    shift = level.norm.bias - mean * scale
    weight, bias = level.spatial.convolution.weight, level.spatial.convolution.bias
    assert bias is not None
    bias = bias + weight.sum((2, 3)) @ shift
    weight = weight * scale.view(-1, 1, 1)
    k = weight.shape[1] - y.shape[1]  # filters of the skip branch come first
    phases = upsampled_convolution(below, weight[:, k:], bias)
    if skip is None:  # all that follows is pointwise: the phases may wait to be interleaved
        z = _end(level, phases.flatten(2, 4), head)
        return interleave(z.view(*z.shape[:2], *phases.shape[2:]))
    weight = weight[:, :k]
    few = few_filters.applies(beside.image, weight)
    z = (few_filters.conv2d if few else F.conv2d)(beside.image, weight)
    return _end(level, interleave(phases) + z, head)


def _end(level: Level, z: Tensor, head: nn.Conv2d | None) -> Tensor:
    """What follows the level's 3 x 3 convolution."""
    if level_end.applies(z):
        return level_end.level_end(z, level.spatial, level.pointwise, head)
    z = level.pointwise(level.spatial.activate(z))
    result: Tensor = z if head is None else head(z)
    return result
