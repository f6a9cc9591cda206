"""The colour transform of JPEG files."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

# ITU-T T.871 (JFIF): full-range BT.601
TO_YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.299 / 1.772, -0.587 / 1.772, 0.5),
    (0.5, -0.587 / 1.402, -0.114 / 1.402),
)
CHROMA_ZERO = 128 / 255


@cache
def constants(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return matrix, inverse and offset, copied to a device once."""
    matrix = torch.tensor(TO_YCBCR, dtype=torch.float64)
    offset = torch.tensor([0.0, CHROMA_ZERO, CHROMA_ZERO], dtype=torch.float64).view(3, 1, 1)
    parts = (matrix, torch.linalg.inv(matrix), offset)
    return parts[0].to(device, dtype), parts[1].to(device, dtype), parts[2].to(device, dtype)


def rgb_to_ycbcr(image: Tensor) -> Tensor:
    """JFIF's affine transform, neither clamped nor rounded.

    Y = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y) / 1.772 + 128/255, Cr = (R - Y) / 1.402 + 128/255.

    Args:
        image: (N, 3, H, W) RGB, [0, 1].

    Returns:
        (N, 3, H, W) Y, Cb, Cr, [0, 1].

    Reference: ITU-T T.871, section 7.
    """
    matrix, _, offset = constants(image.dtype, image.device)
    return torch.einsum("dc,nchw->ndhw", matrix, image) + offset


def ycbcr_to_rgb(image: Tensor) -> Tensor:
    """Invert ``rgb_to_ycbcr``: (N, 3, H, W) -> (N, 3, H, W), neither clamped nor rounded."""
    _, inverse, offset = constants(image.dtype, image.device)
    return torch.einsum("dc,nchw->ndhw", inverse, image - offset)
