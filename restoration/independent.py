"""Several devices, an image each: processes that never exchange anything."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only as fabric_rank_zero_only
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from torch import Tensor


def local_rank() -> int:
    """Number of this process among those of the trainer on this machine."""
    return int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or "0")


class Launcher(_SubprocessScriptLauncher):
    """Start the other processes; one that fails leaves the others alone.

    Lightning's own watches them, and kills all some seconds after one has failed.
    """

    def launch(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        trainer: Trainer | None = None,
        **keywords: Any,
    ) -> Any:
        """Start them unless something else did, and call the function."""
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
        return function(*arguments, **keywords)


class IndependentStrategy(DDPStrategy):
    """Optimise another image on each device.

    The processes are started as those of data-parallel training are, but each is its own world: no
    process group, no exchange of weights or gradients, every process logs and saves.
    """

    def _configure_launcher(self) -> None:
        """See ``Launcher``."""
        assert self.cluster_environment is not None
        self._launcher = Launcher(self.cluster_environment, self.num_processes, self.num_nodes)

    def setup_distributed(self) -> None:
        """Choose the device by rank, and act as the first of one."""
        self.set_world_ranks()
        for function in (rank_zero_only, fabric_rank_zero_only):
            setattr(function, "rank", 0)  # noqa: B010 - an attribute that its type does not know

    @property
    def world_size(self) -> int:
        """One: this process."""
        return 1

    @property
    def is_global_zero(self) -> bool:
        """Always: every process writes its own files."""
        return True

    @property
    def distributed_sampler_kwargs(self) -> dict[str, Any]:
        """Share no data among processes."""
        return {"num_replicas": 1, "rank": 0}

    def configure_ddp(self) -> None:
        """Leave the module as it is."""

    def barrier(self, *arguments: Any, **keywords: Any) -> None:
        """Wait for nobody."""

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        """Return what this process has."""
        return obj

    def reduce(self, tensor: Tensor | Any, *arguments: Any, **keywords: Any) -> Any:
        """Return what this process has."""
        return tensor

    def all_gather(self, tensor: Tensor, *arguments: Any, **keywords: Any) -> Tensor:
        """Return what this process has."""
        return tensor

    def teardown(self) -> None:
        """Wait for the processes that this one started, where it has failed itself."""
        super().teardown()
        if sys.exc_info()[1] is not None:
            self.wait()

    def end_others(self, number: int | None) -> None:
        """Have the processes that this one started end as well.

        Args:
            number: the signal that asked this one. Ctrl-C has reached them all by itself.
        """
        if number == signal.SIGTERM and isinstance(self.launcher, Launcher):
            self.launcher.kill(signal.SIGTERM)

    def wait(self) -> bool:
        """Wait for the processes that this one started; tell whether all have done their work.

        A scheduler that ends this one meanwhile ends them.
        """
        launcher = self.launcher
        if not isinstance(launcher, Launcher):
            return True
        with handled(signal.SIGTERM, lambda number, _: launcher.kill(number)):
            codes = [process.wait() for process in launcher.procs]
        return not any(codes)


@contextmanager
def handled(number: int, handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Handle a signal meanwhile; Python allows that in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before or signal.SIG_DFL)
