"""PSNR and MS-SSIM against the truth while a run goes on."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from restoration.callbacks.order import interval
from restoration.callbacks.smoothing import NeedsSmoothing
from restoration.data import image_of
from restoration.errors import RestorationError
from restoration.metrics import ms_ssim, psnr

QUALITY = ("psnr", "ms_ssim", "true_mse", "nmse")  # how the names of measurements begin


class Quality(NeedsSmoothing):
    """Measure the output and the smoothed output against the truth; silent where there is none.

    Adds to the outputs of the steps on which it measures: ``"psnr"``, ``"psnr_smoothed"``,
    ``"ms_ssim"`` and ``"ms_ssim_smoothed"`` of the 8-bit images; and of the output as it is
    ``"true_mse"`` = mean (x - x*)^2, which SURE estimates, and ``"nmse"`` = |x - x*|^2 / |x*|^2.

    Args:
        every: Steps between two PSNRs.
        ms_ssim_every: Steps between two MS-SSIMs, which cost about a training step each on a CPU.
    """

    def __init__(self, every: int = 10, ms_ssim_every: int = 200) -> None:
        self.every = interval(every, "quality.every")
        self.ms_ssim_every = interval(ms_ssim_every, "quality.ms_ssim_every")
        self.truth: Tensor | None = None

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Fetch the truth from the data module, once."""
        truth = image_of(trainer).truth
        self.truth = None if truth is None else truth.to(module.device)

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Measure on the steps due; scalars stay on the device.

        Raises:
            RestorationError: the loss gives one of its terms a name that is taken.
        """
        for name in outputs if index == 0 else ():  # the same at all steps
            if name == "step" or name.startswith(QUALITY):
                raise RestorationError(
                    f"the loss calls one of its terms {name}, which is a column of its own in "
                    "curves.csv; give it another name"
                )
        if self.truth is None:
            return
        step = trainer.global_step
        if step % self.every == 0:
            outputs["true_mse"] = F.mse_loss(outputs["image"], self.truth)
            outputs["nmse"] = outputs["true_mse"] / self.truth.square().mean()
        for name, image in (("", outputs["image"]), ("_smoothed", outputs["smoothed"])):
            if step % self.every == 0:
                outputs["psnr" + name] = psnr(image, self.truth)
            if step % self.ms_ssim_every == 0:
                outputs["ms_ssim" + name] = ms_ssim(image, self.truth)
