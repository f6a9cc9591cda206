"""The contents of a JPEG file: coefficients, tables and sampling of each of its components."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from restoration.errors import RestorationError
from restoration.jpeg.damage import UNREFINED, damage_of, read_coefficients
from restoration.jpeg.frame import NOT_SENT, missing_bits
from restoration.jpeg.image import Quantised
from restoration.support.files import File

CODING_UNIT = 4  # blocks, which libjpeg makes up where there are no data at all


def zigzag() -> NDArray[np.int64]:
    """Tell where each frequency, row by row, lies in the zigzag order of a file (ITU-T T.81)."""
    v, h = np.divmod(np.arange(64), 8)
    along = np.where((v + h) % 2, v, h)  # a diagonal is run through downwards, then upwards
    order = np.lexsort((along, v + h))
    return np.argsort(order)


ZIGZAG = zigzag()


class Contents(NamedTuple):
    """What a JPEG file holds.

    Attributes:
        space: the colours of its components in libjpeg's words: GRAYSCALE, YCbCr, RGB, CMYK, YCCK.
        quantised: its components, one to four.
        damage: what is missing of the picture, in a few words; None where it is whole.
    """

    space: str
    quantised: Quantised
    damage: str | None


def read_contents(data: bytes, image: Image.Image, name: File) -> Contents:
    """Read what is behind an image that Pillow has decoded without complaint.

    Raises:
        RestorationError: the coefficients cannot be read, or nothing of the picture is left.
    """
    try:
        jpeg, complained = read_coefficients(data)
    except OSError as error:
        raise RestorationError(f"{name}: its DCT coefficients cannot be read ({error})") from error
    factors = [(int(v), int(h)) for v, h in jpeg.samp_factor]
    axes = list(zip(*factors, strict=True))
    thirds = len(factors) > 1 and any(3 in axis for axis in axes)  # no window fits these
    if thirds or any(max(axis) % own for axis in axes for own in axis):
        raise RestorationError(f"{name} has sampling factors {factors}, which are not supported")
    if complained and jpeg.Y.any((2, 3)).sum() <= CODING_UNIT:
        raise RestorationError(f"{name} is damaged: nothing of the picture is left")
    if any((jpeg.qt[i] == 0).any() for i in jpeg.quant_tbl_no):
        raise RestorationError(f"{name} is damaged: its quantisation table holds a zero")
    components = (jpeg.Y, jpeg.Cb, jpeg.Cr, jpeg.K)[: len(factors)]
    quantised = Quantised(
        image.height,
        image.width,
        coefficients=tuple(torch.from_numpy(np.array(c)).float() for c in components),
        tables=tuple(torch.from_numpy(jpeg.qt[i].astype(np.float32)) for i in jpeg.quant_tbl_no),
        sampling=tuple(factors),
    )
    damage = damage_of(data, jpeg, complained)
    missing = missing_bits(data, bool(complained))
    if missing is not None:
        quantised = coarsened(quantised, missing)
        damage = damage or UNREFINED
    space = jpeg.jpeg_color_space.name.removeprefix("JCS_")
    if len(factors) == 3:
        space = colours_of_three(image, space)
    if space == "CMYK" and image.info.get("adobe_transform", 0) != 0:
        space = "YCCK"  # which jpeglib does not tell apart
    return Contents(space, quantised, damage)


def colours_of_three(image: Image.Image, otherwise: str) -> str:
    """Tell what three components are as libjpeg does: by JFIF's marker, by Adobe's, or otherwise.

    jpeglib goes by the names of the components alone.
    """
    if "jfif" in image.info:
        return "YCbCr"
    if "adobe_transform" in image.info:
        return "YCbCr" if image.info["adobe_transform"] else "RGB"
    return otherwise


def coarsened(file: Quantised, missing: NDArray[np.int64]) -> Quantised:
    """Widen the cells of a progressive file whose last refinements are missing.

    With n bits missing, a coefficient of size |q| > 0 lies in [|q| - 1/2, |q| + 2^n - 1/2], one
    read as 0 within 2^n - 1/2 of it, and the constant one, rounded down, in [q - 1/2, q + 2^n -
    1/2]; the middle of that takes the place of q. Of those never sent all are possible.

    Args:
        file: as read.
        missing: n per component and frequency in zigzag order, (components, 64).
    """
    coefficients, widths = [], []
    for q, n in zip(file.coefficients, missing, strict=True):
        step = torch.from_numpy(2.0**n).float()[torch.from_numpy(ZIGZAG)].view(8, 8)
        up, width = q.sign(), torch.where(q == 0, 2 * step - 1, step)
        up[..., 0, 0], width[..., 0, 0] = 1, step[0, 0]
        never = step == 2.0**NOT_SENT
        up, width = torch.where(never, 0, up), torch.where(never, 2 * step, width)
        coefficients.append(q + up * (step - 1) / 2)
        widths.append(width)
    return replace(file, coefficients=tuple(coefficients), widths=tuple(widths))
