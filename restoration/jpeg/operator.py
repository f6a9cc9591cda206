"""The linear map from an image to the DCT coefficients of its JPEG components, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.jpeg.colour import rgb_to_ycbcr, ycbcr_to_rgb

BLOCK = 8


@cache
def cosines(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Orthonormal DCT-II of ``size`` samples as a matrix, copied to a device once.

    D[k, n] = c_k cos(pi (2 n + 1) k / (2 size)), c_0 = sqrt(1/size), else sqrt(2/size).
    """
    n = torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi * (2 * n + 1) * n[:, None] / (2 * size)) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix.to(device, dtype)


@cache
def dct_matrix(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Orthonormal 8x8 DCT-II of flattened blocks, (64, 64): the Kronecker square of ``cosines``."""
    matrix = cosines(BLOCK, torch.float64, torch.device("cpu"))
    return torch.kron(matrix, matrix).to(device, dtype)


def block_dct(plane: Tensor) -> Tensor:
    """(N, 8 R, 8 C) samples -> (N, R, C, 8, 8) coefficients by (vertical, horizontal) frequency."""
    N, H, W = plane.shape
    R, C = H // BLOCK, W // BLOCK
    blocks = plane.view(N, R, BLOCK, C, BLOCK).transpose(2, 3).reshape(N, R, C, BLOCK**2)
    return (blocks @ dct_matrix(plane.dtype, plane.device).T).view(N, R, C, BLOCK, BLOCK)


def block_idct(coefficients: Tensor) -> Tensor:
    """(N, R, C, 8, 8) coefficients -> (N, 8 R, 8 C) samples: the inverse, and the adjoint."""
    N, R, C = coefficients.shape[:3]
    blocks = coefficients.reshape(N, R, C, BLOCK**2) @ dct_matrix(
        coefficients.dtype, coefficients.device
    )
    blocks = blocks.view(N, R, C, BLOCK, BLOCK).transpose(2, 3)
    return blocks.reshape(N, R * BLOCK, C * BLOCK)


def extend(plane: Tensor, bottom: int, right: int) -> Tensor:
    """Repeat the last row ``bottom`` times and the last column ``right`` times, (N, H, W)."""
    return F.pad(plane[:, None], (0, right, 0, bottom), mode="replicate")[:, 0]


@dataclass(frozen=True)
class JPEGOperator:
    """The encoder up to quantisation and the decoder, for one image size and sampling.

    A x, per component: affine JFIF colour in levels, centred; mean over the sampling ratio; edges
    repeated to whole blocks as libjpeg does; orthonormal 8x8 DCT. Neither clamped nor rounded.

    Attributes:
        height: of the image, pixels.
        width: of the image, pixels.
        sampling: (vertical, horizontal) factors of each component.
        grids: (rows, columns) of blocks of each component.
    """

    height: int
    width: int
    sampling: tuple[tuple[int, int], ...]
    grids: tuple[tuple[int, int], ...]

    def ratio(self, component: int) -> tuple[int, int]:
        """Image samples per sample of the component, (vertical, horizontal)."""
        highest = [max(factors) for factors in zip(*self.sampling, strict=True)]
        v, h = self.sampling[component]
        return highest[0] // v, highest[1] // h

    def planes(self, image: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] -> components in levels about 0, (N, C, H, W)."""
        ycbcr = rgb_to_ycbcr(image) if image.shape[1] == 3 else image
        return ycbcr * 255 - 128

    def image(self, planes: Tensor) -> Tensor:
        """Invert ``planes``."""
        ycbcr = (planes + 128) / 255
        return ycbcr_to_rgb(ycbcr) if planes.shape[1] == 3 else ycbcr

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode up to quantisation.

        Args:
            image: (N, 3, H, W) RGB or (N, 1, H, W) grey, [0, 1].

        Returns:
            Unquantised coefficients in levels, per component (N, rows, columns, 8, 8).
        """
        planes = self.planes(image)
        return tuple(block_dct(self.downsample(planes[:, c], c)) for c in range(len(self.grids)))

    def downsample(self, plane: Tensor, component: int) -> Tensor:
        """(N, H, W) -> (N, 8 rows, 8 columns): mean over the ratio, edges repeated.

        libjpeg repeats columns before it averages, and rows after it (but for the one that
        completes a pair).
        """
        (rows, columns), (v, h) = self.grids[component], self.ratio(component)
        plane = extend(plane, -plane.shape[1] % v, columns * BLOCK * h - plane.shape[2])
        if (v, h) != (1, 1):
            plane = F.avg_pool2d(plane[:, None], (v, h))[:, 0]
        return extend(plane, rows * BLOCK - plane.shape[1], 0)

    def decode(self, coefficients: Sequence[Tensor]) -> Tensor:
        """Decode without clamping or rounding: inverse DCT, triangle upsampling, colour.

        Args:
            coefficients: dequantised, in levels, per component (N, rows, columns, 8, 8).

        Returns:
            (N, C, H, W), about [0, 1].
        """
        return self.joined([block_idct(c) for c in coefficients])

    def joined(self, samples: Sequence[Tensor]) -> Tensor:
        """Upsample the samples of each component, (N, 8 rows, 8 columns), and turn them to RGB."""
        return self.image(torch.stack([self.upsample(x, c) for c, x in enumerate(samples)], 1))

    def upsample(self, plane: Tensor, component: int) -> Tensor:
        """(N, 8 rows, 8 columns) -> (N, H, W): 3/4 of the nearer, 1/4 of the further sample.

        libjpeg repeats samples where an axis has more than twice as many pixels.
        """
        v, h = self.ratio(component)
        plane = plane[:, : -(-self.height // v), : -(-self.width // h)]
        if (v, h) != (1, 1):
            mode = "bilinear" if max(v, h) == 2 else "nearest"
            plane = F.interpolate(plane[:, None], scale_factor=(v, h), mode=mode)[:, 0]
        return plane[:, : self.height, : self.width]
