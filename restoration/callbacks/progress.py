"""The progress bar: steps, time left, loss and, where the truth is known, PSNR."""

from __future__ import annotations

import sys
import time
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

LINE_EVERY = 30.0  # seconds between two lines where there is no terminal to draw a bar on


class Progress(ProgressBar):
    """Draw a bar on a terminal, or print a line now and then elsewhere; on stderr.

    The device is asked for the loss at each drawing only.

    Args:
        refresh: seconds between two drawings.
    """

    def __init__(self, refresh: float = 0.5) -> None:
        super().__init__()
        self.refresh = refresh
        self.enabled = True
        self.bar: RichProgress | None = None
        self.task = TaskID(0)
        self.drawn = 0.0
        self.psnr: torch.Tensor | None = None

    def disable(self) -> None:
        """Switch the bar off, as Lightning does on all ranks but the first."""
        self.enabled = False

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Begin to draw, at the step from which a run is resumed."""
        self.drawn = time.monotonic()
        total = trainer.max_steps if trainer.max_steps > 0 else None
        console = Console(stderr=True)
        if self.enabled and console.is_terminal:
            self.bar = RichProgress(
                TextColumn("restoring"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("steps,"),
                TimeRemainingColumn(),
                TextColumn("left  {task.fields[values]}"),
                console=console,
                refresh_per_second=2,
                transient=True,
            )
            self.task = self.bar.add_task("", total=total, values="", completed=trainer.global_step)
            self.bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Draw when it is time to."""
        self.psnr = outputs.get("psnr_smoothed", self.psnr)
        now = time.monotonic()
        interval = self.refresh if self.bar is not None else LINE_EVERY
        if not self.enabled or now - self.drawn < interval:
            return
        self.drawn = now
        values = f"loss {outputs['loss'].item():.3g}"
        if self.psnr is not None:
            values += f"  PSNR {self.psnr.item():.2f} dB"
        if self.bar is not None:
            self.bar.update(self.task, completed=trainer.global_step, values=values)
        else:
            print(f"step {trainer.global_step} of {trainer.max_steps}  {values}", file=sys.stderr)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Take the bar away."""
        self.stop()

    def on_exception(
        self, trainer: Trainer, module: LightningModule, exception: BaseException
    ) -> None:
        """Take the bar away before anything else is printed."""
        self.stop()

    def stop(self) -> None:
        """Stop drawing; the terminal's cursor comes back."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
