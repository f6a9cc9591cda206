"""Checkpoints that survive a kill, and the way a run ends on Ctrl-C."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from restoration.callbacks.order import directory_of, interval
from restoration.errors import Interrupted, RestorationError
from restoration.independent import IndependentStrategy
from restoration.run_folder import CHECKPOINT
from restoration.support.checkpoints import AtomicIO
from restoration.support.interruption import Interruption


class AtomicCheckpointIO(AtomicIO):
    """Write a checkpoint whole or not at all; read plain values and tensors alone."""

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Load the checkpoint at ``path``, whatever is asked for: plain values and tensors alone.

        Lightning would let a checkpoint from elsewhere run what code it holds.

        Raises:
            RestorationError: There is none, it is damaged, or no file of this machine.
        """
        if "://" in str(path):
            raise RestorationError(f"{path}: a checkpoint must be a file; fetch it first")
        try:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError as error:
            raise RestorationError(f"there is no checkpoint {path}") from error
        except Exception as error:  # a damaged file may raise anything
            if named := re.search(r"GLOBAL (\S+) was not an allowed global", str(error)):
                raise RestorationError(
                    f"{path} holds a {named[1]}, and plain values and tensors alone are loaded: it "
                    "is foreign, or a part of your own has saved it"
                ) from error
            raise RestorationError(
                f"{path} is damaged or no checkpoint; delete it to start anew"
            ) from error
        known = {"generator", "image", "channels", "pytorch-lightning_version"}
        if not (isinstance(checkpoint, dict) and known <= checkpoint.keys()):
            raise RestorationError(f"{path} is not a checkpoint of this program")
        return checkpoint


class CleanEnd(Callback):
    """End the run on Ctrl-C, at the end of a step, with what has been restored so far.

    A second Ctrl-C ends the process at once. Lightning's own way says nothing and keeps nothing.
    """

    def __init__(self) -> None:
        self.interruption = Interruption()
        self.folder: Path | None = None

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Find the run's folder; every rank must ask."""
        self.folder = directory_of(trainer)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Take over Ctrl-C."""
        self.interruption.__enter__()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Stop when asked to; all ranks at the same step.

        Raises:
            Interrupted: It was asked for.
        """
        interrupted = self.interruption.asked is not None
        if trainer.world_size > 1:
            interrupted = trainer.strategy.reduce_boolean_decision(interrupted, all=False)
        if interrupted and isinstance(trainer.strategy, IndependentStrategy):
            trainer.strategy.end_others(self.interruption.asked)
        self.save(trainer, interrupted)
        if interrupted:
            total = f" of {trainer.max_steps}" if trainer.max_steps > 0 else ""
            raise Interrupted(
                f"stopped after step {trainer.global_step}{total}; what has been restored so far "
                f"lies in {self.folder}. {self.onwards()}"
            )

    def onwards(self) -> str:
        """Tell whether the run can go on, and how."""
        if self.folder is not None and (self.folder / CHECKPOINT).exists():
            return "To go on, give the same command with --ckpt_path last"
        return "There is no checkpoint to go on from: --trainer.enable_checkpointing is false"

    def save(self, trainer: Trainer, last: bool) -> None:
        """Save what the run can go on from; nothing here.

        Args:
            trainer: At the end of a step.
            last: Whether the run ends with it.
        """

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Give Ctrl-C back."""
        self.interruption.__exit__()

    def on_exception(
        self, trainer: Trainer, module: LightningModule, exception: BaseException
    ) -> None:
        """Give Ctrl-C back, see ``Interruption.ended_by``."""
        self.interruption.ended_by(exception)


class LastCheckpoint(CleanEnd, Checkpoint):
    """Keep ``last.ckpt`` in the run's directory, and end the run cleanly on Ctrl-C.

    Ctrl-C waits for the end of the step and saves, so that the checkpoint never holds half a step;
    a second one saves nothing. Lightning calls checkpoint callbacks last, so the state of all
    others is that of the same step.

    Args:
        every: Steps between two checkpoints.
    """

    def __init__(self, every: int = 200) -> None:
        super().__init__()
        self.every = interval(every, "checkpoint.every")

    def save(self, trainer: Trainer, last: bool) -> None:
        """Save when due or when the run ends."""
        assert self.folder is not None
        if trainer.global_step % self.every == 0 or last:
            trainer.save_checkpoint(self.folder / CHECKPOINT)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Save the finished run: asked to resume, it has nothing left to do."""
        self.save(trainer, last=True)
