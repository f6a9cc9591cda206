"""The networks of a restoration, each optimised from another seed, several at a time."""

from __future__ import annotations

import pickle
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restoration.errors import RestorationError
from restoration.processes import Peer, cores

# Processes side by side, however many cores there are: each may take 2 GiB of memory.
MOST_WORKERS = 4


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


class Worker:
    """A process of its own that optimises one network after another (``restoration.worker``).

    Args:
        threads: of the process.
        messages: where its reports are put: (member's number, steps done, correction or None).
    """

    def __init__(self, threads: int, messages: queue.Queue[Any]) -> None:
        self.messages = messages
        self.peer = Peer("restoration.worker", threads)

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
                    steps, output = reply
                    self.messages.put((number, steps, output))
        except (OSError, EOFError, pickle.UnpicklingError, RestorationError) as error:
            self.messages.put(error)

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.peer.kill()
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


def optimise_all(
    members: Sequence[Member], report: Callable[[int], None]
) -> list[NDArray[np.float32]]:
    """Optimise networks side by side: one process with one thread per core.

    On a CPU two such processes do about 1.6 times the work of one with two threads. On a GPU one
    network follows the other.

    Args:
        members: what to optimise.
        report: called with numbers of steps that were done.

    Returns:
        Per member its correction of the estimate, (1, C, H, W).

    Raises:
        RestorationError: a network failed, or its process was killed.
    """
    number = min(len(members), cores(), MOST_WORKERS)
    if any(m.device == "cuda" for m in members):
        number = 1
    messages: queue.Queue[Any] = queue.Queue()
    outputs: dict[int, NDArray[np.float32]] = {}
    workers: list[Worker] = []
    todo = Shared(members)
    try:
        for _ in range(number):
            workers.append(Worker(max(cores() // number, 1), messages))
            workers[-1].run(todo)
        while len(outputs) < len(members):
            message = messages.get()
            if isinstance(message, RestorationError):
                raise message
            if isinstance(message, Exception):
                raise RestorationError("a process that optimised a network failed or was killed")
            index, steps, output = message
            report(steps)
            if output is not None:
                outputs[index] = output
    finally:
        for worker in workers:
            worker.stop()
    return [outputs[i] for i in range(len(members))]
