"""Progress of a run: steps, time left, loss and, where the truth is known, PSNR."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from torch import Tensor

from restoration.support.progress import Display


class Progress(ProgressBar):
    """Draw a bar on a terminal, or print a line now and then elsewhere; on stderr.

    The device is asked for the loss at each drawing only.

    Args:
        refresh: Seconds between two drawings.
    """

    def __init__(self, refresh: float = 0.5) -> None:
        super().__init__()
        self.refresh = refresh
        self.enabled = True
        self.display: Display | None = None
        self.drawing = ExitStack()
        self.steps = ""
        self.loss: Tensor | None = None
        self.psnr: Tensor | None = None

    def disable(self) -> None:
        """Switch the display off, as Lightning does on all ranks but the first."""
        self.enabled = False

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Begin to draw."""
        if self.enabled:
            self.display = self.drawing.enter_context(Display(self.text, refresh=self.refresh))

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Draw when it is time to."""
        if self.display is None:
            return
        total = trainer.max_steps if trainer.max_steps > 0 else None
        self.steps = f"step {trainer.global_step}" + (f" of {total}" if total else "")
        self.loss = outputs["loss"]
        self.psnr = outputs.get("psnr_smoothed", self.psnr)
        self.display.update(trainer.global_step, total)

    def text(self) -> str:
        """Tell how far the run is."""
        text = self.steps or "restoring"
        if self.loss is not None:
            text += f"  loss {self.loss.item():.3g}"
        return text if self.psnr is None else f"{text}  smoothed PSNR {self.psnr.item():.2f} dB"

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Take the bar away."""
        self.drawing.close()

    def on_exception(
        self, trainer: Trainer, module: LightningModule, exception: BaseException
    ) -> None:
        """Take the bar away before anything else is printed."""
        self.drawing.close()
