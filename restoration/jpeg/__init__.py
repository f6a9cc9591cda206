"""JPEG files: reading and writing, what they know of their original, and the maths of that."""

from restoration.jpeg.image import (
    CompressedImage,
    Quantised,
    pixels_of,
    to_8bit,
    to_pixels,
    to_tensor,
)
from restoration.jpeg.picture import Picture, read_picture
from restoration.jpeg.quality import estimated_quality
from restoration.jpeg.reading import compress, read_jpeg, read_lossless, read_truth
from restoration.jpeg.separations import Separations
from restoration.jpeg.source import Source, file_of

__all__ = [
    "CompressedImage",
    "Picture",
    "Quantised",
    "Separations",
    "Source",
    "compress",
    "estimated_quality",
    "file_of",
    "pixels_of",
    "read_jpeg",
    "read_lossless",
    "read_picture",
    "read_truth",
    "to_8bit",
    "to_pixels",
    "to_tensor",
]
