"""Restore one JPEG in memory: estimate, learn, project."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restoration.budget import (
    STEP_PIXELS,
    Clock,
    estimate_units,
    networks_units,
    recipe_for,
    recipe_within,
    steps_in,
)
from restoration.errors import RestorationError
from restoration.estimate.passes import first_estimate
from restoration.history import History
from restoration.internal_learning.copies import training_copies
from restoration.internal_learning.ensemble import Member, Restorer, network_pool, optimise
from restoration.jpeg import CompressedImage, Quantised, Separations, to_pixels, to_tensor
from restoration.jpeg.projection import project
from restoration.presets import Preset
from restoration.support.devices import device_named, filter_device
from restoration.support.pool import Pool
from restoration.support.usage import SMALLEST_TILE

# Part of the cells' width onto which corrected images are projected: wider than
# for estimates, since they are nearer to the original (tests/benchmarks/ablation.py --of networks).
CORRECTED_SHRINK = 0.75
TILE_SIDE = 1024  # of the tiles in which networks are applied: about 0.3 GiB

Advance = Callable[[int, int], None]  # (units of work done now, units in all)
Method = Callable[[CompressedImage, Advance | None], Tensor]  # restores a JPEG


def restore_jpeg(
    jpeg: CompressedImage,
    preset: Preset,
    seed: int = 0,
    device: str = "auto",
    tile: int | None = None,
    advance: Advance | None = None,
    budget: float | None = None,
    pool: Pool | None = None,
) -> Tensor:
    """Restore a JPEG that is in memory.

    The first estimate, corrected by the mean of what the networks of all rounds say, is projected
    onto the narrowed quantisation constraint set. Networks of a later round go on from those of the
    round before, on copies of what these made of the image. The later a round, the more it counts.
    Half of the result is that of networks that restore the JPEG by themselves, where the recipe has
    some: they learn last, on windows of what the others made.

    Args:
        jpeg: the file.
        preset: how much work is done.
        seed: Seed of all randomness.
        device: see ``device_named``.
        tile: side of the tiles in which the networks are applied, 1024 by default; 0 for the whole
            image at once. It bounds the memory and does not change the result.
        advance: called now and then with the units of work done since, and those in all: a unit is
            a pass of the first estimate over a pixel, or as much of an optimiser step.
        budget: seconds, from which rounds and steps follow instead of from the preset.
        pool: processes of ``network_pool`` that are kept for further files; by default their own.

    Returns:
        (1, C, H, W) in [0, 1], in the orientation in which the JPEG is stored.
    """
    device = device_named(device)
    file = jpeg.quantised.to(filter_device(device))
    H, W = file.height, file.width
    side = tile_side(H, W, tile)
    recipe = recipe_for(H, W, preset)
    total = estimate_units(H, W, recipe)
    if budget is None:
        total += networks_units(H, W, recipe)

    def done(units: int) -> None:
        clock.advance(units)
        if advance:
            advance(units, total)

    def first(some: Quantised, advance: Callable[[int], object] = bool) -> Tensor:
        return first_estimate(some, recipe.passes, recipe.count, advance)

    def copied(pixels: int) -> None:
        done(recipe.passes * pixels)

    def seeds(number: int) -> range:  # of the networks of a round
        return range(seed + number * recipe.networks, seed + (number + 1) * recipe.networks)

    def stepped(steps: int) -> None:
        done(steps * STEP_PIXELS)

    clock = Clock()
    with nullcontext(pool) if pool else network_pool(recipe.networks, device) as workers:
        if recipe.rounds and budget is None:
            workers.begin()  # while the first estimate is made, where it is known they are needed
        estimate = image = first(file, done)
        if budget is not None:
            recipe = recipe_within(budget - clock.spent, clock.pace, H, W, preset)
            total += networks_units(H, W, recipe)
            if recipe.rounds:
                workers.begin()
        if not recipe.rounds:
            return project(estimate, file).clamp_(0, 1).cpu()
        correction = torch.zeros_like(estimate)
        started: list[list[NDArray[np.float32]] | None] = [None] * recipe.networks
        for number in range(recipe.rounds):
            examples = [
                x.cpu().numpy() for x in training_copies(file, image, first, number, copied)
            ]
            members = [
                Member(
                    examples,
                    estimate.cpu().contiguous().numpy(),
                    to_tensor(jpeg.pixels).numpy(),
                    steps_in(number, recipe.steps),
                    side,
                    some_seed,
                    device,
                    weights,
                )
                for some_seed, weights in zip(seeds(number), started, strict=True)
            ]
            learned = optimise(workers, members, stepped)
            started = [x.weights for x in learned]
            mean = np.mean([x.correction for x in learned], 0)
            # of later rounds the heavier: weights 1, 2, 3, ... of all
            correction.lerp_(torch.from_numpy(mean).to(file.device), 2 / (number + 2))
            image = project(estimate + correction, file, CORRECTED_SHRINK).clamp_(0, 1)
        if recipe.alone:
            given = image.cpu().contiguous().numpy()
            restorers = [
                Restorer(jpeg, given, recipe.alone, side, some_seed, device)
                for some_seed in seeds(recipe.rounds)
            ]
            mean = np.mean([x.correction for x in optimise(workers, restorers, stepped)], 0)
            by_themselves = image + torch.from_numpy(mean).to(file.device)
            both = (estimate + correction).lerp(by_themselves, 0.5)
            image = project(both, file, CORRECTED_SHRINK).clamp_(0, 1)
    return image.cpu()


def restore_earlier(
    pixels: NDArray[np.uint8],
    own: Quantised | None,
    history: History,
    restore: Method,
    advance: Advance | None = None,
) -> Tensor:
    """Restore a picture by way of the earlier file that it was cut out of.

    The picture's own cells hold the earlier file's decoded pixels, not the original: they have
    served to recover that file, and the result is not projected onto them. Where the recovery is
    doubtful, the restoration by the own file alone has a share in the result.

    Args:
        pixels: of the picture, (H, W, C).
        own: what the JPEG knows that they come from, if they do.
        history: of the picture.
        restore: restores a JPEG.
        advance: see ``restore_jpeg``.

    Returns:
        (1, C, H, W) in [0, 1].
    """
    H, W, _ = pixels.shape
    share = history.own_share if own is not None else 0.0
    runs = 2 if share else 1

    def each(units: int, total: int) -> None:
        if advance:
            advance(units, runs * total)

    earlier = CompressedImage(to_pixels(history.file.decode()), history.file)
    top, left = history.place
    shown = (H, W) if history.scaling is None else history.scaling.before
    image = restore(earlier, each)[..., top : top + shown[0], left : left + shown[1]]
    if history.scaling is not None:
        image = history.scaling.onwards(image).clamp_(0, 1)
    if own is None or not share:
        return image
    return image.lerp(restore(CompressedImage(pixels, own), each), share)


def restore_parts(picture: Separations, restore: Method, advance: Advance | None = None) -> Tensor:
    """Restore a JPEG of other colours part by part.

    Args:
        picture: of RGB, CMYK or YCCK.
        restore: restores a JPEG.
        advance: see ``restore_jpeg``.

    Returns:
        (1, C, H, W) in [0, 1], of the channels that the picture has.
    """

    def each(units: int, total: int) -> None:
        if advance:
            advance(units, len(picture.parts) * total)

    return picture.joined([restore(part, each) for part in picture.parts])


def tile_side(height: int, width: int, wanted: int | None) -> int:
    """Resolve the side of the tiles: as wanted, the whole image for 0, or the usual one.

    Raises:
        RestorationError: too small.
    """
    if wanted is not None and wanted != 0 and wanted < SMALLEST_TILE:
        raise RestorationError(
            f"tiles need a side of at least {SMALLEST_TILE} pixels (or 0: none), not {wanted}"
        )
    return max(height, width) if wanted == 0 else wanted or TILE_SIDE
