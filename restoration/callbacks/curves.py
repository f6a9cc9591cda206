"""Every scalar of a run over its steps, as a CSV file and in the trainer's loggers."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from restoration.callbacks.order import callbacks_before, callbacks_of, directory_of, interval
from restoration.callbacks.quality import QUALITY, Quality
from restoration.callbacks.rules import BlindRule
from restoration.errors import DivergenceError, RestorationError
from restoration.run_folder import CURVES
from restoration.support.files import write_atomically


class Curves(Callback):
    """Record all scalars among the outputs of a step: ``curves.csv`` and the trainer's loggers.

    One row per recorded step: ``step`` (counted from 1) and a column per name; a cell is empty
    where nothing was measured at that step. Values wait on the device and are fetched all at once,
    so that no step waits for them.

    Args:
        every: Steps between two rows.
        flush_every: Steps between two fetches.
    """

    def __init__(self, every: int = 10, flush_every: int = 100) -> None:
        self.every = interval(every, "curves.every")
        self.flush_every = interval(flush_every, "curves.flush_every")
        self.pending: list[tuple[int, dict[str, Tensor]]] = []
        self.rows: list[dict[str, float]] = []
        self.directory: Path | None = None

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Find the run's directory; every rank must ask.

        Raises:
            RestorationError: A callback that measures would add its numbers too late.
        """
        self.directory = directory_of(trainer)
        before = callbacks_before(trainer, self)
        for other in callbacks_of(trainer, Callback):
            if isinstance(other, Quality | BlindRule) and other not in before:
                raise RestorationError(
                    f"Curves needs {type(other).__name__}, whose numbers it records, before it "
                    "among the callbacks"
                )

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Note the scalars of a step that is due, or at which the quality was measured."""
        step = trainer.global_step
        if step % self.every == 0 or any(name.startswith(QUALITY) for name in outputs):
            scalars = {
                name: value.detach().clone()
                for name, value in outputs.items()
                if isinstance(value, Tensor) and value.ndim == 0
            }
            self.pending.append((step, scalars))
        if step % self.flush_every == 0:
            self.flush(trainer)

    def flush(self, trainer: Trainer) -> None:
        """Fetch what waits, log it and write the file.

        Raises:
            RestorationError: The loss is no longer a number.
        """
        if not self.pending:
            return
        pending, self.pending = self.pending, []
        fetched = torch.stack([v.float() for _, s in pending for v in s.values()])
        values = map(shortest, fetched.tolist())
        for step, scalars in pending:
            row = {name: next(values) for name in scalars}
            self.rows.append({"step": step, **row})
            if not math.isfinite(row.get("loss", 0.0)):
                self.write(trainer)  # the way there
                raise DivergenceError(
                    f"the loss is {row['loss']} at step {step}; a smaller learning rate may help"
                )
            for logger in trainer.loggers:
                logger.log_metrics({tag(name): v for name, v in row.items()}, step)
        self.write(trainer)

    def write(self, trainer: Trainer) -> None:
        """Write all rows; the columns are those that any row has, in order of appearance."""
        if trainer.is_global_zero and self.directory is not None:
            columns = dict.fromkeys(["step", *(name for row in self.rows for name in row)])
            text = io.StringIO()
            writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
            write_atomically(self.directory / CURVES, text.getvalue().encode())

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Fetch what is left."""
        self.flush(trainer)

    def on_fit_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Write all, also of a run that had ended; one too short for a row leaves a header."""
        self.write(trainer)

    def on_exception(
        self, trainer: Trainer, module: LightningModule, exception: BaseException
    ) -> None:
        """Write what is left of a run that was cut short."""
        self.flush(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Fetch what waits, so that the checkpoint has every row up to its step."""
        self.flush(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Return the rows: those that a killed run wrote after its checkpoint are dropped."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows from a checkpoint."""
        self.rows = state_dict["rows"]


def shortest(value: float) -> float:
    """Turn a number of single precision into the one that as few digits as tell it apart write."""
    return float(str(np.float32(value)))


def tag(name: str) -> str:
    """Group the names in TensorBoard: quality/... for metrics, train/... for the loss's terms."""
    return f"quality/{name}" if name.startswith(QUALITY) else f"train/{name}"
