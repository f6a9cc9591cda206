"""Keep the image of the step at which some number was best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from restoration.callbacks.order import check_before
from restoration.callbacks.quality import QUALITY, Quality
from restoration.callbacks.smoothing import NeedsSmoothing
from restoration.errors import RestorationError

# entries of result.json and columns of curves.csv that are no rule's
TAKEN = {
    *("image", "size", "quality", "net", "parameters", "loss", "input", "perturbation"),
    *("optimizer", "smoothing", "steps", "step", "seed", "device", "seconds", "versions", "jpeg"),
    *("final", "smoothed", "projected", "shrink", "best"),
}


class KeepImage(Callback):
    """Base: keep a copy of the image that was offered with the greatest value, and its step.

    The comparison stays on the device: no step waits for it. ``ResultWriter`` puts the step and the
    scores into the result file and, where it is asked to, makes the image the run's result.

    Attributes:
        name: Key in the result file, and what ``--result.keep`` takes.
        title: Name in tables; by default the name in words.
        written: Whether the image is written beside the result.
    """

    name: str
    title = ""
    written = True

    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}

    @torch.no_grad()
    def offer(self, value: Tensor, step: int, image: Tensor) -> None:
        """Keep ``image`` (1, C, H, W) if ``value``, a scalar, exceeds all before."""
        new = {"value": value, "step": torch.full((), step, device=image.device), "image": image}
        if not self.kept:
            self.kept = {name: tensor.detach().clone() for name, tensor in new.items()}
            return
        better = (value > self.kept["value"]) | self.kept["value"].isnan()
        for name, tensor in new.items():
            self.kept[name] = torch.where(better, tensor, self.kept[name])

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Move what a checkpoint brought to the device."""
        self.kept = {name: tensor.to(module.device) for name, tensor in self.kept.items()}

    @property
    def step(self) -> int | None:
        """The step kept, or None if nothing was offered."""
        return int(self.kept["step"]) if self.kept else None

    @property
    def image(self) -> Tensor | None:
        """The image kept, (1, C, H, W), or None if nothing was offered."""
        return self.kept.get("image")

    def state_dict(self) -> dict[str, Any]:
        """Return what is kept, for the checkpoint."""
        return dict(self.kept)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what was kept from a checkpoint."""
        self.kept = dict(state_dict)


class BestStep(NeedsSmoothing, KeepImage):
    """Keep the smoothed output of highest PSNR: an oracle, for reports; silent without truth.

    The outputs are compared at which ``Quality``, before it, measures.
    """

    name = "best"

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Check that the quality will be measured.

        Raises:
            RestorationError: No ``OutputSmoothing`` or no ``Quality`` runs before this callback.
        """
        super().setup(trainer, module, stage)
        check_before(trainer, self, Quality)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Compare the smoothed output with the best so far."""
        if "psnr_smoothed" in outputs:
            self.offer(outputs["psnr_smoothed"], trainer.global_step, outputs["smoothed"])


class LeastSURE(KeepImage):
    """Keep the output of least SURE, which needs no truth; silent where no loss names "sure".

    The estimate of each step is that of the very output which is kept.
    """

    name = "least_sure"
    title = "least SURE"

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Compare this step's estimate with the least so far."""
        if "sure" in outputs:
            self.offer(-outputs["sure"], trainer.global_step, outputs["image"])


def check_rules(callbacks: Sequence[Callback], keep: str | None) -> None:
    """Check the rules of a run before it starts.

    Args:
        callbacks: Callbacks of the trainer.
        keep: Name of the rule whose output becomes the restored image, if any.

    Raises:
        RestorationError: A rule is given twice, has no name or one that is taken, or there is none
            of the name to keep.
    """
    # an oracle, which knows the truth, is none
    rules = [c for c in callbacks if isinstance(c, KeepImage) and not isinstance(c, BestStep)]
    for rule in rules:
        name = getattr(rule, "name", None)
        if not isinstance(name, str) or name in TAKEN or name.startswith(QUALITY):
            raise RestorationError(
                f"the rule {type(rule).__name__} needs a name of its own, not {name}: a column in "
                "curves.csv and an entry in result.json bear it"
            )
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise RestorationError(f"rule {name} is given twice; --rules [] starts anew")
    if keep is not None and keep not in names:
        raise RestorationError(
            f"no rule {keep!r} to keep; there are {', '.join(names)}; "
            "--result.keep null takes the last output"
        )
