"""What callbacks know of the trainer and of each other."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from lightning.pytorch import Callback, Trainer

AnyCallback = TypeVar("AnyCallback", bound=Callback)


def directory_of(trainer: Trainer) -> Path:
    """Tell the run's directory; every rank must ask."""
    return Path(trainer.log_dir or trainer.default_root_dir)


def callbacks_of(trainer: Trainer, kind: type[AnyCallback]) -> list[AnyCallback]:
    """Return the trainer's callbacks of one kind, in the order in which they run."""
    # set by one of Lightning's connectors, where a type checker does not see it
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return [c for c in callbacks if isinstance(c, kind)]


def callbacks_before(trainer: Trainer, callback: Callback) -> list[Callback]:
    """Return the trainer's callbacks that run before one of them."""
    every = callbacks_of(trainer, Callback)
    return every[: every.index(callback)]
