"""The engine of one machine: worker processes, with a share of its cores and GPUs each."""

from __future__ import annotations

import pickle
import queue
import threading
from collections.abc import Iterator, Sequence

from restoration.experiments.engines.running import Outcome
from restoration.experiments.grid import Run
from restoration.support.processes import Peer, cores

STOPPING = 60.0  # seconds that interrupted runs have to write their checkpoints


class LocalEngine:
    """Work off runs in processes that live as long as there are runs.

    Args:
        workers: processes; by default one per GPU, or one per core: side by side on two cores, two
            processes of one thread do about 1.6 times the work of one with two threads.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.gpus = gpus()
        self.workers = workers or self.gpus or cores()

    def run(self, runs: Sequence[Run]) -> Iterator[Outcome]:
        """Yield how runs end, as they do.

        A process that dies fails its run, and another takes its place.

        Args:
            runs: what to do.

        Raises:
            KeyboardInterrupt: the user stopped it; running runs have written their checkpoints.
        """
        todo: queue.SimpleQueue[Run] = queue.SimpleQueue()
        for run in runs:
            todo.put(run)
        outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        desks = [
            Desk(number, self, todo, outcomes) for number in range(min(self.workers, len(runs)))
        ]
        try:
            for _ in runs:
                yield outcomes.get()
        finally:
            for desk in desks:
                desk.stop()
            for desk in desks:
                desk.join()

    def peer(self, number: int) -> Peer:
        """Start the process of one desk."""
        environment = {"CUDA_VISIBLE_DEVICES": str(number % self.gpus)} if self.gpus else None
        threads = max(cores() // self.workers, 1)
        return Peer("restoration.experiments.engines.worker", threads, environment)


class Desk:
    """A thread that hands runs to a process and waits for how they end.

    Args:
        number: of the desk.
        engine: starts the process.
        todo: runs, shared with other desks.
        outcomes: where their ends go.
    """

    def __init__(
        self,
        number: int,
        engine: LocalEngine,
        todo: queue.SimpleQueue[Run],
        outcomes: queue.SimpleQueue[Outcome],
    ) -> None:
        self.number = number
        self.engine = engine
        self.todo = todo
        self.outcomes = outcomes
        self.stopped = False
        self.peer: Peer | None = None
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self) -> None:
        """Take runs until there are none."""
        while not self.stopped:
            try:
                run = self.todo.get_nowait()
            except queue.Empty:
                break
            try:
                self.peer = self.peer or self.engine.peer(self.number)
                self.peer.send(run)
                outcome = self.peer.receive()
            except (OSError, EOFError, pickle.UnpicklingError):
                if self.peer is not None:
                    self.peer.kill()
                    self.peer.close()
                self.peer = None
                outcome = Outcome(run.identity, "the process was killed or ran out of memory", 0.0)
            self.outcomes.put(outcome)
        if self.peer is not None:
            self.peer.kill()
            self.peer.close()

    def stop(self) -> None:
        """Take no more runs, and ask for the end of the present one."""
        self.stopped = True
        if self.peer is not None and self.thread.is_alive():
            self.peer.interrupt()

    def join(self) -> None:
        """Wait until the run has written its checkpoint; not for ever."""
        self.thread.join(STOPPING)
        if self.thread.is_alive() and self.peer is not None:
            self.peer.kill()
            self.thread.join()


def gpus() -> int:
    """Count the GPUs without taking hold of one."""
    import torch

    return torch.cuda.device_count()
