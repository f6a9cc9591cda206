"""Images that blind rules compare with: for the runs of one JPEG, which follow each other, once.

Beside a GPU's run of half a minute they take seconds, so a sweep's process keeps the latest.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from torch import Tensor

from restoration.estimate.passes import first_estimate
from restoration.estimate.rejpeg import shifted_jpeg
from restoration.jpeg import CompressedImage


class ByContent:
    """A JPEG that equals those of the same pixels, coefficients, tables, sampling and size."""

    def __init__(self, jpeg: CompressedImage) -> None:
        self.jpeg = jpeg
        file, digest = jpeg.quantised, hashlib.sha256(jpeg.pixels.tobytes())
        digest.update(repr((file.height, file.width, file.sampling)).encode())
        for tensor in (*file.coefficients, *file.tables, *(file.widths or ())):
            digest.update(repr((tuple(tensor.shape), tensor.dtype)).encode())
            digest.update(tensor.numpy().tobytes())
        self.key = digest.digest()

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByContent) and other.key == self.key


@lru_cache(maxsize=1)
def estimate_of(file: ByContent) -> Tensor:
    """Restore without a network, in two passes: near enough, in less time; (1, C, H, W)."""
    return first_estimate(file.jpeg.quantised, passes=2)


@lru_cache(maxsize=1)
def rejpeg_of(file: ByContent) -> Tensor:
    """Return the mean of re-compressions, see ``shifted_jpeg``; (1, C, H, W)."""
    return shifted_jpeg(file.jpeg)
