"""Restore one JPEG in memory: estimate, learn, project."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from restoration.errors import RestorationError
from restoration.estimate.passes import first_estimate
from restoration.history import History
from restoration.internal_learning.budget import START, Clock, recipe_in
from restoration.internal_learning.ensemble import network_pool
from restoration.internal_learning.library.applying import restored_within
from restoration.internal_learning.rounds import Learning, learned
from restoration.internal_learning.work import estimate_units, networks_work, recipe_for
from restoration.jpeg import CompressedImage, Quantised, Separations, to_pixels
from restoration.jpeg.projection import project
from restoration.networks.deblocking import DeblockingNetwork
from restoration.presets import Preset
from restoration.support.devices import device_named, filter_device
from restoration.support.pool import Pool
from restoration.support.usage import SMALLEST_TILE

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
    library: DeblockingNetwork | None = None,
) -> Tensor:
    """Restore a JPEG that is in memory.

    The first estimate, corrected by what the networks of all rounds say, is filtered once more and
    projected onto the narrowed quantisation constraint set. Half of the result is that of networks
    that restore the JPEG by themselves, where the recipe has some: they learn last, on windows of
    what the others made. They start from the network of a library, where there is one; it is
    applied as it is where the recipe gives it no steps.

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
        library: a network that has learned on other files.

    Returns:
        (1, C, H, W) in [0, 1], in the orientation in which the JPEG is stored.
    """
    device = device_named(device)
    file = jpeg.quantised.to(filter_device(device))
    H, W = file.height, file.width
    side = tile_side(H, W, tile)
    if library is not None:
        preset = replace(preset, alone=preset.tuning)
    recipe = recipe_for(H, W, preset)
    if library is not None and budget is None and not recipe.alone:
        return restored_within(library, jpeg, side, device, advance)
    total = estimate_units(H, W, recipe)
    unplanned = budget  # seconds, until it is known what networks do in them
    if budget is None:
        total += networks_work(H, W, recipe).units(library, device)

    def done(units: int) -> None:
        clock.advance(units)
        if advance:
            advance(units, total if unplanned is None else max(total, clock.units_in(unplanned)))

    clock = Clock()
    with nullcontext(pool) if pool else network_pool(recipe.networks, device) as workers:
        if budget is None and (recipe.rounds or recipe.alone):
            workers.begin()  # while the first estimate is made, where it is known they are needed
        estimate = first_estimate(file, recipe.passes, recipe.count, done)
        if budget is not None:
            start = 0.0 if workers.ready else START
            recipe = recipe_in(budget, clock, H, W, preset, device, library, start)
            total += networks_work(H, W, recipe).units(library, device)
            unplanned = None
        if not (recipe.rounds or recipe.alone):
            if library is not None:
                return restored_within(library, jpeg, side, device)
            return project(estimate, file).clamp_(0, 1).cpu()
        workers.begin()
        learning = Learning(jpeg, file, recipe, seed, side, device, workers, done)
        return learned(learning, estimate, library).cpu()


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
    image = history.onwards(restore(earlier, each), H, W)
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
