"""Large images in parts, each computed with as much around it as its result depends on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Tile:
    """Rows top to bottom and columns left to right of an image, the ends excluded.

    Attributes:
        halo: pixels around it that its result depends on.
    """

    top: int
    bottom: int
    left: int
    right: int
    halo: int

    @property
    def pixels(self) -> int:
        """Count the pixels without the halo."""
        return (self.bottom - self.top) * (self.right - self.left)

    def bounds(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Top, bottom, left and right of the tile and its halo, as far as the image goes."""
        top, left = max(self.top - self.halo, 0), max(self.left - self.halo, 0)
        return top, min(self.bottom + self.halo, height), left, min(self.right + self.halo, width)

    def outer(self, image: Tensor) -> Tensor:
        """Cut the tile and its halo, as far as the image goes, out of (N, C, H, W)."""
        top, bottom, left, right = self.bounds(*image.shape[-2:])
        return image[..., top:bottom, left:right]

    def place(self, image: Tensor, outer: Tensor) -> None:
        """Write a result of the size of ``outer``, without the halo, into ``image``."""
        top, left = min(self.top, self.halo), min(self.left, self.halo)
        H, W = self.bottom - self.top, self.right - self.left
        inner = outer[..., top : top + H, left : left + W]
        image[..., self.top : self.bottom, self.left : self.right] = inner


def spans(size: int, side: int, multiple: int = 2) -> list[tuple[int, int]]:
    """Divide an axis into spans of nearly equal length, at most ``side`` or little more.

    All but the last end at a multiple of ``multiple``.
    """
    cells, number = -(-size // multiple), -(-size // side)
    starts = [multiple * (i * cells // number) for i in range(number)]
    return list(zip(starts, [*starts[1:], size], strict=True))


def tiles_of(height: int, width: int, side: int, halo: int, multiple: int = 2) -> list[Tile]:
    """Divide an image into tiles, row by row; one tile if it is no larger than a tile.

    Args:
        height: of the image, pixels.
        width: of the image, pixels.
        side: of a tile at most, a multiple of ``multiple``.
        halo: see ``Tile``.
        multiple: of the pixels between the tiles' borders and those of the image: a network that
            halves its input sees the same pairs, a filter of a JPEG the same blocks.
    """
    return [
        Tile(*rows, *columns, halo)
        for rows in spans(height, side, multiple)
        for columns in spans(width, side, multiple)
    ]
