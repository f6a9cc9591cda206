"""Mean squared error against the decoded JPEG."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from restoration.batch import Batch
from restoration.losses.base import Loss, Network


class MSE(Loss):
    """Mean squared error between the output and the JPEG's pixels: the deep image prior's loss.

    L = 1/n sum_i (x_i - x0_i)^2, both in [0, 1], n = C H W.
    """

    def forward(self, output: Tensor, batch: Batch, net: Network) -> dict[str, Tensor]:
        """Return {"loss", "mse"}; see ``Loss.forward``."""
        loss = F.mse_loss(output, batch.target)
        return {"loss": loss, "mse": loss}
