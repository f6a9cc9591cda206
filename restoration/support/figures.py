"""Pictures for people: panels side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIDE = 192  # pixels cut from the centre of each panel
SCALE = 2  # every pixel is drawn this many times as large
GAP = 8
CAPTION = 28
FONT = 18  # pixels, for captions
LETTERS = 9  # of a caption are about as wide as the font times this


def comparison(panels: Sequence[tuple[str, NDArray[np.uint8]]]) -> bytes:
    """Draw the centres of images of equal size beside each other, enlarged, under captions.

    Args:
        panels: Pairs of caption and image from left to right; images are (H, W, C) uint8.

    Returns:
        A PNG file.
    """
    H, W, _ = panels[0][1].shape
    height, width = min(H, SIDE), min(W, SIDE)
    top, left = (H - height) // 2, (W - width) // 2
    across, down = width * SCALE, height * SCALE
    size = (len(panels) * (across + GAP) - GAP, CAPTION + down)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(min(FONT, across // LETTERS))
    for i, (caption, pixels) in enumerate(panels):
        cut = pixels[top : top + height, left : left + width]
        image = Image.fromarray(cut.squeeze(-1) if cut.shape[-1] == 1 else cut).convert("RGB")
        x = i * (across + GAP)
        sheet.paste(image.resize((across, down), Image.Resampling.NEAREST), (x, CAPTION))
        draw.text((x + across // 2, CAPTION // 2), caption, "black", font, anchor="mm")
    file = io.BytesIO()
    sheet.save(file, format="PNG", optimize=True)
    return file.getvalue()
