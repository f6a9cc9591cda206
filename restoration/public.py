"""What ``import restoration`` offers: a file in, a picture and a report out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from torch import Tensor

from restoration.errors import RestorationError
from restoration.formats.opening import MOST_PIXELS
from restoration.history import find_history
from restoration.jpeg import (
    CompressedImage,
    Picture,
    Separations,
    compress,
    estimated_quality,
    read_picture,
    read_truth,
    to_pixels,
    to_tensor,
)
from restoration.metrics import Scores, scores
from restoration.pipeline import (
    Advance,
    Method,
    device_named,
    restore_earlier,
    restore_jpeg,
    restore_parts,
    tile_side,
)
from restoration.presets import PRESETS, Preset
from restoration.support.durations import readable, seconds_of


@dataclass(frozen=True)
class Settings:
    """How a picture is restored; see ``restore``.

    Attributes:
        preset: name of the recipe, or None for the usual one.
        seed: Seed of all randomness.
        device: "cpu", "cuda" or "auto".
        tile: side of the tiles in which networks are applied.
        history: "auto" or "none".
        quality: to restore as if saved at this JPEG quality.
        network: path of the library whose network restores the picture.
        budget: seconds, from which the recipe follows instead of from a preset; or None.
        strength: 0 to 1, from the picture itself to the restored one.
    """

    preset: str | None
    seed: int
    device: str
    tile: int | None
    history: str
    quality: int | None
    network: str | Path | None
    budget: float | None = None
    strength: float = 1.0


@dataclass(frozen=True)
class Report:
    """What was done to one file.

    Attributes:
        size: width and height in pixels, upright.
        quality: JPEG quality, estimated from the luma table; None for a table that was found.
        preset: name of the recipe.
        seed: Seed of all randomness.
        seconds: from reading to the restored pixels.
        history: the compressions that were found, the first one first; None if there is only that
            of the file.
        jpeg: how far the picture is from the truth, where that was given.
        restored: how far the result is from the truth, where that was given.
        damage: what is missing of the picture, in a few words; None where it is whole.
        colours: what became of colours that are neither YCbCr nor grey; None where they are.
    """

    size: tuple[int, int]
    quality: int | None
    preset: str
    seed: int
    seconds: float
    history: str | None = None
    jpeg: Scores | None = None
    restored: Scores | None = None
    damage: str | None = None
    colours: str | None = None


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
    history: str = "auto",
    quality: int | None = None,
    max_pixels: int = MOST_PIXELS,
    strict: bool = False,
    network: str | Path | None = None,
    budget: str | None = None,
    strength: float = 1.0,
) -> Restored:
    """Restore a JPEG file, or a picture that was one.

    What earlier compressions left in the pixels is looked for; the earliest that is sure is undone.

    Args:
        path: of the picture.
        preset: "fast" (seconds), "balanced" (minutes) or "best"; by default "balanced", or "fast"
            where a network is given.
        seed: Seed of all randomness.
        device: "cpu", "cuda" or "auto", which takes a GPU if there is one.
        truth: the original, for measuring only.
        tile: side of the tiles in which the networks are applied, 1024 by default; 0 for the whole
            image at once. It bounds the memory and does not change the result.
        advance: called now and then with the units of work done since, and those in all.
        history: "auto" to look for earlier compressions, "none" to trust the file alone.
        quality: to restore the picture as if it had been saved at this JPEG quality.
        max_pixels: of the largest image that is taken.
        strict: refuse pictures that are damaged, which are restored as far as they are whole.
        network: the library whose network restores the picture, see ``restoration learn``; with
            "balanced" and "best" it goes on learning on the picture's own smaller copies.
        budget: time for the picture, "30s", "5m" or "1h", instead of a preset: networks learn for
            as long as that allows. The least is what "fast" does.
        strength: 0 to 1, from the JPEG to the restored picture; what is between agrees with the
            file as both do.

    Returns:
        The image, upright, and the report. ``image.save(path, icc_profile=..., exif=...)`` writes
        it; its ``info`` holds what the picture's file holds beside the pixels.

    Raises:
        RestorationError: the file, the truth or an option cannot be used, or the memory does not
            suffice.
    """
    began = time.monotonic()
    picture = read_picture(path, max_pixels, strict)
    clean = None if truth is None else to_tensor(read_truth(truth, picture))
    seconds = None if budget is None else seconds_of(budget)
    settings = Settings(preset, seed, device, tile, history, quality, network, seconds, strength)
    return restore_read(picture, path, settings, clean, advance, began)


def restore_read(
    picture: CompressedImage | Separations | Picture,
    name: str | Path,
    settings: Settings,
    truth: Tensor | None,
    advance: Advance | None,
    began: float,
) -> Restored:
    """Restore a picture that has been read, and turn it upright; see ``restored_tensor``."""
    image, report = restored_tensor(picture, name, settings, truth, advance, began)
    return Restored(picture.upright(to_pixels(image)), report)


def restored_tensor(
    picture: CompressedImage | Separations | Picture,
    name: str | Path,
    settings: Settings,
    truth: Tensor | None,
    advance: Advance | None,
    began: float,
) -> tuple[Tensor, Report]:
    """Restore a picture that has been read, and report on it.

    Args:
        picture: what was read.
        name: of the file, for errors.
        settings: how it is restored.
        truth: the original, (1, C, H, W) in [0, 1], as the picture is stored.
        advance: see ``restore``.
        began: ``time.monotonic()`` at the start of the work.

    Returns:
        (1, C, H, W) in [0, 1] as the picture is stored, and the report.

    Raises:
        RestorationError: see ``restore``.
    """
    if settings.budget is not None and settings.preset is not None:
        raise RestorationError("give a preset or a budget, not both")
    swift = settings.network is not None or settings.budget is not None
    recipe = settings.preset or ("fast" if swift else "balanced")
    if recipe not in PRESETS:
        raise RestorationError(f"no preset {recipe!r}; there are {', '.join(PRESETS)}")
    if settings.history not in ("auto", "none"):
        raise RestorationError(f"no history {settings.history!r}; there are auto and none")
    if not 0 <= settings.strength <= 1:
        raise RestorationError(f"the strength must lie within 0 and 1, not {settings.strength}")
    pixels = picture.pixels
    own = picture.quantised if isinstance(picture, CompressedImage) else None
    if settings.quality is not None:
        if isinstance(picture, Separations):
            raise RestorationError(f"{name} stores {picture.space}; --quality is for RGB and grey")
        own = compress(pixels, settings.quality).quantised
    found = None
    if settings.history == "auto" and settings.quality is None:
        found = None if isinstance(picture, Separations) else find_history(pixels, own)
    if found is None and isinstance(picture, Picture) and own is None:
        raise RestorationError(
            f"{name} shows no trace of JPEG compression; give --quality N to restore it as if it "
            "had been saved at that quality"
        )
    runs = 1
    if isinstance(picture, Separations):
        runs = len(picture.parts)
    elif found is not None and own is not None and found.own_share:
        runs = 2
    method = method_of(settings, PRESETS[recipe], runs)
    try:
        if isinstance(picture, Separations):
            image = restore_parts(picture, method, advance)
        elif found is not None:
            image = restore_earlier(pixels, own, found, method, advance)
        elif own is not None:
            image = method(CompressedImage(pixels, own), advance)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise RestorationError(
            f"{name}: the memory does not suffice; close other programs, or give a smaller --tile"
        ) from error
    if settings.strength != 1:
        # the file's cells are convex: what is between lies in them as both ends do
        image = to_tensor(pixels).lerp(image.cpu(), settings.strength)
    if isinstance(picture, Separations):
        own = picture.parts[0].quantised
    last = None if own is None else estimated_quality(own.tables[0])
    told = None
    if found is not None:
        told = str(found) if last is None else f"{found} under quality {last}"
    report = Report(
        size=picture.size,
        quality=found.last.trace.quality if found is not None and last is None else last,
        preset=recipe if settings.budget is None else f"within {readable(settings.budget)}",
        seed=settings.seed,
        seconds=round(time.monotonic() - began, 2),
        history=told,
        jpeg=None if truth is None else scores(to_tensor(pixels), truth),
        restored=None if truth is None else scores(image, truth),
        damage=None if isinstance(picture, Picture) else picture.damage,
        colours=picture.told if isinstance(picture, Separations) else None,
    )
    return image, report


def method_of(settings: Settings, preset: Preset, runs: int = 1) -> Method:
    """Choose what restores a JPEG: networks of its own, or that of a library.

    Args:
        settings: what was asked for.
        preset: the recipe.
        runs: number of JPEGs among which the time is divided.
    """
    seed, tile = settings.seed, settings.tile
    budget = None if settings.budget is None else settings.budget / runs
    if settings.network is None:
        return lambda jpeg, advance: restore_jpeg(
            jpeg, preset, seed, settings.device, tile, advance, budget
        )
    # these import Lightning, which takes longer than torch
    from restoration.internal_learning.library.checkpoint import load_library
    from restoration.internal_learning.library.restoring import restore_with

    net, device = load_library(settings.network).net, device_named(settings.device)

    def by_library(jpeg: CompressedImage, advance: Advance | None) -> Tensor:
        side = tile_side(jpeg.quantised.height, jpeg.quantised.width, tile)
        return restore_with(net, jpeg, preset, seed, device, side, advance, budget)

    return by_library
