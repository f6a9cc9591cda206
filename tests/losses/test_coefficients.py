"""Losses on DCT coefficients against SciPy and brute force."""

import numpy as np
import pytest
import scipy.stats
import torch
from scipy.fft import dctn

from restoration.data import SingleImage
from restoration.errors import RestorationError
from restoration.jpeg.colour import rgb_to_ycbcr
from restoration.jpeg.projection import project
from restoration.losses import IntervalLikelihood, QuantisationError, QuantisationHinge
from restoration.losses.coefficients import log_cell_probability

NET = torch.nn.Identity()


@pytest.fixture(scope="module")
def data():
    data = SingleImage("samples/coffee.png", quality=10, crop=64)
    data.setup("fit")
    return data


def brute_force_offsets(image, batch):
    """Coefficients less the file's in steps, block by block; 4:2:0, whole blocks."""
    planes = rgb_to_ycbcr(image.double())[0].numpy() * 255 - 128
    chroma = [p.reshape(32, 2, 32, 2).mean((1, 3)) for p in planes[1:]]
    result = []
    parts = zip([planes[0], *chroma], batch.file.coefficients, batch.file.tables, strict=True)
    for plane, q, table in parts:
        for r in range(q.shape[0]):
            for c in range(q.shape[1]):
                block = dctn(plane[8 * r : 8 * r + 8, 8 * c : 8 * c + 8], norm="ortho")
                result.append(block / table.numpy() - q[r, c].numpy())
    return np.stack(result)


def test_quantisation_error_is_brute_force(data):
    value = QuantisationError()(data.truth, data.batch, NET)["loss"].item()
    expected = (brute_force_offsets(data.truth, data.batch) ** 2).mean()
    assert value == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shrink", [1.0, 0.4])
def test_hinge_is_brute_force(data, shrink):
    image = (data.truth + 0.1).clamp(0, 1)
    value = QuantisationHinge(shrink)(image, data.batch, NET)["loss"].item()
    u = np.abs(brute_force_offsets(image, data.batch))
    assert value == pytest.approx((np.maximum(u - shrink / 2, 0) ** 2).mean(), rel=1e-4)
    inside = project(image, data.batch.file, shrink)
    assert QuantisationHinge(shrink)(inside, data.batch, NET)["loss"].item() < 1e-9


def test_interval_likelihood_is_scipys(data):
    loss = IntervalLikelihood(scale=0.4, learned=False)
    value = loss(data.truth, data.batch, NET)["loss"].item()
    u = brute_force_offsets(data.truth, data.batch)
    mass = scipy.stats.norm.cdf((0.5 - u) / 0.4) - scipy.stats.norm.cdf((-0.5 - u) / 0.4)
    assert value == pytest.approx(-np.log(mass).mean(), rel=1e-4)
    assert not any(p.requires_grad for p in loss.parameters())


def test_far_cells_keep_their_precision():
    u = torch.tensor([0.0, 3.0, -30.0, 200.0], requires_grad=True)
    value = log_cell_probability(u, torch.tensor(0.5))
    upper = scipy.stats.norm.logcdf((0.5 - np.abs(u.detach().numpy())) / 0.5)
    lower = scipy.stats.norm.logcdf((-0.5 - np.abs(u.detach().numpy())) / 0.5)
    np.testing.assert_allclose(value.detach(), upper + np.log1p(-np.exp(lower - upper)), rtol=1e-5)
    value.sum().backward()
    assert torch.isfinite(u.grad).all()
    assert (u.grad * u.detach() <= 0).all()  # likelier towards the cell


def test_log_cell_probability_has_the_right_gradient():
    u = torch.tensor([0.1, -0.7, 2.5, 6.0], dtype=torch.double, requires_grad=True)
    s = torch.tensor([0.2, 0.5, 1.0, 2.0], dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(log_cell_probability, (u, s))


def test_the_learned_scale_finds_the_spread_of_the_offsets(data):
    """White noise on the output: the scale of a frequency is the noise in its quantisation steps.

    A Gaussian of scale s integrated over unit cells fits offsets of variance s^2 + 1/12 (Sheppard).
    """
    noisy = data.batch.target + 0.3 * torch.randn(
        data.batch.target.shape, generator=torch.manual_seed(0)
    )
    u = brute_force_offsets(noisy, data.batch)[:64]  # luma
    loss = IntervalLikelihood()
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        loss(noisy, data.batch, NET)["loss"].backward()
        optimizer.step()
    scales = loss.log_scale.exp().detach().numpy()[0]
    spread = np.sqrt(np.maximum((u**2).mean(0) - 1 / 12, 0))
    low = spread > 0.6  # where the noise leaves the cell often enough to be seen
    assert low.sum() >= 5
    np.testing.assert_allclose(scales[low], spread[low], rtol=0.05)
    assert scales[7, 7] < 0.5 * scales[0, 1]


def test_impossible_settings_are_refused():
    with pytest.raises(RestorationError, match="shrink"):
        QuantisationHinge(1.5)
    with pytest.raises(RestorationError, match="scale"):
        IntervalLikelihood(scale=0)
