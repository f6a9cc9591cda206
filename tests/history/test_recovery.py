"""The way of samples through a crop and a second file, and the integers found behind it."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import stats

from restoration.history.recovery import earlier_file, most_likely
from restoration.history.resampling import EXACT, SMOOTH, Axis, Grid, averaging, interpolation
from restoration.jpeg import compress, to_tensor
from restoration.jpeg.operator import JPEGOperator
from restoration.jpeg.recompression import block_grids

S420 = ((2, 2), (1, 1), (1, 1))


@pytest.mark.parametrize("ratio", [1, 2, 4])
def test_interpolation_is_that_of_torch(ratio):
    x = torch.rand(1, 1, 9)
    mode = "linear" if ratio == 2 else "nearest"
    expected = F.interpolate(x, scale_factor=ratio, mode=mode)[0, 0]
    assert np.allclose(interpolation(9, ratio) @ x[0, 0].numpy(), expected, atol=1e-6)


def test_averaging_repeats_the_last_pixel():
    assert np.allclose(averaging(5, 2) @ np.array([1.0, 3, 5, 7, 9]), [2, 6, 9])
    assert np.allclose(averaging(3, 1) @ np.array([1.0, 3, 5]), [1, 3, 5])


@pytest.mark.parametrize(("earlier", "own"), [(1, 1), (2, 1), (2, 2), (1, 2)])
def test_the_way_back_is_the_regularised_least_squares_solution(earlier, own):
    axis = Axis.of(27, 5, 48, earlier, own)
    forward = axis.forward.toarray().astype(float)
    weight = EXACT if earlier == own == 1 else SMOOTH
    difference = np.sqrt(weight) * np.diff(np.eye(48 // earlier), axis=0)
    x = np.random.default_rng(0).normal(size=(forward.shape[0], 3)).astype(np.float32)
    stacked = np.concatenate([x, np.zeros((len(difference), 3))])
    expected = np.linalg.lstsq(np.concatenate([forward, difference]), stacked, rcond=None)[0]
    assert np.allclose(axis.back(x), expected, atol=2e-3 if weight == EXACT else 1e-4)


def test_the_most_likely_integer_is_that_of_a_laplacian_and_a_normal():
    rate, step, sigma = 1.3, 20.0, 7.0
    c = np.linspace(-70.3, 70.1, 351)
    k = np.arange(-8, 9)
    prior = stats.laplace.cdf(k + 0.5, scale=1 / rate) - stats.laplace.cdf(k - 0.5, scale=1 / rate)
    weight = prior * stats.norm.pdf(c[:, None], k * step, sigma)
    weight /= weight.sum(1, keepdims=True)
    coefficients = torch.from_numpy(c).float()[:, None, None, None].expand(-1, 1, 8, 8)
    every = torch.ones(8, 8)
    best, sure = most_likely(coefficients, step * every, sigma * every, rate * every)
    assert np.array_equal(best[:, 0, 3, 4], k[weight.argmax(1)])
    assert np.allclose(sure[:, 0, 3, 4], weight.max(1), atol=2e-3)
    # the constant coefficient has no favourites
    assert np.array_equal(best[:, 0, 0, 0], np.round(c / step))


@pytest.mark.parametrize(("corner", "place"), [((13, 11), (3, 5)), ((0, 8), (0, 8))])
def test_the_grid_tells_what_completes_its_first_units(corner, place):
    grid = Grid(corner, S420)
    assert grid.before == place
    assert grid.padded(100, 37) == (112, 48)


@pytest.mark.parametrize(
    ("second", "crop"), [(None, (3, 5)), (90, (3, 5)), (90, (8, 0)), (75, (3, 5)), (75, (0, 0))]
)
def test_the_integers_of_the_earlier_file_come_back(photo, second, crop):
    dy, dx = crop
    first = compress(photo, 15)
    pixels = np.ascontiguousarray(first.pixels[dy:, dx:])
    own = None
    if second is not None:
        jpeg = compress(pixels, second)
        own, pixels = jpeg.quantised, jpeg.pixels
    grid = Grid((-dy % 16, -dx % 16), S420)
    found = earlier_file(pixels, own, grid, first.quantised.tables)
    assert found.doubt < 0.01
    for c, (q, truth) in enumerate(
        zip(found.file.coefficients, first.quantised.coefficients, strict=True)
    ):
        ratio = grid.ratio(c)[0]
        y, x = ((d - b) // (8 * ratio) for d, b in zip(crop, grid.before, strict=True))
        truth = truth[y : y + len(q), x : x + q.shape[1]]
        wrong = (q != truth)[1:-1, 1:-1].sum() / (truth[1:-1, 1:-1] != 0).sum()
        assert wrong < (0.02 if second == 75 else 0.005)


def test_what_clipping_took_from_the_pixels_is_found_again(photo):
    bright = np.clip(photo.astype(int) * 2, 0, 255).astype(np.uint8)
    first = compress(bright, 10)
    assert (first.pixels == 255).mean() > 0.15
    found = earlier_file(first.pixels, None, Grid((0, 0), S420), first.quantised.tables)
    truth = first.quantised.coefficients[0]
    wrong = (found.file.coefficients[0] != truth).sum() / (truth != 0).sum()
    q = JPEGOperator(192, 192, S420, block_grids(192, 192, S420)).encode(to_tensor(first.pixels))
    at_once = ((q[0][0] / first.quantised.tables[0]).round() != truth).sum() / (truth != 0).sum()
    assert wrong < at_once / 2


def test_grey_pictures_have_one_component(photo):
    grey = np.array(Image.fromarray(photo).convert("L"))[..., None]
    first = compress(grey, 20)
    file = io.BytesIO()
    Image.fromarray(first.pixels[4:, 4:, 0]).save(file, format="PNG")
    found = earlier_file(
        np.array(Image.open(file))[..., None], None, Grid((4, 4), ((1, 1),)), first.quantised.tables
    )
    assert torch.equal(found.file.coefficients[0][1:, 1:], first.quantised.coefficients[0][1:, 1:])
