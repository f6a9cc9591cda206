"""Checkpoints that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from restoration.errors import RestorationError
from restoration.support.files import atomic_file


class AtomicIO(TorchCheckpointIO):
    """Write a checkpoint beside its place, flush it to the disk and rename it.

    Lightning's own way stages in the system's temporary folder: on another file system the last
    move is a copy, which a kill cuts in two.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike, storage_options: Any = None
    ) -> None:
        """Save ``checkpoint`` under ``path``.

        Raises:
            RestorationError: It cannot be written.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with atomic_file(path) as file:
                torch.save(checkpoint, file)
        except RuntimeError as error:  # what torch makes of a full disk
            raise RestorationError(f"cannot write {path}; is the disk full?") from error
