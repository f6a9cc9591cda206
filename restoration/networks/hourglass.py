"""The untrained hourglass network, whose structure is the prior (deep image prior)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restoration.errors import RestorationError
from restoration.networks import fast
from restoration.networks.layers import BatchNorm, Conv, ConvBlock, mirror_indices


class Level(nn.Module):
    """One scale: down by two, the scales below, up by two, joined with an optional skip branch."""

    def __init__(
        self, inputs: int, filters: int, skip: int, deeper: Level | None, nearest: bool
    ) -> None:
        super().__init__()
        self.filters = filters
        self.skip = ConvBlock(inputs, skip, 1) if skip else None
        self.down = nn.Sequential(
            ConvBlock(inputs, filters, 3, stride=2), ConvBlock(filters, filters, 3)
        )
        self.deeper = deeper
        joined = skip + (deeper.filters if deeper else filters)
        self.norm = BatchNorm(joined)
        self.spatial = ConvBlock(joined, filters, 3)
        self.pointwise = ConvBlock(filters, filters, 1)
        self.nearest = nearest

    def forward(self, x: Tensor, head: Conv | None = None) -> Tensor:
        """(N, inputs, H, W) -> (N, filters, H, W), H and W even; then through a 1 x 1 head."""
        y = self.down(x)  # (N, filters, H/2, W/2)
        if self.deeper is not None:
            y = self.deeper(y)
        if fast.decoder.applies(y, self.nearest):
            return fast.decoder.decode(self, x, y, head)
        y = F.interpolate(y, scale_factor=2, mode="nearest" if self.nearest else "bilinear")
        if self.skip is not None:
            y = torch.cat([self.skip(x), y], 1)  # unequal sizes are an error, never cropped
        y = self.pointwise(self.spatial(self.norm(y)))
        return y if head is None else head(y)


class Hourglass(nn.Module):
    """Encoder-decoder with skip connections and a sigmoid output, the generator of the paper.

    Per level: 3x3 convolution of stride 2 and 3x3 convolution down; then, after the deeper levels,
    upsampling by two, concatenation behind the skip branch (1x1 convolution), batch norm, 3x3 and
    1x1 convolution. Every convolution but the last is reflection-padded and followed by batch norm
    and LeakyReLU(0.2).

    Images of any size are mirrored once at the entrance to a multiple of ``2 ** len(filters)``, at
    least twice that (batch norm and mirroring need two samples at the deepest level), and the
    output is cropped once.

    Args:
        input_depth: channels of the network's input.
        output_channels: channels of the restored image.
        filters: filters per level, from the finest to the coarsest, the same down and up.
        skips: filters of each level's skip branch; 0 is no skip, all zeros switch skips off.
        nearest_levels: how many of the finest levels upsample by nearest neighbour; those below
            are bilinear.

    Raises:
        RestorationError: ``filters`` and ``skips`` differ in length or a number is out of range.

    Reference: Ulyanov, Vedaldi, Lempitsky, Deep Image Prior, arXiv 1711.10925, supplementary.
    """

    def __init__(
        self,
        input_depth: int = 3,
        output_channels: int = 3,
        filters: Sequence[int] = (8, 16, 32, 64, 128),
        skips: Sequence[int] = (0, 0, 0, 4, 4),
        nearest_levels: int = 0,
    ) -> None:
        super().__init__()
        if len(filters) != len(skips) or not filters:
            raise RestorationError(
                f"filters and skips need one number per level: {len(filters)} filters, "
                f"{len(skips)} skips"
            )
        if min(filters) < 1 or min(skips) < 0:
            raise RestorationError("filters must be at least 1 and skips at least 0")
        self.filters = list(filters)
        self.skips = list(skips)
        self.nearest_levels = nearest_levels
        self.multiple = 2 ** len(filters)
        level: Level | None = None
        for i in reversed(range(len(filters))):
            inputs = filters[i - 1] if i else input_depth
            level = Level(inputs, filters[i], skips[i], level, nearest=i < nearest_levels)
        self.level = level
        self.head = Conv(filters[0], output_channels, 1)

    def extra_repr(self) -> str:
        """Return the settings, for the result file."""
        return f"filters={self.filters}, skips={self.skips}, nearest_levels={self.nearest_levels}"

    def padding(self, size: int) -> tuple[int, int]:
        """Mirrored samples before and after an axis of ``size`` samples."""
        padded = max(-(-size // self.multiple), 2) * self.multiple
        return (padded - size) // 2, padded - size - (padded - size) // 2

    def forward(self, z: Tensor) -> Tensor:
        """(N, input_depth, H, W) -> (N, output_channels, H, W) in (0, 1)."""
        H, W = z.shape[-2:]
        (top, bottom), (left, right) = self.padding(H), self.padding(W)
        if top + bottom:
            z = z.index_select(-2, mirror_indices(H, top, bottom, z.device))
        if left + right:
            z = z.index_select(-1, mirror_indices(W, left, right, z.device))
        assert self.level is not None
        y = torch.sigmoid(self.level(z, self.head))
        return y[..., top : top + H, left : left + W]
