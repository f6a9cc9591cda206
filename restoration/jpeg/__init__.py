"""What a JPEG file knows: pixels, quantised coefficients, tables, sampling, metadata."""

from restoration.jpeg.quality import estimated_quality
from restoration.jpeg.reading import (
    CompressedImage,
    compress,
    known,
    pixels_of,
    read_jpeg,
    read_lossless,
    read_truth,
    to_tensor,
)

__all__ = [
    "CompressedImage",
    "compress",
    "estimated_quality",
    "known",
    "pixels_of",
    "read_jpeg",
    "read_lossless",
    "read_truth",
    "to_tensor",
]
