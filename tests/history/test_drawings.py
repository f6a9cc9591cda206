"""What drawings, screenshots and files that were cut short do not have: earlier compressions."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from restoration.history import find_history
from restoration.history.detection import earlier_compression, luma_of
from restoration.jpeg import Quantised, compress, read_picture, to_pixels
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


def test_a_photograph_in_a_page_does_not_make_the_page_a_jpeg(photo):
    """Letters around it would be restored as if they had been compressed with it."""
    page = text()
    page.paste(Image.fromarray(compress(photo, 10).pixels), (100, 60))
    assert find_history(np.array(page)) is None
    assert find_history(np.array(page)[60:252, 100:292]).trace.quality == 10


@pytest.mark.parametrize(("quality", "share"), [(30, 0.7), (75, 0.6), (95, 0.7)])
def test_what_a_file_lacks_is_no_earlier_compression(photo, quality, share):
    """Cut short, a progressive file holds multiples of 2 or 4 of its steps."""
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=quality, progressive=True)
    data = file.getvalue()
    picture = read_picture(Content(data[: int(share * len(data))], "cut.jpg"))
    assert picture.damage is not None
    assert find_history(picture.pixels, picture.quantised) is None


def test_what_an_earlier_file_does_not_explain_is_none():
    """Dots of a dither repeat with a grid, and a file that they seem to come from shows others."""
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) / 16
    dots = (COLUMNS[:128, :128] / 127 > np.tile(bayer, (32, 32))) * 255
    jpeg = compress(np.repeat(dots.astype(np.uint8)[..., None], 3, 2), 95)
    assert earlier_compression(luma_of(jpeg.pixels, jpeg.quantised)).sure  # by its dots alone
    assert find_history(jpeg.pixels, jpeg.quantised) is None


def test_brightness_of_less_than_the_full_size_tells_no_grid():
    coarse, fine = torch.zeros(12, 12, 8, 8), torch.zeros(24, 24, 8, 8)
    coarse[..., 0, 0] = torch.arange(144.0).view(12, 12)
    tables = (torch.full((8, 8), 20.0),) * 3
    own = Quantised(192, 192, (coarse, fine, fine), tables, ((1, 1), (2, 2), (2, 2)))
    assert find_history(to_pixels(own.decode()), own) is None
