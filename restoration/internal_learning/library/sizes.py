"""How wide the network of a library is: as wide as its time allows on this machine."""

from __future__ import annotations

import time
from copy import deepcopy
from typing import NamedTuple

import torch

from restoration.internal_learning.library.module import LibraryLearning
from restoration.internal_learning.library.windows import Windows
from restoration.networks.deblocking import DeblockingNetwork
from restoration.support.devices import precision


class Size(NamedTuple):
    """Filters and residual blocks of each level, see ``DeblockingNetwork``."""

    widths: tuple[int, ...]
    blocks: tuple[int, ...]


USUAL = Size((64, 96), (2, 2))
WIDE = Size((128, 192), (2, 3))
ENTRY = 2
# Steps from which on the wider network is taken: a guess, the two were not compared at equal time.
ENOUGH = 5000
TIMED = 3  # steps


def size_within(seconds: float, device: str) -> Size:
    """Choose the wider network where it can take ``ENOUGH`` steps in a time."""
    pace = pace_of(DeblockingNetwork(*WIDE, ENTRY), device)
    return WIDE if seconds >= ENOUGH * pace else USUAL


def pace_of(net: DeblockingNetwork, device: str, number: int = 8, side: int = 64) -> float:
    """Measure the seconds of an optimiser step on this machine.

    Args:
        net: of a library; it is not changed.
        device: "cpu", "cuda" or "mps".
        number: of windows in a batch.
        side: of a window, pixels.
    """
    learning = LibraryLearning(deepcopy(net).requires_grad_(True)).to(device)
    optimizer = learning.configure_optimizers()
    image = torch.rand(number, 3, side, side, device=device)
    batch = Windows(image, torch.zeros(number, 2, device=device), image)
    began = 0.0
    for step in range(1 + TIMED):  # the first one prepares
        with torch.autocast(device, torch.bfloat16, enabled=precision(device) != "32-true"):
            loss = learning.training_step(batch, step)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()  # waits for the device
        began = began or time.monotonic()
    return (time.monotonic() - began) / TIMED
