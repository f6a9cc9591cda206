"""Pictures of a run in TensorBoard."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from restoration.data import image_of
from restoration.jpeg import to_pixels


class LogImages(Callback):
    """Log the JPEG and the truth once, the current and the smoothed output at intervals.

    Args:
        every: steps between two pictures; 0 switches them off.
    """

    def __init__(self, every: int = 400) -> None:
        self.every = every

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Log what does not change."""
        if self.every and trainer.global_step == 0:
            data = image_of(trainer)
            self.add(trainer, "jpeg", data.batch.target)
            if data.truth is not None:
                self.add(trainer, "truth", data.truth)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Log what the network makes, after the first step and every ``every`` steps."""
        step = trainer.global_step
        if self.every and (step == 1 or step % self.every == 0):
            self.add(trainer, "current", outputs["image"])
            self.add(trainer, "smoothed", outputs["smoothed"])

    def add(self, trainer: Trainer, name: str, image: Tensor) -> None:
        """Add one picture to each TensorBoard logger."""
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
                logger.experiment.add_image(
                    f"images/{name}", to_pixels(image), trainer.global_step, dataformats="HWC"
                )
