"""What people on the page want restored: requests that wait their turn, one at a time."""

from __future__ import annotations

import pickle
import threading
import time
from collections import deque
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restoration.errors import RestorationError
from restoration.support.processes import Peer
from restoration.support.progress import TimeLeft


@dataclass(frozen=True)
class Task:
    """One picture to restore, as the process that does it is told.

    Attributes:
        folder: where the inputs lie.
        source: name of the picture.
        truth: name of the original, for measuring only, or None.
        recipe: options of ``restoration restore`` that tell how, and their values.
        target: the file to write, of the format that its name tells.
        before: a PNG of the picture as it was, upright, to write.
        original: a PNG of the original, upright, to write where there is one.
    """

    folder: Path
    source: str
    truth: str | None
    recipe: tuple[str, ...]
    target: Path
    before: Path
    original: Path


@dataclass
class Picture:
    """A picture of a request.

    Attributes:
        task: what is to be done.
        weight: share of the request's work, in pixels.
        report: what was done and found; None before that.
        error: why it failed, in one line; None where it did not.
    """

    task: Task
    weight: int
    report: dict[str, Any] | None = None
    error: str | None = None


class Work:
    """A request: pictures that are restored one after the other.

    Args:
        folder: of its own, which holds all its files.
        pictures: What is to be done.
        budget: seconds for each picture, where the user gave a time; else None.

    Attributes:
        current: Number of the picture in work, from 0; None before and after.
        stopped: Whether the user has cancelled it.
        over: Set when nothing more will happen.
    """

    def __init__(self, folder: Path, pictures: list[Picture], budget: float | None = None) -> None:
        self.folder = folder
        self.pictures = pictures
        self.budget = budget
        self.current: int | None = None
        self.stopped = False
        self.over = threading.Event()
        self.began = 0.0  # the current picture
        self.units = 0  # of it
        self.part = 0.0  # of it that is done, 0 to 1
        self.clock = TimeLeft()
        self.until: float | None = None  # when all will be done, if that can be told

    @property
    def finished(self) -> list[Picture]:
        """List the pictures that are restored."""
        return [picture for picture in self.pictures if picture.report is not None]

    def begin(self, number: int) -> None:
        """Take the next picture."""
        self.began, self.units, self.part, self.current = time.monotonic(), 0, 0.0, number
        if self.budget is not None:
            self.until = self.began + self.budget * (len(self.pictures) - number)

    def advance(self, units: int, total: int) -> None:
        """Count units of the current picture's work."""
        self.units += units
        self.part = min(self.units / total, 1.0)
        self.clock.tell(self.fraction())
        seconds = self.clock.seconds(1.0)
        if seconds is not None and self.budget is None:
            self.until = time.monotonic() + seconds

    def end(self) -> None:
        """Stay as it is from now on."""
        self.current = None
        self.over.set()

    def fraction(self) -> float:
        """Tell how much of the work is done, 0 to 1."""
        current = self.current  # another thread ends the work meanwhile
        if current is None:
            return 1.0 if self.over.is_set() else 0.0
        if self.budget is not None:  # what there is to do follows from the time
            part = min((time.monotonic() - self.began) / self.budget, 1.0)
            return (current + part) / len(self.pictures)
        weights = [picture.weight for picture in self.pictures]
        done = sum(weights[:current]) + self.part * weights[current]
        return done / sum(weights)

    def seconds_left(self) -> float | None:
        """Tell what it will still take, None if unknown; it counts down between two reports."""
        return None if self.until is None else max(self.until - time.monotonic(), 0.0)


class Desk(AbstractContextManager["Desk"]):
    """Does one request at a time, in a process that can be ended at any moment.

    The process is started early and kept, since it imports for seconds.

    Args:
        module: Name of the module that it runs, see ``Peer``.
    """

    def __init__(self, module: str = "restoration.app.worker") -> None:
        self.module = module
        self.waiting: deque[Work] = deque()
        self.running: Work | None = None
        self.busy = False  # whether the process has a picture of it
        self.closed = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self) -> Desk:
        """Start the process, and the thread that hands it pictures."""
        self.peer = Peer(self.module, {})
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End what there is, the process too."""
        with self.changed:
            self.closed = True
            works = [*self.waiting, *filter(None, [self.running])]
            self.changed.notify()
        for work in works:
            self.cancel(work)
        self.thread.join()
        self.peer.close()

    def add(self, work: Work) -> None:
        """Put a request at the end of the queue."""
        with self.changed:
            self.waiting.append(work)
            self.changed.notify()

    def ahead(self, work: Work) -> int:
        """Count the requests that are done before this one, that in work included."""
        with self.changed:
            if work not in self.waiting:
                return 0
            return self.waiting.index(work) + (self.running is not None)

    def cancel(self, work: Work) -> None:
        """End a request at once: what is restored stays, the picture in work is given up."""
        with self.changed:
            work.stopped = True
            if work in self.waiting:
                self.waiting.remove(work)
                work.end()
            elif work is self.running and self.busy:
                self.peer.kill()

    def serve(self) -> None:
        """Do the requests; in a thread of its own."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting or self.closed)
                if self.closed:
                    return
                work = self.running = self.waiting.popleft()
            for number, picture in enumerate(work.pictures):
                work.begin(number)
                self.restore(work, picture)
            with self.changed:
                self.running = None
                work.end()

    def restore(self, work: Work, picture: Picture) -> None:
        """Have one picture restored, unless the request is cancelled before."""
        with self.changed:
            if work.stopped:
                return
            self.busy = True
            if self.peer.process.poll() is not None:  # it died while it had nothing to do
                self.renew()
        died = False
        try:
            for ended, told in self.peer.do(picture.task):
                if not ended:
                    work.advance(*told)
                elif isinstance(told, RestorationError):
                    picture.error = str(told)
                else:
                    picture.report = told
        except (OSError, EOFError, pickle.UnpicklingError, MemoryError):
            died = True
        with self.changed:
            self.busy = False
            died = died or work.stopped  # killed, or about to die
        if died and not work.stopped:
            picture.error = f"{picture.task.source}: its process ended; was there memory enough?"
        if died and not self.closed:
            self.renew()

    def renew(self) -> None:
        """Start a process in place of one that has ended, or whose pipe holds half a message."""
        self.peer.close()
        self.peer = Peer(self.module, {})
