"""Learn on the pictures of a library until the budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from restoration.errors import Interrupted
from restoration.internal_learning.library.checkpoint import (
    Description,
    LibraryIO,
    description_of,
    read_library,
    spread,
)
from restoration.internal_learning.library.data import WindowData
from restoration.internal_learning.library.module import LibraryLearning
from restoration.internal_learning.library.sizes import USUAL, Size
from restoration.internal_learning.library.windows import Picture
from restoration.jpeg import estimated_quality
from restoration.support.devices import accelerator, precision
from restoration.support.interruption import Interruption
from restoration.support.quiet import quiet

SAVE_EVERY = 300.0  # seconds between two checkpoints

Told = Callable[[LibraryLearning, Tensor], object]  # (what learns, the last step's loss)


class Saving(Checkpoint):
    """Keep the library's file, and end the learning cleanly on Ctrl-C.

    Args:
        path: of the library.
        description: of what it learns on.
        told: called after every step.
        every: seconds between two checkpoints.
    """

    def __init__(
        self, path: Path, description: Description, told: Told, every: float = SAVE_EVERY
    ) -> None:
        self.path = path
        self.description = description
        self.told = told
        self.every = every
        self.saved = time.monotonic()
        self.interruption = Interruption()

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Take over Ctrl-C."""
        self.interruption.__enter__()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Save when due or when asked to stop."""
        assert isinstance(module, LibraryLearning)
        self.told(module, outputs["loss"].detach())  # to look at its value would be to wait for it
        now = time.monotonic()
        if self.interruption.asked or now - self.saved >= self.every:
            trainer.save_checkpoint(self.path)
            self.saved = now
        if self.interruption.asked:
            raise Interrupted(
                f"stopped; {self.path} holds what was learned, and the same command goes on"
            )

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Save the finished library."""
        trainer.save_checkpoint(self.path)

    def on_save_checkpoint(
        self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Say what was learned on."""
        assert isinstance(module, LibraryLearning)
        self.description.steps = trainer.global_step
        self.description.spent = round(module.spent, 1)
        checkpoint["library"] = asdict(self.description)

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Give Ctrl-C back."""
        self.interruption.__exit__()

    def on_exception(
        self, trainer: Trainer, module: LightningModule, exception: BaseException
    ) -> None:
        """Give Ctrl-C back, see ``Interruption.ended_by``."""
        self.interruption.ended_by(exception)


def description_for(pictures: Sequence[Picture], seed: int, size: Size = USUAL) -> Description:
    """Describe a library that is to learn on pictures, with a network of some size."""
    return Description(
        widths=list(size.widths),
        blocks=list(size.blocks),
        pictures=[
            picture.estimate.stem for picture in pictures if isinstance(picture.estimate, Path)
        ],
        qualities=spread([estimated_quality(picture.tables[0]) for picture in pictures]),
        seed=seed,
    )


def learn(
    pictures: Sequence[Picture],
    path: Path,
    description: Description,
    budget: float,
    steps: int | None = None,
    prepared: float = 0.0,
    device: str = "cpu",
    told: Told = lambda module, loss: None,
    workers: int = 0,
) -> None:
    """Learn, or go on learning where the library's file exists.

    Args:
        pictures: to learn from.
        path: of the library's file.
        description: of the network and of what it learns on; the network of an existing file is
            kept.
        budget: seconds of all learning, those before a pause included.
        steps: number of all steps instead, for what must be repeated exactly.
        prepared: seconds of the budget that went into the pictures now.
        device: "cpu", "cuda" or "mps".
        told: called after every step.
        workers: processes that compress windows, beside this one.

    Raises:
        RestorationError: the file cannot be used or written.
        Interrupted: the user stopped it.
    """
    before = description_of(read_library(path), path) if path.exists() else None
    torch.manual_seed(description.seed)
    if before is not None:
        kept = {name: getattr(before, name) for name in ("widths", "blocks", "entry")}
        description = replace(description, **kept)
    net = description.network()
    saving = Saving(path, description, told)
    with quiet():
        trainer = Trainer(
            accelerator=accelerator(device),
            devices=1,
            precision=precision(device),
            max_epochs=-1,
            callbacks=[saving],
            plugins=[LibraryIO()],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(
            LibraryLearning(net, budget, steps, prepared=prepared),
            WindowData(pictures, description.seed, workers=workers),
            ckpt_path=None if before is None else path,
        )
