"""Pictures and colour histograms of a run, in TensorBoard and what else takes pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from restoration.callbacks.smoothing import NeedsSmoothing
from restoration.data import image_of
from restoration.jpeg import to_pixels
from restoration.jpeg.projection import project
from restoration.losses.histogram import LEVELS, hard_histogram
from restoration.losses.source import gaussian_model
from restoration.metrics import psnr


@runtime_checkable
class TakesImages(Protocol):
    """What Lightning's logger of Weights & Biases has, and one of your own may have."""

    def log_image(self, key: str, images: list[Any], step: int | None = None) -> None:
        """Log pictures, (H, W, C) uint8, under one name."""


class LogImages(NeedsSmoothing):
    """Log the JPEG and the truth once, and at intervals the output, smoothed, and projected.

    With the truth, the PSNR of the projected output is logged too, and that of the JPEG as a line.

    Args:
        every: Steps between two pictures; 0 switches them off.
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
            self.add(trainer, "output", outputs["image"])
            smoothed, data = outputs["smoothed"], image_of(trainer)
            self.add(trainer, "smoothed", smoothed)
            projected = project(smoothed, data.batch.file.to(smoothed.device)).clamp_(0, 1)
            self.add(trainer, "projected", projected)
            if data.truth is not None:
                truth = data.truth.to(smoothed.device)
                scores = {"projected": projected, "jpeg": data.batch.target.to(smoothed.device)}
                row = {f"quality/psnr_{k}": psnr(x, truth).item() for k, x in scores.items()}
                for logger in trainer.loggers:
                    logger.log_metrics(row, step)

    def add(self, trainer: Trainer, name: str, image: Tensor) -> None:
        """Add one picture to each logger that takes pictures."""
        name, step = f"images/{name}", trainer.global_step
        for logger in trainer.loggers if trainer.is_global_zero else []:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(name, to_pixels(image), step, dataformats="HWC")
            elif isinstance(logger, TakesImages):
                logger.log_image(name, [to_pixels(image)], step)


class LogHistograms(NeedsSmoothing):
    """Log each channel's histogram: JPEG, Gaussian model Q and truth once, outputs at intervals.

    The model is the paper's, whatever the loss compares with.

    Args:
        every: Steps between two histograms; 0 switches them off.
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
        """Log the histograms of the output and the smoothed output when due."""
        if self.every and trainer.global_step % self.every == 0:
            self.add(trainer, "output", hard_histogram(outputs["image"]))
            self.add(trainer, "smoothed", hard_histogram(outputs["smoothed"]))

    def add(self, trainer: Trainer, name: str, masses: Tensor) -> None:
        """Add the histogram of each channel, (1, C, 256), to each TensorBoard logger."""
        channels = ("red", "green", "blue") if masses.shape[1] == 3 else ("grey",)
        levels = torch.arange(LEVELS, dtype=torch.float64)
        for logger in tensorboards(trainer):
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


def tensorboards(trainer: Trainer) -> Iterator[TensorBoardLogger]:
    """Yield the TensorBoard loggers, on the process that logs."""
    if trainer.is_global_zero:
        yield from (x for x in trainer.loggers if isinstance(x, TensorBoardLogger))
