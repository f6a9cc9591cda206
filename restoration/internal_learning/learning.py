"""Learning on copies of the image at hand what a first estimate gets wrong, and correcting it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.utils.data import IterableDataset

from restoration.internal_learning.muon import Muon
from restoration.internal_learning.ways import WAYS, turned, turned_back
from restoration.networks.correction import CorrectionNetwork
from restoration.networks.fast.cuda_graph import forget_graphs, recorded_if_possible
from restoration.networks.places import PERIOD, padded
from restoration.support.tiles import tiles_of

RATE = 0.01  # highest learning rate


class Patches(IterableDataset[Tensor]):
    """Endless batches of patches of whole periods of the blocks, turned and mirrored at random.

    Args:
        copies: from ``training_copies``.
        seed: of the choice.
        number: of patches in a batch, N.
        side: of a patch, S, a multiple of ``PERIOD``; less where a copy is smaller.

    Yields:
        (3, N, C, S, S).
    """

    def __init__(
        self, copies: Sequence[Tensor], seed: int, number: int = 8, side: int = 64
    ) -> None:
        self.copies = copies
        self.seed = seed
        self.number = number
        self.side = min(side, *(size // PERIOD * PERIOD for c in copies for size in c.shape[-2:]))

    def __iter__(self) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(self.seed)

        def below(limit: int) -> int:
            return int(torch.randint(limit, (), generator=generator))

        while True:
            patches = []
            for _ in range(self.number):
                copy = self.copies[below(len(self.copies))]
                # turned, whole periods are still whole periods
                top, left = (
                    PERIOD * below((size - self.side) // PERIOD + 1) for size in copy.shape[-2:]
                )
                patch = copy[..., top : top + self.side, left : left + self.side]
                patches.append(turned(patch, below(WAYS)))
            yield torch.stack(patches, 1)


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
        self.launch: Callable[..., Tensor] | None = None  # the network, as its device likes it

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Muon under the one-cycle schedule."""
        optimizer = Muon(self.parameters(), RATE)
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
        if self.launch is None:
            self.launch = recorded_if_possible(self.net, estimate, jpeg)
        return F.mse_loss(self.launch(estimate, jpeg).float(), original - estimate)

    def on_fit_end(self) -> None:
        """Forget where the weights were."""
        self.launch = None
        forget_graphs()


@torch.inference_mode()
def correction(
    net: CorrectionNetwork,
    estimate: Tensor,
    jpeg: Tensor,
    side: int,
    advance: Callable[[int], object] = bool,
) -> Tensor:
    """Mean of the network's corrections over the eight ways to turn and mirror the image.

    Args:
        net: the trained network.
        estimate: (1, C, H, W) in [0, 1].
        jpeg: the decoded JPEG, the same shape.
        side: of the tiles in which it is computed; of no effect on the result but its rounding.
        advance: called with the number of pixels done since, ``WAYS`` times those of the image in
            whole periods in all.

    Returns:
        (1, C, H, W).
    """
    H, W = estimate.shape[-2:]
    around = (0, padded(W) - W, 0, padded(H) - H)
    pair = F.pad(torch.cat([estimate, jpeg]), around, mode="replicate")
    result = torch.empty_like(pair[:1])
    for tile in tiles_of(padded(H), padded(W), side, padded(net.reach), PERIOD):
        part = tile.outer(pair)
        mean = torch.zeros_like(part[:1])
        for way in range(WAYS):
            e, j = turned(part, way).contiguous().split(1)
            mean += turned_back(net(e, j), way)
            advance(tile.pixels)
        tile.place(result, mean / WAYS)
    return result[..., :H, :W]
