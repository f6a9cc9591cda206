"""The step at which the smoothed output was nearest to the truth: an oracle, for reports."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from restoration.data import image_of
from restoration.metrics import psnr


class BestStep(Callback):
    """Keep the smoothed output of highest PSNR and its step; silent without truth.

    The comparison stays on the device: no step waits for it. It never stops a run and never chooses
    its result.

    Args:
        every: steps between two comparisons.
    """

    def __init__(self, every: int = 10) -> None:
        self.every = every
        self.truth: Tensor | None = None
        self.state: dict[str, Tensor] = {}

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Fetch the truth, and move what a checkpoint brought to the device."""
        truth = image_of(trainer).truth
        self.truth = None if truth is None else truth.to(module.device)
        self.state = {name: value.to(module.device) for name, value in self.state.items()}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Compare the smoothed output with the best so far."""
        if self.truth is None or trainer.global_step % self.every:
            return
        image = outputs["smoothed"]
        value = outputs.get("psnr_smoothed")
        if value is None:
            value = psnr(image, self.truth)
        step = torch.tensor(trainer.global_step, device=image.device)
        new = {"psnr": value, "step": step, "image": image}
        if not self.state:
            self.state = {name: tensor.clone() for name, tensor in new.items()}
            return
        better = value > self.state["psnr"]
        for name, tensor in new.items():
            self.state[name] = torch.where(better, tensor, self.state[name])

    @property
    def step(self) -> int | None:
        """The best step, or None without truth."""
        return int(self.state["step"]) if self.state else None

    @property
    def image(self) -> Tensor | None:
        """The smoothed output of the best step, (1, C, H, W), or None without truth."""
        return self.state.get("image")

    def state_dict(self) -> dict[str, Any]:
        """Return the best so far, for the checkpoint."""
        return dict(self.state)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the best so far from a checkpoint."""
        self.state = dict(state_dict)
