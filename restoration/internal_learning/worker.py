"""The process that optimises networks for ``ensemble``: members in, corrections out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from restoration.errors import RestorationError
from restoration.internal_learning.ensemble import Member
from restoration.networks.correction import (
    WAYS,
    CorrectionNetwork,
    InternalLearning,
    Patches,
    correction,
)
from restoration.support.cpu_settings import keep_freed_memory
from restoration.support.processes import answers, messages
from restoration.support.quiet import quiet

KEPT = 2**27  # bytes of freed memory: a step's buffers, not those of a large image's tiles
REPORT_EVERY = 5  # steps between two reports of progress


class Report(Callback):
    """Tell how far the optimisation is.

    Args:
        report: called with the number of steps since the last call.
    """

    def __init__(self, report: Callable[[int], None]) -> None:
        self.report = report

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Report when due."""
        if trainer.global_step % REPORT_EVERY == 0:
            self.report(REPORT_EVERY)


class ApplicationProgress:
    """Report an application in the units of a member, as its pixels are done.

    Args:
        pixels: in all.
        units: in all.
        report: called with the units since the last call.
    """

    def __init__(self, pixels: int, units: int, report: Callable[[int], None]) -> None:
        self.pixels = pixels
        self.units = units
        self.report = report
        self.done = 0

    def advance(self, pixels: int) -> None:
        """Take in pixels that were done."""
        before = self.done * self.units // self.pixels
        self.done += pixels
        self.report(self.done * self.units // self.pixels - before)


def optimise(member: Member, report: Callable[[int], None]) -> NDArray[np.float32]:
    """Optimise one network and return its correction of the estimate, (1, C, H, W)."""
    torch.manual_seed(member.seed)
    net = CorrectionNetwork(member.estimate.shape[1])
    patches = Patches([torch.from_numpy(c) for c in member.copies], member.seed)
    with quiet():
        trainer = Trainer(
            accelerator="gpu" if member.device == "cuda" else "cpu",
            devices=1,
            precision=precision(member.device),
            max_steps=member.steps,
            max_epochs=-1,
            callbacks=[Report(report)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(InternalLearning(net, member.steps), DataLoader(patches, batch_size=None))
    report(member.steps % REPORT_EVERY)
    net.to(member.device)
    estimate, jpeg = (torch.from_numpy(x).to(member.device) for x in (member.estimate, member.jpeg))
    H, W = (size + size % 2 for size in estimate.shape[-2:])
    progress = ApplicationProgress(WAYS * H * W, member.units - member.steps, report)
    reduced = precision(member.device) != "32-true"
    with torch.autocast(member.device, torch.bfloat16, enabled=reduced):
        result = correction(net, estimate, jpeg, member.tile, progress.advance)
    return result.cpu().numpy()


def precision(device: str) -> Literal["32-true", "bf16-mixed"]:
    """Choose bfloat16 for products where the hardware has it: a step is then twice as fast."""
    if device == "cuda":
        return (
            "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
        )
    able = torch.cpu.get_capabilities()
    return "bf16-mixed" if able.get("avx512_bf16") or able.get("amx_bf16") else "32-true"


def main() -> None:
    """Serve members from standard input until it ends or nobody listens."""
    keep_freed_memory(KEPT)
    answer = answers()
    for member in messages():
        try:
            output = optimise(member, lambda units: answer((units, None)))
        except (RuntimeError, MemoryError, ValueError) as error:  # out of memory, most likely
            answer(RestorationError(f"a network failed: {' '.join(str(error).split())}"))
        else:
            answer((0, output))


if __name__ == "__main__":
    main()
