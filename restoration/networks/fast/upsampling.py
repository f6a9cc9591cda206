"""Convolution of an image upsampled by two, computed without upsampling it.

Of the output's four phases (even and odd rows and columns) each is a convolution of the small image
with weights of its own. So no pass over the large image is needed for upsampling, its mirrored
borders and its statistics.

Bilinear upsampling is nearest neighbour upsampling followed by [1 2 1] / 4 along both axes, and
this commutes with the convolution: it is done last. So 2 x 2 weights do for both, where a pixel of
the large image takes 3 x 3.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.networks.fast.moments import ImageMoments
from restoration.networks.fast.phases import bilinear_phases, nearest_phases

# Weights of two neighbouring samples of the small image from the three of a convolution of the one
# upsampled by nearest neighbour: [phase][tap of the convolution][sample]. An even sample, 2 i, sees
# i - 1, i, i; an odd one, 2 i + 1, sees i, i, i + 1.
PAIRS = (((1.0, 0.0), (0.0, 1.0), (0.0, 1.0)), ((1.0, 0.0), (1.0, 0.0), (0.0, 1.0)))


def upsampled_convolution(x: ImageMoments, weight: Tensor, bias: Tensor) -> Tensor:
    """Upsample by two, mirror one pixel about every border, convolve: y = w * reflect(up(x)) + b.

    Args:
        x: a small image (N, C, H, W) with a border that repeats its outermost lines, which
            continues the large one as a mirror about its border does; with slopes it is upsampled
            bilinearly, without by nearest neighbour.
        weight: w, (O, C, 3, 3).
        bias: b, (O,).

    Returns:
        (N, O, 2, 2, H, W): phase of the row, phase of the column, half the row, half the column.
    """
    phases = phase_weights(weight)
    if x.slopes is None:
        v = F.conv2d(x.image, phases, bias.repeat_interleave(4))
        return nearest_phases(v)
    phases = phases / 16
    v = F.conv2d(x.image, phases, bias.repeat_interleave(4) / 16)
    return bilinear_phases(v, *_mirror_terms(*x.slopes, phases))


@cache
def _square_pairs(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return ``PAIRS`` for both axes, (9, 16), copied to a device once."""
    pairs = torch.tensor(PAIRS, dtype=torch.float64)
    return torch.einsum("pda,qeb->depqab", pairs, pairs).reshape(9, 16).to(device, dtype)


def phase_weights(weight: Tensor) -> Tensor:
    """Weights of the four phases of an image upsampled by nearest neighbour.

    Args:
        weight: (O, C, 3, 3).

    Returns:
        (4 O, C, 2, 2); of the four the phase of the row comes first.
    """
    filters, C = weight.shape[:2]
    phases = (weight.reshape(-1, 9) @ _square_pairs(weight.dtype, weight.device)).view(
        filters, C, 4, 2, 2
    )
    return phases.transpose(1, 2).reshape(4 * filters, C, 2, 2)


def _mirror_terms(
    rows: Tensor, columns: Tensor, corners: Tensor, phases: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What a mirror about the large image's borders adds to the windows, for ``bilinear_phases``.

    The repeated border of the small image continues the large one by up(x)[0] where the mirror has
    up(x)[1] = up(x)[0] + (x[1] - x[0]) / 4. What is missing in the first row of the convolution,
    w[-1] (x[1] - x[0]) / 4, is added to the sample before it, which the filter takes into that row
    alone. w[-1] is the even phase's first weight; w[1], for the last row, the odd one's second.
    """
    k = phases.unflatten(0, (-1, 2, 2))  # (O, 2, 2, C, 2, 2)
    above = torch.stack([k[:, 0, :, :, 0, :], k[:, 1, :, :, 1, :]])  # (2, O, 2, C, 2)
    beside = torch.stack([k[:, :, 0, :, :, 0], k[:, :, 1, :, :, 1]])
    weight = torch.stack([above[:, :, 0, :, 0], above[:, :, 1, :, 1]], 1)  # (2, 2, O, C)
    crossings = torch.matmul(weight, corners.permute(0, 2, 3, 1)[..., None])[..., 0]
    return _pairs_product(rows, above), _pairs_product(columns, beside), crossings


def _pairs_product(lines: Tensor, weight: Tensor) -> Tensor:
    """Repeat the ends of (N, C, 2, L) and convolve with (2, O, 2, C, 2): (N, 2, O, 2, L + 1)."""
    windows = F.pad(lines, (1, 1, 0, 0), mode="replicate").unfold(3, 2, 1)  # (N, C, 2, L + 1, 2)
    windows = windows.permute(0, 2, 1, 4, 3).flatten(2, 3)  # (N, 2, 2 C, L + 1)
    # a product of matrices: PyTorch is slow to convolve so little
    return torch.matmul(weight.flatten(3, 4).flatten(1, 2), windows).unflatten(2, (-1, 2))


def interleave(phases: Tensor) -> Tensor:
    """(N, O, 2, 2, H, W) phases -> (N, O, 2 H, 2 W), as ``F.pixel_shuffle`` but faster on a CPU."""
    if phases.dtype not in (torch.float32, torch.float64):
        return F.pixel_shuffle(phases.flatten(1, 3), 2)
    y: Tensor = _Interleave.apply(phases)
    return y


class _Interleave(torch.autograd.Function):
    """See ``interleave``."""

    @staticmethod
    def forward(ctx: Any, phases: Tensor) -> Tensor:
        """Two columns are the parts of a complex number: one pass without strides."""
        N, filters, _, _, H, W = phases.shape
        y = phases.new_empty(N, filters, H, 2, W, 2)
        pairs = torch.view_as_complex(y).transpose(2, 3)  # (N, O, 2, H, W)
        torch.complex(phases[:, :, :, 0], phases[:, :, :, 1], out=pairs)
        return y.view(N, filters, 2 * H, 2 * W)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Put the phases apart."""
        (g,) = gradients
        return g.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).permute(0, 1, 3, 5, 2, 4).contiguous()
