"""A picture in, a better picture and a report out."""

# Without annotations from __future__: pdoc resolves no names in those of a NamedTuple.
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from torch import Tensor

from restoration.errors import RestorationError
from restoration.history import find_history
from restoration.internal_learning.ensemble import network_pool
from restoration.internal_learning.library.checkpoint import load_library
from restoration.internal_learning.library.restoring import restore_with
from restoration.jpeg import (
    CompressedImage,
    Picture,
    Source,
    compress,
    estimated_quality,
    file_of,
    read_picture,
    read_truth,
    to_pixels,
    to_tensor,
)
from restoration.jpeg.opening import MOST_PIXELS
from restoration.metrics import Scores, scores
from restoration.pipeline import (
    Advance,
    Method,
    device_named,
    restore_earlier,
    restore_jpeg,
    tile_side,
)
from restoration.presets import PRESETS, Preset
from restoration.support.files import File
from restoration.support.pool import Pool


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
    """

    preset: str | None
    seed: int
    device: str
    tile: int | None
    history: str
    quality: int | None
    network: str | Path | None


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


class Restored(NamedTuple):
    """A restored image, upright, and the report on it."""

    image: Image.Image
    report: Report


def restore(
    source: Source,
    preset: str | None = None,
    seed: int = 0,
    device: str = "auto",
    truth: Source | None = None,
    tile: int | None = None,
    advance: Advance | None = None,
    history: str = "auto",
    quality: int | None = None,
    max_pixels: int = MOST_PIXELS,
    strict: bool = False,
    network: str | Path | None = None,
) -> Restored:
    """Restore a JPEG, or a picture that was one.

    What earlier compressions left in the pixels is looked for; the earliest that is sure is undone.

    Args:
        source: the picture's path, its file as bytes or open in binary mode, or an image of
            Pillow's. That one stands for the JPEG which it was opened from; one that has no file,
            or was changed since, for its pixels, as a PNG does.
        preset: "fast" (seconds), "balanced" (minutes) or "best"; by default "balanced", or "fast"
            where a network is given.
        seed: Seed of all randomness.
        device: "cpu", "cuda" or "auto", which takes a GPU if there is one.
        truth: the original, for measuring only; given as the picture is.
        tile: side of the tiles in which the networks are applied, 1024 by default; 0 for the whole
            image at once. It bounds the memory and does not change the result.
        advance: called now and then with the units of work done since, and those in all.
        history: "auto" to look for earlier compressions, "none" to trust the file alone.
        quality: to restore the picture as if it had been saved at this JPEG quality.
        max_pixels: of the largest image that is taken.
        strict: refuse pictures that are damaged, which are restored as far as they are whole.
        network: the library whose network restores the picture, see ``restoration learn``; with
            "balanced" and "best" it goes on learning on the picture's own smaller copies.

    Returns:
        The image, upright, and the report. ``image.save(path, icc_profile=..., exif=...)`` writes
        it; its ``info`` holds the picture's profile and EXIF.

    Raises:
        RestorationError: the file, the truth or an option cannot be used, or the memory does not
            suffice.
    """
    began = time.monotonic()
    file = file_of(source)
    picture = read_picture(file, max_pixels, strict)
    clean = None if truth is None else to_tensor(read_truth(file_of(truth), picture))
    settings = Settings(preset, seed, device, tile, history, quality, network)
    return restore_read(picture, file, settings, clean, advance, began)


def restore_read(
    picture: CompressedImage | Picture,
    name: File,
    settings: Settings,
    truth: Tensor | None,
    advance: Advance | None,
    began: float,
    pool: Pool | None = None,
) -> Restored:
    """Restore a picture that has been read, and report on it.

    Args:
        picture: what was read.
        name: of the file, for errors.
        settings: how it is restored.
        truth: the original, (1, C, H, W) in [0, 1], as the picture is stored.
        advance: see ``restore``.
        began: ``time.monotonic()`` at the start of the work.
        pool: processes that several pictures share, see ``shared_pool``; by default its own.

    Raises:
        RestorationError: see ``restore``.
    """
    recipe = recipe_of(settings)
    if settings.history not in ("auto", "none"):
        raise RestorationError(f"no history {settings.history!r}; there are auto and none")
    pixels = picture.pixels
    own = picture.quantised if isinstance(picture, CompressedImage) else None
    if settings.quality is not None:
        own = compress(pixels, settings.quality).quantised
    look = settings.history == "auto" and settings.quality is None
    found = find_history(pixels, own) if look else None
    if found is None and own is None:
        raise RestorationError(
            f"{name} shows no trace of JPEG compression; give --quality N to restore it as if it "
            "had been saved at that quality"
        )
    method = method_of(settings, PRESETS[recipe], pool)
    try:
        if found is not None:
            image = restore_earlier(pixels, own, found, method, advance)
        elif own is not None:
            image = method(CompressedImage(pixels, own), advance)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise RestorationError(
            f"{name}: the memory does not suffice; close other programs, or give a smaller --tile"
        ) from error
    upright = picture.upright(to_pixels(image))
    last = None if own is None else estimated_quality(own.tables[0])
    told = None
    if found is not None:
        told = str(found) if last is None else f"{found} under quality {last}"
    report = Report(
        size=upright.size,
        quality=found.last.trace.quality if found is not None and last is None else last,
        preset=recipe,
        seed=settings.seed,
        seconds=round(time.monotonic() - began, 2),
        history=told,
        jpeg=None if truth is None else scores(to_tensor(pixels), truth),
        restored=None if truth is None else scores(image, truth),
        damage=picture.damage if isinstance(picture, CompressedImage) else None,
    )
    return Restored(upright, report)


def recipe_of(settings: Settings) -> str:
    """Name the preset: the one that is set, or the usual one.

    Raises:
        RestorationError: there is none of that name.
    """
    recipe = settings.preset or ("balanced" if settings.network is None else "fast")
    if recipe not in PRESETS:
        raise RestorationError(f"no preset {recipe!r}; there are {', '.join(PRESETS)}")
    return recipe


def shared_pool(settings: Settings) -> Pool:
    """Make the processes in which the networks of several pictures learn, one after the other.

    They start when a picture needs them, and end with the block that the pool is entered by.

    Raises:
        RestorationError: there is no such preset or device.
    """
    preset = PRESETS[recipe_of(settings)]
    return network_pool(preset.networks, device_named(settings.device))


def method_of(settings: Settings, preset: Preset, pool: Pool | None) -> Method:
    """Choose what restores a JPEG: networks of its own, or that of a library."""
    seed, tile = settings.seed, settings.tile
    if settings.network is None:
        return lambda jpeg, advance: restore_jpeg(
            jpeg, preset, seed, settings.device, tile, advance, pool
        )
    net, device = load_library(settings.network).net, device_named(settings.device)

    def by_library(jpeg: CompressedImage, advance: Advance | None) -> Tensor:
        side = tile_side(jpeg.quantised.height, jpeg.quantised.width, tile)
        return restore_with(net, jpeg, preset, seed, device, side, advance)

    return by_library
