"""One picture in, one PNG file out, with the progress in between."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from restoration.commands.restore_plan import STANDARD
from restoration.jpeg import (
    CompressedImage,
    pixels_of,
    read_picture,
    read_truth,
    to_png,
    to_tensor,
)
from restoration.public import Settings, restore_read
from restoration.support.figures import comparison
from restoration.support.files import Content, write_atomically
from restoration.support.pool import Pool
from restoration.support.progress import Display


def settings_of(options: argparse.Namespace) -> Settings:
    """Tell how pictures are restored."""
    return Settings(
        options.preset,
        options.seed,
        options.device,
        options.tile,
        options.history,
        options.quality,
        options.network,
    )


def restore_file(
    source: Path | Content, target: Path, options: argparse.Namespace, count: str, pool: Pool
) -> dict[str, Any]:
    """Restore one file and write it; return the report as a dictionary.

    Raises:
        RestorationError: the file cannot be used or its output not be written.
    """
    began = time.monotonic()
    picture = read_picture(source, options.max_pixels, options.strict)
    truth = None if options.truth is None else read_truth(options.truth, picture)
    clean = None if truth is None else to_tensor(truth)
    settings = settings_of(options)
    with Display(lambda: count + source.name) as display:
        image, report = restore_read(picture, source, settings, clean, display.advance, began, pool)
    if target == STANDARD:
        sys.stdout.buffer.write(to_png(image))
        sys.stdout.flush()
    else:
        write_atomically(target, to_png(image))
    if options.compare is not None:
        before = "JPEG" if isinstance(picture, CompressedImage) else "picture"
        panels = {before: picture.upright(picture.pixels), "restored": image}
        if truth is not None:
            panels["original"] = picture.upright(truth)
        sheet = comparison([(caption, pixels_of(panel)) for caption, panel in panels.items()])
        write_atomically(options.compare, sheet)
    return asdict(report)
