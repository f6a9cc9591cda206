"""JPEGs of other colours than YCbCr: RGB, and the inks of a printer."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms
from torch import Tensor

from restoration.errors import RestorationError
from restoration.formats.metadata import NONE, Metadata
from restoration.jpeg.contents import Contents
from restoration.jpeg.image import CompressedImage, Quantised, Stored, to_image, to_pixels
from restoration.support.files import File

# Which components make a picture of their own, by libjpeg's name of the colours. A YCbCr triple
# beside black stands for the three coloured inks.
PARTS = {
    "RGB": ((0,), (1,), (2,)),
    "CMYK": ((0,), (1,), (2,), (3,)),
    "YCCK": ((0, 1, 2), (3,)),
}


@dataclass(frozen=True)
class Separations(Stored):
    """A JPEG whose components are restored as pictures of their own: RGB, CMYK or YCCK.

    Attributes:
        pixels: uint8, (H, W, 3) RGB or (H, W, 4) CMYK, 255 for all of an ink.
        parts: the pictures that its components are, grey or, of YCCK, one of three channels.
        space: libjpeg's name of its colours.
        metadata: what the file holds beside the picture, for its colours in RGB.
        inks: the profile of its inks, or None.
        orientation: 1 to 8 (EXIF).
        damage: what is missing of the picture, in a few words; None where it is whole.
    """

    pixels: NDArray[np.uint8]
    parts: tuple[CompressedImage, ...]
    space: str
    metadata: Metadata = NONE
    inks: bytes | None = None
    orientation: int = 1
    damage: str | None = None

    def joined(self, parts: list[Tensor]) -> Tensor:
        """Join restored parts to what ``pixels`` hold, (1, C, H, W) in [0, 1].

        Programs store inks inverted; YCCK's triple stands for inks that are not.
        """
        inverted = (1 - x if self.space != "RGB" and x.shape[1] == 1 else x for x in parts)
        return torch.cat(list(inverted), 1)

    def beside(self, metadata: Metadata) -> Separations:
        """Take in what the file holds beside the picture, but for RGB the profile of RGB."""
        if self.space == "RGB":
            return replace(self, metadata=metadata)
        inks = metadata.icc_profile
        _, rgb = to_rgb(Image.new("CMYK", (1, 1)), inks)
        return replace(self, metadata=replace(metadata, icc_profile=rgb), inks=inks)

    def turned(self, pixels: NDArray) -> NDArray:
        """Turn pixels in this file's stored orientation upright; inks become RGB, with 8 bits."""
        if pixels.shape[2] < 4:
            return super().turned(pixels)
        step = np.iinfo(pixels.dtype).max // 255
        image, _ = to_rgb(to_image(np.round(pixels / step).astype(np.uint8)), self.inks)
        return super().turned(np.asarray(image).astype(pixels.dtype) * step)

    @property
    def told(self) -> str:
        """Say in a few words what became of the colours."""
        if self.space == "RGB":
            return "RGB, restored by channels"
        way = "its own profile" if self.inks else "a rule of thumb, since it has no profile"
        return f"{self.space}, restored by inks and converted to RGB by {way}"


def to_rgb(inks: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """Convert CMYK to sRGB by its profile, or without one as Pillow does.

    Args:
        inks: four channels, 255 for all of an ink.
        icc: the profile, or None.

    Returns:
        The RGB image, and its profile.
    """
    inks = Image.frombytes("CMYK", inks.size, inks.tobytes())
    if icc is None:
        return inks.convert("RGB"), None
    try:
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        converted = ImageCms.profileToProfile(inks, io.BytesIO(icc), srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):  # damaged, or of other colours
        return inks.convert("RGB"), None
    assert converted is not None
    return converted, srgb.tobytes()


def separated(contents: Contents, image: Image.Image, name: File) -> Separations:
    """Take the components of a file apart.

    Args:
        contents: of the file, of one of the spaces in ``PARTS``.
        image: as Pillow decodes it.
        name: for errors.

    Raises:
        RestorationError: components of their own are subsampled.
    """
    whole = contents.quantised
    parts = []
    for chosen in PARTS[contents.space]:
        sampling = tuple(whole.sampling[c] for c in chosen)
        if all(whole.operator.ratio(c) != (1, 1) for c in chosen):
            raise RestorationError(
                f"{name} is a {contents.space} JPEG with subsampled channels, which is not "
                "supported"
            )
        sampling = sampling if len(chosen) > 1 else ((1, 1),)
        part = Quantised(
            whole.height,
            whole.width,
            tuple(whole.coefficients[c] for c in chosen),
            tuple(whole.tables[c] for c in chosen),
            sampling,
            None if whole.widths is None else tuple(whole.widths[c] for c in chosen),
        )
        parts.append(CompressedImage(to_pixels(part.decode()), part))
    return Separations(np.array(image), tuple(parts), contents.space, damage=contents.damage)
