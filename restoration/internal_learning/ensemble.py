"""The networks of a restoration, each optimised from another seed, several at a time."""

from __future__ import annotations

import pickle
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restoration.errors import RestorationError
from restoration.support.processes import Peer, cores

# Processes side by side, however many cores there are: each may take 2 GiB of memory.
MOST_WORKERS = 4
APPLIED_PIXELS = 2**14  # pixels to which a network is applied, in all ways, in the time of a step


@dataclass(frozen=True)
class Member:
    """One network to optimise and to apply.

    Attributes:
        copies: what it learns from, see ``training_copies``.
        estimate: what it is to correct, (1, C, H, W) in [0, 1].
        jpeg: the decoded JPEG, the same shape.
        steps: optimiser steps.
        tile: side of the tiles in which it is applied.
        seed: of all its randomness.
        device: "cpu" or "cuda".
    """

    copies: list[NDArray[np.float32]]
    estimate: NDArray[np.float32]
    jpeg: NDArray[np.float32]
    steps: int
    tile: int
    seed: int
    device: str

    @property
    def units(self) -> int:
        """Count the units of its work: optimiser steps, and as many as its application takes."""
        return self.steps + application_units(*self.estimate.shape[-2:])


def application_units(height: int, width: int) -> int:
    """Tell how many optimiser steps take as long as to apply a network to an image."""
    return max(height * width // APPLIED_PIXELS, 1)


class Worker:
    """A process of its own that optimises one network after another, see ``worker``.

    Args:
        threads: of the process.
        messages: where its reports are put: (member's number, units done, correction or None).
    """

    def __init__(self, threads: int, messages: queue.Queue[Any]) -> None:
        self.messages = messages
        self.peer = Peer("restoration.internal_learning.worker", threads)
        self.thread: threading.Thread | None = None

    def run(self, members: Iterator[tuple[int, Member]]) -> None:
        """Start to optimise the members that this and other workers take from ``members``."""
        self.thread = threading.Thread(target=self.serve, args=(members,), daemon=True)
        self.thread.start()

    def serve(self, members: Iterator[tuple[int, Member]]) -> None:
        """Send members and pass on reports until there are no more, or the process fails."""
        try:
            for number, member in members:
                self.peer.send(member)
                output = None
                while output is None:
                    reply = self.peer.receive()
                    if isinstance(reply, RestorationError):
                        raise reply
                    units, output = reply
                    self.messages.put((number, units, output))
        except (OSError, EOFError, pickle.UnpicklingError, RestorationError) as error:
            self.messages.put(error)

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.peer.kill()
        if self.thread is not None:
            self.thread.join()  # it reads the end of the pipe; only then may the pipe be closed
        self.peer.close()


class Shared(Iterator[tuple[int, Member]]):
    """Numbered members, handed out to several threads."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.numbered = enumerate(members)
        self.lock = threading.Lock()

    def __next__(self) -> tuple[int, Member]:
        with self.lock:
            return next(self.numbered)


class Workers(AbstractContextManager["Workers"]):
    """Processes that optimise networks side by side, one with one thread per core.

    On a CPU two such processes do about 1.6 times the work of one with two threads. On a GPU one
    network follows the other.

    Args:
        most: networks that there are to optimise at a time.
        device: "cpu" or "cuda".
    """

    def __init__(self, most: int, device: str) -> None:
        self.number = min(most, cores(), MOST_WORKERS) if device == "cpu" else 1
        self.messages: queue.Queue[Any] = queue.Queue()
        self.workers: list[Worker] = []

    def __enter__(self) -> Workers:
        """Start the processes; they import what they need while this one goes on."""
        try:
            for _ in range(self.number):
                self.workers.append(Worker(max(cores() // self.number, 1), self.messages))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes, whatever they do."""
        for worker in self.workers:
            worker.stop()

    def optimise(
        self, members: Sequence[Member], report: Callable[[int], object]
    ) -> list[NDArray[np.float32]]:
        """Optimise networks.

        Args:
            members: what to optimise.
            report: called with the units of work done since, see ``Member.units``.

        Returns:
            Per member its correction of the estimate, (1, C, H, W).

        Raises:
            RestorationError: a network failed, or its process was killed; the others are no longer
                of use.
        """
        outputs: dict[int, NDArray[np.float32]] = {}
        todo = Shared(members)
        for worker in self.workers:
            worker.run(todo)
        while len(outputs) < len(members):
            message = self.messages.get()
            if isinstance(message, RestorationError):
                raise message
            if isinstance(message, Exception):
                raise RestorationError("a process that optimised a network failed or was killed")
            index, units, output = message
            report(units)
            if output is not None:
                outputs[index] = output
        return [outputs[i] for i in range(len(members))]
