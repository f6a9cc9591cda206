"""Images that blind rules compare with: for the runs of one JPEG, which follow each other, once.

Beside a GPU's run of half a minute they take seconds, so a sweep's process keeps the latest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from torch import Tensor

from restoration.estimate.passes import first_estimate
from restoration.estimate.rejpeg import shifted_jpeg
from restoration.jpeg import CompressedImage


class Latest:
    """What was made of the latest JPEG; it is let go before something is made of another.

    Args:
        make: makes an image, (1, C, H, W) in [0, 1].
    """

    def __init__(self, make: Callable[[CompressedImage], Tensor]) -> None:
        self.make = make
        self.kept: tuple[bytes, Tensor] | None = None

    def of(self, jpeg: CompressedImage) -> Tensor:
        """Return the image; nobody may write into it."""
        key = digest(jpeg)
        if self.kept is not None and self.kept[0] == key:
            return self.kept[1]
        self.kept = None
        image = self.make(jpeg)
        self.kept = key, image
        return image


def digest(jpeg: CompressedImage) -> bytes:
    """Hash all that an image may be made of: pixels, coefficients, tables, sampling and size."""
    file, content = jpeg.quantised, hashlib.sha256(jpeg.pixels.tobytes())
    content.update(repr((file.height, file.width, file.sampling)).encode())
    for tensor in (*file.coefficients, *file.tables, *(file.widths or ())):
        content.update(repr((tuple(tensor.shape), tensor.dtype)).encode())
        content.update(tensor.numpy().tobytes())
    return content.digest()


# in two passes: near enough, in less time
ESTIMATE = Latest(lambda jpeg: first_estimate(jpeg.quantised, passes=2))
REJPEG = Latest(lambda jpeg: shifted_jpeg(jpeg))
