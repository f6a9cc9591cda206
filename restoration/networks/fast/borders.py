"""A border of one pixel around an image, faster than ``F.pad`` on large images.

Padding copies pixels, (P x)[b] = x[s(b)], where s(b) is the pixel that b repeats. So its transpose,
which gradients go through, adds up what was copied: (P' g)[i] = sum of g[b] over all b with
s(b) = i: the pixel itself, and where i is repeated its part of two rows, two columns, four corners.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.networks.fast.switch import is_dual, pays

# Numbers in an image from which on it pays: at 393,216 it takes 280 us forward and backward,
# ``F.pad`` 350; at 196,608 it is 260 and 190, at 12,288 140 and 40.
SMALLEST = 2**18


def applies(x: Tensor) -> bool:
    """Whether to pad ``x`` here: on a GPU always, where gradients of ``F.pad`` vary by rounding."""
    return not is_dual(x) and pays(x.device.type != "cpu" or x.numel() >= SMALLEST)


def pad_reflect(x: Tensor) -> Tensor:
    """Mirror one pixel about every border: (N, C, H, W) -> (N, C, H + 2, W + 2)."""
    y: Tensor = _Pad.apply(x, 1)
    return y


def pad(x: Tensor, inset: int) -> Tensor:
    """Put a border of one pixel around ``x``, a copy of the line ``inset`` pixels inside.

    Args:
        x: (N, C, H, W).
        inset: 0 repeats the outermost line ("replicate"), 1 mirrors about it ("reflect").

    Returns:
        (N, C, H + 2, W + 2).
    """
    N, C, H, W = x.shape
    y = x.new_empty(N, C, H + 2, W + 2)
    y[..., 1:-1, 1:-1] = x
    y[..., 1:-1, 0] = x[..., inset]
    y[..., 1:-1, -1] = x[..., -1 - inset]
    y[..., 0, :] = y[..., 1 + inset, :]
    y[..., -1, :] = y[..., -2 - inset, :]
    return y


def pad_transpose(g: Tensor, inset: int) -> Tensor:
    """Apply the transpose of ``pad``: (N, C, H + 2, W + 2) -> (N, C, H, W)."""
    x = g[..., 1:-1, 1:-1].clone(memory_format=torch.contiguous_format)
    # (where in the image, where in the border), both axes
    for row, border in ((inset, 0), (-1 - inset, -1)):
        x[..., row, :] += g[..., border, 1:-1]
        x[..., row] += g[..., 1:-1, border]
        for column, edge in ((inset, 0), (-1 - inset, -1)):
            x[..., row, column] += g[..., border, edge]
    return x


class _Pad(torch.autograd.Function):
    """One buffer forward, one backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, inset: int) -> Tensor:
        """See ``pad``."""
        ctx.inset = inset
        return pad(x, inset)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """See ``pad_transpose``."""
        return pad_transpose(gradients[0], ctx.inset), None


def builtin_pad(x: Tensor, inset: int) -> Tensor:
    """Pad as ``pad`` does, faster on small images."""
    return F.pad(x, (1, 1, 1, 1), mode="reflect" if inset else "replicate")


def builtin_pad_transpose(g: Tensor, inset: int) -> Tensor:
    """Apply the transpose of ``builtin_pad``."""
    aten = torch.ops.aten
    transpose = aten.reflection_pad2d_backward if inset else aten.replication_pad2d_backward
    x: Tensor = transpose(g, g[..., 1:-1, 1:-1], [1, 1, 1, 1])
    return x
