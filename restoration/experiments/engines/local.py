"""The engine of one machine: processes with a share of its cores and GPUs each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from restoration.experiments.engines.running import Outcome
from restoration.experiments.runs import Run
from restoration.support.pool import Pool
from restoration.support.processes import cores

STOPPING = 60.0  # seconds that interrupted runs have to write their checkpoints


class LocalEngine:
    """Work off runs in processes that live as long as there are runs.

    Args:
        workers: Number of processes; by default one per GPU, or one per core: side by side on two
            cores, two processes of one thread do about 1.6 times the work of one with two threads.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.gpus = gpus()
        self.workers = workers or len(self.gpus) or cores()

    def run(self, runs: Sequence[Run]) -> Iterator[Outcome]:
        """Yield how runs end, as they do.

        A process that dies fails its run, and another takes its place.

        Args:
            runs: What to do.

        Raises:
            KeyboardInterrupt: The user stopped it; running runs have written their checkpoints.
        """
        environments = [self.environment(n) for n in range(min(self.workers, len(runs)))]
        with Pool("restoration.experiments.engines.run_worker", environments, STOPPING) as pool:
            for index, outcome in pool.run(runs):
                killed = "the process was killed or ran out of memory"
                yield outcome or Outcome(runs[index].identity, killed, 0.0)

    def environment(self, number: int) -> dict[str, str]:
        """Give a process its share of the machine."""
        share = {"OMP_NUM_THREADS": str(max(cores() // self.workers, 1))}
        if self.gpus:
            share["CUDA_VISIBLE_DEVICES"] = self.gpus[number % len(self.gpus)]
        return share


def gpus() -> list[str]:
    """Name the GPUs that this process may use, without taking hold of one."""
    import torch

    count = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[:count] if visible else [str(i) for i in range(count)]
