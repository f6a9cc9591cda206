"""``restoration learn``: a network from a library of JPEGs alone."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from restoration.commands.inputs import find_inputs, tell_left_out
from restoration.commands.restore_plan import check_writable
from restoration.errors import Interrupted, RestorationError, UsageError
from restoration.formats.opening import MOST_PIXELS
from restoration.support.durations import typed
from restoration.support.files import alone_in
from restoration.support.progress import Display
from restoration.support.usage import DEVICES, Parser, duration, pixels, seed

if TYPE_CHECKING:
    from torch import Tensor

    from restoration.internal_learning.library.module import LibraryLearning
    from restoration.internal_learning.library.windows import Picture

SMOOTHING = 0.99  # of the loss that is shown
PREPARATION = 0.25  # share of the budget in which first estimates are made
# Processes that compress windows beside a GPU, whose steps are as short as their work; on a CPU
# a step takes forty times as long, and they would only take its cores.
GPU_WORKERS = 4
CACHE = ".estimates"  # what the folder of the first estimates is called, behind the library's name


def parser() -> Parser:
    """Describe the command's options."""
    p = Parser(
        "restoration learn",
        "Learn from JPEGs alone, once, what restores such files in seconds: "
        "restoration restore FILES --network LIBRARY. The same command goes on after a stop, with "
        "a larger budget or with more pictures.",
    )
    p.add_argument("inputs", nargs="+", metavar="INPUT", help="JPEG files, folders or patterns")
    p.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="LIBRARY.ckpt",
        help="the library; the folder LIBRARY.ckpt.estimates beside it spares time when learning "
        "goes on, and can be deleted",
    )
    p.add_argument(
        "--budget", type=duration, default="1h", help="time of all learning: 30m, 8h (default: 1h)"
    )
    p.add_argument("--recursive", action="store_true", help="also from folders in folders")
    p.add_argument("--seed", type=seed, default=0, help="of all randomness")
    p.add_argument("--device", choices=DEVICES, default="auto")
    p.add_argument(
        "--max-pixels",
        type=pixels,
        default=MOST_PIXELS,
        help="of the largest picture that is taken",
    )
    return p


def run(options: argparse.Namespace) -> int:
    """Learn; return 0 done, 1 done without some of the files.

    Raises:
        RestorationError: nothing can be learned from, or the library cannot be used or written.
        Interrupted: the user stopped it.
    """
    library: Path = options.output
    if library.suffix != ".ckpt":
        raise UsageError(f"{library}: a library is a .ckpt file")
    inputs, left = find_inputs(options.inputs, options.recursive)
    tell_left_out(left)
    paths = [found.source for found in inputs]
    refused = learn_from(
        paths, library, options.budget, options.seed, options.device, options.max_pixels
    )
    return 1 if refused else 0


def learn_from(
    paths: list[Path], library: Path, budget: float, seed: int, device: str, most: int
) -> list[RestorationError]:
    """Learn a library from files, or go on learning, and tell what is known of it.

    Args:
        paths: of the JPEGs.
        library: its file.
        budget: seconds of all learning, those before a pause included.
        seed: of all randomness.
        device: see ``device_named``.
        most: pixels of the largest picture that is taken.

    Returns:
        Why files were left out.

    Raises:
        RestorationError: see ``run``; or another process learns this library.
        Interrupted: the user stopped it.
    """
    # these import torch: seconds
    from restoration.internal_learning.library.checkpoint import description_of, read_library
    from restoration.internal_learning.library.learning import description_for, learn
    from restoration.internal_learning.library.sizes import USUAL, size_within
    from restoration.support.devices import device_named
    from restoration.support.processes import cores

    check_writable(library, overwrite=True)
    device = device_named(device)
    spent = 0.0
    refused: list[RestorationError] = []
    if library.exists():
        before = description_of(read_library(library), library)
        spent = before.spent
        print(f"going on with {library}: {before.summary()}", file=sys.stderr)
        if spent >= budget:
            tell_spent(spent)
            return refused
    cache = library.with_name(library.name + CACHE)
    cache.mkdir(exist_ok=True)

    def refuse(error: RestorationError) -> None:
        refused.append(error)
        print(f"restoration learn: left out: {error}", file=sys.stderr)

    with alone_in(cache):
        began = time.monotonic()
        pictures = prepared(paths, cache, refuse, PREPARATION * (budget - spent), most)
        late = len(paths) - len(pictures) - len(refused)
        if late:
            print(f"no time for {late} of {len(paths)} files in this budget", file=sys.stderr)
        took = time.monotonic() - began
        if library.exists() and ((late and not pictures) or took >= budget - spent):
            tell_spent(budget)  # but for less than it takes to read the files
            return refused
        if not pictures:
            raise RestorationError(
                f"none of {len(paths)} files can be learned from"
                + ("; give a longer --budget" if late else "")
            )
        if took >= budget - spent:
            raise RestorationError("the first estimates took all the time; give a longer --budget")
        # that of a library is kept
        size = USUAL if library.exists() else size_within(budget - took, device)
        progress = LearningProgress(budget)
        with progress.display:
            learn(
                pictures,
                library,
                description_for(pictures, seed, size),
                budget,
                prepared=took,
                device=device,
                told=progress.step,
                workers=min(GPU_WORKERS, cores() - 1) if device == "cuda" else 0,
            )
        summary = description_of(read_library(library), library).summary()
        print(f"{library}: {summary}", file=sys.stderr)
        return refused


def tell_spent(budget: float) -> None:
    """Say that there is a library and no time to go on with it."""
    print(f"its budget is spent; for more give --budget, say {typed(2 * budget)}", file=sys.stderr)


def prepared(
    paths: list[Path],
    cache: Path,
    refuse: Callable[[RestorationError], None],
    seconds: float,
    most: int,
) -> list[Picture]:
    """Make the first estimates, as many as there is time for, showing the progress.

    Args:
        paths: of the JPEGs.
        cache: folder of the estimates.
        refuse: told why a file is left out.
        seconds: that there are.
        most: pixels of the largest picture that is taken.
    """
    from restoration.internal_learning.library.pictures import pictures_of

    end = time.monotonic() + seconds
    done = [""]

    def begun(path: Path) -> None:
        done.append(path.name)
        display.update(len(done) - 2, len(paths))

    def due() -> bool:
        return time.monotonic() < end

    with Display(lambda: f"preparing {done[-1]}") as display:
        try:
            return pictures_of(paths, cache, refuse, begun, due, most)
        except KeyboardInterrupt as stop:
            raise Interrupted("stopped; the same command goes on") from stop


class LearningProgress:
    """Show how far the learning is.

    Args:
        budget: seconds in all.
    """

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self.spent = 0.0
        self.steps = 0
        self.loss: Tensor | None = None  # smoothed, where it is computed
        self.display = Display(self.text, lambda: self.budget - self.spent, refresh=0.5)

    def text(self) -> str:
        """Tell the steps and the smoothed loss."""
        loss = "" if self.loss is None else f", loss {float(self.loss):.3f}"
        return f"learning, step {self.steps}{loss}"

    def step(self, learning: LibraryLearning, loss: Tensor) -> None:
        """Take in a step."""
        self.loss = loss if self.loss is None else self.loss.lerp(loss, 1 - SMOOTHING)
        self.spent, self.steps = learning.spent, learning.global_step
        self.display.update(int(min(self.spent, self.budget)), int(self.budget))


def main(arguments: Sequence[str]) -> int:
    """Run ``restoration learn`` with the given arguments; return the exit code.

    Raises:
        RestorationError: nothing can be learned from, or the library cannot be used or written.
        Interrupted: the user stopped it.
        SystemExit: wrong usage (2), or help was asked for (0).
    """
    return run(parser().parse_args(arguments))
