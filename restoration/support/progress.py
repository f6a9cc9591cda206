"""How far work is and how long it will take, in words and as a bar."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from restoration.support.durations import readable

FIRST_LINE = 5.0  # seconds of work after which the time left is told
MOST_TOLD = 200  # times that are remembered
LINE_EVERY = 30.0  # seconds between two lines where there is no terminal to draw a bar on


class TimeLeft:
    """The time that work will still take, at the pace of the last half of what it took so far.

    Work whose units take longer later, or shorter, so gets the right time sooner than by the pace
    of all of it. The clock starts at the first call, after what comes before the first unit.
    """

    def __init__(self) -> None:
        self.began: float | None = None
        # (when, units done by then): the last one in the first half, and all since
        self.told: deque[tuple[float, float]] = deque()

    def seconds(self, done: float, total: float | None) -> float | None:
        """Tell the seconds left, where ``done`` of ``total`` units are done; None if unknown."""
        now = time.monotonic()
        if self.began is None:
            self.began = now
        passed = now - self.began
        if not self.told or now - self.told[-1][0] >= passed / MOST_TOLD:
            self.told.append((now, done))
        while len(self.told) > 2 and 2 * (self.told[1][0] - self.began) <= passed:
            self.told.popleft()
        then, before = self.told[0]
        if total is None or done <= before:
            return None
        return (now - then) / (done - before) * (total - done)


class Display(AbstractContextManager["Display"]):
    """Progress on stderr, with the time left: a bar on a terminal, else a line now and then.

    Args:
        text: Tells what goes on; called at each drawing only.
        left: Tells the seconds left; by default they are in proportion to the units left.
        refresh: Seconds between two drawings of the bar, at least.
    """

    def __init__(
        self,
        text: Callable[[], str],
        left: Callable[[], float | None] | None = None,
        refresh: float = 0.0,
    ) -> None:
        self.text = text
        self.clock = TimeLeft()
        self.left = left
        self.done = 0
        self.due: float | None = None
        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:.0f} % {task.fields[left]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.interval = LINE_EVERY if self.bar.disable else refresh
        self.task = self.bar.add_task(text(), total=None, left="")

    def __enter__(self) -> Display:
        """Draw the bar."""
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away; the terminal's cursor comes back."""
        self.bar.stop()

    def advance(self, units: int, total: int | None) -> None:
        """Count units of work, of ``total`` in all, and draw when it is time to."""
        self.update(self.done + units, total)

    def update(self, done: int, total: int | None) -> None:
        """Take in how many units of work are done, of ``total`` in all; draw when it is time to."""
        self.done, now = done, time.monotonic()
        seconds = self.clock.seconds(done, total)
        if self.due is None:
            self.due = now + FIRST_LINE if self.bar.disable else now
        if now < self.due:
            return
        self.due = now + self.interval
        if self.left is not None:
            seconds = self.left()
        left = "" if seconds is None else f"about {readable(seconds)} left"
        if self.bar.disable:
            print(", ".join(filter(None, [self.text(), left])), file=sys.stderr, flush=True)
        else:
            self.bar.update(
                self.task, description=self.text(), completed=done, total=total, left=left
            )
