"""Convolutions of 1 x 1 as products of matrices."""

import torch
import torch.nn.functional as F

from restoration.networks.fast.pointwise import applies, conv1x1
from restoration.networks.fast.switch import forced


def test_it_is_the_convolution_with_its_gradients():
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in [(2, 3, 5, 7), (4, 3, 1, 1), (4,)]
    )
    ours, theirs = conv1x1(x, weight, bias), F.conv2d(x, weight, bias)
    torch.testing.assert_close(ours, theirs)
    ahead = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    for a, b in zip(
        torch.autograd.grad(ours, (x, weight, bias), ahead),
        torch.autograd.grad(theirs, (x, weight, bias), ahead),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_it_is_taken_for_kernels_of_one_pixel_on_a_cpu():
    x, one, three = torch.zeros(1, 2, 4, 4), torch.zeros(2, 2, 1, 1), torch.zeros(2, 2, 3, 3)
    assert applies(x, one)
    assert not applies(x, three)
    assert not applies(x.to("meta"), one)
    with forced(False):
        assert not applies(x, one)
