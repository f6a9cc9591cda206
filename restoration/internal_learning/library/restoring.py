"""Restore a file with the network of a library, in seconds or with some learning of its own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from restoration.budget import RESERVE, Clock
from restoration.estimate.passes import first_estimate
from restoration.internal_learning.library.applying import SIDE, restored_by, within_cells
from restoration.internal_learning.library.pictures import SMALLEST
from restoration.internal_learning.library.sizes import pace_of
from restoration.internal_learning.library.tuning import tuned
from restoration.jpeg import CompressedImage
from restoration.networks.deblocking import DeblockingNetwork
from restoration.networks.places import padded
from restoration.presets import Preset
from restoration.support.devices import filter_device, precision

# In pixels of a pass of the first estimate, which take as long, for a million weights:
STEP = 46_000  # an optimiser step
APPLICATION = 4  # the network in all ways, applied to a pixel
APPLIED_PIXELS = 2**14  # pixels to which a network is applied, in all ways, in the time of a step

MOST_STEPS = 4000  # in a time that is given


def restore_with(
    net: DeblockingNetwork,
    jpeg: CompressedImage,
    preset: Preset,
    seed: int = 0,
    device: str = "cpu",
    side: int = SIDE,
    advance: Callable[[int, int], None] | None = None,
    budget: float | None = None,
) -> Tensor:
    """Restore a file with a network that has learned on others.

    Args:
        net: the network.
        jpeg: the file.
        preset: says how many steps the network goes on learning on the file's own windows.
        seed: of all randomness.
        device: "cpu", "cuda" or "mps".
        side: of the tiles in which the network is applied.
        advance: called now and then with the units of work done since, and those in all.
        budget: seconds, from which the steps follow instead of from the preset.

    Returns:
        (1, C, H, W) in [0, 1], in the orientation in which the JPEG is stored.
    """
    file = jpeg.quantised
    pixels = padded(file.height) * padded(file.width)
    first_units = preset.passes * file.height * file.width
    learns = (preset.tuning or budget is not None) and min(file.height, file.width) >= SMALLEST
    steps = preset.tuning if learns else 0
    millions = sum(weights.numel() for weights in net.parameters()) / 1e6
    step = round(STEP * millions)
    total = round(APPLICATION * millions) * pixels + learns * first_units + steps * step

    def done(units: int) -> None:
        if advance is not None:
            advance(units, total)

    if learns:
        clock = Clock()

        def passed(units: int) -> None:
            clock.advance(units)
            done(units)

        there = file.to(filter_device(device))
        estimate = first_estimate(there, preset.passes, preset.count, passed)
        if budget is not None:
            pace = pace_of(net, device)
            steps = int((RESERVE * budget - clock.lasted) / pace - pixels / APPLIED_PIXELS)
            steps = max(min(steps, MOST_STEPS), 0)
            total += steps * step
    if steps:
        net = tuned(
            net, file, estimate, steps, seed=seed, device=device, advance=lambda: done(step)
        )
    net = net.to(device)
    with torch.autocast(device, torch.bfloat16, enabled=precision(device) != "32-true"):
        image = restored_by(
            net,
            jpeg,
            side=side,
            device=device,
            advance=lambda some: done(round(APPLICATION * millions) * some),
        )
    return within_cells(image, file)
