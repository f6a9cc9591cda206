"""JPEG files for the tests."""

import io

import numpy as np
from PIL import Image


def encoded(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", **options)
    return file.getvalue()
