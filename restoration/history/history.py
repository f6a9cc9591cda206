"""The history of a picture: the earlier compressions that show in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from restoration.history.detection import Trace, earlier_compression, luma_of
from restoration.history.recovery import components_of, earlier_file
from restoration.history.resized import resized_compression
from restoration.history.sampling import sampling_of
from restoration.history.scaling import Scaling
from restoration.jpeg import Quantised, to_pixels, to_tensor
from restoration.jpeg.noise import noise_sigma
from restoration.jpeg.operator import BLOCK

SMALLEST = 64  # pixels of the shorter side: in smaller pictures chance is too strong
# Of brightness, in pixels that come from no JPEG: those of drawings lie on lattices by themselves.
FEWEST_LEVELS = 32
NOISES = (0.0, 2.5)  # levels: of pixels, and of those that another lossy format has changed
# How far what an earlier file shows may be from the pixels at hand: the mean square, times the
# error of their own file (0.5 to 2.1 in true cases, 3.5 and more in false ones), and its root in
# levels where they come from none.
EXPLAINED, UNEXPLAINED = 3.0, 4.0
# levels^2: rounded and clipped pixels, and colours averaged, are as far (1 to 5) from what an
# earlier file shows where the own file changes next to nothing, at qualities from 98 on.
ROUNDED = 6.0
# Of the integers that are expected to be wrong: from where on, and from where on fully, the
# picture's own file is asked as well.
DOUBT = (0.02, 0.04)


@dataclass(frozen=True)
class History:
    """An earlier JPEG file that a picture was cut out of.

    Attributes:
        trace: how it shows.
        file: what it knew, padded to whole coding units.
        place: (row, column) of the picture's first pixel in it.
        doubt: the share of its integers, zeros apart, that are expected to be wrong.
        later: the compression in between, where the picture went through one that is not its own.
        scaling: how the picture was resized after it, if it was.
    """

    trace: Trace
    file: Quantised
    place: tuple[int, int]
    doubt: float
    later: History | None = None
    scaling: Scaling | None = None

    @property
    def own_share(self) -> float:
        """How much the picture's own file should weigh in a restoration, 0 to 1/2."""
        least, most = DOUBT
        return 0.5 * min(max((self.doubt - least) / (most - least), 0.0), 1.0)

    def onwards(self, image: Tensor, height: int, width: int) -> Tensor:
        """Do to an image of the whole file what was done to it: crop it, and resize the rest.

        Args:
            image: (1, C, H, W) in [0, 1].
            height: of the picture, pixels.
            width: of the picture, pixels.
        """
        (top, left), (H, W) = self.place, (height, width)
        if self.scaling is not None:
            H, W = self.scaling.before
        part = image[..., top : top + H, left : left + W]
        return part if self.scaling is None else self.scaling.onwards(part).clamp_(0, 1)

    @property
    def last(self) -> History:
        """The latest compression that was found."""
        return self if self.later is None else self.later.last

    def __str__(self) -> str:
        y, x = self.trace.offset
        quality = f"quality {self.trace.quality}"
        if not self.trace.standard:
            quality = f"tables like quality {self.trace.quality}"
        text = (
            f"{quality} at offset ({y}, {x})"
            if self.scaling is None
            else f"{quality}, {self.scaling}"
        )
        return text if self.later is None else f"{text} under {self.later}"


def find_history(pixels: NDArray[np.uint8], own: Quantised | None = None) -> History | None:
    """Find the earlier JPEG compression of a picture, and recover its file.

    Args:
        pixels: decoded, (H, W, C).
        own: what the JPEG knows that they come from, or None if they come from elsewhere; then
            the last compression found may have another below it.

    Returns:
        The earliest file that is sure, or None.
    """
    found = last_but_own(pixels, own)
    if found is None or own is not None:
        return found
    if found.scaling is not None:
        return found
    below = last_but_own(to_pixels(found.file.decode()), found.file)
    if below is None or below.scaling is not None:
        return found
    (y, x), (top, left) = found.place, below.place
    oy, ox = below.trace.offset
    trace = replace(below.trace, offset=((oy - y) % BLOCK, (ox - x) % BLOCK))
    return History(trace, below.file, (top + y, left + x), below.doubt, found)


def last_but_own(pixels: NDArray[np.uint8], own: Quantised | None) -> History | None:
    """Find and recover the compression before the file's own; see ``find_history``."""
    if min(pixels.shape[:2]) < SMALLEST:
        return None
    # A file that was cut short has gaps between its integers, as of earlier steps; and brightness
    # that is stored at less than the full size tells no grid.
    if own is not None and (own.widths is not None or own.operator.ratio(0) != (1, 1)):
        return None
    if own is None and levels_in(luma_of(pixels, None).plane) < FEWEST_LEVELS:
        return None
    scaling = None
    for noise in (0.0,) if own is not None else NOISES:
        trace = earlier_compression(luma_of(pixels, own, noise))
        parts = components_of(pixels, own, noise)
        if trace.sure:
            break
    else:
        resized = resized_compression(parts[0])
        if resized is None or not resized.sure:
            return None
        trace, scaling, noise = *resized, 0.0
    grid, chroma = sampling_of(trace, parts, (pixels.shape[0], pixels.shape[1]), scaling)
    tables = [trace.table, chroma, chroma][: len(parts)]
    recovered = earlier_file(pixels, own, grid, tables, noise)
    found = History(trace, recovered.file, grid.before, recovered.doubt, scaling=scaling)
    limit = UNEXPLAINED**2 if own is None else max(EXPLAINED * noise_sigma(own) ** 2, ROUNDED)
    shown = found.onwards(found.file.decode(), *pixels.shape[:2])
    error = (shown - to_tensor(pixels)) * 255
    return found if float(error.square().mean()) <= limit else None


def levels_in(plane: Tensor) -> int:
    """Count the levels that occur in a plane of levels about 0."""
    return int((plane + 128.5).clamp(min=0).int().flatten().bincount().count_nonzero())
