"""Convolutions against PyTorch's."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from restoration.networks import fast
from restoration.networks.layers import Conv


def with_gradients(f, *inputs):
    y = f(*inputs)
    torch.manual_seed(1)
    return y, *torch.autograd.grad(y, inputs, torch.randn_like(y))


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("filters", [5, 16])
def test_a_convolution_to_few_filters_equals_pytorchs_with_gradients(filters, biased):
    torch.manual_seed(0)
    shapes = ((2, 4, 9, 8), (filters, 4, 3, 3), (filters,))[: 2 + biased]
    inputs = [torch.randn(shape).double().requires_grad_() for shape in shapes]
    mine, theirs = (with_gradients(f, *inputs) for f in (fast.few_filters.conv2d, F.conv2d))
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2)])
def test_a_layer_equals_pytorchs_with_gradients(kernel, stride):
    torch.manual_seed(0)
    mine, theirs = (c(5, 7, kernel, stride).double() for c in (Conv, nn.Conv2d))
    theirs.load_state_dict(mine.state_dict())
    x = torch.randn(2, 5, 6, 9, dtype=torch.float64, requires_grad=True)
    with fast.forced(True):
        results = [with_gradients(lambda *_, f=f: f(x), x, *f.parameters()) for f in (mine, theirs)]
    torch.testing.assert_close(*results)
