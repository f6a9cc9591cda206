"""Re-application of JPEG: the oldest restoration without a network, to compare with."""

from __future__ import annotations

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from restoration.jpeg.image import CompressedImage, Quantised, pixels_of, to_image

CODING_UNIT = 16  # pixels of a 4:2:0 coding unit
PILLOW_SAMPLING = {
    (1, 1): 0,
    (1, 2): 1,
    (2, 2): 2,
}  # luma per chroma samples (v, h) -> Pillow's number


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
            total += recompress(shifted, jpeg.quantised)[dy : dy + H, dx : dx + W]
    mean = torch.from_numpy(total.astype(np.float32) / (255 * len(shifts) ** 2))
    return mean.permute(2, 0, 1)[None].contiguous()


def recompress(pixels: NDArray[np.uint8], like: Quantised) -> NDArray[np.uint8]:
    """Compress (H, W, C) with the tables and sampling of a file, and decode.

    As far as Pillow can: but for 4:2:2 and 4:2:0, colours keep their resolution, and Cr takes the
    table of Cb.
    """
    tables = [t.int().flatten().tolist() for t in like.tables[:2]]
    luma, chroma = like.sampling[0], like.sampling[-1]
    file = io.BytesIO()
    to_image(pixels).save(
        file,
        format="JPEG",
        qtables=tables,
        subsampling=PILLOW_SAMPLING.get((luma[0] // chroma[0], luma[1] // chroma[1]), 0),
    )
    with Image.open(file) as decoded:
        return pixels_of(decoded)
