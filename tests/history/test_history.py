"""Earlier compressions that Pillow made are found, and none where there was none."""

import io

import numpy as np
import pytest
from PIL import Image

from restoration.history import History, find_history
from restoration.history.detection import earlier_compression, luma_of
from restoration.jpeg import compress
from restoration.jpeg.reading import parse


def saved(pixels: np.ndarray, **options) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", **options)
    return np.array(Image.open(file))


@pytest.mark.parametrize(
    ("first", "second", "crop", "subsampling"),
    [
        (10, 90, (3, 5), 2),
        (20, 75, (12, 1), 1),
        (40, 85, (8, 0), 2),
        (10, 50, (3, 5), 0),
        (20, None, (12, 1), 2),
        (40, 75, (0, 0), 0),
        (10, 90, (0, 0), 2),
        (10, 100, (3, 5), 2),
        (30, 99, (0, 0), 0),
    ],
)
def test_grid_quality_and_sampling_are_found(photo, first, second, crop, subsampling):
    dy, dx = crop
    pixels = np.ascontiguousarray(saved(photo, quality=first, subsampling=subsampling)[dy:, dx:])
    own = None
    if second is not None:
        jpeg = compress(pixels, second)
        pixels, own = jpeg.pixels, jpeg.quantised
    history = find_history(pixels, own)
    assert history is not None
    assert history.trace.offset == (-dy % 8, -dx % 8)
    assert history.trace.quality == first
    v, h = {0: (1, 1), 1: (1, 2), 2: (2, 2)}[subsampling]
    assert history.file.sampling[0] == (v, h)
    assert history.place == (dy % (8 * v), dx % (8 * h))


@pytest.mark.parametrize("second", [None, 90])
def test_a_white_corner_hides_nothing(photo, second):
    """Where there are no colours, every sampling describes them alike."""
    canvas = np.full((512, 544, 3), 255, np.uint8)
    canvas[-192:, -192:] = photo
    pixels, own = np.ascontiguousarray(saved(canvas, quality=10)[3:, 5:]), None
    if second is not None:
        jpeg = compress(pixels, second)
        pixels, own = jpeg.pixels, jpeg.quantised
    history = find_history(pixels, own)
    assert history is not None
    assert (history.trace.quality, history.trace.offset) == (10, (5, 3))
    assert history.file.sampling[0] == (2, 2)
    assert history.place == (3, 5)


@pytest.mark.parametrize("second", [None, 90])
def test_tables_of_any_kind_are_found(photo, second):
    """An editor's, say: all steps alike."""
    steps = [30] * 64
    once = saved(photo, qtables=[steps, [45] * 64])
    pixels, own = np.ascontiguousarray(once[3:, 5:]), None
    if second is not None:
        jpeg = compress(pixels, second)
        pixels, own = jpeg.pixels, jpeg.quantised
    history = find_history(pixels, own)
    assert history.trace.offset == (5, 3)
    assert not history.trace.standard
    wrong = (history.trace.table - 30).abs()
    assert (wrong <= 2).float().mean() > (0.95 if second is None else 0.8)
    assert str(history).startswith("tables like quality")


def test_what_nothing_tells_stays(photo):
    """Colours whose steps are unknown are not moved."""
    once = saved(photo[:96, :96], qtables=[[30] * 64, [45] * 64])
    history = find_history(np.ascontiguousarray(once[3:, 5:]))
    assert not history.trace.standard
    top, left = history.place
    decoded = history.file.decode()[0, :, top : top + 93, left : left + 91]
    error = decoded.permute(1, 2, 0).numpy() * 255 - once[3:, 5:]
    assert np.abs(error).mean() < 1.5


def test_two_compressions_show_in_pixels(photo):
    once = saved(photo, quality=10)
    twice = saved(np.ascontiguousarray(once[3:, 5:]), quality=90)
    history = find_history(np.ascontiguousarray(twice[1:, 2:]))
    assert str(history) == "quality 10 at offset (4, 1) under quality 90 at offset (7, 6)"
    assert history.place == (4, 7)


@pytest.mark.parametrize("quality", [5, 20, 30, 60])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_the_files_own_grid_is_no_earlier_one(photo, quality, subsampling):
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=quality, subsampling=subsampling)
    jpeg = parse(file.getvalue(), Image.open(file), "image")
    assert find_history(jpeg.pixels, jpeg.quantised) is None
    # along an axis that both share, a file's own steps look like tables of any kind
    assert earlier_compression(luma_of(jpeg.pixels, jpeg.quantised)).standard


def test_clean_pixels_have_no_history(photo):
    assert find_history(np.ascontiguousarray(photo)) is None


@pytest.mark.parametrize("size", [(16, 16), (63, 200)])
def test_small_pictures_have_no_history(photo, size):
    height, width = size
    assert find_history(np.ascontiguousarray(saved(photo, quality=10)[:height, :width])) is None


@pytest.mark.parametrize("value", [77, 255])
def test_flat_pictures_have_no_history(value):
    pixels = np.full((96, 96, 3), value, np.uint8)
    assert find_history(pixels) is None
    jpeg = compress(pixels, 50)
    assert find_history(jpeg.pixels, jpeg.quantised) is None


def test_the_own_file_counts_the_more_the_more_is_doubted():
    """Nothing up to 2 % of wrong integers, half from 4 % on, and linearly between."""
    doubts = [0.0, 0.02, 0.025, 0.03, 0.04, 0.5]
    shares = [History(None, None, (0, 0), doubt).own_share for doubt in doubts]
    assert shares == pytest.approx([0, 0, 0.125, 0.25, 0.5, 0.5])
