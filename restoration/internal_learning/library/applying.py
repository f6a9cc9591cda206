"""The network of a library, applied to a file."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.estimate.polish import polished
from restoration.internal_learning.library.pictures import luma_and_chroma
from restoration.internal_learning.ways import WAYS, turned, turned_back
from restoration.jpeg import CompressedImage, Quantised, to_tensor
from restoration.jpeg.projection import project
from restoration.networks.deblocking import DeblockingNetwork, coarseness
from restoration.networks.places import PERIOD, padded
from restoration.support.devices import filter_device, precision
from restoration.support.tiles import tiles_of

SIDE = 512  # of a tile, pixels
# Part of the cells' width onto which results are projected: wider than for estimates, since they
# are nearer to the original (tests/benchmarks/ablation.py --of networks).
SHRINK = 0.75
NETWORK_WORK = 8  # times that of polishing a pixel: with AMX 4, without 30


@torch.inference_mode()
def restored_by(
    net: DeblockingNetwork,
    jpeg: CompressedImage,
    ways: int = WAYS,
    side: int = SIDE,
    device: str = "cpu",
    advance: Callable[[int], object] | None = None,
) -> Tensor:
    """Mean of what the network makes of the turned and mirrored image, not yet projected.

    Args:
        net: the network.
        jpeg: the file.
        ways: how many of the eight ways, 1 to 8.
        side: of the tiles in which it is computed; of no effect on the result but its rounding.
        device: on which the network is.
        advance: called with the number of pixels done since, those of the padded image in all.

    Returns:
        (1, C, H, W).
    """
    H, W, C = jpeg.pixels.shape
    steps = steps_of(jpeg.quantised).to(device)
    image = to_tensor(jpeg.pixels).expand(1, 3, H, W)
    image = F.pad(image, (0, padded(W) - W, 0, padded(H) - H), mode="replicate")
    result = torch.empty_like(image)
    halo = padded(net.reach)
    reduced = precision(device) != "32-true"
    for tile in tiles_of(padded(H), padded(W), side, halo, PERIOD):
        part = tile.outer(image).to(device)
        mean = torch.zeros_like(part)
        for way in range(ways):
            with torch.autocast(device, torch.bfloat16, enabled=reduced):
                restored = net(turned(part, way).contiguous(), steps)
            mean += turned_back(restored, way)
        tile.place(result, (mean / ways).to(result.device))
        if advance is not None:
            advance(tile.pixels)
    result = result[..., :H, :W]
    return result if C == 3 else result.mean(1, keepdim=True)


def steps_of(file: Quantised) -> Tensor:
    """Tell how coarse a file is, (1, 2), see ``coarseness``."""
    tables, _ = luma_and_chroma(file)
    return coarseness(tables)[None]


def restored_within(
    net: DeblockingNetwork,
    jpeg: CompressedImage,
    side: int = SIDE,
    device: str = "cpu",
    advance: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Restore a file with a network as it is, see ``finished``.

    Args:
        net: the network.
        jpeg: the file.
        side: of the tiles in which it is computed.
        device: "cpu", "cuda" or "mps".
        advance: called with the units of work done since, and those in all.

    Returns:
        (1, C, H, W) in [0, 1].
    """
    H, W, _ = jpeg.pixels.shape
    file = jpeg.quantised.to(filter_device(device))
    total = NETWORK_WORK * padded(H) * padded(W) + H * W

    def done(units: int) -> None:
        if advance is not None:
            advance(units, total)

    image = restored_by(
        net.to(device),
        jpeg,
        side=side,
        device=device,
        advance=lambda pixels: done(NETWORK_WORK * pixels),
    )
    return finished(image.to(file.device), file, advance=done).cpu()


def finished(
    image: Tensor, file: Quantised, count: int = 16, advance: Callable[[int], object] = bool
) -> Tensor:
    """Polish what networks made of a file, projected onto its narrowed cells before and after.

    Args:
        image: (1, C, H, W).
        file: what it restores.
        count: see ``polished``, as the following.
        advance: called with the number of pixels done since.

    Returns:
        (1, C, H, W) in [0, 1].
    """
    return within_cells(polished(within_cells(image, file), file, count, advance), file)


def within_cells(image: Tensor, file: Quantised, shrink: float = SHRINK) -> Tensor:
    """Project a restored image onto the file's narrowed cells and clamp it."""
    return project(image, file, shrink).clamp_(0, 1)
