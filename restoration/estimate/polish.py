"""The last pass of a filter over what networks made of a file."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from restoration.estimate.collaborative import collaborative_filter, grouped
from restoration.estimate.passes import (
    HALO,
    RADIUS,
    SIDE,
    STRIDE,
    error_variances,
    with_luma_edges,
)
from restoration.jpeg.image import Quantised
from restoration.jpeg.projection import CODING_UNIT
from restoration.support.tiles import tiles_of

# Deviation that networks leave, as a part of the file's error, and the part of its variance for
# which chroma follows luma: on tuning images (tests/benchmarks/README.md, Ingredients).
STRENGTH = 0.35
GUIDANCE = 0.05


@torch.no_grad()
def polished(
    image: Tensor, file: Quantised, count: int = 16, advance: Callable[[int], object] = bool
) -> Tensor:
    """Filter the groups of similar patches of a restored image once more, it being its own pilot.

    A network looks at a neighbourhood; what repeats further away can still agree. With p the
    image's own spectra and d the deviation of the file's error, all are multiplied by
    p^2 / (p^2 + (s d)^2), see ``collaborative_filter``. Then chroma takes its share of what luma
    predicts, see ``with_luma_edges``. Large images are done in parts.

    Args:
        image: of networks, (1, C, H, W) in [0, 1].
        file: what it restores.
        count: patches per group.
        advance: called after every part of a large image, with its pixels.

    Returns:
        (1, C, H, W), neither projected nor clamped.
    """
    operator, variances = file.operator, error_variances(file)
    result = torch.empty_like(image)
    for tile in tiles_of(file.height, file.width, SIDE, HALO, CODING_UNIT):
        planes = operator.planes(tile.outer(image))
        groups = grouped(planes, variances, STRIDE, RADIUS, count)
        own = groups.padded(planes)
        filtered = collaborative_filter(own, groups.positions, groups.variances, STRENGTH, own)
        planes = filtered[None, :, : planes.shape[-2], : planes.shape[-1]].clone()
        tile.place(result, operator.image(with_luma_edges(planes, variances, GUIDANCE)))
        advance(tile.pixels)
    return result
