"""A run's one folder, whatever logs the run."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from pydoc import locate
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

PLACE = "save_dir"  # what loggers call the folder that they write to
RUNS_OWN = ""  # in its place: the run's own folder
# A class that is given by its path keeps those arguments of the default that it has, too.
DEFAULT: dict[str, Any] = {
    "class_path": "lightning.pytorch.loggers.TensorBoardLogger",
    "init_args": {PLACE: RUNS_OWN},
}


class OneFolder(Trainer):
    """A trainer whose run lies in ``default_root_dir``, wherever its loggers write."""

    @property
    def log_dir(self) -> str | None:
        """The run's folder; every rank must ask."""
        return self.strategy.broadcast(self.default_root_dir)


def with_own_defaults(logger: Any) -> None:
    """Give a logger its own defaults back where it has those of ``DEFAULT``.

    Args:
        logger: the option ``trainer.logger``, which is changed: a class with its arguments, or
            something else.
    """
    if not isinstance(logger, Namespace):
        return
    defaults, own = defaults_of(TensorBoardLogger), defaults_of(locate(logger.class_path))
    for name, value in (defaults | DEFAULT["init_args"]).items():
        if name in own and logger.init_args.get(name) == value:
            logger.init_args[name] = own[name]


def defaults_of(logger: Any) -> dict[str, Any]:
    """Return the arguments of a class that have defaults."""
    parameters = inspect.signature(logger).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def in_folder(
    loggers: Sequence[Logger], options: Sequence[Namespace], folder: Path
) -> list[Logger]:
    """Build those loggers anew that have no place of their own: they write into the run's folder.

    Args:
        loggers: as their options say.
        options: class and arguments of each.
        folder: of the run.
    """
    placed = []
    for logger, option in zip(loggers, options, strict=True):
        if option.init_args.get(PLACE) != RUNS_OWN:
            placed.append(logger)
            continue
        place: dict[str, Any] = {PLACE: folder}
        if isinstance(logger, TensorBoardLogger | CSVLogger):  # which make save_dir/name/version
            place = {PLACE: folder.parent, "name": "", "version": folder.name}
        arguments = option.init_args.as_dict() | option.get("dict_kwargs", {}) | place
        placed.append(type(logger)(**arguments))
    return placed
