"""What one step of an optimisation may know of the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from restoration.jpeg.image import Quantised


@dataclass(frozen=True)
class Batch:
    """All that a loss may know of the one image, as tensors on the device.

    The original is not here: no loss, stop or recipe can see it.

    Attributes:
        z: the network's input of this step, perturbation included, (1, D, H, W).
        target: the decoded JPEG, (1, C, H, W) in [0, 1].
        file: what the JPEG file knows: quantised DCT coefficients, tables, sampling factors.
    """

    z: Tensor
    target: Tensor
    file: Quantised

    def to(self, device: torch.device) -> Batch:
        """Move every tensor to ``device``; z stays the target's own tensor where it is one."""
        target = self.target.to(device)
        z = target if self.z is self.target else self.z.to(device)
        return Batch(z, target, self.file.to(device))
