"""The engine of a cluster: Ray tasks (``pip install restoration[ray]``)."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from restoration.errors import RestorationError
from restoration.experiments.engines.running import Outcome, attempt
from restoration.experiments.runs import Run

WINDOW = 2  # tasks submitted per slot of the cluster: more would only wait inside Ray
CALLS = 1000  # runs per process; Ray's own default with GPUs is one, and an import costs seconds


class RayEngine:
    """Work off runs as Ray tasks, on this machine or on a running cluster.

    Args:
        workers: Number of runs at a time; by default what the cluster's cores or GPUs hold.
        address: Address of a running cluster, "auto" for the one this machine belongs to; by
            default one is started here and ends with the sweep.
        cpus: Number of cores of a run.
        gpus: Number of GPUs of a run; a fraction shares a GPU among runs.

    Raises:
        RestorationError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(
        self,
        workers: int | None = None,
        address: str | None = None,
        cpus: int = 1,
        gpus: float = 0.0,
    ) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise RestorationError(
                'the engine "ray" needs Ray: pip install "restoration[ray]"'
            ) from error
        self.ray: Any = ray
        self.address = address
        self.connect()
        resources = ray.cluster_resources()
        slots = resources.get("GPU", 0) / gpus if gpus else resources.get("CPU", 1) / cpus
        if slots < 1:
            raise RestorationError(f"the cluster has no {cpus} cores and {gpus} GPUs for a run")
        self.workers = min(workers, int(slots)) if workers else int(slots)
        # fewer than the cluster has room for: then nothing else holds them back
        self.most = self.workers if self.workers < int(slots) else WINDOW * self.workers
        self.task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0, max_calls=CALLS)(
            attempt
        )

    def connect(self) -> None:
        """Connect to the cluster, or start one.

        Raises:
            RestorationError: There is none at the address.
        """
        try:
            self.ray.init(
                address=self.address,
                include_dashboard=None if self.address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (ConnectionError, ValueError) as error:
            raise RestorationError(f"no Ray cluster at {self.address}: {error}") from error

    def run(self, runs: Sequence[Run]) -> Iterator[Outcome]:
        """Yield how runs end, as they do; a task that dies fails its run.

        Args:
            runs: What to do. Their folders are found by absolute paths: a cluster's processes may
                work elsewhere.

        Raises:
            RestorationError: The cluster is gone since the last call.
        """
        if not self.ray.is_initialized():  # each call ends with a shutdown
            self.connect()
        waiting: dict[Any, Run] = {}
        todo = list(reversed(runs))
        try:
            while todo or waiting:
                while todo and len(waiting) < self.most:
                    run = todo.pop()
                    placed = replace(run, folder=run.folder.resolve())
                    waiting[self.task.remote(placed)] = run
                done, _ = self.ray.wait(list(waiting), num_returns=1)
                run = waiting.pop(done[0])
                try:
                    yield self.ray.get(done[0])
                except self.ray.exceptions.RayError as error:
                    reason = str(error).strip().splitlines()[0]
                    yield Outcome(run.identity, f"the task was lost: {reason}", 0.0)
        finally:
            for task in waiting:
                self.ray.cancel(task)
            self.ray.shutdown()
