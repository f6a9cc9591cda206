"""The exponential moving average of the outputs, of which results are made."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from restoration.callbacks.order import check_before
from restoration.errors import RestorationError


class OutputSmoothing(Callback):
    """Average the outputs of the network: a_0 = x_0, a_t = d a_{t-1} + (1 - d) x_t.

    Adds ``"smoothed"`` (1, C, H, W) to the outputs of a step: the running average itself, which
    the next step changes in place; clone it to keep it.

    Args:
        decay: Weight d of the past, in [0, 1); 0.99 in the reference code of the deep image prior.
    """

    def __init__(self, decay: float = 0.99) -> None:
        if not 0 <= decay < 1:
            raise RestorationError(f"the decay must lie in [0, 1), not {decay}")
        self.decay = decay
        self.average: Tensor | None = None

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Take in one output; on the device, without synchronisation."""
        image = outputs["image"].float()
        if self.average is None:
            self.average = image.clone()
        else:
            self.average.lerp_(image, 1 - self.decay)
        outputs["smoothed"] = self.average

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Move what a checkpoint brought to the device."""
        if self.average is not None:
            self.average = self.average.to(module.device)

    def state_dict(self) -> dict[str, Any]:
        """Return the average, for the checkpoint."""
        return {"average": self.average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the average from a checkpoint."""
        self.average = state_dict["average"]


class NeedsSmoothing(Callback):
    """Base of the callbacks that use the smoothed output."""

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Check that there will be one.

        Raises:
            RestorationError: No ``OutputSmoothing`` runs before this callback.
        """
        check_before(trainer, self, OutputSmoothing)
