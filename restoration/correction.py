"""What a first estimate gets wrong, learned on smaller copies of the image at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from restoration.tiles import tiles_of

RATE = 0.01  # highest learning rate


class Convolution(nn.Module):
    """3x3 convolution, zero-padded, whose weights and biases are the rows of one matrix.

    So ``torch.optim.Muon``, which takes matrices alone, optimises all of it.

    Args:
        inputs: channels.
        outputs: channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        usual = nn.Conv2d(inputs, outputs, 3)
        assert usual.bias is not None
        matrix = torch.cat([usual.weight.flatten(1), usual.bias[:, None]], 1)
        self.matrix = nn.Parameter(matrix.detach())  # (outputs, 9 inputs + 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        weight = self.matrix[:, :-1].unflatten(1, (-1, 3, 3))
        weight = weight.contiguous(memory_format=torch.channels_last)  # the faster one on a CPU
        return F.conv2d(x, weight, self.matrix[:, -1], padding=1)


class CorrectionNetwork(nn.Module):
    """Tell what to add to an estimate, from the estimate and what it changed in the JPEG.

    3x3 convolutions and ReLU. The last convolution starts at zero, and with it the correction.

    Args:
        channels: C of the image.
        filters: per layer.
        depth: number of convolutions.
    """

    def __init__(self, channels: int, filters: int = 32, depth: int = 6) -> None:
        super().__init__()
        widths = [2 * channels, *[filters] * (depth - 1), channels]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            last = Convolution(inputs, outputs)
            layers += [last, nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers[:-1])
        self.reach = depth  # pixels
        nn.init.zeros_(last.matrix)

    def forward(self, estimate: Tensor, jpeg: Tensor) -> Tensor:
        """Twice (N, C, H, W) in [0, 1] -> (N, C, H, W)."""
        # scaled to about the same deviation
        y: Tensor = self.layers(torch.cat([estimate - 0.5, (jpeg - estimate) * 4], 1))
        return y


class Patches(IterableDataset[Tensor]):
    """Endless batches of patches, turned and mirrored at random.

    Args:
        copies: from ``training_copies``.
        seed: of the choice.
        number: of patches in a batch, N.
        side: of a patch, S; less where a copy is smaller.

    Yields:
        (3, N, C, S, S).
    """

    def __init__(
        self, copies: Sequence[Tensor], seed: int, number: int = 8, side: int = 64
    ) -> None:
        self.copies = copies
        self.seed = seed
        self.number = number
        self.side = min(side, *(size for c in copies for size in c.shape[-2:]))

    def __iter__(self) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(self.seed)

        def below(limit: int) -> int:
            return int(torch.randint(limit, (), generator=generator))

        while True:
            patches = []
            for _ in range(self.number):
                copy = self.copies[below(len(self.copies))]
                top, left = (below(size - self.side + 1) for size in copy.shape[-2:])
                patch = copy[..., top : top + self.side, left : left + self.side]
                patches.append(turned(patch, below(8)))
            yield torch.stack(patches, 1)


def turned(image: Tensor, way: int) -> Tensor:
    """Mirror and transpose (..., H, W) in one of the eight ways."""
    image = image.flip(-1) if way & 1 else image
    image = image.flip(-2) if way & 2 else image
    return image.transpose(-1, -2) if way & 4 else image


def turned_back(image: Tensor, way: int) -> Tensor:
    """Invert ``turned``."""
    return turned(image.transpose(-1, -2) if way & 4 else image, way & 3)


class InternalLearning(LightningModule):
    """Minimise the mean squared error of the corrected estimates of copies, whose truth is known.

    Args:
        net: the network.
        steps: of the optimisation, over which the learning rate rises and falls once.
    """

    def __init__(self, net: CorrectionNetwork, steps: int) -> None:
        super().__init__()
        self.net = net
        self.steps = steps

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Muon under the one-cycle schedule.

        Reference: Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024.
        """
        optimizer = torch.optim.Muon(self.parameters(), RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, RATE, self.steps, cycle_momentum=False
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """``batch``: (3, N, C, S, S) from ``Patches``."""
        estimate, jpeg, original = batch
        return F.mse_loss(self.net(estimate, jpeg).float(), original - estimate)


@torch.inference_mode()
def correction(net: CorrectionNetwork, estimate: Tensor, jpeg: Tensor, side: int) -> Tensor:
    """Mean of the network's corrections over the eight ways to turn and mirror the image.

    Args:
        net: the trained network.
        estimate: (1, C, H, W) in [0, 1].
        jpeg: the decoded JPEG, the same shape.
        side: of the tiles in which it is computed; of no effect on the result but its rounding.
    """
    pair = torch.cat([estimate, jpeg])
    result = torch.empty_like(estimate)
    H, W = estimate.shape[-2:]
    for tile in tiles_of(H, W, side, net.reach):
        part = tile.outer(pair)
        mean = torch.zeros_like(part[:1])
        for way in range(8):
            e, j = turned(part, way).contiguous().split(1)
            mean += turned_back(net(e, j), way)
        tile.place(result, mean / 8)
    return result
