"""A network that restores a JPEG from its decoded pixels and its quantisation tables."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from restoration.networks.correction import Convolution, ResidualBlock
from restoration.networks.places import PERIOD, placed


class Level(nn.Module):
    """Residual blocks at one size, around what is done at half of it.

    Args:
        widths: filters of this level and of the coarser ones.
        blocks: residual blocks of each, on the way down and again on the way up.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        width, number = widths[0], blocks[0]
        self.before = nn.Sequential(*(ResidualBlock(width) for _ in range(number)))
        self.after = nn.Sequential(*(ResidualBlock(width) for _ in range(number)))
        self.inner = nn.Sequential()
        self.reach = 4 * number  # two convolutions a block, before and after
        if len(widths) > 1:
            coarser = Level(widths[1:], blocks[1:])
            self.inner = nn.Sequential(
                Convolution(width, widths[1], 2),
                coarser,
                nn.ReLU(),
                Convolution(widths[1], 4 * width, 1),
                nn.PixelShuffle(2),
            )
            self.reach += 2 * coarser.reach + 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, filters, H, W), H and W halved as often as there are coarser levels -> the same."""
        x = self.before(x)
        if self.inner:
            x = x + self.inner(x)
        y: Tensor = self.after(x)
        return y


class DeblockingNetwork(nn.Module):
    """Restore a JPEG: what to add to its pixels, in units of the error that its tables lead to.

    A U-net of residual blocks that starts at ``1 / entry`` of the size. Every pixel is told its
    place among the blocks, and how coarse the quantisation of luma and of chroma is. The last
    convolution starts at zero, and with it the correction.

    Args:
        widths: filters of each level, the finest first.
        blocks: residual blocks of each level, see ``Level``.
        entry: side of the squares of pixels that become one sample of the finest level, 1 or 2.
    """

    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 96),
        blocks: Sequence[int] = (1, 2, 2),
        entry: int = 1,
    ) -> None:
        super().__init__()
        self.head = Convolution(5, widths[0], 3 if entry == 1 else entry)
        places = (PERIOD // entry) ** 2
        self.place = nn.Parameter(torch.zeros(widths[0], places))
        self.levels = Level(widths, blocks)
        last = Convolution(widths[0], 3 * entry**2, 3)
        nn.init.zeros_(last.matrix)
        self.tail = nn.Sequential(nn.ReLU(), last, nn.PixelShuffle(entry))
        self.reach = entry * (self.levels.reach + 2)

    def forward(self, jpeg: Tensor, steps: Tensor) -> Tensor:
        """Restore.

        Args:
            jpeg: decoded, (N, 3, H, W) in [0, 1]; H and W multiples of ``PERIOD``, and the upper
                left corner is that of a block of every component.
            steps: of the tables of luma and chroma, see ``coarseness``, (N, 2).

        Returns:
            (N, 3, H, W); neither clamped nor projected.
        """
        planes = steps[..., None, None].expand(-1, -1, *jpeg.shape[-2:])
        x = self.head(torch.cat([(jpeg - 0.5) * 2, planes], 1))
        x = placed(x, self.place)
        y: Tensor = jpeg + self.tail(self.levels(x)).float() * unit(steps)
        return y


def coarseness(tables: Tensor) -> Tensor:
    """Tell how coarse quantisation is: log2 of the root mean square step, about 0 at quality 50.

    Args:
        tables: quantisation steps, (..., 8, 8).

    Returns:
        (...).
    """
    return tables.square().mean((-1, -2)).log2() / 2 - 6


def unit(steps: Tensor) -> Tensor:
    """Tell about how large the error of a JPEG is, in [0, 1]: it grows as the root of the steps.

    Args:
        steps: (N, 2), see ``coarseness``.

    Returns:
        (N, 1, 1, 1).
    """
    return (torch.exp2(steps[:, :1] / 2) * (5.5 / 255))[..., None, None]
