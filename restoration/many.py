"""Many pictures in, one after the other, with the processes of one pool."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from PIL import Image

from restoration.errors import RestorationError, foreseen
from restoration.formats.opening import MOST_PIXELS
from restoration.jpeg import Source, file_of, read_picture
from restoration.pipeline import Advance
from restoration.restoring import restore_read, shared_by
from restoration.settings import Report, Settings
from restoration.support.durations import seconds_of

Given = TypeVar("Given", bound=Source)


def restore_many(
    sources: Iterable[Given],
    preset: str | None = None,
    seed: int = 0,
    device: str = "auto",
    tile: int | None = None,
    advance: Advance | None = None,
    history: str = "auto",
    quality: int | None = None,
    max_pixels: int = MOST_PIXELS,
    strict: bool = False,
    network: str | Path | None = None,
    budget: str | None = None,
    strength: float = 1.0,
) -> Iterator[tuple[Given, Image.Image | None, Report | RestorationError]]:
    """Restore pictures one after the other; one that cannot be restored does not stop the others.

    The processes in which networks learn are started once and serve all pictures, and a library is
    loaded once. They end with the last picture, or when the iterator is closed.

    Args:
        sources: the pictures, each as ``restore`` takes it: paths, bytes, open files, images.
        preset: see ``restore``, as for all that follow.
        seed: Seed of all randomness, the same for each picture.
        device: "cpu", "cuda", "mps" or "auto".
        tile: side of the tiles in which the networks are applied.
        advance: called with the units of work done since, and those of the picture at hand.
        history: "auto" or "none".
        quality: to restore the pictures as if they had been saved at this JPEG quality.
        max_pixels: of the largest picture that is taken.
        strict: refuse pictures that are damaged.
        network: the library whose network restores the pictures.
        budget: time for each picture instead of a preset.
        strength: 0 to 1, from the JPEG to the restored picture.

    Returns:
        An iterator over triples, as the pictures are done: the picture as it was given, the
        restored image, and the report on it; or None in place of the image, and the error in place
        of the report.

    Raises:
        RestorationError: there is no such preset, duration or device, the library cannot be used,
            or ``sources`` is a single picture.
    """
    one = (str, bytes, bytearray, os.PathLike, Image.Image)
    if isinstance(sources, one) or hasattr(sources, "read"):
        raise RestorationError("restore_many takes several pictures, in a list; restore takes one")
    seconds = None if budget is None else seconds_of(budget)
    settings = Settings(preset, seed, device, tile, history, quality, network, seconds, strength)
    told = None if advance is None else passing(advance)
    shared = shared_by(settings)  # outside of the generator: what is wrong is told at once

    def each() -> Iterator[tuple[Given, Image.Image | None, Report | RestorationError]]:
        with shared:
            for source in sources:
                began = time.monotonic()
                try:
                    file = file_of(source)
                    with foreseen(file):
                        picture = read_picture(file, max_pixels, strict)
                        image, report = restore_read(
                            picture, file, settings, None, told, began, shared
                        )
                except Raised as stop:
                    raise stop.error from None
                except RestorationError as error:
                    yield source, None, error
                else:
                    yield source, image, report

    return each()


class Raised(BaseException):
    """What the user's own function raised: it is meant for the user, and ends the work."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def passing(advance: Advance) -> Advance:
    """Have what a function raises pass by ``foreseen``, as ``Raised``."""

    def told(done: int, total: int) -> None:
        try:
            advance(done, total)
        except Exception as error:
            raise Raised(error) from error

    return told
