"""Compressions before a picture was resized by Pillow are found, and undone."""

import numpy as np
import pytest
from PIL import Image

from restoration.history import find_history
from restoration.history.recovery import components_of
from restoration.history.resampling import Grid
from restoration.history.scaling import FILTERS, Scaling, earlier_sizes, resizing
from restoration.jpeg import compress, to_tensor
from restoration.metrics import psnr
from restoration.pipeline import restore_earlier, restore_jpeg
from restoration.presets import FAST
from tests.history.test_history import saved

PILLOW = (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BILINEAR)


def resized(pixels: np.ndarray, scale: float, kernel: int = 0) -> np.ndarray:
    size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
    return np.array(Image.fromarray(pixels).resize(size, PILLOW[kernel]))


@pytest.mark.parametrize("kernel", range(3))
@pytest.mark.parametrize(("before", "after"), [(50, 37), (50, 25), (50, 81), (33, 66)])
def test_resizing_is_pillows(kernel, before, after):
    samples = np.random.default_rng(0).normal(size=(before, 5)).astype(np.float32)
    expected = Image.fromarray(samples).resize((5, after), PILLOW[kernel])
    ours = resizing(before, after, *FILTERS[kernel]) @ samples
    np.testing.assert_allclose(ours, np.array(expected), atol=2e-6)


def test_a_whole_image_is_resized_along_both_axes(photo):
    scaling = Scaling((192, 192), (144, 230), 1)
    soft = np.array(Image.fromarray(photo).resize((192, 192), PILLOW[2], (40, 40, 88, 88)))
    soft = soft // 2 + 64  # Pillow rounds, and cuts what overshoots, after each axis
    ours = scaling.onwards(to_tensor(soft)) * 255
    expected = np.array(Image.fromarray(soft).resize((230, 144), PILLOW[1]))
    assert np.abs(ours[0].permute(1, 2, 0).numpy() - expected).max() < 1.3


@pytest.mark.parametrize(
    ("first", "scale", "kernel", "second", "subsampling"),
    [
        (10, 0.75, 0, None, 2),
        (10, 0.75, 0, 85, 2),
        (20, 1.5, 1, 85, 0),
        (40, 1.5, 0, 85, 2),
        (30, 1.25, 2, None, 1),
        (20, 2.0, 0, 85, 2),
    ],
)
def test_size_quality_and_sampling_are_found(photo, first, scale, kernel, second, subsampling):
    pixels = resized(saved(photo, quality=first, subsampling=subsampling), scale, kernel)
    own = None
    if second is not None:
        jpeg = compress(pixels, second)
        pixels, own = jpeg.pixels, jpeg.quantised
    history = find_history(pixels, own)
    assert history is not None
    assert history.scaling.before == photo.shape[:2]
    assert str(history) == f"quality {first}, resized to {100 * scale:.0f} %"
    if second is None:
        assert history.scaling.filter == kernel
    v, h = {0: (1, 1), 1: (1, 2), 2: (2, 2)}[subsampling]
    assert history.file.sampling[0] == (v, h)


@pytest.mark.parametrize("scale", [0.75, 1.5])
def test_resized_pictures_gain_as_much_as_their_compression(photo, scale):
    once = compress(photo, 10)
    jpeg = compress(resized(once.pixels, scale), 85)
    truth = to_tensor(resized(photo, scale))
    history = find_history(jpeg.pixels, jpeg.quantised)

    def fast(some, advance=None):
        return restore_jpeg(some, FAST)

    before, today = psnr(to_tensor(jpeg.pixels), truth), psnr(fast(jpeg), truth)
    new = psnr(restore_earlier(jpeg.pixels, jpeg.quantised, history, fast), truth)
    gain = psnr(fast(once), to_tensor(photo)) - psnr(to_tensor(once.pixels), to_tensor(photo))
    assert new > today + 0.3
    assert new - before > 0.8 * gain


def test_earlier_coefficients_are_recovered_through_an_enlargement(photo):
    once = compress(photo, 20)
    pixels = resized(once.pixels, 1.5)
    history = find_history(pixels)
    found, true = history.file.coefficients[0], once.quantised.coefficients[0]
    assert (found[:24, :24] != true[:24, :24]).float().mean() < 0.002


@pytest.mark.parametrize("quality", [None, 10, 85])
def test_pictures_that_were_not_resized_have_no_size(photo, quality):
    own, pixels = None, np.ascontiguousarray(photo)
    if quality is not None:
        jpeg = compress(pixels, quality)
        own, pixels = jpeg.quantised, jpeg.pixels
    luma = components_of(pixels, own)[0]
    assert earlier_sizes(luma.samples.numpy(), own is not None)[1] < 5.5
    assert find_history(pixels, own) is None


def test_samples_go_back_to_what_they_were():
    scaling = Scaling((64, 64), (96, 96), 0)
    way = Grid((0, 0), ((1, 1),), scaling).way(96, 96, 0, (1, 1))
    smooth = to_tensor(resized(np.random.default_rng(1).integers(0, 255, (8, 8, 3), np.uint8), 8.0))
    plane = smooth[0, 0] * 255
    assert (way.back(way.onwards(plane)) - plane).abs().max() < 2
