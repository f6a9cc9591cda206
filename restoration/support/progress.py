"""How far work is and how long it will take, in words and as a bar."""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from restoration.support.durations import readable

FIRST_LINE = 5.0  # seconds of work after which the time left is told
MOST_TOLD = 200  # times in what has passed that are remembered, at most
LINE_EVERY = 30.0  # seconds between two lines where there is no terminal to draw a bar on


class Moment(NamedTuple):
    """When how many units were done; or how long how many took."""

    when: float
    units: float


class TimeLeft:
    """The time that work will still take, at the pace of the last half of what it took so far.

    Work whose units take longer later, or shorter, so gets the right time sooner than by the pace
    of all of it. The longest wait for a unit does not count where there were others: a process may
    have been started meanwhile. The clock starts at the first call, after what comes before the
    first unit.

    Attributes:
        told: moments from the first on, closer together the earlier they are.
        now: the latest.
    """

    now: Moment

    def __init__(self) -> None:
        self.told: list[Moment] = []

    def tell(self, done: float) -> None:
        """Note that ``done`` units are done by now."""
        self.now = Moment(time.monotonic(), done)
        if not self.told:
            self.told.append(self.now)
        last, passed = self.told[-1], self.now.when - self.told[0].when
        if done > last.units and self.now.when - last.when >= passed / MOST_TOLD:
            self.told.append(self.now)

    def seconds(self, total: float) -> float | None:
        """Tell the seconds left, of ``total`` units in all; None if unknown."""
        moments = self.told if self.told[-1] is self.now else [*self.told, self.now]
        middle = (self.told[0].when + self.now.when) / 2
        recent = moments[bisect_right(moments, middle, key=lambda m: m.when) - 1 :]
        pace = pace_of(recent) or pace_of(moments) or pace_of(moments, all_waits=True)
        return None if pace is None else pace * (total - self.now.units)


def pace_of(moments: Sequence[Moment], all_waits: bool = False) -> float | None:
    """Tell the seconds that a unit took, without the longest wait for one; None if unknown.

    Args:
        moments: in order.
        all_waits: count the longest too.
    """
    waits = [Moment(b.when - a.when, b.units - a.units) for a, b in pairwise(moments)]
    if waits and not all_waits:
        waits.remove(max(waits))
    units = sum(w.units for w in waits)
    return sum(w.when for w in waits) / units if units > 0 else None


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
        self.clock.tell(done)
        if self.due is None:
            self.due = now + FIRST_LINE if self.bar.disable else now
        if now < self.due:
            return
        self.due = now + self.interval
        if self.left is not None:
            seconds = self.left()
        else:
            seconds = None if total is None else self.clock.seconds(total)
        left = "" if seconds is None else f"about {readable(seconds)} left"
        if self.bar.disable:
            print(", ".join(filter(None, [self.text(), left])), file=sys.stderr, flush=True)
        else:
            self.bar.update(
                self.task, description=self.text(), completed=done, total=total, left=left
            )
