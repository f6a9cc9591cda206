"""One JPEG file in, one PNG file out, with the progress in between."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from restoration.jpeg import pixels_of, read_jpeg, read_lossless, to_png
from restoration.pipeline import Restored, restore
from restoration.support.durations import readable
from restoration.support.figures import comparison
from restoration.support.files import write_atomically

FIRST_ESTIMATE = 5.0  # seconds of optimisation after which the time left is told
LINE_EVERY = 30.0  # seconds between two lines where there is no terminal to draw a bar on


class Steps:
    """Show the progress of one file on stderr: a bar on a terminal, else a line now and then.

    Args:
        name: of the file.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.done = 0
        self.began: float | None = None
        self.printed = 0.0
        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:.0f} %"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task(name, total=None)

    def __enter__(self) -> Steps:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def advance(self, steps: int, total: int) -> None:
        """Count units of work; ``total`` is the number of all."""
        self.bar.update(self.task, advance=steps, total=total)
        now = time.monotonic()
        if self.began is None:  # the clock starts after what comes before the first unit
            self.began, self.printed = now, now + FIRST_ESTIMATE - LINE_EVERY
            return
        self.done += steps
        if self.bar.disable and now - self.printed >= LINE_EVERY:
            self.printed = now
            left = (now - self.began) / self.done * (total - self.done)
            print(f"{self.name}: about {readable(left)} left", file=sys.stderr, flush=True)


def restore_file(
    source: Path, target: Path, options: argparse.Namespace, count: str
) -> dict[str, Any]:
    """Restore one file and write it; return the report as a dictionary.

    Raises:
        RestorationError: the file cannot be used or its output not be written.
    """
    with Steps(count + source.name) as steps:
        result = restore(
            source,
            options.preset,
            options.seed,
            options.device,
            options.truth,
            options.tile,
            steps.advance,
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
