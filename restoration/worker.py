"""The process that optimises networks for ``restoration.members``: members in, outputs out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from numpy.typing import NDArray

from restoration.callbacks import OutputSmoothing
from restoration.data import LoadedImage
from restoration.errors import RestorationError
from restoration.inputs import EstimateAndNoise
from restoration.losses import QuantisationError
from restoration.members import Member
from restoration.networks import Hourglass
from restoration.processes import answers, messages
from restoration.quiet import quiet
from restoration.task import RestorationTask

REPORT_EVERY = 5  # steps between two reports of progress
# The paper's low network with skips at all levels: from an estimate it converges 4 times as fast.
FILTERS, SKIPS = (8, 16, 32, 64, 128), (8, 8, 8, 4, 4)
# Of the outputs' average; 0.99 would still hold a fifth of the first output after 150 steps.
DECAY = 0.96


class Report(Callback):
    """Tell how far the optimisation is.

    Args:
        report: called with the number of steps since the last call.
    """

    def __init__(self, report: Callable[[int], None]) -> None:
        self.report = report

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Report when due."""
        if trainer.global_step % REPORT_EVERY == 0:
            self.report(REPORT_EVERY)


def optimise(member: Member, report: Callable[[int], None]) -> NDArray[np.float32]:
    """Optimise one network and return the moving average of its outputs, (1, C, H, W)."""
    smoothing = OutputSmoothing(DECAY)
    torch.manual_seed(member.seed)
    with quiet():
        trainer = Trainer(
            accelerator="gpu" if member.device == "cuda" else "cpu",
            devices=1,
            max_steps=member.steps,
            max_epochs=-1,
            callbacks=[smoothing, Report(report)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        net = partial(Hourglass, filters=FILTERS, skips=SKIPS)
        network_input = EstimateAndNoise(estimate=torch.from_numpy(member.estimate))
        trainer.fit(
            RestorationTask(net, QuantisationError()),
            datamodule=LoadedImage(member.jpeg, network_input),
        )
    assert smoothing.average is not None
    return smoothing.average.cpu().numpy()


def main() -> None:
    """Serve members from standard input until it ends or nobody listens."""
    answer = answers()
    for member in messages():
        try:
            output = optimise(member, lambda steps: answer((steps, None)))
        except (RuntimeError, MemoryError, ValueError) as error:  # out of memory, most likely
            answer(RestorationError(f"a network failed: {' '.join(str(error).split())}"))
        else:
            answer((member.steps % REPORT_EVERY, output))


if __name__ == "__main__":
    main()
