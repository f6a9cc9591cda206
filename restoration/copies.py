"""JPEGs whose original is known: smaller copies of the image at hand."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.jpeg import CompressedImage, to_tensor
from restoration.jpeg.recompression import compress_like

SMALLEST = 64  # pixels of the shorter side: smaller images have too little to learn from
ENOUGH = 400_000  # pixels of all copies together

# Per copy its scale, and the rows and columns by which its block grid is shifted.
COPIES = ((0.5, 0, 0), (0.7, 4, 2), (0.5, 2, 5), (0.7, 6, 7))


def training_copies(
    jpeg: CompressedImage, estimate: Tensor, restore: Callable[[CompressedImage, float], Tensor]
) -> list[Tensor]:
    """Make JPEGs whose original is known: smaller copies of the estimate, compressed like the file.

    A smaller copy of the estimate is sharp again, and what repeats across scales in a photograph
    makes it an example of what the full size looks like.

    Args:
        jpeg: the file.
        estimate: of its original, (1, C, H, W) in [0, 1].
        restore: what made the estimate, from a file and the scale of its copy.

    Returns:
        Per copy (3, C, h, w): estimate, JPEG and original.

    Reference: Shocher, Cohen, Irani, Zero-shot super-resolution using deep internal learning, CVPR
    2018, for the idea to learn on copies of the image itself; the task and the network are ours.
    """
    H, W = estimate.shape[-2:]
    result = []
    for scale, top, left in copies_of(H, W):
        small = F.interpolate(estimate, scale_factor=scale, mode="bicubic", antialias=True)
        original = small[..., top:, left:].clamp(0, 1)
        compressed = compress_like(original, jpeg)
        result.append(
            torch.cat([restore(compressed, scale), to_tensor(compressed.pixels), original])
        )
    return result


def copies_of(height: int, width: int) -> list[tuple[float, int, int]]:
    """Choose the first of ``COPIES`` that together have enough pixels, or all."""
    chosen, pixels = [], 0.0
    for copy in COPIES:
        if pixels < ENOUGH:
            chosen.append(copy)
            pixels += height * width * copy[0] ** 2
    return chosen
