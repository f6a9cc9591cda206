"""The process that optimises networks for ``ensemble``: what to learn in, corrections out."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import LambdaCallback
from torch.utils.data import DataLoader

from restoration.errors import RestorationError
from restoration.internal_learning.ensemble import (
    DEVICE,
    Learned,
    Member,
    Restorer,
    application_units,
)
from restoration.internal_learning.learning import InternalLearning, Patches, correction
from restoration.internal_learning.library.applying import restored_by
from restoration.internal_learning.library.module import RATE
from restoration.internal_learning.library.sizes import ENTRY, USUAL
from restoration.internal_learning.library.tuning import TUNING_RATE, tuned
from restoration.internal_learning.pace import correction_pace
from restoration.internal_learning.ways import WAYS
from restoration.networks.correction import CorrectionNetwork
from restoration.networks.deblocking import DeblockingNetwork
from restoration.networks.places import padded
from restoration.support.cpu_settings import keep_freed_memory
from restoration.support.devices import accelerator, precision
from restoration.support.processes import serve
from restoration.support.quiet import quiet

KEPT = 2**27  # bytes of freed memory: a step's buffers, not those of a large image's tiles
REPORT_EVERY = 5  # steps between two reports of progress


def learned(member: Member, report: Callable[[int], None]) -> Learned:
    """Optimise one network and apply it."""
    torch.manual_seed(member.seed)
    net = CorrectionNetwork(member.estimate.shape[1])
    if member.start is not None:
        for parameter, before in zip(net.parameters(), member.start, strict=True):
            parameter.data.copy_(torch.from_numpy(before))
    patches = Patches([torch.from_numpy(c) for c in member.copies], member.seed)

    def report_steps(trainer: Trainer, *_: Any) -> None:
        if trainer.global_step % REPORT_EVERY == 0:
            report(REPORT_EVERY)

    with quiet():
        trainer = Trainer(
            accelerator=accelerator(member.device),
            devices=1,
            precision=precision(member.device),
            max_steps=member.steps,
            max_epochs=-1,
            callbacks=[LambdaCallback(on_train_batch_end=report_steps)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(InternalLearning(net, member.steps), DataLoader(patches, batch_size=None))
    report(member.steps % REPORT_EVERY)
    net.to(member.device)
    estimate, jpeg = (torch.from_numpy(x).to(member.device) for x in (member.estimate, member.jpeg))
    H, W = (padded(size) for size in estimate.shape[-2:])
    units, done, total = member.units - member.steps, 0, WAYS * H * W

    def report_pixels(pixels: int) -> None:
        nonlocal done
        before, done = done, done + pixels
        report(done * units // total - before * units // total)

    reduced = precision(member.device) != "32-true"
    with torch.autocast(member.device, torch.bfloat16, enabled=reduced):
        result = correction(net, estimate, jpeg, member.tile, report_pixels)
    weights = [parameter.detach().cpu().numpy() for parameter in net.parameters()]
    return Learned(result.cpu().numpy(), weights)


def learned_alone(restorer: Restorer, report: Callable[[int], None]) -> Learned:
    """Optimise one network that restores the JPEG by itself, and apply it."""
    steps, device = restorer.steps, restorer.device
    H, W = restorer.estimate.shape[-2:]
    parts = steps + application_units(H, W)  # all of about the same time
    done = 0.0

    def told(some: float) -> None:
        nonlocal done
        before, done = done, done + some
        report(int(done * restorer.units / parts) - int(before * restorer.units / parts))

    torch.manual_seed(restorer.seed)
    net, rate = DeblockingNetwork(*USUAL, ENTRY), RATE
    if restorer.start is not None:
        net, rate = restorer.start, TUNING_RATE
    estimate = torch.from_numpy(restorer.estimate)
    net = tuned(
        net,
        restorer.jpeg.quantised,
        estimate,
        restorer.scales,
        steps,
        rate,
        restorer.seed,
        device,
        advance=lambda: told(1),
    ).to(device)
    share = (parts - steps) / (padded(H) * padded(W))
    image = restored_by(
        net,
        restorer.jpeg,
        side=restorer.tile,
        device=device,
        advance=lambda pixels: told(share * pixels),
    )
    return Learned((image.cpu() - estimate).numpy(), [])


def learned_or_error(
    network: Member | Restorer, report: Callable[[int], None]
) -> Learned | RestorationError:
    """Optimise one network, or return in one line why it failed."""
    try:
        if isinstance(network, Member):
            return learned(network, report)
        return learned_alone(network, report)
    except (RuntimeError, MemoryError, ValueError) as error:  # out of memory, most likely
        return RestorationError(f"a network failed: {' '.join(str(error).split())}")


def main() -> None:
    """Optimise the networks that arrive."""
    keep_freed_memory(KEPT)
    if os.environ.get(DEVICE) == "cuda":
        with suppress(RuntimeError):  # whoever sends a network is told then what is wrong
            correction_pace("cuda")  # loads what takes seconds, while the first estimate is made
    serve(learned_or_error)


if __name__ == "__main__":
    main()
