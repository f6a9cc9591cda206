"""One JPEG file in, one PNG file out, with the progress in between."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from restoration.jpeg import pixels_of, read_jpeg, read_lossless, to_png
from restoration.pipeline import Restored, restore
from restoration.support.figures import comparison
from restoration.support.files import write_atomically
from restoration.support.progress import Display


def restore_file(
    source: Path, target: Path, options: argparse.Namespace, count: str
) -> dict[str, Any]:
    """Restore one file and write it; return the report as a dictionary.

    Raises:
        RestorationError: the file cannot be used or its output not be written.
    """
    with Display(lambda: count + source.name) as display:
        result = restore(
            source,
            options.preset,
            options.seed,
            options.device,
            options.truth,
            options.tile,
            display.advance,
            options.network,
        )
    write_atomically(target, to_png(result.image))
    if options.compare is not None:
        write_atomically(options.compare, sheet(source, result, options.truth))
    return asdict(result.report)


def sheet(source: Path, result: Restored, truth: Path | None) -> bytes:
    """Draw the JPEG, the restored image and, if known, the original beside each other, as a PNG."""
    jpeg = read_jpeg(source)
    panels = [
        ("JPEG", pixels_of(jpeg.upright(jpeg.pixels))),
        ("restored", pixels_of(result.image)),
    ]
    if truth is not None:
        panels.append(("original", read_lossless(truth)))
    return comparison(panels)
