"""PSNR against scikit-image; both metrics against the published figures of the Kodak JPEGs."""

import math

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio

from restoration.jpeg import compress, read_lossless, to_pixels, to_tensor
from restoration.metrics import ciede2000, ms_ssim, psnr, scores


def test_psnr_is_scikit_images_on_8_bit(photo):
    noisy = to_tensor(photo) + 0.05 * torch.randn(1, 3, 192, 192, generator=torch.manual_seed(0))
    expected = peak_signal_noise_ratio(photo, to_pixels(noisy))
    assert psnr(noisy, to_tensor(photo)).item() == pytest.approx(expected, abs=1e-4)


def test_pixels_survive_the_way_through_tensors(photo):
    np.testing.assert_array_equal(to_pixels(to_tensor(photo)), photo)


def test_scores_of_equal_and_of_small_images_are_numbers_or_none(photo):
    truth = to_tensor(photo)
    assert scores(truth, truth) == {
        "psnr": None,
        "ms_ssim": pytest.approx(1.0),
        "chroma_psnr": None,
        "ciede2000": 0.0,
    }
    small = truth[..., :64, :64]
    assert scores(small * 0.9, small)["ms_ssim"] is None


def test_ms_ssim_uses_the_unit_range():
    # with the range taken for 255, two independent noise images would score near 1
    a, b = torch.rand(2, 1, 3, 192, 192, generator=torch.manual_seed(0))
    assert ms_ssim(a, b).item() < 0.2
    assert math.isnan(ms_ssim(a[..., :100], b[..., :100]).item())


@pytest.mark.parametrize(
    ("quality", "expected_psnr", "expected_ms_ssim"),
    [(10, 27.445, 0.8986), (15, 29.016, 0.9312), (25, 30.839, 0.9579)],
)
def test_kodak_jpegs_have_the_known_quality(kodak, quality, expected_psnr, expected_ms_ssim):
    values = []
    for path in kodak:
        clean = read_lossless(path)
        values.append(scores(to_tensor(compress(clean, quality).pixels), to_tensor(clean)))
    assert np.mean([v["psnr"] for v in values]) == pytest.approx(expected_psnr, abs=0.001)
    assert np.mean([v["ms_ssim"] for v in values]) == pytest.approx(expected_ms_ssim, abs=0.0001)


def test_ciede2000_is_that_of_scikit_image(photo):
    generator = np.random.default_rng(0)
    noisy = np.clip(photo + generator.normal(0, 25, photo.shape), 0, 255).round().astype(np.uint8)
    noisy[:8] = generator.integers(0, 256, (8, *photo.shape[1:]))  # all hues
    noisy[8:10] = 128  # greys have no hue
    expected = deltaE_ciede2000(rgb2lab(photo), rgb2lab(noisy)).mean()
    assert ciede2000(to_tensor(photo), to_tensor(noisy)).item() == pytest.approx(expected, rel=1e-3)
    assert ciede2000(to_tensor(photo), to_tensor(photo)).item() == 0
