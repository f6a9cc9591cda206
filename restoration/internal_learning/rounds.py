"""What networks make of one file: those that correct an estimate, and those that restore it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restoration.estimate.passes import first_estimate
from restoration.internal_learning.copies import training_copies
from restoration.internal_learning.ensemble import Member, Restorer, optimise
from restoration.internal_learning.library.applying import finished, within_cells
from restoration.internal_learning.library.windows import CORRECTED_SCALES, FIRST_SCALES
from restoration.internal_learning.work import step_units, steps_in
from restoration.jpeg import CompressedImage, Quantised, to_tensor
from restoration.networks.deblocking import DeblockingNetwork
from restoration.presets import Preset
from restoration.support.pool import Pool


@dataclass(frozen=True)
class Learning:
    """What all networks of a file share.

    Attributes:
        jpeg: The file.
        file: What it knows, on the device of the filters.
        recipe: Of this very image.
        seed: Of all randomness.
        side: Of the tiles in which networks are applied, pixels.
        device: "cpu", "cuda" or "mps".
        workers: Processes of ``network_pool``.
        done: Called with the units of work done since.
    """

    jpeg: CompressedImage
    file: Quantised
    recipe: Preset
    seed: int
    side: int
    device: str
    workers: Pool
    done: Callable[[int], object]

    def seeds(self, number: int) -> range:
        """Return the seeds of the networks of a round, numbered from 0."""
        networks = self.recipe.networks
        return range(self.seed + number * networks, self.seed + (number + 1) * networks)

    def first(self, file: Quantised, advance: Callable[[int], object] = bool) -> Tensor:
        """Make a first estimate."""
        return first_estimate(file, self.recipe.passes, self.recipe.count, advance)

    def copied(self, pixels: int) -> None:
        """Tell of pixels of copies whose estimates are made."""
        self.done(self.recipe.passes * pixels)

    def stepped(self, steps: int) -> None:
        """Tell of optimiser steps."""
        self.done(steps * step_units(self.device))


def learned(learning: Learning, estimate: Tensor, library: DeblockingNetwork | None) -> Tensor:
    """Restore a file by networks.

    Half of the result is that of networks that restore the JPEG by themselves, where the recipe has
    both kinds. They learn last, on windows of what the others made of the image.

    Args:
        learning: of the file; its recipe has rounds, or steps alone.
        estimate: the first one, (1, C, H, W) in [0, 1].
        library: the network that those by themselves start from; None for new ones.

    Returns:
        (1, C, H, W) in [0, 1].
    """
    image = corrected(learning, estimate)
    if learning.recipe.alone:
        alone = restored(learning, within_cells(image, learning.file), library)
        image = image.lerp(alone, 0.5) if learning.recipe.rounds else alone
    return finished(image, learning.file, learning.recipe.count, learning.done)


def corrected(learning: Learning, estimate: Tensor) -> Tensor:
    """Add to an estimate what networks have learned to correct on copies, in all rounds.

    Networks of a later round go on from those of the round before, on copies of what these made of
    the image. The later a round, the more it counts.

    Args:
        learning: of the file.
        estimate: the first one, (1, C, H, W) in [0, 1].

    Returns:
        (1, C, H, W), not projected.
    """
    recipe, image = learning.recipe, estimate
    correction = torch.zeros_like(estimate)
    started: list[list[NDArray[np.float32]] | None] = [None] * recipe.networks
    for number in range(recipe.rounds):
        copies = training_copies(learning.file, image, learning.first, number, learning.copied)
        examples = [copy.cpu().numpy() for copy in copies]
        members = [
            Member(
                examples,
                estimate.cpu().contiguous().numpy(),
                to_tensor(learning.jpeg.pixels).numpy(),
                steps_in(number, recipe.steps),
                learning.side,
                seed,
                learning.device,
                weights,
            )
            for seed, weights in zip(learning.seeds(number), started, strict=True)
        ]
        outputs = optimise(learning.workers, members, learning.stepped)
        started = [x.weights for x in outputs]
        mean = np.mean([x.correction for x in outputs], 0)
        # of later rounds the heavier: weights 1, 2, 3, ... of all
        correction.lerp_(torch.from_numpy(mean).to(estimate.device), 2 / (number + 2))
        image = within_cells(estimate + correction, learning.file)
    return estimate + correction


def restored(learning: Learning, image: Tensor, library: DeblockingNetwork | None) -> Tensor:
    """Take the mean of what networks make of the JPEG, learned on windows of an image.

    Args:
        learning: of the file.
        image: what is known of the original, (1, C, H, W) in [0, 1].
        library: the network that they start from; None for new ones.

    Returns:
        (1, C, H, W), not projected.
    """
    given = image.cpu().contiguous().numpy()
    scales = CORRECTED_SCALES if learning.recipe.rounds else FIRST_SCALES
    restorers = [
        Restorer(
            learning.jpeg,
            given,
            scales,
            learning.recipe.alone,
            learning.side,
            seed,
            learning.device,
            library,
        )
        for seed in learning.seeds(learning.recipe.rounds)
    ]
    outputs = optimise(learning.workers, restorers, learning.stepped)
    mean = np.mean([x.correction for x in outputs], 0)
    return image + torch.from_numpy(mean).to(image.device)
