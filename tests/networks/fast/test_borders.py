"""Borders against PyTorch's padding."""

import pytest
import torch
import torch.nn.functional as F

from restoration.networks import fast
from restoration.networks.fast import borders
from restoration.networks.layers import pad_reflect


@pytest.mark.parametrize(("inset", "mode"), [(0, "replicate"), (1, "reflect")])
@pytest.mark.parametrize(
    ("pad", "transpose"),
    [
        (borders.pad, borders.pad_transpose),
        (borders.builtin_pad, borders.builtin_pad_transpose),
    ],
)
def test_borders_equal_pytorchs_padding_with_gradients(pad, transpose, inset, mode):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 3, 9, 7, dtype=torch.float64)
    expected = F.pad(x, (1,) * 4, mode=mode)
    assert torch.equal(pad(x, inset), expected)
    expected.backward(weight)
    torch.testing.assert_close(transpose(weight, inset), x.grad)


def test_a_mirrored_border_equals_pytorchs_with_gradients():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 3, 9, 7, dtype=torch.float64)
    results = []
    for on in (True, False):
        with fast.forced(on):
            y = pad_reflect(x)
        results.append((y, *torch.autograd.grad(y, x, weight)))
        assert ("_Pad" in str(y.grad_fn)) == on
    torch.testing.assert_close(*results)
