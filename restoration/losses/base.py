"""The contract between the task and its losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Batch:
    """All that a loss may know of the one image, as tensors on the device.

    The original is not here: no loss, stop or recipe can see it.

    Attributes:
        z: the network's input of this step, perturbation included, (1, D, H, W).
        target: the decoded JPEG, (1, C, H, W) in [0, 1].
        coefficients: the file's quantised DCT coefficients per component, integers held as floats,
            each (rows, columns, 8, 8) in blocks; chroma components have their own, smaller grids.
        tables: the quantisation table of each component, (8, 8), by (vertical, horizontal)
            frequency.
        sampling: (vertical, horizontal) sampling factors of each component as in the file;
            4:2:0 is ((2, 2), (1, 1), (1, 1)).
    """

    z: Tensor
    target: Tensor
    coefficients: tuple[Tensor, ...]
    tables: tuple[Tensor, ...]
    sampling: tuple[tuple[int, int], ...]

    def to(self, device: torch.device) -> Batch:
        """Move every tensor to ``device``; z stays the target's own tensor where it is one."""
        target = self.target.to(device)
        return Batch(
            z=target if self.z is self.target else self.z.to(device),
            target=target,
            coefficients=tuple(c.to(device) for c in self.coefficients),
            tables=tuple(t.to(device) for t in self.tables),
            sampling=self.sampling,
        )


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
