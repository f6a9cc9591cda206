"""Several devices, an image each: processes that never exchange anything."""

from __future__ import annotations

import os
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only as fabric_rank_zero_only
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from torch import Tensor

from restoration.errors import RestorationError


def local_rank() -> int:
    """Number of this process among those of the trainer on this machine."""
    return int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or "0")


class IndependentStrategy(DDPStrategy):
    """Optimise another image on each device.

    The processes are started as those of data-parallel training are, but each is its own world: no
    process group, no exchange of weights or gradients, every process logs and saves.
    """

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
        """Wait for the processes that this one started.

        Raises:
            RestorationError: one failed; it has said why on stderr.
        """
        super().teardown()
        launcher = self.launcher
        processes = launcher.procs if isinstance(launcher, _SubprocessScriptLauncher) else []
        codes = [process.wait() for process in processes]
        if any(codes):
            raise RestorationError("the run of another image failed")
