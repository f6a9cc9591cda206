"""Processes that do tasks side by side.

Not loky or joblib: tried with loky 3.7, the death of one process failed the tasks of all others, a
signal to this process reached no task that could have written its checkpoint, and the processes
outlived a parent that was killed. Not ``multiprocessing``: it runs a user's script again.
"""

from __future__ import annotations

import pickle
import queue
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from restoration.support.processes import Peer


@dataclass(frozen=True)
class Unforeseen:
    """What a thread raised; whoever waits for it raises it in its place."""

    error: Exception


class Pool(AbstractContextManager["Pool"]):
    """Processes that do tasks, each with a thread here that waits for it.

    Args:
        module: Name of the module that they run, see ``Peer``.
        environments: Variables of each process; there are as many processes.
        grace: Seconds that tasks have to end when they are interrupted; 0 kills them at once.
    """

    def __init__(
        self, module: str, environments: Sequence[Mapping[str, str]], grace: float = 0.0
    ) -> None:
        self.module = module
        self.environments = environments
        self.grace = grace
        self.peers: dict[int, Peer] = {}
        self.threads: list[threading.Thread] = []
        self.stopped = False

    def begin(self) -> None:
        """Start the processes that there are not; they import while this one goes on."""
        for number in range(len(self.environments)):
            if not self.lives(number):
                self.start(number)

    @property
    def ready(self) -> bool:
        """Tell whether all processes are there, so that nobody waits for them to start."""
        return all(self.lives(number) for number in range(len(self.environments)))

    def lives(self, number: int) -> bool:
        """Tell whether there is a process; one that died with nothing to do is forgotten."""
        peer = self.peers.get(number)
        if peer is not None and peer.process.poll() is not None:
            self.peers.pop(number).close()
        return number in self.peers

    def start(self, number: int) -> None:
        """Start one process."""
        self.peers[number] = Peer(self.module, self.environments[number])

    def __exit__(self, *_: object) -> None:
        """End the tasks that there still are, then the processes."""
        self.stop()

    def stop(self) -> None:
        """End tasks and processes; a further ``run`` starts new ones."""
        self.stopped = True
        if self.grace:
            for number, thread in enumerate(self.threads):
                peer = self.peers.get(number)
                if thread.is_alive() and peer is not None:
                    peer.interrupt()
            for thread in self.threads:
                thread.join(self.grace)
        for peer in list(self.peers.values()):
            peer.kill()
        for thread in self.threads:
            thread.join()  # it reads the end of the pipe; only then may the pipe be closed
        for peer in self.peers.values():
            peer.close()
        self.peers.clear()

    def run(
        self, tasks: Sequence[Any], told: Callable[[Any], object] | None = None
    ) -> Generator[tuple[int, Any], None, None]:
        """Have tasks done, in this order as processes are free.

        Closed before its end, it stops the tasks that are under way.

        Args:
            tasks: What the module's ``serve`` takes.
            told: Called, in this thread, with what a task tells before it ends.

        Yields:
            Number and result of each task, as they end; None for a task whose process died.

        Raises:
            Exception: a task could not be sent, or what was told not be read: too little memory.
        """
        todo: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        said: queue.SimpleQueue[tuple[int, bool, Any]] = queue.SimpleQueue()
        for item in enumerate(tasks):
            todo.put(item)
        self.threads = [
            threading.Thread(target=self.work, args=(number, todo, said), daemon=True)
            for number in range(len(self.environments))
        ]
        self.stopped = False
        for thread in self.threads:
            thread.start()
        left = len(tasks)
        try:
            while left:
                index, ended, value = said.get()
                if isinstance(value, Unforeseen):
                    raise value.error
                if ended:
                    left -= 1
                    yield index, value
                elif told is not None:
                    told(value)
        finally:
            if left:
                self.stop()

    def work(self, number: int, todo: queue.SimpleQueue, said: queue.SimpleQueue) -> None:
        """Hand tasks to one process until there are none; if it dies, another takes its place."""
        while not self.stopped:
            try:
                index, task = todo.get_nowait()
            except queue.Empty:
                return
            try:
                if not self.lives(number):
                    self.start(number)
                if self.stopped:  # meanwhile: nobody would end what begins now
                    return
                for ended, value in self.peers[number].do(task):
                    said.put((index, ended, value))
            except (OSError, EOFError, pickle.UnpicklingError):
                if number in self.peers:
                    self.peers.pop(number).close()
                said.put((index, True, None))
            except Exception as error:
                if number in self.peers:  # half a message lies in its pipe
                    self.peers.pop(number).close()
                said.put((index, False, Unforeseen(error)))
