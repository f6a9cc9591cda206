"""The contract between the task and its losses."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from restoration.batch import Batch


class Loss(nn.Module, ABC):
    """Base of all losses: subclass it, implement ``forward``, name the class in a YAML.

    Attributes:
        full_precision: True for a loss that needs float32 proper in the network too, whatever the
            trainer's precision: the task then switches autocast and TF32 off.
        calls_net: True for a loss that evaluates the network again.
    """

    full_precision = False
    calls_net = False

    @abstractmethod
    def forward(self, output: Tensor, batch: Batch, net: nn.Module) -> dict[str, Tensor]:
        """Score one output of the network.

        Args:
            output: the network's output for ``batch.z``, (N, C, H, W) in [0, 1], with gradient.
            batch: what is known of the image.
            net: the network, for losses that evaluate it again (SURE).

        Returns:
            Named scalars; ``"loss"`` is minimised, all are logged.
        """
