"""Restore a picture that has been read, and report on it."""

# Without annotations from __future__: pdoc resolves no names in those of a NamedTuple.
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image
from torch import Tensor

from restoration.errors import RestorationError, enough_memory
from restoration.history import History, find_history
from restoration.history.history import SMALLEST
from restoration.internal_learning.ensemble import network_pool
from restoration.jpeg import (
    CompressedImage,
    Picture,
    Quantised,
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
    with enough_memory(name), nullcontext(shared) if shared else shared_by(settings) as common:
        own, found = known_of(picture, name, settings)
        runs, spent = jpegs_in(picture, own, found), time.monotonic() - began
        method = method_of(settings, PRESETS[recipe], runs, spent, common)
        image = restored_by(method, picture, own, found, advance)
    before = to_tensor(picture.pixels)
    if settings.strength != 1:
        # the file's cells are convex: what is between lies in them as both ends do
        image = before.lerp(image.cpu(), settings.strength)
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
        jpeg=None if truth is None else scores(before, truth),
        restored=None if truth is None else scores(image, truth),
        damage=None if isinstance(picture, Picture) else picture.damage,
        colours=picture.told if isinstance(picture, Separations) else None,
    )
    return image, report


def known_of(
    picture: CompressedImage | Separations | Picture, name: File, settings: Settings
) -> tuple[Quantised | None, History | None]:
    """Find what is known of a picture beside its pixels.

    Args:
        picture: what was read.
        name: of the file, for errors.
        settings: how it is restored.

    Returns:
        What its own JPEG knows, or that of the quality that it is to be restored as if saved at,
        and the earlier compression that was found; None for what there is not. Separations have
        neither: each of their parts is a JPEG of its own.

    Raises:
        RestorationError: nothing is.
    """
    if isinstance(picture, Separations):
        if settings.quality is not None:
            raise RestorationError(
                f"{name} stores {picture.space}; --quality is for YCbCr and grey"
            )
        return None, None
    if settings.quality is not None:
        return compress(picture.pixels, settings.quality).quantised, None
    own = picture.quantised if isinstance(picture, CompressedImage) else None
    found = find_history(picture.pixels, own) if settings.history == "auto" else None
    if own is None and found is None:
        why = "shows no trace of JPEG compression"
        if min(picture.pixels.shape[:2]) < SMALLEST:
            why = f"is too small to show an earlier JPEG compression (less than {SMALLEST} pixels)"
        if settings.history != "auto":
            why = "is no JPEG, and no earlier one is searched for"
        raise RestorationError(
            f"{name} {why}; give --quality N to restore it as if it had been saved at that quality"
        )
    return own, found


def jpegs_in(
    picture: CompressedImage | Separations | Picture, own: Quantised | None, found: History | None
) -> int:
    """Count the JPEGs that are restored for a picture, see ``restored_by``."""
    if isinstance(picture, Separations):
        return len(picture.parts)
    return 2 if own is not None and found is not None and found.own_share else 1


def restored_by(
    method: Method,
    picture: CompressedImage | Separations | Picture,
    own: Quantised | None,
    found: History | None,
    advance: Advance | None,
) -> Tensor:
    """Restore a picture by way of its parts, of the earlier file, or of its own.

    Args:
        method: restores a JPEG.
        picture: what was read.
        own: see ``known_of``, as for the next.
        found: the earlier compression.
        advance: see ``restore``.

    Returns:
        (1, C, H, W) in [0, 1] as the picture is stored.
    """
    if isinstance(picture, Separations):
        return restore_parts(picture, method, advance)
    if found is not None:
        return restore_earlier(picture.pixels, own, found, method, advance)
    assert own is not None
    return method(CompressedImage(picture.pixels, own), advance)


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

    return Shared(pool, load_library(settings.network))


def method_of(
    settings: Settings, preset: Preset, runs: int, spent: float, shared: Shared
) -> Method:
    """Choose what restores a JPEG: networks of its own, or that of a library.

    Args:
        settings: what was asked for.
        preset: the recipe.
        runs: number of JPEGs among which the time is divided.
        spent: seconds of it that have passed: the picture was read, its history looked for.
        shared: what the pictures have in common.
    """
    seed, device, tile = settings.seed, settings.device, settings.tile
    budget = None if settings.budget is None else max(settings.budget - spent, 0.0) / runs
    return lambda jpeg, advance: restore_jpeg(
        jpeg, preset, seed, device, tile, advance, budget, shared.pool, shared.library
    )
