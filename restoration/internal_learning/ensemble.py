"""The networks of a restoration, each optimised from another seed, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from restoration.errors import RestorationError
from restoration.jpeg import CompressedImage
from restoration.networks.deblocking import DeblockingNetwork
from restoration.support.pool import Pool
from restoration.support.processes import cores

# Processes side by side, however many cores there are: each may take 2 GiB of memory.
MOST_WORKERS = 4
# Optimiser steps of a member that take as long as one of a restorer with a million weights.
WINDOW_STEP = 1.7
DEVICE = "RESTORATION_DEVICE"  # variable that tells a process on which device networks will learn
APPLIED_PIXELS = 2**14  # pixels to which a network is applied, in all ways, in the time of a step


@dataclass(frozen=True)
class Member:
    """One network to optimise and to apply.

    Attributes:
        copies: What it learns from, see ``training_copies``.
        estimate: What it is to correct, (1, C, H, W) in [0, 1].
        jpeg: The decoded JPEG, of the same shape.
        steps: Number of optimiser steps.
        tile: Side of the tiles in which it is applied, in pixels.
        seed: Seed of all its randomness.
        device: "cpu", "cuda" or "mps".
        start: Weights to go on from; None for a new network.
    """

    copies: list[NDArray[np.float32]]
    estimate: NDArray[np.float32]
    jpeg: NDArray[np.float32]
    steps: int
    tile: int
    seed: int
    device: str
    start: list[NDArray[np.float32]] | None = None

    @property
    def units(self) -> int:
        """Count the units of its work: optimiser steps, and as many as its application takes."""
        return self.steps + application_units(*self.estimate.shape[-2:])


@dataclass(frozen=True)
class Restorer:
    """One network to optimise on windows made on the fly, which restores the JPEG by itself.

    It errs unlike those that correct an estimate: the mean of both is better than either. It starts
    from nothing, or from what a library has taught it.

    Attributes:
        jpeg: The file.
        estimate: Of its original, (1, C, H, W) in [0, 1]; what the windows are cut out of.
        scales: Of the smallest and the largest copies of the estimate.
        steps: Number of optimiser steps.
        tile: Side of the tiles in which it is applied, in pixels.
        seed: Seed of all its randomness.
        device: "cpu", "cuda" or "mps".
        start: The network of a library; None for a new one.
    """

    jpeg: CompressedImage
    estimate: NDArray[np.float32]
    scales: tuple[float, float]
    steps: int
    tile: int
    seed: int
    device: str
    start: DeblockingNetwork | None = None

    @property
    def units(self) -> int:
        """Count the units of its work, those of ``Member``."""
        steps = self.steps + application_units(*self.estimate.shape[-2:])
        return restorer_units(steps, self.start)


class Learned(NamedTuple):
    """What comes of a network.

    Attributes:
        correction: of the estimate that it was given, (1, C, H, W).
        weights: of a member's network, in the order of its parameters; nothing goes on from those
            of a restorer, and there are none.
    """

    correction: NDArray[np.float32]
    weights: list[NDArray[np.float32]]


def restorer_units(steps: int, start: DeblockingNetwork | None) -> int:
    """Count the steps of a ``Restorer`` in those of a ``Member``."""
    weights = 1e6 if start is None else sum(some.numel() for some in start.parameters())
    return round(WINDOW_STEP * weights / 1e6 * steps)


def application_units(height: int, width: int) -> int:
    """Tell how many optimiser steps take as long as to apply a network to an image."""
    return max(height * width // APPLIED_PIXELS, 1)


def network_pool(most: int, device: str) -> Pool:
    """Make the processes that optimise networks side by side, one with one thread per core.

    On a CPU two such processes do about 1.6 times the work of one with two threads. On a GPU one
    network follows the other.

    Args:
        most: Number of networks that there are to optimise at a time.
        device: "cpu", "cuda" or "mps".
    """
    number = min(most, cores(), MOST_WORKERS) if device == "cpu" else 1
    environment = {"OMP_NUM_THREADS": str(max(cores() // number, 1)), DEVICE: device}
    return Pool("restoration.internal_learning.network_worker", [environment] * number)


def optimise(
    pool: Pool, networks: Sequence[Member | Restorer], report: Callable[[int], object]
) -> list[Learned]:
    """Optimise networks.

    Args:
        pool: Processes, see ``network_pool``.
        networks: What to optimise.
        report: Called with the units of work done since the last call, see ``Member.units``.

    Returns:
        What comes of each network.

    Raises:
        RestorationError: A network failed, or its process was killed; the others are no longer of
            use.
    """
    outputs: dict[int, Learned] = {}
    with closing(pool.run(networks, report)) as ended:
        for index, output in ended:
            if output is None:
                raise RestorationError("a process that optimised a network failed or was killed")
            if isinstance(output, RestorationError):
                pool.stop()  # what failed may fail again in the same process: a GPU that is lost
                raise output
            outputs[index] = output
    return [outputs[i] for i in range(len(networks))]
