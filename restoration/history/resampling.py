"""What became of the samples of an earlier file: interpolated, cropped, averaged; and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import solveh_banded
from torch import Tensor

from restoration.history.scaling import Scaling
from restoration.jpeg.operator import BLOCK

SMOOTH = 1e-2  # weight of differences in the least squares for subsampled components
EXACT = 1e-6  # for others, where it only continues what was cropped away


def interpolation(samples: int, ratio: int) -> sparse.csr_array:
    """Tell how libjpeg interpolates samples along an axis, (ratio samples, samples).

    A pixel takes 3/4 of the nearer and 1/4 of the further sample; beyond the ends they are
    repeated. Where there are more than two pixels to a sample, it is repeated.
    """
    pixels = np.arange(samples * ratio)
    near = pixels // ratio
    far = np.clip(near + np.where(pixels % 2, 1, -1), 0, samples - 1) if ratio == 2 else near
    weights = np.repeat(np.array([0.75, 0.25], np.float32), len(pixels))
    places = (np.tile(pixels, 2), np.concatenate([near, far]))
    return sparse.csr_array((weights, places), (len(pixels), samples))


def averaging(pixels: int, ratio: int) -> sparse.csr_array:
    """Tell how an encoder averages pixels along an axis, the last one repeated: (samples, pixels).

    For the samples that hold a pixel at least.
    """
    samples = -(-pixels // ratio)
    padded = np.arange(samples * ratio)
    weights = np.full(len(padded), 1 / ratio, np.float32)
    return sparse.csr_array(
        (weights, (padded // ratio, padded.clip(max=pixels - 1))), (samples, pixels)
    )


@dataclass(frozen=True)
class Axis:
    """What became of the earlier samples of a component along one axis.

    Attributes:
        forward: earlier samples to samples at hand, F, (own, earlier).
        bands: of F'F + w D'D, D differences of neighbours: upper form, (1 + bandwidth, earlier).
    """

    forward: sparse.csr_array
    bands: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        pixels: int,
        before: int,
        total: int,
        earlier: int,
        own: int,
        resized: sparse.csr_array | None = None,
    ) -> Axis:
        """Chain interpolation, cropping, resizing and averaging.

        Args:
            pixels: of the picture at hand.
            before: pixels that were cropped away in front of it.
            total: pixels of the earlier picture, padded to whole coding units.
            earlier: its pixels per sample.
            own: the same of the file at hand.
            resized: how what was cropped out was resized, (pixels, pixels before), if it was.
        """
        shown = pixels if resized is None else resized.shape[1]
        up = interpolation(total // earlier, earlier)[before : before + shown]
        if resized is not None:
            up = resized @ up
        forward = averaging(pixels, own) @ up
        size = total // earlier
        difference = sparse.diags_array([-1.0, 1.0], offsets=[0, 1], shape=(size - 1, size))
        smooth = SMOOTH if max(earlier, own) > 1 or resized is not None else EXACT
        normal = (forward.T @ forward + smooth * difference.T @ difference).todia()
        width = int(normal.offsets.max())
        bands = np.zeros((width + 1, size), np.float32)
        for k in range(width + 1):
            bands[width - k, k:] = normal.diagonal(k)
        return cls(forward, bands)

    def onwards(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Send earlier samples, (earlier, n), on to those at hand, (own, n)."""
        result: NDArray[np.float32] = self.forward @ samples
        return result

    def back(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Estimate earlier samples by least squares: (own, n) -> (earlier, n).

        What was cropped away continues smoothly.
        """
        result: NDArray[np.float32] = solveh_banded(
            self.bands, self.forward.T @ samples, check_finite=False
        )
        return result


class Way(NamedTuple):
    """What became of a component along both axes."""

    rows: Axis
    columns: Axis

    def onwards(self, plane: Tensor) -> Tensor:
        """Send a plane of the earlier file on to the picture at hand."""
        x = self.columns.onwards(self.rows.onwards(plane.numpy()).T).T
        return torch.from_numpy(np.ascontiguousarray(x))

    def back(self, plane: Tensor) -> Tensor:
        """Estimate a plane of the earlier file by least squares."""
        x = self.columns.back(self.rows.back(plane.numpy()).T).T
        return torch.from_numpy(np.ascontiguousarray(x))


@dataclass(frozen=True)
class Grid:
    """Where the coding units of an earlier file lie, and how its colours were sampled.

    Attributes:
        corner: (row, column) of the first corner of a coding unit in the picture at hand.
        sampling: (vertical, horizontal) factors of each component.
        scaling: how the picture was resized after it, if it was.
    """

    corner: tuple[int, int]
    sampling: tuple[tuple[int, int], ...]
    scaling: Scaling | None = None

    @property
    def unit(self) -> tuple[int, int]:
        """Pixels of a coding unit, (vertical, horizontal)."""
        V, H = (max(factors) for factors in zip(*self.sampling, strict=True))
        return V * BLOCK, H * BLOCK

    @property
    def before(self) -> tuple[int, int]:
        """Rows and columns that complete the first coding units."""
        return (-self.corner[0]) % self.unit[0], (-self.corner[1]) % self.unit[1]

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Tell the size that holds a picture of some size in whole coding units.

        Args:
            height: of the picture at hand; that before it was resized counts.
            width: of the picture at hand.
        """
        if self.scaling is not None:
            height, width = self.scaling.before
        rows, columns = (
            -(-(before + size) // unit) * unit
            for before, size, unit in zip(self.before, (height, width), self.unit, strict=True)
        )
        return rows, columns

    def way(self, height: int, width: int, component: int, own: tuple[int, int]) -> Way:
        """Tell what became of a component on its way to a picture of some size.

        Args:
            height: of the picture at hand.
            width: of the picture at hand.
            component: index.
            own: its pixels per sample in the file at hand, (vertical, horizontal).
        """
        sizes = ((height, width), self.before, self.padded(height, width))
        resized = (None, None) if self.scaling is None else map(self.scaling.along, range(2))
        rows, columns = (
            Axis.of(*some) for some in zip(*sizes, self.ratio(component), own, resized, strict=True)
        )
        return Way(rows, columns)

    def ratio(self, component: int) -> tuple[int, int]:
        """Pixels per sample of a component, (vertical, horizontal)."""
        v, h = self.sampling[component]
        return self.unit[0] // BLOCK // v, self.unit[1] // BLOCK // h
