"""An image that a file holds, and all that the file knows of its original."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from restoration.formats.metadata import NONE, SIDEWAYS, Metadata
from restoration.formats.png import to_image
from restoration.jpeg.operator import BLOCK, JPEGOperator, block_idct

# What turns stored pixels upright, by EXIF orientation (EXIF 2.32, section 4.6.4 A), and back.
UPRIGHT: dict[int, Callable[[NDArray], NDArray]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}
STORED = UPRIGHT | {6: UPRIGHT[8], 8: UPRIGHT[6]}


@dataclass(frozen=True)
class Quantised:
    """What a JPEG file knows of its original: of each DCT coefficient a cell, as tensors.

    The original's coefficient c lies in [(q - w/2) t, (q + w/2) t].

    Attributes:
        height: of the image, pixels.
        width: of the image, pixels.
        coefficients: q per component (Y, Cb, Cr, or Y alone), the middles of the cells in steps,
            mostly integers; (rows, columns, 8, 8) in blocks, which cover the image.
        tables: t, the quantisation table of each component in levels, (8, 8), by (vertical,
            horizontal) frequency.
        sampling: (vertical, horizontal) sampling factors of each component as in the file;
            4:2:0 is ((2, 2), (1, 1), (1, 1)).
        widths: w, of the cells in steps, each of its coefficients' shape; None where all are 1.
    """

    height: int
    width: int
    coefficients: tuple[Tensor, ...]
    tables: tuple[Tensor, ...]
    sampling: tuple[tuple[int, int], ...]
    widths: tuple[Tensor, ...] | None = None

    @cached_property
    def operator(self) -> JPEGOperator:
        """The map from an image of this size to its coefficients, and back."""
        grids = tuple((c.shape[0], c.shape[1]) for c in self.coefficients)
        return JPEGOperator(self.height, self.width, self.sampling, grids)

    @property
    def device(self) -> torch.device:
        """Tell where the tensors are."""
        return self.tables[0].device

    def decode(self) -> Tensor:
        """Decode as libjpeg does, without its rounding: (1, C, H, W) in [0, 1]."""
        samples = [
            block_idct((q * t)[None]).clamp_(-128, 127)
            for q, t in zip(self.coefficients, self.tables, strict=True)
        ]
        return self.operator.joined(samples).clamp_(0, 1)

    def window(self, top: int, bottom: int, left: int, right: int) -> Quantised:
        """Cut out a part of the image as if it were a file of its own.

        Args:
            top: first row, a multiple of the coding unit (8 pixels times the sampling ratio).
            bottom: row behind the last one; a multiple of it, or the image's height.
            left: first column, a multiple of it.
            right: column behind the last one; a multiple of it, or the image's width.
        """

        def cut(component: int, x: Tensor) -> Tensor:
            v, h = (BLOCK * ratio for ratio in self.operator.ratio(component))
            return x[top // v : -(-bottom // v), left // h : -(-right // h)]

        return replace(
            self,
            height=bottom - top,
            width=right - left,
            coefficients=tuple(cut(c, q) for c, q in enumerate(self.coefficients)),
            widths=self.widths and tuple(cut(c, w) for c, w in enumerate(self.widths)),
        )

    def to(self, place: torch.device | torch.dtype) -> Quantised:
        """Move every tensor to a device, or turn it into another floating point type."""
        coefficients = tuple(q.to(place) for q in self.coefficients)
        tables = tuple(t.to(place) for t in self.tables)
        widths = None if self.widths is None else tuple(w.to(place) for w in self.widths)
        return Quantised(self.height, self.width, coefficients, tables, self.sampling, widths)


class Stored:
    """An image in the orientation in which its file stores it.

    Attributes:
        pixels: uint8, (H, W, 3) RGB or (H, W, 1) grey.
        metadata: what the file holds beside them.
        orientation: how the stored image is to be turned, 1 (upright) to 8 (EXIF).
    """

    pixels: NDArray[np.uint8]
    metadata: Metadata
    orientation: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright."""
        H, W, _ = self.pixels.shape
        return (H, W) if self.orientation in SIDEWAYS else (W, H)

    def turned(self, pixels: NDArray) -> NDArray:
        """Turn pixels of any depth in this file's stored orientation (H, W, C) upright."""
        return UPRIGHT.get(self.orientation, np.asarray)(pixels)

    def upright(self, pixels: NDArray[np.uint8]) -> Image.Image:
        """Turn an image in this file's stored orientation (H, W, C) upright.

        The result's ``info`` holds what the file holds beside its pixels, for whoever saves it.
        """
        image = to_image(self.turned(pixels))
        image.info |= self.metadata.info
        return image

    def stored(self, upright: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn an upright image (H, W, C) into this file's stored orientation."""
        return np.ascontiguousarray(STORED.get(self.orientation, np.asarray)(upright))


@dataclass(frozen=True)
class CompressedImage(Stored):
    """A decoded JPEG and what its file knows, all in the orientation in which it is stored.

    Attributes:
        pixels: as Pillow decodes them, uint8, (H, W, 3) RGB or (H, W, 1) grey.
        quantised: what the file knows of the original.
        metadata: what the file holds beside the picture.
        orientation: how the stored image is to be turned, 1 (upright) to 8 (EXIF).
        damage: what is missing of the picture, in a few words; None where it is whole.
    """

    pixels: NDArray[np.uint8]
    quantised: Quantised
    metadata: Metadata = NONE
    orientation: int = 1
    damage: str | None = None


def to_tensor(pixels: NDArray) -> Tensor:
    """(H, W, C) uint8 -> (1, C, H, W) float32 in [0, 1]."""
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous().float() / 255


def to_8bit(image: Tensor) -> Tensor:
    """Round to the 256 levels of an 8-bit file, still as floats: (N, C, H, W) in [0, 1]."""
    return image.clamp(0, 1).mul(255).round_().div_(255)


def to_pixels(image: Tensor, dtype: type = np.uint8) -> NDArray:
    """(1, C, H, W) in [0, 1] -> (H, W, C) of an unsigned integer type, rounded."""
    levels = image.clamp(0, 1).mul_(np.iinfo(dtype).max).round_()
    return levels[0].permute(1, 2, 0).cpu().numpy().astype(dtype)


def pixels_of(image: Image.Image) -> NDArray[np.uint8]:
    """Invert ``to_image``."""
    pixels = np.array(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]
