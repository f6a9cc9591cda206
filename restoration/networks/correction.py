"""The network that tells what a first estimate gets wrong."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restoration.networks.places import PERIOD, placed


class Convolution(nn.Module):
    """Convolution whose weights and biases are the rows of one matrix.

    So Muon, which takes matrices alone, optimises all of it.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: side k; odd ones are zero-padded to keep the size, even ones stride by their side.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        usual = nn.Conv2d(inputs, outputs, kernel)
        assert usual.bias is not None
        matrix = torch.cat([usual.weight.flatten(1), usual.bias[:, None]], 1)
        self.matrix = nn.Parameter(matrix.detach())  # (outputs, k^2 inputs + 1)
        self.kernel = kernel
        self.placing = {"padding": kernel // 2} if kernel % 2 else {"stride": kernel}

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W), or H / k and W / k for even kernels."""
        weight = self.matrix[:, :-1].unflatten(1, (-1, self.kernel, self.kernel))
        weight = weight.contiguous(memory_format=torch.channels_last)  # the faster one on a CPU
        return F.conv2d(x, weight, self.matrix[:, -1], **self.placing)


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(relu(x)))), at first x."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.first, self.second = Convolution(filters, filters), Convolution(filters, filters)
        nn.init.zeros_(self.second.matrix)

    def forward(self, x: Tensor) -> Tensor:
        """(N, filters, H, W) -> the same."""
        y: Tensor = x + self.second(F.relu(self.first(F.relu(x))))
        return y


class CorrectionNetwork(nn.Module):
    """Tell what to add to an estimate, from the estimate and what it changed in the JPEG.

    A U-net of two levels: two convolutions at the full size, residual blocks at half of it, and two
    convolutions at the full size over the sum of both. The last one starts at zero, and with it the
    correction. Every pixel is told its place among the blocks.

    Args:
        channels: C of the image.
        fine: filters at the full size.
        coarse: filters at half the size.
        blocks: residual blocks at half the size.
    """

    def __init__(self, channels: int, fine: int = 32, coarse: int = 48, blocks: int = 4) -> None:
        super().__init__()
        self.entry = Convolution(2 * channels, fine)
        self.place = nn.Parameter(torch.zeros(fine, PERIOD**2))
        self.head = nn.Sequential(nn.ReLU(), Convolution(fine, fine), nn.ReLU())
        self.middle = nn.Sequential(
            Convolution(fine, coarse, 2),
            *(ResidualBlock(coarse) for _ in range(blocks)),
            nn.ReLU(),
            Convolution(coarse, 4 * fine, 1),
            nn.PixelShuffle(2),
        )
        last = Convolution(fine, channels)
        self.tail = nn.Sequential(nn.ReLU(), Convolution(fine, fine), nn.ReLU(), last)
        nn.init.zeros_(last.matrix)
        # pixels that an output looks at on either side, even: 2 + 2 in the full size, 2 blocks
        # convolutions in the half, each 2 pixels, and what completes a pair
        self.reach = 4 + 4 * blocks + 2

    def forward(self, estimate: Tensor, jpeg: Tensor) -> Tensor:
        """Tell what to add.

        Args:
            estimate: (N, C, H, W) in [0, 1]; H and W multiples of ``PERIOD``, and the upper left
                corner is that of a block of every component.
            jpeg: the same.

        Returns:
            (N, C, H, W).
        """
        # scaled to about the same deviation
        x = self.entry(torch.cat([estimate - 0.5, (jpeg - estimate) * 4], 1))
        x = self.head(placed(x, self.place))
        y: Tensor = self.tail(x + self.middle(x))
        return y
