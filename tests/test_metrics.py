"""Metrics against other implementations and published figures."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import correlate1d
from skimage.color import deltaE_ciede2000, lab2rgb, rgb2lab
from skimage.metrics import peak_signal_noise_ratio

from restoration.jpeg import compress, read_lossless, to_pixels, to_tensor
from restoration.metrics import chroma_psnr, ciede2000, ms_ssim, psnr, scores
from restoration.support.files import find


def test_psnr_is_scikit_images_on_8_bit(photo):
    noisy = to_tensor(photo) + 0.05 * torch.randn(1, 3, 192, 192, generator=torch.manual_seed(0))
    expected = peak_signal_noise_ratio(photo, to_pixels(noisy))
    assert psnr(noisy, to_tensor(photo)).item() == pytest.approx(expected, abs=1e-4)


def test_chroma_psnr_is_that_of_pillows_cb_and_cr(photo):
    generator = np.random.default_rng(0)
    noise = generator.normal(0, (25, 15, 5), photo.shape)  # so that Cb and Cr err differently
    noisy = (photo * 0.6 + 50 + noise).round().astype(np.uint8)
    truth = (photo * 0.6 + 50).round().astype(np.uint8)
    ours, theirs = (
        np.asarray(Image.fromarray(x).convert("YCbCr"), dtype=float)[..., 1:]
        for x in (noisy, truth)
    )
    expected = 10 * np.log10(255**2 / ((ours - theirs) ** 2).mean())
    value = chroma_psnr(to_tensor(noisy), to_tensor(truth)).item()
    assert value == pytest.approx(expected, abs=0.02)  # Pillow rounds Cb and Cr


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


def ms_ssim_by_scipy(x: np.ndarray, y: np.ndarray) -> float:
    """(H, W, 3) uint8; at the last scale over mirrored borders, too, as torchmetrics has it."""
    window = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window /= window.sum()

    def blurred(image):
        return correlate1d(correlate1d(image, window, 0, mode="mirror"), window, 1, mode="mirror")

    x, y = x / 255, y / 255
    result = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        if scale:
            x, y = (
                image.reshape(image.shape[0] // 2, 2, image.shape[1] // 2, 2, 3).mean((1, 3))
                for image in (x, y)
            )
        mx, my = blurred(x), blurred(y)
        vx, vy, vxy = blurred(x * x) - mx**2, blurred(y * y) - my**2, blurred(x * y) - mx * my
        contrast = (2 * vxy + 0.03**2) / (vx + vy + 0.03**2)
        luminance = (2 * mx * my + 0.01**2) / (mx**2 + my**2 + 0.01**2)
        mean = (luminance * contrast).mean() if scale == 4 else contrast[5:-5, 5:-5].mean()
        result *= mean**weight
    return result


def test_ms_ssim_is_that_of_scipys_windows(photo):
    with Image.open(find("samples/coffee.jpg")) as image:
        jpeg = np.array(image)
    value = ms_ssim(to_tensor(jpeg), to_tensor(photo)).item()
    assert value == pytest.approx(ms_ssim_by_scipy(jpeg, photo), abs=1e-5)


@pytest.mark.parametrize(
    ("quality", "expected_psnr", "expected_ms_ssim"),
    [
        (10, 27.445, 0.8986),
        pytest.param(15, 29.016, 0.9312, marks=pytest.mark.slow),
        pytest.param(25, 30.839, 0.9579, marks=pytest.mark.slow),
    ],
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


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),  # hues half a turn apart
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
        ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
        ((50, 2.5, 0), (61, -5, 29), 22.8977),
        ((50, 2.5, 0), (58, 24, 15), 19.4535),
        ((50, 2.5, 0), (50, 3.1736, 0.5854), 1.0),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((61.2901, 3.7196, -5.3901), (61.4292, 2.2480, -4.9620), 1.8731),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),  # blues turn
        ((36.4612, 47.858, 18.3852), (36.2715, 50.5065, 21.2231), 1.4146),
        ((90.9257, -0.5406, -0.9208), (88.6381, -0.8985, -0.7239), 1.5381),
        ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ],
)
def test_ciede2000_of_published_pairs(one, other, expected):
    """Sharma, Wu, Dalal 2005, table 1, in Lab; of those that sRGB holds."""
    pixels = lab2rgb(np.array([[one, other]], dtype=float))
    assert 0 < pixels.min() < pixels.max() < 1
    first, second = torch.from_numpy(pixels).view(2, 1, 3, 1, 1)
    assert ciede2000(first, second).item() == pytest.approx(expected, abs=2e-3)
