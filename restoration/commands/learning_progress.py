"""The progress of ``restoration learn`` on stderr: the files' estimates, then the time left."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from restoration.internal_learning.library.module import LibraryLearning
from restoration.support.durations import readable

LINE_EVERY = 60.0  # seconds between two lines where there is no terminal to draw a bar on
SMOOTHING = 0.99  # of the loss that is shown


class LearningProgress:
    """Draw a bar on a terminal, or print a line now and then elsewhere.

    Args:
        files: to prepare.
    """

    def __init__(self, files: int) -> None:
        self.files = files
        self.prepared = 0
        self.printed = time.monotonic()
        self.loss: float | None = None
        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:.0f} %  {task.fields[note]}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("preparing", total=1.0, note="")

    def __enter__(self) -> LearningProgress:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def show(self, what: str, share: float, note: str) -> None:
        """Draw, or print when due."""
        self.bar.update(self.task, description=what, completed=share, note=note)
        now = time.monotonic()
        if self.bar.disable and now - self.printed >= LINE_EVERY:
            self.printed = now
            print(f"{what}: {100 * share:.0f} %, {note}", file=sys.stderr, flush=True)

    def prepare(self, path: Path) -> None:
        """Tell which file is prepared now."""
        self.show("preparing", self.prepared / self.files, path.name)
        self.prepared += 1

    def step(self, learning: LibraryLearning, loss: float) -> None:
        """Tell how far the learning is after a step."""
        self.loss = loss if self.loss is None else self.loss + (loss - self.loss) * (1 - SMOOTHING)
        left = readable(max(learning.budget - learning.spent, 0))
        note = f"{left} left, step {learning.global_step}, loss {self.loss:.3f}"
        self.show("learning", min(learning.progress, 1), note)
