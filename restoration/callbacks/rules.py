"""Rules that choose a step without the truth, and end a run where nothing better is to come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from restoration.batch import Batch
from restoration.callbacks.keep import KeepImage
from restoration.callbacks.order import interval
from restoration.callbacks.references import ESTIMATE, REJPEG
from restoration.callbacks.smoothing import NeedsSmoothing
from restoration.data import image_of
from restoration.errors import RestorationError
from restoration.jpeg import CompressedImage
from restoration.jpeg.noise import noise_sigma
from restoration.jpeg.operator import BLOCK

CHECK_EVERY = 50  # steps between two looks at the patience: each waits for the device


class BlindRule(NeedsSmoothing, KeepImage, ABC):
    """Keep the smoothed output at which a criterion that knows no truth is least.

    Subclasses name themselves, see ``KeepImage``, and implement ``criterion``; its value appears
    among the outputs of the step under that name.

    Args:
        every: Steps between two looks at the criterion.
        begin: Step before which nothing is kept: the first outputs are grey, and all criteria are
            blind to that.
        patience: Number of steps after which the run ends if the criterion has not fallen; null
            never ends it.

    Attributes:
        reference: Image that outputs are compared with, if there is one.
        reference_title: Its name in tables of methods.
    """

    written = False
    reference: Tensor | None = None
    reference_title = ""

    def __init__(self, every: int = 10, begin: int = 100, patience: int | None = None) -> None:
        super().__init__()
        if patience is not None and patience < every:
            raise RestorationError(f"a patience must be at least {every} steps, not {patience}")
        self.every = interval(every, "every")
        self.begin = begin
        self.patience = patience

    def prepare(self, jpeg: CompressedImage, batch: Batch) -> None:
        """Compute once, at the start, what the criterion needs; ``batch`` is on the CPU."""

    @abstractmethod
    def criterion(self, smoothed: Tensor, batch: Batch) -> Tensor:
        """Score a smoothed output (1, C, H, W); a scalar on the device, the less the better."""

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Prepare the criterion, also where a finished run only writes its result again."""
        super().setup(trainer, module, stage)
        data = image_of(trainer)
        self.prepare(data.jpeg, data.batch)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Move to the device what is there; a run that had ended does not go on."""
        super().on_train_start(trainer, module)
        if trainer.global_step % CHECK_EVERY == 0:
            self.stop_if_exhausted(trainer)
        if self.reference is not None:
            self.reference = self.reference.to(module.device)

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Batch, index: int
    ) -> None:
        """Look at the criterion when due, and at the patience now and then."""
        step = trainer.global_step
        if step >= self.begin and step % self.every == 0:
            value = self.criterion(outputs["smoothed"], batch)
            outputs[self.name] = value
            self.offer(-value, step, outputs["smoothed"])
        if step % CHECK_EVERY == 0:
            self.stop_if_exhausted(trainer)

    def stop_if_exhausted(self, trainer: Trainer) -> None:
        """End the run if its patience is at an end, on all devices alike."""
        if self.patience is None or self.step is None:
            return
        ended = trainer.global_step - self.step >= self.patience
        if trainer.world_size > 1:  # each device has other noise, and a step of its own
            ended = trainer.strategy.reduce_boolean_decision(ended, all=False)
        trainer.should_stop = trainer.should_stop or ended


class NearestEstimate(BlindRule):
    """Keep the output nearest to the restoration without a network.

    d = mean (a - e)^2, e a restoration without a network, which lies nearer to the original than
    the JPEG.
    """

    name, title = "nearest_estimate", "nearest estimate"
    reference_title = "restoration without a network, 2 passes"

    def prepare(self, jpeg: CompressedImage, batch: Batch) -> None:
        """Make the reference."""
        self.reference = self.make(jpeg).to(batch.target)

    def make(self, jpeg: CompressedImage) -> Tensor:
        """Return the reference, (1, C, H, W) in [0, 1]."""
        return ESTIMATE.of(jpeg)

    def criterion(self, smoothed: Tensor, batch: Batch) -> Tensor:
        """See ``BlindRule.criterion``."""
        assert self.reference is not None
        return F.mse_loss(smoothed, self.reference)


class NearestReJPEG(NearestEstimate):
    """Keep the output nearest to the mean of re-compressed shifts of the JPEG."""

    name, title = "nearest_rejpeg", "nearest re-JPEG"
    reference_title = "re-JPEG"

    def make(self, jpeg: CompressedImage) -> Tensor:
        """Return the reference, (1, C, H, W) in [0, 1]."""
        return REJPEG.of(jpeg)


class Discrepancy(BlindRule):
    """Keep the output that lies as far from the JPEG as the original probably does.

    d = |mean (a - x0)^2 - s^2|, s the deviation of the JPEG's error as the file tells it.

    Reference: Morozov's discrepancy principle.
    """

    name = "discrepancy"

    def prepare(self, jpeg: CompressedImage, batch: Batch) -> None:
        """Estimate s."""
        self.variance = (noise_sigma(batch.file) / 255) ** 2

    def criterion(self, smoothed: Tensor, batch: Batch) -> Tensor:
        """See ``BlindRule.criterion``."""
        return (F.mse_loss(smoothed, batch.target) - self.variance).abs()


class BlockContrast(BlindRule):
    """Keep the output whose steps across block borders are as large as those elsewhere.

    d = |mean over borders / mean elsewhere - 1| of the absolute differences of neighbouring pixels:
    a network renders the picture first and its block grid last.
    """

    name = "block_contrast"

    def criterion(self, smoothed: Tensor, batch: Batch) -> Tensor:
        """See ``BlindRule.criterion``."""
        steps = [
            (x[..., 1:] - x[..., :-1]).abs().mean((0, 1, 2))
            for x in (smoothed, smoothed.transpose(-1, -2))
        ]
        borders = torch.cat([s[BLOCK - 1 :: BLOCK] for s in steps])
        others = torch.cat(steps).sum() - borders.sum()
        others = others / (sum(len(s) for s in steps) - len(borders))
        return (borders.mean() / others - 1).abs()


class MovingVariance(BlindRule):
    """Keep the output at which the outputs fluctuate least (ES-EMV).

    m' = m + w (x - m), v' = (1 - w) (v + w mean (x - m)^2), of the outputs x at every step.

    Args:
        every: Steps between two looks at the criterion.
        begin: Step before which nothing is kept.
        patience: Number of steps after which the run ends, see ``BlindRule``; 1000 in the
            reference.
        weight: Weight w of the newest output.

    Reference: Wang, Li, Zhuang, Chen, Liang, Sun, Early stopping for deep image prior, TMLR 2023.
    """

    name, title = "moving_variance", "least variance"

    def __init__(
        self, every: int = 10, begin: int = 100, patience: int | None = None, weight: float = 0.1
    ) -> None:
        super().__init__(every, begin, patience)
        if not 0 < weight <= 1:
            raise RestorationError(f"the weight must lie in (0, 1], not {weight}")
        self.weight = weight
        self.moments: dict[str, Tensor] = {}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Batch, index: int
    ) -> None:
        """Take in every output."""
        image = outputs["image"].float()
        if not self.moments:
            self.moments = {"mean": image.clone(), "variance": image.new_zeros(())}
        else:
            change = image - self.moments["mean"]
            self.moments["mean"].add_(change, alpha=self.weight)
            self.moments["variance"].add_(change.square().mean(), alpha=self.weight)
            self.moments["variance"].mul_(1 - self.weight)
        super().on_train_batch_end(trainer, module, outputs, batch, index)

    def criterion(self, smoothed: Tensor, batch: Batch) -> Tensor:
        """See ``BlindRule.criterion``."""
        return self.moments["variance"].clone()

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Move what a checkpoint brought to the device."""
        super().on_train_start(trainer, module)
        self.moments = {name: m.to(module.device) for name, m in self.moments.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return what is kept and the moments, for the checkpoint."""
        return {"kept": super().state_dict(), "moments": self.moments}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them from a checkpoint."""
        super().load_state_dict(state_dict["kept"])
        self.moments = state_dict["moments"]
