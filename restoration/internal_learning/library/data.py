"""Endless batches of windows, each told by its number alone."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import numpy as np
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from restoration.internal_learning.library.windows import OWN_TABLES, Picture, Windows, windows

MOST_STEPS = 2**31


class Batches(Dataset[Windows]):
    """Batches by number: the same number gives the same batch, in any process and after a pause.

    Args:
        pictures: to learn from.
        seed: of all choices.
        number: of windows in a batch.
        side: of a window, a multiple of 16.
        own_tables: see ``windows``.
    """

    def __init__(
        self, pictures: Sequence[Picture], seed: int, number: int, side: int, own_tables: float
    ) -> None:
        self.pictures = pictures
        self.seed = seed
        self.number = number
        self.side = side
        self.own_tables = own_tables

    def __len__(self) -> int:
        return MOST_STEPS

    def __getitem__(self, index: int) -> Windows:
        generator = np.random.default_rng((self.seed, index))
        return windows(self.pictures, self.number, self.side, generator, self.own_tables)


class WindowData(LightningDataModule):
    """The batches of a library, from the step on at which the learning goes on.

    Args:
        pictures: to learn from.
        seed: of all choices.
        number: of windows in a batch.
        side: of a window, a multiple of 16.
        own_tables: see ``windows``.
        workers: processes that compress windows; 0 for none beside this one.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        seed: int = 0,
        number: int = 8,
        side: int = 64,
        own_tables: float = OWN_TABLES,
        workers: int = 0,
    ) -> None:
        super().__init__()
        self.batches = Batches(pictures, seed, number, side, own_tables)
        self.workers = workers

    def train_dataloader(self) -> DataLoader[Windows]:
        """Load from the trainer's step on."""
        first = 0 if self.trainer is None else self.trainer.global_step
        return DataLoader(
            self.batches,
            batch_size=None,
            sampler=range(first, MOST_STEPS),
            num_workers=self.workers,
            worker_init_fn=keep_what_was_forked,
            persistent_workers=False,
        )


def keep_what_was_forked(worker: int) -> None:
    """Keep a forked process from freeing what its parent has on a GPU: CUDA would end it."""
    gc.freeze()
