"""How long an optimiser step takes on this machine."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from copy import deepcopy

import torch
from torch import Tensor, nn

from restoration.internal_learning.muon import Muon
from restoration.networks.correction import CorrectionNetwork
from restoration.networks.deblocking import DeblockingNetwork
from restoration.networks.fast.cuda_graph import recorded_if_possible
from restoration.support.devices import precision

TIMED = 3  # steps
NUMBER, SIDE = 8, 64  # windows in a batch, and pixels of their sides, in all learning


def unchanged(device: str) -> AbstractContextManager[None]:
    """Leave the random numbers of whoever called us as they are."""
    index = [torch.cuda.current_device()] if device == "cuda" else []
    return torch.random.fork_rng(devices=index)


def correction_pace(device: str) -> float:
    """Measure the seconds of a step of a network that corrects an estimate.

    Args:
        device: "cpu", "cuda" or "mps".
    """
    with unchanged(device):
        image = torch.rand(NUMBER, 3, SIDE, SIDE, device=device)
        return seconds_of_step(CorrectionNetwork(3), (image, image), device)


def deblocking_pace(net: DeblockingNetwork, device: str) -> float:
    """Measure the seconds of a step of a network that restores a JPEG by itself.

    Args:
        net: the network; it is not changed.
        device: "cpu", "cuda" or "mps".
    """
    with unchanged(device):
        image = torch.rand(NUMBER, 3, SIDE, SIDE, device=device)
    return seconds_of_step(net, (image, torch.zeros(NUMBER, 2, device=device)), device)


def seconds_of_step(net: nn.Module, inputs: tuple[Tensor, ...], device: str) -> float:
    """Time steps of a network on some batch, after one that prepares.

    Args:
        net: the network; it is not changed.
        inputs: of the network.
        device: "cpu", "cuda" or "mps".
    """
    net = deepcopy(net).requires_grad_(True).to(device)
    optimizer = Muon(net.parameters(), 0.001)
    reduced = precision(device) != "32-true"
    with torch.autocast(device, torch.bfloat16, enabled=reduced):
        launch = recorded_if_possible(net, *inputs)
    began = 0.0
    for _ in range(1 + TIMED):
        with torch.autocast(device, torch.bfloat16, enabled=reduced):
            loss = launch(*inputs).float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()  # waits for the device
        began = began or time.monotonic()
    return (time.monotonic() - began) / TIMED
