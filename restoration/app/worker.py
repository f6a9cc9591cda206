"""A process that restores one picture after the other for the page."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from restoration.__main__ import KEPT
from restoration.app.work import Task
from restoration.commands.restore import parser
from restoration.commands.restore_file import restore_file, settings_of
from restoration.errors import RestorationError, foreseen
from restoration.formats.writing import format_of_name
from restoration.jpeg import CompressedImage, Picture, Separations, read_picture, read_truth
from restoration.presets import PRESETS
from restoration.restoring import Shared, shared_by
from restoration.settings import Settings, recipe_of
from restoration.support.cpu_settings import keep_freed_memory
from restoration.support.processes import serve

Tell = Callable[[tuple[int, int]], None]


class Kept:
    """The processes in which networks learn, kept for the next picture: they import for seconds."""

    def __init__(self) -> None:
        self.networks = 0
        self.shared: Shared | None = None

    def shared_by(self, settings: Settings) -> Shared:
        """Return what a picture shares with those before; other processes end those there are."""
        networks = PRESETS[recipe_of(settings)].networks
        if self.shared is None or networks != self.networks:
            if self.shared is not None:
                self.shared.pool.stop()
            self.networks, self.shared = networks, shared_by(settings)
        return self.shared


def restore(kept: Kept, task: Task, tell: Tell) -> dict[str, Any] | RestorationError:
    """Do what ``restoration restore`` does, and write what the page compares it with.

    Returns:
        The command's report, with "stored" beside; or why it failed.
    """
    source, truth = (
        task.folder / task.source,
        None if task.truth is None else task.folder / task.truth,
    )
    original = [] if truth is None else ["--truth", str(truth)]
    options = parser().parse_args([*task.recipe, *original, str(source)])
    # files that reading needs for a moment go with the request's, also if this process is killed
    tempfile.tempdir = str(task.folder)
    try:
        with foreseen(task.source):
            picture = read_picture(source, options.max_pixels, options.strict)
            save(picture.upright(picture.pixels), task.before)
            if truth is not None:
                save(picture.upright(read_truth(truth, picture)), task.original)
            shared = kept.shared_by(settings_of(options))
            form = format_of_name(task.target)
            assert form is not None
            report = restore_file(
                source, task.target, options, form, lambda done, total: tell((done, total)), shared
            )
            return report | {"stored": stored(picture)}
    except RestorationError as error:
        return RestorationError(str(error).replace(f"{task.folder}{os.sep}", ""))


def save(image: Image.Image, path: Path) -> None:
    """Write a PNG to be looked at: quickly, and with its profile, for browsers mind it."""
    image.save(path, compress_level=1, icc_profile=image.info.get("icc_profile"))


def stored(picture: CompressedImage | Separations | Picture) -> str | None:
    """Tell how a JPEG stores its colours; None for other files."""
    if isinstance(picture, Picture):
        return None
    if isinstance(picture, Separations):
        return picture.space
    return subsampling(picture.quantised.sampling)


def subsampling(sampling: tuple[tuple[int, int], ...]) -> str:
    """Name the resolution of the colours as people do: "4:2:0", or "grey" without colours.

    What has no such name, with colours finer than the brightness, is "of unusual sampling".

    Args:
        sampling: (vertical, horizontal) sampling factors of each component.
    """
    if len(sampling) == 1:
        return "grey"
    (v, h), (v_colour, h_colour) = sampling[:2]
    across, down = h // h_colour, v // v_colour  # pixels that share a colour
    even = not v % v_colour and not h % h_colour
    if not even or sampling[1] != sampling[2] or across not in (1, 2, 4) or down not in (1, 2):
        return "of unusual sampling"
    return f"4:{4 // across}:{4 // across if down == 1 else 0}"


def main() -> None:
    """Restore the pictures that arrive."""
    keep_freed_memory(KEPT)
    serve(partial(restore, Kept()))


if __name__ == "__main__":
    main()
