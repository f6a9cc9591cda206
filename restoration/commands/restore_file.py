"""One picture in, one file out."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from restoration.commands.inputs import STANDARD
from restoration.commands.restore_plan import check_writable
from restoration.commands.restore_table import EQUAL
from restoration.errors import RestorationError
from restoration.formats.writing import Format
from restoration.jpeg import (
    Picture,
    pixels_of,
    read_picture,
    read_truth,
    to_pixels,
    to_tensor,
)
from restoration.pipeline import Advance
from restoration.restoring import Shared, restored_tensor
from restoration.settings import Report, Settings
from restoration.support.figures import comparison
from restoration.support.files import Content, write_atomically


def settings_of(options: argparse.Namespace) -> Settings:
    """Tell how pictures are restored."""
    return Settings(**{field.name: getattr(options, field.name) for field in fields(Settings)})


def restore_file(
    source: Path | Content,
    target: Path,
    options: argparse.Namespace,
    form: Format,
    advance: Advance,
    shared: Shared,
) -> dict[str, Any]:
    """Restore one file and write it; return the report as a dictionary.

    Args:
        source: the picture.
        target: the file to write, or ``STANDARD``.
        options: of ``restoration restore``.
        form: of the file to write.
        advance: called now and then with the units of work done since, and those in all.
        shared: what several pictures have in common, see ``shared_by``.

    Raises:
        RestorationError: the file cannot be used or its output not be written.
    """
    began = time.monotonic()
    picture = read_picture(source, options.max_pixels, options.strict)
    try:
        form.check_size(picture.size)  # now, not after minutes of work
    except RestorationError as error:
        raise RestorationError(f"{source}: {error}") from error
    truth = None if options.truth is None else read_truth(options.truth, picture)
    clean = None if truth is None else to_tensor(truth)
    image, report = restored_tensor(
        picture, source, settings_of(options), clean, advance, began, shared
    )
    pixels = picture.turned(to_pixels(image, form.dtype))
    kept = picture.metadata.stripped() if options.strip else picture.metadata
    content = form.encode(pixels, kept)
    sheet = None
    if options.compare is not None:
        before = "picture" if isinstance(picture, Picture) else "JPEG"
        panels = {before: picture.pixels, "restored": to_pixels(image)}
        if truth is not None:
            panels["original"] = truth
        sheet = comparison(
            [
                (captioned(name, report), pixels_of(picture.upright(panel)))
                for name, panel in panels.items()
            ]
        )
    for path in (target, options.compare):  # others may have written meanwhile
        check_writable(path, options.overwrite)
    if sheet is not None:  # first: where the result is, nothing is left to do
        write_atomically(options.compare, sheet)
    if target == STANDARD:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    else:
        write_atomically(target, content)
    opaque = pixels.shape[-1] in (1, 3) or pixels[..., -1].min() == np.iinfo(form.dtype).max
    return {**asdict(report), "left_out": form.left_out(kept, bool(opaque))}


def captioned(name: str, report: Report) -> str:
    """Add to a panel's name how far it is from the truth, where that is known."""
    measured = report.restored if name == "restored" else report.jpeg
    if measured is None or name == "original":
        return name
    if measured["psnr"] is None:
        return f"{name}, {EQUAL}"
    return f"{name}, {measured['psnr']:.2f} dB"
