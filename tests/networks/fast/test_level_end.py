"""The end of a level in slices against the built-in layers."""

import pytest
import torch
from torch import nn

from restoration.networks import fast
from restoration.networks.fast.level_end import level_end
from restoration.networks.layers import Conv, ConvBlock


def layers(channels, head, dtype=torch.float64):
    """Blocks with norms that are not at their start, and the input of the first's norm."""
    torch.manual_seed(0)
    blocks = [ConvBlock(channels, channels, 3), ConvBlock(channels, channels, 1)]
    for block in blocks:
        nn.init.uniform_(block.norm.weight, -1, 2)
        nn.init.normal_(block.norm.bias)
    last = Conv(channels, 3, 1) if head else None
    spread = torch.linspace(0.5, 3, channels).view(-1, 1, 1)
    x = torch.randn(1, channels, 19, 23) * spread + 5 * torch.randn(channels, 1, 1)
    return [m and m.to(dtype) for m in (*blocks, last)], x.to(dtype)


def readable(x, spatial, pointwise, head):
    with fast.forced(False):
        y = pointwise(spatial.activate(x))
        return y if head is None else head(y)


def in_slices(x, *blocks):
    return level_end(x, *blocks, size=64 * x.shape[1])  # the last is smaller


def gradients(blocks, x, end):
    """Output, and the gradients of the input and of every weight of the blocks that has one."""
    x = x.clone().requires_grad_()
    y = end(x, *blocks)
    weights = {
        "first weight": blocks[0].norm.weight,
        "first bias": blocks[0].norm.bias,
        **{f"block {k}": v for k, v in blocks[1].named_parameters()},
        **({f"head {k}": v for k, v in blocks[2].named_parameters()} if blocks[2] else {}),
    }
    torch.manual_seed(1)
    found = torch.autograd.grad(y, [x, *weights.values()], torch.randn_like(y))
    return dict(zip(["output", "input", *weights], [y, *found], strict=True))


@pytest.mark.parametrize("head", [True, False])
def test_slices_have_the_values_and_gradients_of_the_layers(head):
    blocks, x = layers(6, head)
    wanted, got = (gradients(blocks, x, end) for end in (readable, in_slices))
    for name, value in wanted.items():
        assert got[name].shape == value.shape, name
        torch.testing.assert_close(got[name], value, rtol=1e-9, atol=1e-9, msg=name)
    # a bias before a norm does nothing; the layers' gradient of it is rounding
    assert got["block convolution.bias"].abs().max() == 0


def test_slices_lose_no_precision():
    """In single precision no value is further from double precision than twice what layers are."""
    double, x = layers(6, True)
    truth = gradients(double, x, readable)
    single, _ = layers(6, True, torch.float32)
    errors = [
        {k: (v - truth[k]).abs().max() for k, v in gradients(single, x.float(), end).items()}
        for end in (readable, in_slices)
    ]
    for name, error in errors[0].items():
        floor = 2e-7 * truth[name].abs().max()
        assert errors[1][name] <= 2 * error + floor, name


def test_two_images_are_kept_for_the_gradient():
    blocks, x = layers(6, True)
    kept = []
    x.requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        in_slices(x, *blocks)
    large = [t for t in kept if t.numel() >= x.numel() / 2]
    assert len(large) == 2
    assert large[0].data_ptr() == x.data_ptr()
