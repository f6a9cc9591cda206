"""What a run leaves behind: the restored image, the result file, the table on the screen."""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from restoration.callbacks.keep import KeepImage, check_rules
from restoration.callbacks.order import callbacks_of, directory_of
from restoration.callbacks.rules import BlindRule
from restoration.callbacks.smoothing import NeedsSmoothing, OutputSmoothing
from restoration.callbacks.table import show
from restoration.data import SingleImage, image_of
from restoration.errors import DivergenceError, Interrupted, RestorationError
from restoration.formats.png import to_png
from restoration.jpeg import pixels_of, to_pixels
from restoration.jpeg.projection import SHRINK, project
from restoration.metrics import scores
from restoration.run_folder import COMPARISON, RESTORED, RESULT, kept_image
from restoration.support.figures import comparison
from restoration.support.files import write_atomically
from restoration.task import DeepImagePrior


class ResultWriter(NeedsSmoothing):
    """Write ``restored.png``, pictures for people and ``result.json``, last.

    The restored image is a smoothed output, the last one or that of a rule, projected onto the
    file's quantisation cells: it contradicts nothing that the file says. A directory with
    ``result.json`` is a finished run. A run cut short by Ctrl-C leaves the image restored so far,
    and no result file.

    Args:
        shrink: Part of the cells' width onto which the image is projected, 1 for whole cells; null
            writes the smoothed output as it is.
        keep: Name of the rule whose output becomes the restored image, "nearest_estimate", say;
            null takes the last one.
    """

    def __init__(self, shrink: float | None = SHRINK, keep: str | None = None) -> None:
        if shrink is not None and not 0 <= shrink <= 1:
            raise RestorationError(f"result.shrink must lie in [0, 1] or be null, not {shrink}")
        self.shrink = shrink
        self.keep = keep
        self.directory: Path | None = None
        self.output: Tensor | None = None
        self.smoothed: Tensor | None = None
        self.began: float | None = None
        self.earlier = 0.0  # seconds spent before the run was resumed

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Find the run's directory; every rank must ask.

        Raises:
            RestorationError: There is no rule of the name given.
        """
        super().setup(trainer, module, stage)
        self.directory = directory_of(trainer)
        check_rules(callbacks_of(trainer, Callback), self.keep)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Start the clock; a result of an earlier run in this directory is no longer valid."""
        self.began = time.monotonic()
        assert self.directory is not None
        if trainer.is_global_zero and not 0 < trainer.max_steps <= trainer.global_step:
            (self.directory / RESULT).unlink(missing_ok=True)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Hold on to the latest outputs; no copy."""
        self.output = outputs["image"]
        self.smoothed = outputs["smoothed"]

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Stop the clock, before the last checkpoint is written."""
        self.earlier, self.began = self.seconds, None

    def on_fit_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Write everything, and show the table."""
        if self.output is None or not trainer.is_global_zero:
            return
        self.write_image(trainer, RESTORED, self.restored(trainer))
        for keeper in keepers(trainer):
            if keeper.written:
                self.write_image(trainer, kept_image(keeper.name), keeper.image)
        assert self.directory is not None
        assert isinstance(module, DeepImagePrior)
        result = self.result(trainer, module)
        write_atomically(self.directory / COMPARISON, self.compare(trainer, result))
        content = json.dumps(result, indent=2, allow_nan=False) + "\n"
        write_atomically(self.directory / RESULT, content.encode())
        show(result, self.directory / RESTORED)
        if self.keep is not None and self.keep not in result:
            print(f"{self.keep} kept nothing: {RESTORED} is of the last output", file=sys.stderr)

    def on_exception(
        self, trainer: Trainer, module: LightningModule, exception: BaseException
    ) -> None:
        """Write what has been restored so far when the user stops the run or it diverges."""
        if isinstance(exception, Interrupted | DivergenceError) and trainer.is_global_zero:
            image = self.restored(trainer)
            if image is not None and bool(image.isfinite().all()):
                self.write_image(trainer, RESTORED, image)

    def restored(self, trainer: Trainer) -> Tensor | None:
        """Project the smoothed output, the last one or that of a rule, if it is to be."""
        image = self.smoothed
        for keeper in keepers(trainer):
            if keeper.name == self.keep:
                image = keeper.image
        if image is None or self.shrink is None:
            return image
        file = image_of(trainer).batch.file.to(image.device)
        return project(image, file, self.shrink).clamp_(0, 1)

    def write_image(self, trainer: Trainer, name: str, image: Tensor | None) -> None:
        """Write one image upright, with the JPEG's profile and EXIF.

        Raises:
            DivergenceError: It holds what is no number.
        """
        if image is not None and not bool(image.isfinite().all()):
            raise DivergenceError("the image is no longer finite; a smaller learning rate may help")
        if image is not None and self.directory is not None:
            upright = image_of(trainer).jpeg.upright(to_pixels(image))
            write_atomically(self.directory / name, to_png(upright))

    def compare(self, trainer: Trainer, result: dict[str, Any]) -> bytes:
        """Draw JPEG | restored | original, the original where it is known, as a PNG."""
        data = image_of(trainer)
        images = {
            "JPEG": data.batch.target,
            "restored": self.restored(trainer),
            "original": data.truth,
        }
        key = "projected"
        if self.shrink is None:
            key = self.keep if self.keep in result else "smoothed"
        panels = []
        for (caption, image), name in zip(images.items(), ("jpeg", key, ""), strict=True):
            score = result.get(name) or {}
            value = f"  {score['psnr']:.2f} dB" if score.get("psnr") is not None else ""
            if image is not None:
                pixels = pixels_of(data.jpeg.upright(to_pixels(image)))
                panels.append((caption + value, pixels))
        return comparison(panels)

    def result(self, trainer: Trainer, task: DeepImagePrior) -> dict[str, Any]:
        """Collect the content of the result file."""
        data = image_of(trainer)
        assert isinstance(data, SingleImage)

        def measure(image: Tensor | None) -> dict[str, Any] | None:
            if data.truth is None or image is None:
                return None
            return scores(image, data.truth.to(image.device))

        kept: dict[str, Any] = {"best": None}
        for keeper in keepers(trainer):
            row = {"title": keeper.title or keeper.name.replace("_", " "), "step": keeper.step}
            kept[keeper.name] = row | (measure(keeper.image) or {})
            if isinstance(keeper, BlindRule) and keeper.reference is not None:
                found = measure(keeper.reference)
                found = found and {"title": keeper.reference_title, **found}
                kept[keeper.name]["reference"] = found
        return {
            "image": str(data.image),
            "size": list(data.jpeg.pixels.shape[1::-1]),
            "quality": data.quality,
            "net": describe(task.net),
            "parameters": sum(p.numel() for p in task.net.parameters()),
            "loss": describe(task.loss),
            "input": repr(data.input),
            "perturbation": task.perturbation,
            "optimizer": [f"{type(o).__name__}(lr={o.defaults['lr']})" for o in trainer.optimizers],
            "smoothing": [c.decay for c in callbacks_of(trainer, OutputSmoothing)],
            "steps": trainer.global_step,
            "seed": torch.initial_seed(),
            "device": device_name(trainer.strategy.root_device),  # by now the task is on the CPU
            "seconds": round(self.seconds, 2),
            "versions": {
                name: version(name) for name in ("restoration", "torch", "lightning", "pillow")
            },
            "jpeg": measure(data.batch.target),
            "final": measure(self.output),
            "smoothed": measure(self.smoothed),
            "projected": None if self.shrink is None else measure(self.restored(trainer)),
            "shrink": self.shrink,
            **kept,
        }

    @property
    def seconds(self) -> float:
        """Seconds of optimisation, earlier parts of a resumed run included."""
        return self.earlier + (0 if self.began is None else time.monotonic() - self.began)

    def state_dict(self) -> dict[str, Any]:
        """Return the time spent and the latest outputs, for the checkpoint."""
        return {"seconds": self.seconds, "raw": self.output, "smoothed": self.smoothed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them from a checkpoint: a finished run that is resumed writes its files again."""
        self.earlier = state_dict["seconds"]
        self.output = state_dict["raw"]
        self.smoothed = state_dict["smoothed"]


def keepers(trainer: Trainer) -> list[KeepImage]:
    """Return the callbacks that have kept an image."""
    return [c for c in callbacks_of(trainer, KeepImage) if c.step is not None]


def describe(module: nn.Module) -> str:
    """Name a network or loss with its settings in one line: ``Class(extra_repr)``."""
    return f"{type(module).__name__}({module.extra_repr()})"


def device_name(device: torch.device) -> str:
    """Name the device as a person would: "cpu" or the GPU's product name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
