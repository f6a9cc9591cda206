"""What a JPEG file knows: pixels, quantised coefficients, tables, sampling, metadata."""

from restoration.jpeg.reading import CompressedImage, compress, pixels_of, read_jpeg, read_lossless

__all__ = ["CompressedImage", "compress", "pixels_of", "read_jpeg", "read_lossless"]
