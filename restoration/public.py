"""A picture in, a better picture and a report out."""

from __future__ import annotations

import time
from pathlib import Path

from restoration.errors import enough_memory
from restoration.formats.opening import MOST_PIXELS
from restoration.jpeg import Source, file_of, read_picture, read_truth, to_tensor
from restoration.pipeline import Advance
from restoration.restoring import Restored, restore_read
from restoration.settings import Settings
from restoration.support.durations import seconds_of


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
    budget: str | None = None,
    strength: float = 1.0,
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
        device: "cpu", "cuda", "mps" or "auto", which takes a GPU if there is one.
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
    seconds = None if budget is None else seconds_of(budget)
    file = file_of(source)
    with enough_memory(file):
        picture = read_picture(file, max_pixels, strict)
        clean = None if truth is None else to_tensor(read_truth(file_of(truth), picture))
    settings = Settings(preset, seed, device, tile, history, quality, network, seconds, strength)
    return restore_read(picture, file, settings, clean, advance, began)
