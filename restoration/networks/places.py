"""Where a pixel lies among the blocks of a JPEG, told to a network."""

from __future__ import annotations

import torch
from torch import Tensor

# Pixels after which the grids of blocks repeat, where chroma has half the resolution of luma or all
# of it. Where it has a quarter (4:1:1) they are 32: such a network is told half of the place.
PERIOD = 16


def padded(size: int) -> int:
    """Round a size up to whole periods of the grids."""
    return -(-size // PERIOD) * PERIOD


def placed(x: Tensor, offsets: Tensor) -> Tensor:
    """Add what each channel is to know of a place among the blocks.

    y[n, c, i, j] = x[n, c, i, j] + offsets[c, (i mod S) S + j mod S].

    Args:
        x: (N, C, H, W), H and W multiples of S; its upper left corner is that of a block of every
            component.
        offsets: of one period, (C, S^2).
    """
    side = round(offsets.shape[1] ** 0.5)
    period = offsets.to(x.dtype).view(1, -1, side, side)
    tiled = period.repeat(1, 1, x.shape[-2] // side, x.shape[-1] // side)
    # as convolutions on a CPU leave x; the sum would else be slow to read
    return x + tiled.contiguous(memory_format=torch.channels_last)
