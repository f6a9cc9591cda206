"""SURE against exact Jacobians and the true error; the noise estimate against simulation."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.integrate
import torch
from torch import nn

from restoration.batch import Batch
from restoration.data import SingleImage
from restoration.errors import RestorationError
from restoration.inputs import DecodedJPEG
from restoration.jpeg import Quantised
from restoration.jpeg.colour import ycbcr_to_rgb
from restoration.jpeg.noise import cell_variances, frequency_variances, laplacian_rates, noise_sigma
from restoration.jpeg.operator import block_idct
from restoration.losses import SURE
from restoration.losses.sure import finite_difference, jacobian_vector
from restoration.networks import Hourglass


class Linear(nn.Module):
    """f(x) = A x on flattened images."""

    def __init__(self, n):
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(n, n, dtype=torch.double) / n**0.5)

    def forward(self, x):
        return (self.matrix @ x.flatten()).view_as(x)


def batch_of(x: torch.Tensor) -> Batch:
    return Batch(x, x, Quantised(*x.shape[-2:], (), (), ()))


@pytest.fixture
def hourglass():
    torch.manual_seed(0)
    net = Hourglass(filters=(4, 4), skips=(2, 2)).double()
    x = torch.rand(1, 3, 16, 16, dtype=torch.double)
    return net, x


def exact_divergence(net, x):
    jacobian = torch.autograd.functional.jacobian(net, x)
    return jacobian.view(x.numel(), x.numel()).trace().item()


def test_jacobian_vector_product_is_exact(hourglass):
    net, x = hourglass
    probe = torch.randn_like(x)
    jacobian = torch.autograd.functional.jacobian(net, x).view(x.numel(), x.numel())
    expected = probe.flatten() @ jacobian @ probe.flatten()
    torch.testing.assert_close(jacobian_vector(net, x, probe), expected)


def test_finite_difference_approaches_the_derivative(hourglass):
    net, x = hourglass
    probe = torch.randn_like(x)
    exact = jacobian_vector(net, x, probe).item()
    errors = [
        abs(finite_difference(net, x, net(x), probe, e).item() - exact) for e in (1e-3, 1e-5, 1e-7)
    ]
    assert errors[2] < errors[1] < errors[0]
    assert errors[2] < 1e-4 * abs(exact)


def test_probes_estimate_the_trace(hourglass):
    """Mean over probes within 4 standard errors of the exact divergence."""
    net, x = hourglass
    with torch.no_grad():
        fx = net(x)
        draws = np.array(
            [finite_difference(net, x, fx, torch.randn_like(x), 1e-6).item() for _ in range(400)]
        )
    error = draws.std(ddof=1) / len(draws) ** 0.5
    assert abs(draws.mean() - exact_divergence(net, x)) < 4 * error


@pytest.mark.parametrize("forward_mode", [False, True])
def test_sure_estimates_the_true_error(forward_mode):
    """Mean over noise draws within 4 standard errors of the mean true error."""
    torch.manual_seed(0)
    clean = torch.rand(1, 3, 8, 8, dtype=torch.double)
    net = Linear(clean.numel())
    loss = SURE(sigma=30, forward_mode=forward_mode)
    differences = []
    with torch.no_grad():
        for _ in range(2000):
            noisy = clean + 30 / 255 * torch.randn_like(clean)
            fx = net(noisy)
            estimate = loss(fx, batch_of(noisy), net)["sure"]
            differences.append((estimate - (fx - clean).square().mean()).item())
    error = np.std(differences, ddof=1) / len(differences) ** 0.5
    assert abs(np.mean(differences)) < 4 * error
    assert error < 0.05 * (30 / 255) ** 2  # the test has the power to see the divergence term


def test_the_terms_add_up_to_the_printed_formula():
    torch.manual_seed(0)
    x = torch.rand(1, 3, 8, 8, dtype=torch.double)
    net = Linear(x.numel())
    with torch.no_grad():
        result = SURE(sigma=25, probes=3)(net(x), batch_of(x), net)
    s2 = (25 / 255) ** 2
    data = (net(x) - x).square().mean().item() - s2
    assert result["sure_data"].item() == pytest.approx(data)
    expected = data + 2 * s2 / x.numel() * result["divergence"].item()
    assert result["loss"].item() == pytest.approx(expected)
    assert set(result) == {"loss", "sure", "sure_data", "divergence"}


@pytest.mark.parametrize("forward_mode", [False, True])
def test_the_divergence_counts_as_much_as_its_weight_says(forward_mode):
    torch.manual_seed(0)
    x = torch.rand(1, 3, 4, 4, dtype=torch.double)
    net = Linear(x.numel())
    loss = SURE(sigma=25, forward_mode=forward_mode, divergence_weight=0.3)
    loss.generator = torch.Generator().manual_seed(1)
    value = loss(net(x), batch_of(x), net)["loss"]
    probe = torch.randn(48, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    s2 = (25 / 255) ** 2
    data = (net.matrix @ x.flatten() - x.flatten()).square().mean() - s2
    expected = data + 0.3 * 2 * s2 / 48 * (probe @ net.matrix @ probe)
    torch.testing.assert_close(value, expected)
    gradients = (torch.autograd.grad(v, net.matrix)[0] for v in (value, expected))
    torch.testing.assert_close(*gradients)


def test_both_ways_to_the_divergence_have_the_same_gradient(hourglass):
    net, x = hourglass
    gradients = []
    for options in ({"epsilon": 1e-6}, {"forward_mode": True}):
        net.zero_grad()
        torch.manual_seed(3)  # the probes follow the global seed
        SURE(sigma=50, **options)(net(x), batch_of(x), net)["loss"].backward()
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters()]))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-8)
    net.zero_grad()
    SURE(sigma=50, divergence_weight=0)(net(x), batch_of(x), net)["loss"].backward()
    data_only = torch.cat([p.grad.flatten() for p in net.parameters()])
    assert (data_only - gradients[0]).norm() > 0.01 * gradients[0].norm()


def test_probes_go_on_after_a_checkpoint(hourglass):
    net, x = hourglass
    torch.manual_seed(0)
    first = SURE()
    first(net(x), batch_of(x), net)
    state = first.state_dict()
    second = SURE()
    second.load_state_dict(state)
    values = [loss(net(x), batch_of(x), net)["divergence"].item() for loss in (first, second)]
    assert values[0] == values[1]


def test_another_input_is_refused_with_the_settings_to_change(hourglass):
    net, x = hourglass
    with pytest.raises(RestorationError, match=r"--data.input DecodedJPEG.*perturbation 0"):
        SURE()(net(x), replace(batch_of(x), z=x + 0.1), net)


def test_rates_recover_a_laplacian():
    generator = np.random.default_rng(0)
    for rate in (0.5, 2.0, 6.0):
        x = generator.laplace(scale=1 / rate, size=(200, 200, 8, 8))
        rates = laplacian_rates(torch.from_numpy(np.rint(x)))
        # 40,000 blocks: the estimate of the rarest non-zeros is within a few per cent
        np.testing.assert_allclose(rates, rate, rtol=0.1)
        assert rates.mean().item() == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("rate", [0.1, 1.0, 5.0, 20.0])
def test_cell_variances_are_the_integrals(rate):
    def second_moment(low, high, centre):
        mass, _ = scipy.integrate.quad(lambda x: np.exp(-rate * x), low, high)
        moment, _ = scipy.integrate.quad(lambda x: (x - centre) ** 2 * np.exp(-rate * x), low, high)
        return moment / mass

    zero, other = cell_variances(torch.tensor([rate], dtype=torch.double))
    assert zero.item() == pytest.approx(second_moment(0, 0.5, 0), rel=1e-6)
    assert other.item() == pytest.approx(second_moment(0.5, 1.5, 1), rel=1e-6)


def test_the_variance_of_a_component_is_that_of_simulated_quantisation():
    generator = np.random.default_rng(0)
    table = generator.integers(10, 100, (8, 8)).astype(float)
    scales = generator.uniform(5, 60, (8, 8))
    x = generator.laplace(scale=scales, size=(100, 100, 8, 8))
    x[..., 0, 0] = generator.uniform(-1000, 1000, (100, 100))
    q = np.rint(x / table)
    expected = ((q * table - x) ** 2).mean()
    estimate = frequency_variances(torch.from_numpy(q), torch.from_numpy(table)).mean().item()
    assert estimate == pytest.approx(expected, rel=0.02)


def test_a_frequency_that_never_occurs_adds_no_noise():
    q = torch.zeros(10, 10, 8, 8)
    assert frequency_variances(q, torch.full((8, 8), 12.0)).mean().item() == pytest.approx(12 / 64)


def test_sigma_in_rgb_is_that_of_simulated_components():
    """Errors of Y, Cb and Cr of known size, seen through the decoder's colour transform."""
    generator = np.random.default_rng(0)
    tables = [generator.integers(20, 90, (8, 8)).astype(float) for _ in range(3)]
    coefficients, errors = [], []
    for table in tables:
        x = generator.laplace(scale=40, size=(60, 60, 8, 8))
        x[..., 0, 0] = generator.uniform(-800, 800, (60, 60))
        q = np.rint(x / table)
        coefficients.append(torch.from_numpy(q))
        errors.append(block_idct(torch.from_numpy(q * table - x)[None]))
    planes = torch.stack(errors, 1) / 255  # (1, 3, 480, 480)
    rgb = ycbcr_to_rgb(planes) - ycbcr_to_rgb(torch.zeros_like(planes))
    expected = rgb.square().mean().sqrt().item() * 255
    file = Quantised(480, 480, tuple(coefficients), tuple(map(torch.from_numpy, tables)), ())
    assert noise_sigma(file, correction=1) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("quality", [10, 25, 60])
def test_sigma_of_a_real_jpeg_is_near_its_true_error(quality):
    data = SingleImage("samples/coffee.png", quality=quality, input=DecodedJPEG())
    data.setup("fit")
    truth = (data.truth - data.batch.target).square().mean().sqrt().item() * 255
    estimate = noise_sigma(data.batch.file)
    assert estimate == pytest.approx(truth, rel=0.35)
    batch = data.batch
    loss = SURE(sigma="auto")
    assert loss.noise_variance(batch) == pytest.approx((estimate / 255) ** 2)
