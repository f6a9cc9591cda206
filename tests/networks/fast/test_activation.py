"""Batch norm and LeakyReLU against the built-in layers."""

import pytest
import torch
from torch import nn

from restoration.networks import fast
from restoration.networks.layers import ConvBlock


def activated(block, x, weight, on):
    """Output of a block's end, and the gradients of its input, scale and shift."""
    x = x.clone().requires_grad_()
    with fast.forced(on):
        y = block.activate(x)
    assert ("_NormLeakyReLU" in str(y.grad_fn)) == on
    return y, *torch.autograd.grad((y * weight).sum(), [x, block.norm.weight, block.norm.bias])


@pytest.mark.parametrize("mean", [0.0, 30.0])
def test_an_activation_equals_pytorchs_in_value_gradient_and_precision(mean):
    torch.manual_seed(0)
    block = ConvBlock(4, 4, 3)
    nn.init.uniform_(block.norm.weight, -1, 2)
    nn.init.normal_(block.norm.bias)
    x, weight = (torch.randn(2, 4, 45, 61) for _ in range(2))
    x = mean + x * torch.tensor([0.5, 1, 3, 0.01]).view(4, 1, 1)
    mine, builtin = (activated(block, x, weight, on) for on in (True, False))
    block.double()
    found, truth = (activated(block, x.double(), weight.double(), on) for on in (True, False))
    torch.testing.assert_close(found, truth)
    for a, b, c in zip(mine, builtin, truth, strict=True):
        assert (a - c).abs().max() <= 2 * (b - c).abs().max() + 2e-7 * c.abs().max()
