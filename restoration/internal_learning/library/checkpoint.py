"""The file of a library: the network, what it has learned on, and how to go on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from restoration.errors import RestorationError
from restoration.internal_learning.library.sizes import ENTRY, USUAL
from restoration.networks.deblocking import DeblockingNetwork
from restoration.support.checkpoints import AtomicIO
from restoration.support.durations import readable

FORMAT = 1


@dataclass
class Description:
    """What a library has learned on.

    Attributes:
        widths: of its network, see ``DeblockingNetwork``.
        blocks: of its network.
        entry: of its network.
        pictures: digests of the files' contents.
        qualities: lowest, median and highest quality of the files.
        steps: optimiser steps.
        spent: seconds of learning.
        seed: of all randomness.
        version: of this format.
    """

    widths: list[int] = field(default_factory=lambda: list(USUAL.widths))
    blocks: list[int] = field(default_factory=lambda: list(USUAL.blocks))
    entry: int = ENTRY
    pictures: list[str] = field(default_factory=list)
    qualities: list[int] = field(default_factory=list)
    steps: int = 0
    spent: float = 0.0
    seed: int = 0
    version: int = FORMAT

    def network(self) -> DeblockingNetwork:
        """Build the network, with its weights of the start."""
        return DeblockingNetwork(self.widths, self.blocks, self.entry)

    def summary(self) -> str:
        """Tell a person in a line."""
        low, middle, high = self.qualities
        return (
            f"learned for {readable(self.spent)}, {self.steps} steps, on {len(self.pictures)} "
            f"pictures of quality {low} to {high} (median {middle})"
        )


class LibraryIO(AtomicIO):
    """Write a library whole or not at all; read tensors and plain values alone."""

    def load_checkpoint(self, path: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """Load the library at ``path``; see ``read_library``."""
        return read_library(path)


def read_library(path: str | Path) -> dict[str, Any]:
    """Read the file of a library; nothing in it is executed.

    Raises:
        RestorationError: there is none, or it is something else, or of another version.
    """
    refusal = RestorationError(f"{path} is no library made by restoration learn")
    try:
        with warnings.catch_warnings(action="ignore"):  # of other kinds of files
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise RestorationError(f"there is no library {path}") from error
    except IsADirectoryError as error:
        raise RestorationError(f"{path} is a folder, not a library") from error
    except PermissionError as error:
        raise RestorationError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # what is damaged, or no such file, may raise anything
        raise refusal from error
    description = content.get("library") if isinstance(content, dict) else None
    if not isinstance(description, dict) or "state_dict" not in content:
        raise refusal
    if description.get("version") != FORMAT:
        raise RestorationError(
            f"{path} is a library of format {description.get('version')}, this program reads "
            f"format {FORMAT}; learn it anew"
        )
    return content


def description_of(content: dict[str, Any], path: str | Path) -> Description:
    """Read what a library has learned on.

    Raises:
        RestorationError: it does not say.
    """
    try:
        return Description(**content["library"])
    except TypeError as error:
        raise RestorationError(f"{path} does not say what it has learned on") from error


def load_library(path: str | Path) -> DeblockingNetwork:
    """Load a library's network with its averaged weights, ready to be applied.

    Raises:
        RestorationError: it is none, or damaged.
    """
    content = read_library(path)
    description = description_of(content, path)
    prefix = "average.module."
    weights = {
        name.removeprefix(prefix): value
        for name, value in content["state_dict"].items()
        if name.startswith(prefix)
    }
    try:
        net = description.network()
        net.load_state_dict(weights)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise RestorationError(f"{path} is damaged: its weights do not fit its network") from error
    return net.eval().requires_grad_(False)


def spread(qualities: Sequence[int]) -> list[int]:
    """Return the lowest, the median and the highest quality."""
    ordered = sorted(qualities)
    return [ordered[0], ordered[len(ordered) // 2], ordered[-1]]
