"""Histograms and KL terms against brute force, NumPy, SciPy and Pillow."""

import numpy as np
import pytest
import scipy.stats
import torch
from PIL import Image

from restoration.batch import Batch
from restoration.data import SingleImage
from restoration.errors import RestorationError
from restoration.jpeg import Quantised, to_tensor
from restoration.jpeg.colour import rgb_to_ycbcr
from restoration.losses import (
    MSE,
    KLDivergence,
    MassFunction,
    SmoothedHistogram,
    WeightedSum,
)
from restoration.losses.histogram import hard_histogram, soft_histogram
from restoration.losses.kl import kl_divergence
from restoration.losses.source import gaussian_model, smoothed_histogram


def brute_force(image: torch.Tensor) -> torch.Tensor:
    """Every pixel against every bin."""
    levels = image.flatten(2).clamp(0, 1)[..., None] * 255
    i = torch.arange(256, dtype=image.dtype)
    return (1 - (levels - i).abs()).clamp(min=0).mean(-2)


def exact(pixels: np.ndarray) -> torch.Tensor:
    """(H, W, C) uint8 -> (1, C, H, W) float64 without the rounding of float32."""
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255


def batch_of(target: torch.Tensor) -> Batch:
    return Batch(target, target, Quantised(*target.shape[-2:], (), (), ()))


def test_soft_histogram_and_its_gradient_are_those_of_brute_force():
    generator = torch.manual_seed(0)
    image = torch.rand(2, 3, 17, 13, dtype=torch.double, generator=generator) * 1.2 - 0.1
    weight = torch.randn(2, 3, 256, dtype=torch.double, generator=generator)
    gradients = []
    for histogram in (soft_histogram, brute_force):
        x = image.clone().requires_grad_()
        result = histogram(x)
        (result * weight).sum().backward()
        gradients.append(x.grad)
        torch.testing.assert_close(result, brute_force(image), rtol=0, atol=1e-14)
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)
    assert (gradients[0][image > 1] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_the_range_of_the_gradient_includes_black_and_white(dtype):
    one = torch.ones((), dtype=dtype)
    beside = [-torch.finfo(dtype).tiny * one, torch.nextafter(one, 2 * one)]
    x = torch.stack([0 * one, one, *beside]).view(1, 1, 2, 2).requires_grad_()
    weight = torch.randn(256, dtype=dtype, generator=torch.manual_seed(0))
    (soft_histogram(x) * weight).sum().backward()
    first, last = weight[1] - weight[0], weight[255] - weight[254]
    expected = torch.stack([first, last, 0 * one, 0 * one]) * 255 / 4
    torch.testing.assert_close(x.grad.flatten(), expected)


def test_histograms_of_8_bit_images_are_exact(photo):
    expected = np.stack([np.bincount(photo[..., c].ravel(), minlength=256) for c in range(3)])
    for histogram in (soft_histogram, hard_histogram):
        result = histogram(exact(photo))
        np.testing.assert_allclose(result[0], expected / photo[..., 0].size, atol=1e-12)
        np.testing.assert_allclose(result.sum(-1), 1, atol=1e-12)
    single = soft_histogram(to_tensor(photo))
    np.testing.assert_allclose(single[0], expected / photo[..., 0].size, atol=1e-6)


def test_histograms_of_many_equal_pixels_lose_none():
    """Single precision counts to 2^24, and rounds shares away in large sums."""
    white = torch.ones(1, 1, 1, 2**24 + 2**20)
    assert hard_histogram(white)[0, 0, -1] == 1
    shared = soft_histogram(torch.full((1, 1, 1, 2**22), 254.3 / 255))[0, 0, -2:]
    np.testing.assert_allclose(shared, [0.7, 0.3], atol=2e-3)


def test_hard_histogram_has_no_gradient():
    assert not hard_histogram(torch.rand(1, 3, 8, 8, requires_grad=True)).requires_grad


def test_gaussian_model_is_scipys(photo):
    result = gaussian_model(exact(photo))
    for c in range(3):
        density = scipy.stats.norm.pdf(np.arange(256), photo[..., c].mean(), photo[..., c].std())
        np.testing.assert_allclose(result[0, c], density / density.sum(), rtol=1e-9)


@pytest.mark.parametrize("level", [0.0, 0.5, 100.5 / 255, 1.0])
def test_gaussian_model_of_a_constant_channel_is_a_peak(level):
    q = gaussian_model(torch.full((1, 1, 8, 8), level))
    assert q.sum().item() == pytest.approx(1)
    assert abs((q[0, 0] @ torch.arange(256.0)).item() - 255 * level) <= 0.5 + 1e-3


def test_smoothed_histogram_keeps_mass_and_adds_the_kernels_variance(photo):
    levels = np.clip(photo, 60, 190)  # far from the ends, where the kernel would be cut
    q = smoothed_histogram(exact(levels), 5.0)[0, 0].numpy()
    i = np.arange(256)
    assert q.sum() == pytest.approx(1)
    assert q @ i == pytest.approx(levels[..., 0].mean(), abs=1e-4)
    assert q @ i**2 - (q @ i) ** 2 == pytest.approx(levels[..., 0].var() + 25, rel=1e-3)


def test_kl_divergence_is_scipys_and_torchs():
    p, q = torch.rand(2, 5, 256, dtype=torch.double, generator=torch.manual_seed(0))
    p, q = p / p.sum(-1, keepdim=True), q / q.sum(-1, keepdim=True)
    result = kl_divergence(p, q)
    np.testing.assert_allclose(result, scipy.stats.entropy(p, q, axis=-1), rtol=1e-5)
    theirs = torch.distributions.kl_divergence(
        torch.distributions.Categorical(p), torch.distributions.Categorical(q)
    )
    torch.testing.assert_close(result, theirs, rtol=1e-5, atol=0)
    assert kl_divergence(p, p).abs().max() < 1e-15


def test_kl_divergence_with_empty_bins_is_the_printed_formula():
    p, q = torch.zeros(2, 256, dtype=torch.double)
    p[3], q[7] = 1, 1
    e = 1e-10
    expected = (1 + e) * np.log((1 + e) / e) + e * np.log(e / (1 + e))
    assert kl_divergence(p, q).item() == pytest.approx(expected, rel=1e-12)


@pytest.fixture
def images(photo):
    """An output and the JPEG, (1, 3, H, W), float64."""
    output = exact(photo[:, :150])
    target = exact(photo[:, 42:])
    return output, target


def expected_per_channel(output, target, direction, model=gaussian_model):
    p, q = brute_force(output)[0].numpy() + 1e-10, model(target)[0].numpy() + 1e-10
    if direction == "Q":
        p, q = q, p
    return (p * np.log(p / q)).sum(-1)


@pytest.mark.parametrize("direction", ["P", "Q"])
def test_the_loss_is_the_mean_over_channels(images, direction):
    output, target = images
    result = KLDivergence(direction)(output, batch_of(target), torch.nn.Identity())
    expected = expected_per_channel(output, target, direction).mean()
    assert result["loss"].item() == pytest.approx(expected, rel=1e-9)
    assert result["loss"] is result[f"kl_{direction.lower()}"]


def test_channel_weights(images):
    output, target = images
    loss = KLDivergence("P", weights=[1, 2, 5])(output, batch_of(target), torch.nn.Identity())
    expected = expected_per_channel(output, target, "P") @ [1 / 8, 2 / 8, 5 / 8]
    assert loss["loss"].item() == pytest.approx(expected, rel=1e-9)
    with pytest.raises(RestorationError, match="2 channel weights for 3 channels"):
        KLDivergence("P", weights=[1, 2])(output, batch_of(target), torch.nn.Identity())


def test_more_regions_than_pixels_are_refused(images):
    output, target = images
    few = output[..., :6, :9], target[..., :6, :9]
    with pytest.raises(RestorationError, match="an image of 9 x 6 has no 7 regions a side"):
        KLDivergence("Q", regions=7)(few[0], batch_of(few[1]), torch.nn.Identity())


def test_regions_average_the_divergences_of_their_own_models(images):
    output, target = images
    loss = KLDivergence("Q", regions=2)(output, batch_of(target), torch.nn.Identity())["loss"]
    cells = [(slice(None, 96), slice(None, 75)), (slice(None, 96), slice(75, None))]
    cells += [(slice(96, None), slice(None, 75)), (slice(96, None), slice(75, None))]
    expected = np.mean(
        [expected_per_channel(output[..., a, b], target[..., a, b], "Q") for a, b in cells]
    )
    assert loss.item() == pytest.approx(expected, rel=1e-9)


def test_other_source_models(images):
    output, target = images
    smoothed = KLDivergence("P", model=SmoothedHistogram(3.0))
    expected = expected_per_channel(output, target, "P", lambda x: smoothed_histogram(x, 3.0))
    value = smoothed(output, batch_of(target), torch.nn.Identity())["loss"].item()
    assert value == pytest.approx(expected.mean(), rel=1e-9)

    uniform = KLDivergence("P", model=MassFunction([2.0] * 256))
    value = uniform(output, batch_of(target), torch.nn.Identity())["loss"].item()
    entropies = scipy.stats.entropy(brute_force(output)[0], axis=-1)
    assert value == pytest.approx((np.log(256) - entropies).mean(), rel=1e-6)
    with pytest.raises(RestorationError, match="256 non-negative"):
        MassFunction([1.0, 2.0])


def test_ycbcr_channels(images):
    output, target = images
    loss = KLDivergence("P", channels="YCbCr")(output, batch_of(target), torch.nn.Identity())
    expected = expected_per_channel(rgb_to_ycbcr(output), rgb_to_ycbcr(target), "P").mean()
    assert loss["loss"].item() == pytest.approx(expected, rel=1e-9)


def test_the_colour_transform_is_pillows(photo):
    expected = np.array(Image.fromarray(photo).convert("YCbCr"), dtype=float)
    result = rgb_to_ycbcr(to_tensor(photo))[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(result - expected).max() < 1.01  # Pillow's fixed-point tables round down


@pytest.mark.parametrize("data_range", [1, 255])
def test_weighted_sum_adds_the_distance_on_its_range(images, data_range):
    output, target = images
    batch, net = batch_of(target), torch.nn.Identity()
    loss = WeightedSum(KLDivergence("Q"), MSE(), weight=10, data_range=data_range)
    result = loss(output, batch, net)
    kl = KLDivergence("Q")(output, batch, net)["loss"].item()
    mse = np.mean((output.numpy() * data_range - target.numpy() * data_range) ** 2)
    assert result["loss"].item() == pytest.approx(kl + 10 * mse, rel=1e-9)
    assert set(result) == {"loss", "kl_q", "mse"}


def test_a_counted_histogram_leaves_the_distances_gradient_alone(images):
    output, target = images
    x = output.clone().requires_grad_()
    kl = KLDivergence("P", histogram="hard")
    loss = WeightedSum(kl, MSE(), weight=10, data_range=1)
    loss(x, batch_of(target), torch.nn.Identity())["loss"].backward()
    torch.testing.assert_close(x.grad, 20 * (output - target) / output.numel())


def test_the_model_is_built_once_per_jpeg(images, monkeypatch):
    output, target = images
    loss = KLDivergence("P")
    calls = []
    model = loss.model
    monkeypatch.setattr(loss, "model", lambda x: calls.append(1) or model(x))
    batch = batch_of(target)
    for _ in range(3):
        loss(output, batch, torch.nn.Identity())
    assert len(calls) == 1
    other = loss(output, batch_of(output.clone()), torch.nn.Identity())["loss"]
    assert len(calls) == 2
    expected = expected_per_channel(output, output, "P").mean()
    assert other.item() == pytest.approx(expected, rel=1e-9)


def test_a_grey_image_has_one_channel(tmp_path, photo):
    Image.fromarray(photo).convert("L").save(tmp_path / "grey.jpg")
    data = SingleImage(image=str(tmp_path / "grey.jpg"))
    data.setup("fit")
    loss = KLDivergence("P", channels="YCbCr")
    value = loss(data.batch.target, data.batch, torch.nn.Identity())["loss"].item()
    expected = expected_per_channel(data.batch.target.double(), data.batch.target.double(), "P")
    assert value == pytest.approx(expected.mean(), rel=1e-4)
