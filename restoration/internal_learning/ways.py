"""The eight ways to turn and mirror an image."""

from __future__ import annotations

from torch import Tensor

WAYS = 8


def turned(image: Tensor, way: int) -> Tensor:
    """Mirror and transpose (..., H, W) in one of the eight ways."""
    image = image.flip(-1) if way & 1 else image
    image = image.flip(-2) if way & 2 else image
    return image.transpose(-1, -2) if way & 4 else image


def turned_back(image: Tensor, way: int) -> Tensor:
    """Invert ``turned``."""
    return turned(image.transpose(-1, -2) if way & 4 else image, way & 3)
