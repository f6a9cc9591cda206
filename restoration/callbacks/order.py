"""What callbacks know of the trainer and of each other."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from lightning.pytorch import Callback, Trainer

from restoration.errors import RestorationError

AnyCallback = TypeVar("AnyCallback", bound=Callback)


def interval(steps: int, option: str) -> int:
    """Return the steps between two events, once they are at least one.

    Raises:
        RestorationError: They are not.
    """
    if steps < 1:
        raise RestorationError(f"{option} must be at least 1 step, not {steps}")
    return steps


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


def check_before(trainer: Trainer, callback: Callback, kind: type[Callback]) -> None:
    """Check that a callback finds what another adds to the outputs.

    Raises:
        RestorationError: None of that kind runs before it.
    """
    if not any(isinstance(other, kind) for other in callbacks_before(trainer, callback)):
        raise RestorationError(
            f"{type(callback).__name__} needs {kind.__name__} before it among the callbacks"
        )
