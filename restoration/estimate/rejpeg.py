"""Restoration without a network: comparisons, network inputs, the instant answer."""

from __future__ import annotations

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from restoration.jpeg.noise import laplacian_rates
from restoration.jpeg.operator import JPEGOperator
from restoration.jpeg.reading import CompressedImage, known, pixels_of

CODING_UNIT = 16  # pixels of a 4:2:0 coding unit
PILLOW_SAMPLING = {
    (1, 1): 0,
    (1, 2): 1,
    (2, 2): 2,
}  # luma per chroma samples (v, h) -> Pillow's number


def coefficient_tensors(jpeg: CompressedImage) -> tuple[Tensor, ...]:
    """Return the dequantised coefficients in levels, per component (1, rows, columns, 8, 8)."""
    return tuple((c * t)[None] for c, t in zip(*known(jpeg), strict=True))


def decode(jpeg: CompressedImage, coefficients: tuple[Tensor, ...]) -> Tensor:
    """Decode coefficients in levels to an image of the file's size, clamped to [0, 1]."""
    return JPEGOperator.of_file(jpeg).decode(coefficients).clamp(0, 1)


def plain_decode(jpeg: CompressedImage) -> Tensor:
    """Decode as libjpeg does, without its rounding: (1, C, H, W) in [0, 1]."""
    return decode(jpeg, coefficient_tensors(jpeg))


def laplacian_dequantisation(jpeg: CompressedImage) -> Tensor:
    """Reconstruct every coefficient at the mean of its cell under a Laplacian.

    With rate a in 1/steps and h = 1/2 (``laplacian_rates``): the mean of a non-zero cell lies
    h coth(a h) - 1/a below its centre, towards zero. The constant coefficient stays at the centre.

    Returns:
        (1, C, H, W) in [0, 1].

    Reference: Price and Rabbani, Biased reconstruction for JPEG decoding, IEEE SPL 1999.
    """
    biased = []
    for q, table in zip(jpeg.coefficients, jpeg.tables, strict=True):
        levels = torch.from_numpy(q).float()
        rates = laplacian_rates(levels.double())
        bias = 0.5 / torch.tanh(rates / 2) - 1 / rates
        bias[0, 0] = 0
        values = levels - levels.sign() * bias.float()
        biased.append((values * torch.from_numpy(table))[None])
    return decode(jpeg, tuple(biased))


def shifted_jpeg(jpeg: CompressedImage, step: int = 1) -> Tensor:
    """Mean of the image re-compressed with its own tables under shifts: re-application of JPEG.

    x = mean over (dy, dx) of S'(JPEG(S(x0))), S the shift by 0, step, 2 step, ... below 16 pixels:
    256 shifts by default. Block edges and ringing of different grids average out.

    Args:
        jpeg: the file.
        step: pixels between two shifts.

    Returns:
        (1, C, H, W) in [0, 1].

    Reference: Nosratinia, Enhancement of JPEG-compressed images by re-application of JPEG, Journal
    of VLSI Signal Processing 2001.
    """
    H, W, C = jpeg.pixels.shape
    padded = np.pad(jpeg.pixels, ((CODING_UNIT,) * 2, (CODING_UNIT,) * 2, (0, 0)), mode="edge")
    total = np.zeros((H, W, C), np.uint32)
    shifts = range(0, CODING_UNIT, step)
    for dy in shifts:
        for dx in shifts:
            shifted = padded[CODING_UNIT - dy :, CODING_UNIT - dx :]
            total += recompress(shifted, jpeg)[dy : dy + H, dx : dx + W]
    mean = torch.from_numpy(total.astype(np.float32) / (255 * len(shifts) ** 2))
    return mean.permute(2, 0, 1)[None].contiguous()


def recompress(pixels: NDArray[np.uint8], jpeg: CompressedImage) -> NDArray[np.uint8]:
    """Compress (H, W, C) with the tables and sampling of a file, and decode.

    As far as Pillow can: 4:4:0 is done as 4:4:4, and Cr takes the table of Cb.
    """
    image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
    tables = [t.ravel().tolist() for t in jpeg.tables[:2]]
    luma, chroma = jpeg.sampling[0], jpeg.sampling[-1]
    file = io.BytesIO()
    image.save(
        file,
        format="JPEG",
        qtables=tables,
        subsampling=PILLOW_SAMPLING.get((luma[0] // chroma[0], luma[1] // chroma[1]), 0),
    )
    with Image.open(file) as decoded:
        return pixels_of(decoded)
