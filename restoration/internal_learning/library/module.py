"""The learning of a library: the loss, the optimiser and its rate over the budget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from restoration.internal_learning.library.windows import Windows
from restoration.internal_learning.muon import Muon
from restoration.networks.deblocking import DeblockingNetwork, unit
from restoration.networks.fast.cuda_graph import forget_graphs, recorded_if_possible

RATE = 0.01  # highest learning rate
RISE = 0.05  # share of the budget in which the rate rises
DECAY = 0.998  # of the average of the weights


def rate_at(progress: float) -> float:
    """Tell the learning rate, as a share of the highest: it rises linearly, and falls as a cosine.

    Args:
        progress: share of the budget that is spent, 0 to 1.
    """
    if progress < RISE:
        return (progress + 0.01) / (RISE + 0.01)
    return 0.5 + 0.5 * math.cos(math.pi * min((progress - RISE) / (1 - RISE), 1))


def decay_after(steps: int) -> float:
    """Tell by how much the average of the weights of so many steps counts beside the next ones.

    At first by little, since the first weights of all say nothing.
    """
    return min(DECAY, (1 + steps) / (10 + steps))


class LibraryLearning(LightningModule):
    """Minimise the squared error of restored windows, relative to that of their JPEGs.

    Args:
        net: the network.
        budget: seconds of all learning, over which the rate rises and falls once; what was spent
            before a pause counts.
        steps: number of optimiser steps instead, for what must be repeated exactly.
        rate: highest learning rate.
        prepared: seconds of the budget that were spent before learning.
    """

    def __init__(
        self,
        net: DeblockingNetwork,
        budget: float = math.inf,
        steps: int | None = None,
        rate: float = RATE,
        prepared: float = 0.0,
    ) -> None:
        super().__init__()
        self.net = net
        # Its names are those of torch's AveragedModel, which would wait for a GPU at each step.
        self.average = nn.ModuleDict({"module": deepcopy(net)}).requires_grad_(False)
        self.launch: Callable[..., Tensor] | None = None  # the network, as its device likes it
        self.budget = budget
        self.steps = steps
        self.rate = rate
        self.prepared = self.spent = prepared  # seconds; the latter with those of learning
        self.clock: float | None = None

    @property
    def progress(self) -> float:
        """Tell the share of learning that is done."""
        if self.steps:
            return self.global_step / self.steps
        return (self.spent - self.prepared) / max(self.budget - self.prepared, 1e-9)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Muon."""
        return Muon(self.net.parameters(), self.rate)

    def on_train_start(self) -> None:
        """Start the clock."""
        self.clock = time.monotonic()

    def on_train_batch_start(self, batch: Windows, batch_idx: int) -> int | None:
        """Set the rate; stop when the budget is spent."""
        assert self.clock is not None
        now = time.monotonic()
        self.spent += now - self.clock
        self.clock = now
        if self.progress >= 1:
            self.trainer.should_stop = True
            return -1
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.rate * rate_at(self.progress)
        return None

    def training_step(self, batch: Windows, batch_idx: int) -> Tensor:
        """Compare the restored windows with their originals."""
        jpeg, steps, original = batch
        if self.launch is None:
            self.launch = recorded_if_possible(self.net, jpeg, steps)
        error = (self.launch(jpeg, steps) - original) / unit(steps)
        return error.square().mean()

    def optimizer_step(self, *arguments: Any) -> None:
        """Take the new weights into the average, before any callback saves both."""
        super().optimizer_step(*arguments)
        with torch.no_grad():
            kept, new = (tuple(net.parameters()) for net in (self.average, self.net))
            torch._foreach_lerp_(kept, new, 1 - decay_after(self.global_step))

    def on_fit_end(self) -> None:
        """Forget where the weights were."""
        self.launch = None
        forget_graphs()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what was spent."""
        checkpoint["spent"], checkpoint["prepared"] = self.spent, self.prepared

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from what was spent."""
        self.spent += checkpoint["spent"]
        self.prepared += checkpoint.get("prepared", 0.0)  # no older library tells it

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load weights, also those of earlier versions, which counted the steps among them."""
        weights = {name: x for name, x in state_dict.items() if name != "average.n_averaged"}
        return super().load_state_dict(weights, strict, assign)
