"""Write a picture and what was kept beside it: PNG, TIFF, WebP, JPEG, JPEG XL."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from restoration.errors import RestorationError, UsageError
from restoration.formats.metadata import Metadata, photoshop, with_density
from restoration.formats.opening import JPEG_SIDE
from restoration.formats.png import png, to_image
from restoration.formats.tiff import exif_tags, tiff

SEGMENT = 65_000  # bytes that a segment of a JPEG holds, less what tells what it is
JPEG_QUALITY = 95
WORDS = {
    "exif": "EXIF",
    "xmp": "XMP",
    "iptc": "IPTC",
    "icc_profile": "colour profile (colours are turned into sRGB)",
}


@dataclass(frozen=True)
class Format:
    """A kind of file that results are written as.

    Attributes:
        name: of ``--format``.
        suffixes: that its files' names end in; the first one is given to new names.
        encode: turns pixels, (H, W, C), grey or RGB, with opacity or not, of its depth, and what is
            kept beside them into a file.
        dtype: of the pixels.
        lacks: what it has no place for, by the names of ``Metadata``'s attributes, and "opacity".
        most: pixels of the longer side that it holds; None for any number.
    """

    name: str
    suffixes: tuple[str, ...]
    encode: Callable[[NDArray, Metadata], bytes]
    dtype: type = np.uint8
    lacks: tuple[str, ...] = ()
    most: int | None = None

    def check(self) -> None:
        """Refuse what cannot be written here.

        Raises:
            UsageError: a library is missing.
        """
        if self.encode is jpeg_xl and find_spec("pillow_jxl") is None:
            raise UsageError("JPEG XL is written by another package: pip install pillow-jxl-plugin")

    def check_size(self, size: tuple[int, int]) -> None:
        """Refuse pictures that are too large for such files.

        Raises:
            RestorationError: a side is too long.
        """
        if self.most is not None and max(size) > self.most:
            raise RestorationError(
                f"{size[0]} x {size[1]} pixels do not fit into a {self.name} file, whose sides are "
                f"{self.most} at most; choose another --format"
            )

    def left_out(self, metadata: Metadata, opaque: bool) -> list[str]:
        """Tell what of a picture's file has no place in one of this format."""
        there = {*metadata.info, *(() if opaque else ("opacity",))}
        names = [name for name in self.lacks if name in there]
        if self.encode is jpeg:
            names += [
                x for x in ("exif", "xmp", "iptc") if len(metadata.info.get(x, b"")) > SEGMENT
            ]
        if self.encode is tiff and exif_tags(metadata.exif).lost:
            names.append("parts of the EXIF")
        return [*(WORDS.get(name, name) for name in names), *metadata.elsewhere]


def webp(pixels: NDArray[np.uint8], metadata: Metadata) -> bytes:
    """Encode as WebP without loss."""
    beside = with_density(metadata)
    file = io.BytesIO()
    to_image(pixels).save(
        file,
        format="WEBP",
        lossless=True,
        exact=True,
        icc_profile=beside.icc_profile or b"",
        exif=beside.exif or b"",
        xmp=beside.xmp or b"",
    )
    return file.getvalue()


def jpeg(pixels: NDArray[np.uint8], metadata: Metadata) -> bytes:
    """Encode as JPEG at quality 95 without subsampling of colours; blocks too long are left out."""
    exif, xmp, iptc = (
        x if x and len(x) <= SEGMENT else b"" for x in (metadata.exif, metadata.xmp, metadata.iptc)
    )
    extra = b""
    if iptc:
        block = b"Photoshop 3.0\0" + photoshop(iptc)
        extra = b"\xff\xed" + struct.pack(">H", len(block) + 2) + block
    file = io.BytesIO()
    colours = pixels[..., : 3 if pixels.shape[-1] > 2 else 1]
    to_image(colours).save(
        file,
        format="JPEG",
        quality=JPEG_QUALITY,
        subsampling=0,
        dpi=metadata.dpi or (0, 0),
        icc_profile=metadata.icc_profile,
        exif=exif,
        xmp=xmp,
        extra=extra,
        comment=(metadata.comment or "").encode()[:SEGMENT],
    )
    return file.getvalue()


def jpeg_xl(pixels: NDArray[np.uint8], metadata: Metadata) -> bytes:
    """Encode as JPEG XL without loss; colours of a profile are turned into sRGB first.

    The plug-in writes no profiles.
    """
    import pillow_jxl  # noqa: F401 - teaches it to Pillow

    image = to_image(pixels)
    if metadata.icc_profile and pixels.shape[-1] > 2:
        image = in_srgb(image, metadata.icc_profile)
    beside = with_density(metadata)
    file = io.BytesIO()
    image.save(file, format="JXL", lossless=True, exif=beside.exif, xmp=beside.xmp)
    return file.getvalue()


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Turn the colours of an RGB image into sRGB; a profile that cannot be read counts as that."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        turned = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"))
    except (OSError, ImageCms.PyCMSError):
        return image
    return image if turned is None else turned


PNG_8 = Format("png", (".png",), png)
FORMATS = (
    PNG_8,
    Format("png16", (".png",), png, np.uint16),
    Format("tiff", (".tif", ".tiff"), tiff, np.uint16, ("comment",)),
    Format("webp", (".webp",), webp, lacks=("iptc", "comment"), most=16_383),
    Format("jpeg", (".jpg", ".jpeg"), jpeg, lacks=("opacity",), most=JPEG_SIDE),
    Format("jxl", (".jxl",), jpeg_xl, lacks=("iptc", "comment", "icc_profile")),
)


def format_of_name(path: Path) -> Format | None:
    """Tell the format by the ending of a file's name; None for another or no ending."""
    suffix = path.suffix.lower()
    return next((f for f in FORMATS if suffix in f.suffixes), None)
