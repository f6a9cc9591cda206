"""Restore JPEG files: what a person uses."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from restoration.errors import RestorationError
from restoration.estimate.passes import first_estimate
from restoration.internal_learning.copies import SMALLEST, copies_of, training_copies
from restoration.internal_learning.ensemble import (
    Member,
    application_units,
    network_pool,
    optimise,
)
from restoration.internal_learning.library.checkpoint import load_library
from restoration.internal_learning.library.restoring import restore_with
from restoration.jpeg import (
    CompressedImage,
    Quantised,
    estimated_quality,
    read_jpeg,
    read_truth,
    to_pixels,
    to_tensor,
)
from restoration.jpeg.projection import project
from restoration.metrics import Scores, scores
from restoration.presets import PRESETS, Preset

# Width of the cells, in quantisation steps, onto which corrected images are projected: wider than
# for estimates, since they are nearer to the original (tests/benchmarks/ablation.py --of networks).
CORRECTED_SHRINK = 0.75
TILE_SIDE = 1024  # of the tiles in which networks are applied: about 0.3 GiB
SMALLEST_TILE = 128  # smaller ones would be mostly surroundings

FULL_SIZE = 768 * 512  # pixels from which on networks take all steps of their preset
FEWEST = 100  # steps for the smallest
STEP_PIXELS = 2**14  # pixels that a pass of the first estimate filters in the time of a step

Advance = Callable[[int, int], None]  # (units of work done now, units in all)


@dataclass(frozen=True)
class Report:
    """What was done to one file.

    Attributes:
        size: width and height in pixels, upright.
        quality: JPEG quality, estimated from the luma table.
        preset: name of the recipe.
        seed: of all randomness.
        seconds: from reading to the restored pixels.
        jpeg: how far the JPEG is from the truth, where that was given.
        restored: how far the result is from the truth, where that was given.
    """

    size: tuple[int, int]
    quality: int
    preset: str
    seed: int
    seconds: float
    jpeg: Scores | None = None
    restored: Scores | None = None


class Restored(NamedTuple):
    """A restored image, upright, and the report on it."""

    image: Image.Image
    report: Report


def restore(
    path: str | Path,
    preset: str | None = None,
    seed: int = 0,
    device: str = "auto",
    truth: str | Path | None = None,
    tile: int | None = None,
    advance: Advance | None = None,
    network: str | Path | None = None,
) -> Restored:
    """Restore a JPEG file.

    Args:
        path: of the JPEG.
        preset: "fast" (seconds), "balanced" (minutes) or "best"; by default "balanced", or "fast"
            where a network is given.
        seed: of all randomness.
        device: "cpu", "cuda" or "auto", which takes a GPU if there is one.
        truth: the original, for measuring only.
        tile: side of the tiles in which the networks are applied, 1024 by default; 0 for the whole
            image at once. It bounds the memory and does not change the result.
        advance: called now and then with the units of work done since, and those in all: a unit is
            a pass of the first estimate over a pixel, or as much of an optimiser step.
        network: the library whose network restores the file, see ``restoration learn``; with
            "balanced" and "best" it goes on learning on the file's own smaller copies.

    Returns:
        The image, upright, and the report. ``image.save(path, icc_profile=..., exif=...)`` writes
        it; its ``info`` holds the JPEG's profile and EXIF.

    Raises:
        RestorationError: the file, the truth or an option cannot be used.
    """
    preset = preset or ("balanced" if network is None else "fast")
    if preset not in PRESETS:
        raise RestorationError(f"no preset {preset!r}; there are {', '.join(PRESETS)}")
    began = time.monotonic()
    jpeg = read_jpeg(path)
    clean = None if truth is None else to_tensor(read_truth(truth, jpeg))
    if network is None:
        image = restore_jpeg(jpeg, PRESETS[preset], seed, device, tile, advance)
    else:
        net, device = load_library(network).net, device_named(device)
        side = tile_side(jpeg.quantised.height, jpeg.quantised.width, tile)
        image = restore_with(net, jpeg, PRESETS[preset], seed, device, side, advance)
    upright = jpeg.upright(to_pixels(image))
    seconds = time.monotonic() - began
    report = Report(
        size=upright.size,
        quality=estimated_quality(jpeg.quantised.tables[0]),
        preset=preset,
        seed=seed,
        seconds=round(seconds, 2),
        jpeg=None if clean is None else scores(to_tensor(jpeg.pixels), clean),
        restored=None if clean is None else scores(image, clean),
    )
    return Restored(upright, report)


def restore_jpeg(
    jpeg: CompressedImage,
    preset: Preset,
    seed: int = 0,
    device: str = "auto",
    tile: int | None = None,
    advance: Advance | None = None,
) -> Tensor:
    """Restore a JPEG that is in memory; see ``restore``.

    The first estimate, corrected by the mean of what the networks of all rounds say, is projected
    onto the narrowed quantisation constraint set.

    Returns:
        (1, C, H, W) in [0, 1], in the orientation in which the JPEG is stored.
    """
    device = device_named(device)
    file = jpeg.quantised
    H, W = file.height, file.width
    side = tile_side(H, W, tile)
    rounds = preset.rounds if min(H, W) >= SMALLEST else 0
    steps = steps_for(H, W, preset)
    copies = sum(c.height * c.width for c in copies_of(H, W)) if rounds else 0
    total = preset.passes * (H * W + rounds * copies)
    total += rounds * preset.networks * (steps + application_units(H, W)) * STEP_PIXELS

    def done(units: int) -> None:
        if advance:
            advance(units, total)

    def first(some: Quantised) -> Tensor:
        return first_estimate(some, preset.passes, preset.count, done)

    def stepped(steps: int) -> None:
        done(steps * STEP_PIXELS)

    if not rounds:
        return project(first(file), file).clamp_(0, 1)
    with network_pool(preset.networks, device) as pool:
        estimate = image = first(file)
        corrections: list[Tensor] = []
        for _ in range(rounds):
            examples = [x.numpy() for x in training_copies(file, image, first)]
            seeds = range(seed + len(corrections), seed + len(corrections) + preset.networks)
            members = [
                Member(
                    examples,
                    estimate.contiguous().numpy(),
                    to_tensor(jpeg.pixels).numpy(),
                    steps,
                    side,
                    seed,
                    device,
                )
                for seed in seeds
            ]
            corrections += [torch.from_numpy(x) for x in optimise(pool, members, stepped)]
            image = estimate + torch.stack(corrections).mean(0)
            image = project(image, file, CORRECTED_SHRINK).clamp_(0, 1)
    return image


def steps_for(height: int, width: int, preset: Preset) -> int:
    """Tell how many steps each network takes: fewer for small images, of which it learns less."""
    return max(round(preset.steps * min(height * width / FULL_SIZE, 1)), min(preset.steps, FEWEST))


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


def device_named(device: str) -> str:
    """Resolve "auto".

    Raises:
        RestorationError: unknown, or a GPU is asked for and there is none.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise RestorationError(f"no device {device!r}; there are auto, cpu and cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise RestorationError("there is no CUDA GPU that torch can use; give --device cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
