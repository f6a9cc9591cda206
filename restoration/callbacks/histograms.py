"""Colour histograms of a run in TensorBoard: the JPEG, the paper's model of it, the output."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from restoration.data import image_of
from restoration.losses.histogram import LEVELS, hard_histogram
from restoration.losses.source import gaussian_model


class LogHistograms(Callback):
    """Log each channel's histogram: JPEG, Gaussian model Q and truth once, outputs at intervals.

    The model is the paper's, whatever the loss compares with.

    Args:
        every: steps between two histograms; 0 switches them off.
    """

    def __init__(self, every: int = 400) -> None:
        self.every = every

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Log what does not change."""
        if self.every and trainer.global_step == 0:
            data = image_of(trainer)
            self.add(trainer, "jpeg", hard_histogram(data.batch.target))
            self.add(trainer, "model", gaussian_model(data.batch.target))
            if data.truth is not None:
                self.add(trainer, "truth", hard_histogram(data.truth))

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Log the histograms of the raw and the smoothed output when due."""
        if self.every and trainer.global_step % self.every == 0:
            self.add(trainer, "output", hard_histogram(outputs["image"]))
            self.add(trainer, "smoothed", hard_histogram(outputs["smoothed"]))

    def add(self, trainer: Trainer, name: str, masses: Tensor) -> None:
        """Add the histogram of each channel, (1, C, 256), to each TensorBoard logger."""
        channels = ("red", "green", "blue") if masses.shape[1] == 3 else ("grey",)
        levels = torch.arange(LEVELS, dtype=torch.float64)
        for logger in trainer.loggers:
            if not isinstance(logger, TensorBoardLogger) or not trainer.is_global_zero:
                continue
            for channel, mass in zip(channels, masses[0].cpu().double(), strict=True):
                mean = float(mass @ levels)
                logger.experiment.add_histogram_raw(
                    f"{channel}/{name}",
                    min=0.0,
                    max=LEVELS - 1.0,
                    num=1,
                    sum=mean,
                    sum_squares=float(mass @ levels**2),
                    bucket_limits=(levels + 0.5).tolist(),
                    bucket_counts=mass.tolist(),
                    global_step=trainer.global_step,
                )
