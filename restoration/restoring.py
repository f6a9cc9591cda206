"""Restore a picture that has been read, and report on it."""

# Without annotations from __future__: pdoc resolves no names in those of a NamedTuple.
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image
from torch import Tensor

from restoration.errors import RestorationError
from restoration.history import find_history
from restoration.internal_learning.ensemble import network_pool
from restoration.jpeg import (
    CompressedImage,
    Picture,
    Separations,
    compress,
    estimated_quality,
    to_pixels,
    to_tensor,
)
from restoration.metrics import scores
from restoration.networks.deblocking import DeblockingNetwork
from restoration.pipeline import (
    Advance,
    Method,
    restore_earlier,
    restore_jpeg,
    restore_parts,
)
from restoration.presets import PRESETS, Preset
from restoration.settings import Report, Settings, recipe_of
from restoration.support.devices import device_named
from restoration.support.durations import readable
from restoration.support.files import File
from restoration.support.pool import Pool


@dataclass(frozen=True)
class Shared(AbstractContextManager["Shared"]):
    """What pictures that are restored one after the other have in common.

    Attributes:
        pool: processes in which networks learn; they start when a picture needs them.
        library: the network of a library, or None.
    """

    pool: Pool
    library: DeblockingNetwork | None

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        self.pool.stop()


class Restored(NamedTuple):
    """A restored image, upright, and the report on it."""

    image: Image.Image
    report: Report


def restore_read(
    picture: CompressedImage | Separations | Picture,
    name: File,
    settings: Settings,
    truth: Tensor | None,
    advance: Advance | None,
    began: float,
    shared: Shared | None = None,
) -> Restored:
    """Restore a picture that has been read, and turn it upright; see ``restored_tensor``."""
    image, report = restored_tensor(picture, name, settings, truth, advance, began, shared)
    return Restored(picture.upright(to_pixels(image)), report)


def restored_tensor(
    picture: CompressedImage | Separations | Picture,
    name: File,
    settings: Settings,
    truth: Tensor | None,
    advance: Advance | None,
    began: float,
    shared: Shared | None = None,
) -> tuple[Tensor, Report]:
    """Restore a picture that has been read, and report on it.

    Args:
        picture: what was read.
        name: of the file, for errors.
        settings: how it is restored.
        truth: the original, (1, C, H, W) in [0, 1], as the picture is stored.
        advance: see ``restore``.
        began: ``time.monotonic()`` at the start of the work.
        shared: what several pictures have in common, see ``shared_by``; by default its own.

    Returns:
        (1, C, H, W) in [0, 1] as the picture is stored, and the report.

    Raises:
        RestorationError: see ``restore``.
    """
    recipe = recipe_of(settings)
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
    try:
        with nullcontext(shared) if shared else shared_by(settings) as common:
            method = method_of(settings, PRESETS[recipe], runs, common)
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


def shared_by(settings: Settings) -> Shared:
    """Prepare what pictures have in common, once for all of them.

    Raises:
        RestorationError: there is no such preset or device, or the library cannot be used.
    """
    preset = PRESETS[recipe_of(settings)]
    pool = network_pool(preset.networks, device_named(settings.device))
    if settings.network is None:
        return Shared(pool, None)
    # imports Lightning, which takes longer than torch
    from restoration.internal_learning.library.checkpoint import load_library

    return Shared(pool, load_library(settings.network).net)


def method_of(settings: Settings, preset: Preset, runs: int, shared: Shared) -> Method:
    """Choose what restores a JPEG: networks of its own, or that of a library.

    Args:
        settings: what was asked for.
        preset: the recipe.
        runs: number of JPEGs among which the time is divided.
        shared: what the pictures have in common.
    """
    seed, device, tile = settings.seed, settings.device, settings.tile
    budget = None if settings.budget is None else settings.budget / runs
    return lambda jpeg, advance: restore_jpeg(
        jpeg, preset, seed, device, tile, advance, budget, shared.pool, shared.library
    )
