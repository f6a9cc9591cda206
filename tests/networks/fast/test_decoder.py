"""The parts of a decoder against upsampling, padding and convolving with PyTorch's functions."""

import pytest
import torch
import torch.nn.functional as F

from restoration.networks import fast
from restoration.networks.fast.moments import bilinear_moments, image_moments
from restoration.networks.fast.upsampling import interleave, upsampled_convolution


def moments(x, mode):
    return image_moments(x, 0) if mode == "nearest" else bilinear_moments(x)


@pytest.fixture(params=[True, False], ids=["fast", "readable"], autouse=True)
def forced(request):
    """With borders of our own, and with PyTorch's."""
    with fast.forced(request.param):
        yield


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("size", [(2, 2), (3, 2), (4, 7), (16, 24)])
def test_convolution_of_the_upsampled_equals_pytorchs_with_gradients(mode, size):
    torch.manual_seed(0)
    mine = [torch.randn(shape).double() for shape in ((2, 3, *size), (5, 3, 3, 3), (5,))]
    theirs = [t.clone().requires_grad_() for t in mine]
    for t in mine:
        t.requires_grad_()
    y = interleave(upsampled_convolution(moments(mine[0], mode), *mine[1:]))
    up = F.interpolate(theirs[0], scale_factor=2, mode=mode)
    z = F.conv2d(F.pad(up, (1,) * 4, mode="reflect"), *theirs[1:])
    torch.testing.assert_close(y, z)
    probe = torch.randn(z.shape).double()
    for image in (y, z):
        (image * probe).sum().backward()
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_moments_of_the_upsampled_equal_pytorchs_with_gradients(mode):
    torch.manual_seed(0)
    x = (torch.randn(2, 3, 5, 6).double() + 7).requires_grad_()
    y = x.detach().clone().requires_grad_()
    found = moments(x, mode)
    up = F.interpolate(y, scale_factor=2, mode=mode)
    expected = up.mean((0, 2, 3)), up.var((0, 2, 3), correction=0)
    torch.testing.assert_close((found.mean, found.variance), expected)
    probe = torch.randn(2, 3).double()
    for a, b in ((found.mean, found.variance), expected):
        (a * probe[0] + b * probe[1]).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.parametrize("mean", [0.0, 30.0])
def test_moments_lose_no_precision(mean):
    torch.manual_seed(0)
    x = (mean + torch.randn(1, 3, 200, 300)).double()
    for measure in (lambda x: image_moments(x, 1), bilinear_moments):
        single, double = measure(x.float()), measure(x)
        torch.testing.assert_close(single.mean.double(), double.mean, rtol=2e-6, atol=2e-6)
        torch.testing.assert_close(single.variance.double(), double.variance, rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_phases_interleave_as_pytorchs_pixel_shuffle_with_gradients(dtype):
    torch.manual_seed(0)
    phases = torch.randn(2, 3, 2, 2, 4, 5).to(dtype).requires_grad_()
    mine, theirs = interleave(phases), F.pixel_shuffle(phases.flatten(1, 3), 2)
    assert torch.equal(mine, theirs)
    weight = torch.randn(mine.shape).to(dtype)
    gradients = [torch.autograd.grad(y, phases, weight)[0] for y in (mine, theirs)]
    assert torch.equal(*gradients)
