"""A network that goes on learning on one file, from windows of its own smaller copies."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import LambdaCallback
from torch import Tensor

from restoration.internal_learning.library.data import WindowData
from restoration.internal_learning.library.module import LibraryLearning
from restoration.internal_learning.library.pictures import luma_and_chroma
from restoration.internal_learning.library.windows import Picture
from restoration.jpeg import Quantised, to_pixels
from restoration.networks.deblocking import DeblockingNetwork
from restoration.support.devices import accelerator, precision
from restoration.support.quiet import quiet

TUNING_RATE = 0.002  # highest learning rate


def tuned(
    net: DeblockingNetwork,
    file: Quantised,
    estimate: Tensor,
    scales: tuple[float, float],
    steps: int,
    rate: float = TUNING_RATE,
    seed: int = 0,
    device: str = "cpu",
    advance: Callable[[], object] = bool,
) -> DeblockingNetwork:
    """Optimise a copy of a network on smaller copies of one estimate, compressed like its file.

    Args:
        net: what is started from; not changed.
        file: what it knows.
        estimate: of its original, (1, C, H, W) in [0, 1].
        scales: of the smallest and the largest copies of it.
        steps: of the optimiser.
        rate: highest learning rate.
        seed: of all randomness.
        device: "cpu", "cuda" or "mps".
        advance: called after every step.
    """
    pixels = np.broadcast_to(to_pixels(estimate), (file.height, file.width, 3))
    picture = Picture(pixels, *luma_and_chroma(file), scales)
    copied = deepcopy(net).train().requires_grad_(True)
    torch.manual_seed(seed)
    with quiet():
        trainer = Trainer(
            accelerator=accelerator(device),
            devices=1,
            precision=precision(device),
            max_steps=steps,
            max_epochs=-1,
            callbacks=[LambdaCallback(on_train_batch_end=lambda *_: advance())],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        learning = LibraryLearning(copied, steps=steps, rate=rate)
        trainer.fit(learning, WindowData([picture], seed, own_tables=1.0))
    return copied.eval().requires_grad_(False)
