"""What drawings, screenshots and files that were cut short do not have: earlier compressions."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from restoration.history import find_history
from restoration.jpeg import compress, read_picture
from restoration.support.files import Content

ROWS, COLUMNS = np.mgrid[:256, :256]


def grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


def chart() -> Image.Image:
    generator = np.random.default_rng(0)
    image = Image.new("RGB", (300, 200), "white")
    draw = ImageDraw.Draw(image)
    for bar in range(14):
        top, colour = 200 - generator.integers(10, 190), generator.integers(0, 255, 3)
        draw.rectangle((10 + 20 * bar, int(top), 25 + 20 * bar, 200), fill=tuple(map(int, colour)))
    return image


def text() -> Image.Image:
    image = Image.new("RGB", (400, 300), "white")
    draw = ImageDraw.Draw(image)
    for row in range(0, 300, 16):
        words = "The quick brown fox jumps over the lazy dog 0123456789"[row // 16 :]
        draw.text((5, row), words, "black", ImageFont.load_default(14))
    return image.convert("1", dither=Image.Dither.NONE).convert("RGB")


DRAWINGS = {
    "chart": chart(),
    "text": text(),
    "gradient": Image.fromarray(np.dstack([COLUMNS, ROWS, (COLUMNS + ROWS) // 2]).astype(np.uint8)),
    "chessboard": grey((ROWS // 4 + COLUMNS // 4) % 2 * 200 + 20),
    "paper": grey(np.where((ROWS % 12 == 0) | (COLUMNS % 12 == 0), 0, 230)),
}


@pytest.mark.parametrize("quality", [None, 95, 75, 50])
@pytest.mark.parametrize("name", DRAWINGS)
def test_drawings_have_no_history(name, quality):
    """They repeat themselves, and what is repeated fits a lattice as often as it is there."""
    pixels, own = np.array(DRAWINGS[name]), None
    if quality is not None:
        jpeg = compress(pixels, quality)
        pixels, own = jpeg.pixels, jpeg.quantised
    assert find_history(pixels, own) is None


def test_a_photograph_in_a_page_has_one(photo):
    """Its blocks count, though most of the page is flat, or letters."""
    page = text()
    page.paste(Image.fromarray(compress(photo, 10).pixels), (100, 60))
    found = find_history(np.array(page))
    assert (found.trace.quality, found.trace.offset) == (10, (60 % 8, 100 % 8))


@pytest.mark.parametrize(("quality", "share"), [(30, 0.7), (75, 0.6), (95, 0.7)])
def test_what_a_file_lacks_is_no_earlier_compression(photo, quality, share):
    """Cut short, a progressive file holds multiples of 2 or 4 of its steps."""
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=quality, progressive=True)
    data = file.getvalue()
    picture = read_picture(Content(data[: int(share * len(data))], "cut.jpg"))
    assert picture.damage is not None
    assert find_history(picture.pixels, picture.quantised) is None
