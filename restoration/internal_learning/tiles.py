"""Large images in parts, each computed with as much around it as a network looks at."""

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

    def outer(self, image: Tensor) -> Tensor:
        """Cut the tile and its halo, as far as the image goes, out of (N, C, H, W)."""
        top, left = max(self.top - self.halo, 0), max(self.left - self.halo, 0)
        return image[..., top : self.bottom + self.halo, left : self.right + self.halo]

    def place(self, image: Tensor, outer: Tensor) -> None:
        """Write a result of the size of ``outer``, without the halo, into ``image``."""
        top, left = min(self.top, self.halo), min(self.left, self.halo)
        H, W = self.bottom - self.top, self.right - self.left
        inner = outer[..., top : top + H, left : left + W]
        image[..., self.top : self.bottom, self.left : self.right] = inner


def spans(size: int, side: int, unit: int) -> list[tuple[int, int]]:
    """Divide an axis of whole units into spans of nearly equal length, at most ``side``."""
    units = size // unit
    number = -(-units // (side // unit))
    starts = [unit * (i * units // number) for i in range(number)]
    return list(zip(starts, [*starts[1:], size], strict=True))


def tiles_of(height: int, width: int, side: int, halo: int, unit: int = 2) -> list[Tile]:
    """Divide an image into tiles, row by row; one tile if it is no larger than a tile.

    Sizes and the halo are multiples of a unit, and so are the tiles': a network that halves its
    input, or knows where the blocks are, sees the same pairs and blocks.
    """
    return [
        Tile(*rows, *columns, halo)
        for rows in spans(height, side, unit)
        for columns in spans(width, side, unit)
    ]
